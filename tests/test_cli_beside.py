"""What is written by default never lands among the data."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image
from reported import sentences

from maskwright import formats
from maskwright.api.check import check as check_data
from maskwright.cli.main import main


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as caught:
        main([*map(str, arguments)])
    return int(caught.value.code or 0)


def save(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (6, 4)).save(folder / name)
    return folder


@pytest.mark.parametrize(("here", "named"), [("", "."), ("", ".."), ("rust", ".."), ("", "train"), ("train", ".")])
def test_a_sheet_is_written_beside_the_data_where_the_current_folder_is_part_of_them(
    tmp_path, monkeypatch, here, named
):
    party = tmp_path / "all" / "party"
    if "train" in (here, named):
        save(party, "train/rust/a.png", "train/norust/b.png", "val/rust/c.png", "val/norust/d.png")
    else:
        save(party, "rust/a.png", "norust/b.png")
    before = sorted(party.rglob("*"))
    monkeypatch.chdir(party / here)
    if (here, named) == ("", ".."):  # the whole folder above is asked for, and party is part of it
        named = "../party"
    assert run("show", named) == 0
    assert sorted(party.rglob("*")) == before
    assert (tmp_path / "all" / "sheet.png").is_file()


def test_a_sheet_is_written_here_where_here_are_no_data_and_where_it_was_asked_for(tmp_path, monkeypatch):
    party = save(tmp_path / "party", "rust/a.png", "norust/b.png")
    monkeypatch.chdir(tmp_path)
    assert run("show", "party") == 0 and (tmp_path / "sheet.png").is_file()
    monkeypatch.chdir(party)
    assert run("show", ".", "--out", "mine.png") == 0 and (party / "mine.png").is_file()
    assert formats.read(party).class_counts() == {"norust": 1, "rust": 1}


def test_an_image_with_only_points_drawn_is_unlabeled_and_told(tmp_path):
    save(tmp_path, "a.png", "b.png")
    point = {"shape_attributes": {"name": "point", "cx": 2, "cy": 2}, "region_attributes": {}}
    box = {"shape_attributes": {"name": "rect", "x": 1, "y": 1, "width": 2, "height": 2}, "region_attributes": {}}
    data = {name: {"filename": f"{name}.png", "size": 1, "regions": [shape], "file_attributes": {}}
            for name, shape in (("a", point), ("b", box))}  # fmt: skip
    (tmp_path / "via_region_data.json").write_text(json.dumps(data))
    detections = formats.read(tmp_path)
    assert [record.state for record in detections] == ["unlabeled", "labeled"]
    assert "1 image with nothing but points or lines, taken as unlabeled, not as empty" in sentences(detections)


def test_a_check_of_welds_reads_the_masks_with_their_series(tmp_path):
    """W0002 holds the masks of W0001: it is no dataset of its own, and no advice names the folder that was named."""
    save(tmp_path / "Welding", "W0001/W0001_0001.png", "W0002/W0002_0001.png")
    (tmp_path / "Welding/W0001/ground_truth.txt").write_text("1 1 3 1 3\n")
    checked = check_data(tmp_path / "Welding")
    assert [len(data) for data in checked.data] == [1]
