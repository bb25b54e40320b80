"""Files are written whole or not at all, whatever their names; devices and pipes are not read."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskwright import files

UNIX = pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="names are not bytes there")


def beside(path: Path) -> list[str]:
    return sorted(item.name for item in path.parent.iterdir())


@pytest.mark.parametrize(
    "name", ["n" * 251 + ".jpg", "n" * 255, "x." + "n" * 253, "照" * 83 + ".jpg", "é" * 125 + ".jpg"]
)
def test_the_longest_names_a_disk_holds_are_written(tmp_path, name):
    files.write_text(tmp_path / name, "whole")
    assert (tmp_path / name).read_text("utf-8") == "whole" and beside(tmp_path / name) == [name]


@pytest.mark.parametrize("name", ["n" * 255, "照" * 85])
def test_folders_of_the_longest_names_are_written_and_replaced(tmp_path, name):
    for text in ("one", "two"):
        with files.writing_folder(tmp_path / name) as temporary:
            (temporary / "a").write_text(text, encoding="utf-8")
        assert (tmp_path / name / "a").read_text("utf-8") == text and beside(tmp_path / name) == [name]


def test_the_temporary_file_of_a_short_name_is_still_found_by_sweep(tmp_path):
    with files.writing(tmp_path / "state.safetensors") as temporary:
        (tmp_path / temporary.name.replace("state", "old")).write_bytes(b"")
        assert files.sweep(tmp_path) and temporary.parent == tmp_path
        temporary.write_bytes(b"")


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=300), st.integers(10, 255))
def test_a_name_is_cut_between_letters_and_only_where_it_must(name, most):
    cut = files.shortened(name, most)
    assert len(os.fsencode(cut)) <= most and (cut == name) == (len(os.fsencode(name)) <= most)
    cut.encode("utf-8")


def test_names_that_are_cut_alike_stay_apart():
    assert files.shortened("n" * 300 + "a", 200) != files.shortened("n" * 300 + "b", 200)


@UNIX
def test_a_name_that_is_no_text_is_escaped_in_a_text(tmp_path):
    files.write_text(tmp_path / "a.csv", os.fsdecode(b"caf\xe9.jpg,1"))
    assert (tmp_path / "a.csv").read_text("utf-8") == "caf\\udce9.jpg,1"


# --- what is read -------------------------------------------------------------------------------
def test_a_file_is_opened(tmp_path):
    (tmp_path / "a").write_bytes(b"here")
    with files.open_file(tmp_path / "a") as stream:
        assert stream.read() == b"here"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names here")
def test_pipes_and_devices_are_no_files_even_behind_a_link(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "zero").symlink_to("/dev/zero")
    (tmp_path / "link").symlink_to(tmp_path / "pipe")
    for name in ("pipe", "zero", "link"):
        with pytest.raises(files.NotAFile, match="a device, pipe or socket"):
            files.open_file(tmp_path / name)


def test_numbered_names_begin_with_the_name_itself_and_fit_on_a_disk():
    names = files.numbered("part", 20)
    assert [next(names) for _ in range(3)] == ["part", "part_2", "part_3"]
    long = files.numbered("x" * 300, 20)
    several = [next(long) for _ in range(50)]
    assert len(set(several)) == 50 and all(len(name) <= 20 for name in several)
