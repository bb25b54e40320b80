"""Zip and tar archives read as folders; hostile ones are refused whole (of zip more in test_published.py)."""

from __future__ import annotations

import contextlib
import gzip
import io
import os
import tarfile
import zipfile
from pathlib import Path

import pytest
from attacks.annotations import SQUARE, via
from hypothesis import given
from hypothesis import strategies as st
from reported import sentences

from maskwright import formats
from maskwright.errors import DatasetError
from maskwright.formats import archives


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("MASKWRIGHT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def party(folder: Path) -> Path:
    via(folder / "party" / "train", SQUARE)
    (folder / "party" / "._a.jpg").write_bytes(b"mac")
    return folder / "party"


def packed(file: Path, folder: Path) -> Path:
    if file.name.endswith(".zip"):
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            for path in sorted(folder.rglob("*")):
                archive.write(path, path.relative_to(folder.parent))
    else:
        mode = {".gz": "w:gz", ".tgz": "w:gz", ".bz2": "w:bz2", ".xz": "w:xz"}.get(file.suffix, "w")
        with tarfile.open(file, mode) as archive:  # type: ignore[call-overload]
            archive.add(folder, f"./{folder.name}")
    return file


def tar(file: Path, *members: tarfile.TarInfo, data: bytes = b"") -> Path:
    with tarfile.open(file, "w") as archive:
        for member in members:
            member.size = len(data) if member.isreg() else 0
            archive.addfile(member, io.BytesIO(data))
    return file


def info(name: str, kind: bytes = tarfile.REGTYPE, to: str = "") -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, to
    return member


@pytest.mark.parametrize(
    "name", ["party.zip", "party.tar", "party.tar.gz", "party.tgz", "p.tar.bz2", "p.tar.xz", "party"]
)
def test_an_archive_is_read_as_the_folder_it_holds(tmp_path, cache, name):
    file = packed(tmp_path / ("x" + name), party(tmp_path))
    data = formats.read(file)
    assert (data.name, len(data), data.instance_count, [item.split for item in data]) == ("party", 1, 1, ["train"])
    assert sentences(data)[-1].startswith(f"{file.name} was unpacked into {cache}")
    assert not list(cache.rglob("._*"))
    before = sorted(cache.rglob("*"))
    assert formats.read(file).instance_count == 1 and sorted(cache.rglob("*")) == before
    os.utime(file, (1, 1))
    formats.read(file)
    assert len(sorted(cache.rglob("*"))) == 2 * len(before) - 1  # the folder of all archives stays one


def test_an_archive_without_annotations_has_the_errors_of_its_folder(tmp_path):
    (tmp_path / "party").mkdir()
    (tmp_path / "party" / "a.txt").write_text("a")
    with pytest.raises(DatasetError, match="no annotations found"):
        formats.read(packed(tmp_path / "party.zip", tmp_path / "party"))


@pytest.mark.parametrize("name", ["../out.txt", "a/../../out.txt", "/out.txt", "..\\out.txt", "C:\\out.txt"])
def test_a_name_in_a_tar_that_leads_out_of_the_folder_is_refused(tmp_path, cache, name):
    file = tar(tmp_path / "a.tar", info("fine.txt"), info(name), data=b"gotcha")
    with pytest.raises(DatasetError) as caught:
        formats.read(file)
    assert caught.value.headline == "this archive is refused"
    assert caught.value.parts["got"] == "a name that leads out of the folder"
    assert not list(tmp_path.rglob("out.txt")) and not list(cache.rglob("*.txt"))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_in_a_tar_are_refused(tmp_path, kind):
    with pytest.raises(DatasetError) as caught:
        formats.read(tar(tmp_path / "a.tar", info("images", kind, "/etc")))
    assert caught.value.parts["got"] == "a link"


@pytest.mark.parametrize("name", ["more.zip", "more.tar.gz", "deep/more.7z"])
@pytest.mark.parametrize("outer", ["a.zip", "a.tar"])
def test_an_archive_in_an_archive_is_refused(tmp_path, outer, name):
    path = party(tmp_path) / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"x")
    with pytest.raises(DatasetError) as caught:
        formats.read(packed(tmp_path / outer, tmp_path / "party"))
    assert caught.value.parts["got"] == "an archive in the archive: unpack it"


def test_a_tar_that_unpacks_to_too_much_is_refused_and_leaves_nothing(tmp_path, monkeypatch, cache):
    monkeypatch.setattr(archives, "_ANYWAY", 100_000)
    (tmp_path / "bomb").mkdir()
    (tmp_path / "bomb" / "zeros").write_bytes(bytes(3_000_000))
    for name in ("a.tar.gz", "a.zip"):
        with pytest.raises(DatasetError) as caught:
            formats.read(packed(tmp_path / name, tmp_path / "bomb"))
        assert caught.value.parts["got"] == "more than a dataset holds"
    assert not list(cache.rglob("zeros"))


def test_a_tar_whose_header_is_endless_is_refused_before_it_is_read(tmp_path):
    header = info("x", tarfile.XHDTYPE)
    header.size = 2**33
    data = header.tobuf(tarfile.GNU_FORMAT) + bytes(2**20)
    (tmp_path / "a.tar.gz").write_bytes(gzip.compress(data))
    with pytest.raises(DatasetError, match="this archive cannot be unpacked"):
        formats.read(tmp_path / "a.tar.gz")


@pytest.mark.parametrize("name", ["a.zip", "a.tar", "a.tar.gz", "a.tar.xz"])
def test_half_an_archive_cannot_be_unpacked_and_leaves_nothing(tmp_path, cache, name):
    file = packed(tmp_path / name, party(tmp_path))
    end = 2600 if name == "a.tar" else file.stat().st_size // 2  # its second half is padding
    file.write_bytes(file.read_bytes()[:end])
    with pytest.raises(DatasetError, match="this archive cannot be unpacked"):
        formats.read(file)
    assert not list(cache.rglob("*.json"))


def test_a_text_that_gzip_packed_is_no_archive(tmp_path):
    (tmp_path / "a.json.gz").write_bytes(gzip.compress(b"{}" * 400))
    with pytest.raises(DatasetError, match="this is a gzip archive"):
        formats.read(tmp_path / "a.json.gz")


@given(st.data())
def test_no_changed_byte_of_a_tar_lets_another_error_out(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("tar")
    file = tar(folder / "a.tar", info("a/b.txt"), info("c.txt"), data=b"content" * 99)
    broken = bytearray(file.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        broken[data.draw(st.integers(0, 1600))] = data.draw(st.integers(0, 255))
    file.write_bytes(broken)
    with contextlib.suppress(DatasetError):
        archives.unpack(file, folder / "out")
