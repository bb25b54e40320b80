"""What split writes: folders or lists, folds, images copied, linked or moved; what a video's frames are called."""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from maskwright import formats
from maskwright.api.split import split
from maskwright.cli.main import main
from maskwright.curate.split import video_of
from maskwright.errors import DatasetError, RecipeError
from maskwright.issues import Issues


@pytest.fixture
def data(tmp_path) -> Path:
    """Twelve images of three videos."""
    folder = tmp_path / "frames"
    folder.mkdir()
    rows = ["filename,width,height,class,xmin,ymin,xmax,ymax"]
    for number in range(12):
        blocks = np.random.default_rng(number).integers(0, 255, (6, 8, 3), dtype=np.uint8)
        name = f"clip{'abc'[number % 3]}_frame_{number}.png"
        Image.fromarray(blocks).resize((64, 48), Image.Resampling.NEAREST).save(folder / name)
        rows.append(f"{name},64,48,rust,1,1,30,30")
    (folder / "labels.csv").write_text("\n".join(rows))
    return folder


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*.png"))


# --- videos -------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("stem", "video"),
    [
        ("clip_mp4-12_jpg.rf.0a1b2c", "clip"), ("walk_frame_0012", "walk"), ("walk-f33", "walk"), ("000123", ""),
        ("clip.mp4_t0.5", "clip"), ("C0002_0001", "C0002"), ("soft12", "soft"), ("clip", "clip"), ("frame0001", ""),
    ],
)  # fmt: skip
def test_frames_are_known_by_what_is_left_of_their_names(stem, video):
    assert video_of(stem) == video


def test_frames_of_one_video_are_on_one_side(data):
    parts = split(data, val=0.3, group_by="video", log=Issues()).parts
    sides = {name: {video_of(record.image.stem) for record in part} for name, part in parts.items()}
    assert len(sides["train"]) == 2 and len(sides["val"]) == 1 and not sides["train"] & sides["val"]


# --- images -------------------------------------------------------------------------------------
def test_linked_images_are_the_same_files(data, tmp_path):
    split(data, tmp_path / "out", images="link", log=Issues())
    for name in names(tmp_path / "out" / "val"):
        assert (tmp_path / "out" / "val" / name).samefile(data / name)
    assert len(names(data)) == 12


def test_moved_images_leave_the_data_and_are_read_from_the_new_folder(data, tmp_path):
    before = {path.name: path.read_bytes() for path in data.glob("*.png")}
    split(data, tmp_path / "out", images="move", log=Issues())
    assert names(data) == []
    after = {path.name: path.read_bytes() for path in (tmp_path / "out").rglob("*.png")}
    assert after == before and formats.read(tmp_path / "out").instance_count == 12


def test_where_writing_fails_nothing_is_moved(data, tmp_path, monkeypatch):
    def broken(*_):
        raise OSError("the disk is gone")

    monkeypatch.setattr("maskwright.api.split.formats.write", broken)
    with pytest.raises(Exception, match="disk is gone"):
        split(data, tmp_path / "out", images="move", log=Issues())
    assert len(names(data)) == 12 and not (tmp_path / "out").exists()


def test_images_in_an_archive_cannot_be_moved_and_stay_readable(data, tmp_path, monkeypatch):
    monkeypatch.setenv("MASKWRIGHT_CACHE", str(tmp_path / "cache"))
    archive = shutil.make_archive(str(tmp_path / "frames"), "zip", data)
    with pytest.raises(RecipeError, match="out of an archive"):
        split(archive, tmp_path / "out", images="move", log=Issues())
    assert len(formats.read(archive)) == 12 and not (tmp_path / "out").exists()


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such file names")
def test_a_name_with_a_line_break_is_in_no_list(tmp_path):
    for number, name in enumerate(("a.png", "b\nc.png", "d.png", "e.png")):
        path = tmp_path / "data" / ("rust" if number % 2 else "paint") / name
        path.parent.mkdir(parents=True, exist_ok=True)
        blocks = np.random.default_rng(number).integers(0, 255, (6, 8, 3), dtype=np.uint8)
        Image.fromarray(blocks).resize((64, 48), Image.Resampling.NEAREST).save(path)
    with pytest.raises(DatasetError, match="line break") as refused:
        split(tmp_path / "data", tmp_path / "out", val=0.5, images="list", log=Issues())
    assert "\n" not in refused.value.parts["record"] and not (tmp_path / "out").exists()


def test_lists_name_every_image_once_and_copy_none(data, tmp_path):
    split(data, tmp_path / "out", test=0.2, images="list", log=Issues())
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["test.txt", "train.txt", "val.txt"]
    lines = [line for path in (tmp_path / "out").iterdir() for line in path.read_text().splitlines()]
    assert sorted(lines) == names(data)


def test_lists_beside_the_data_are_read_as_the_division(data, tmp_path):
    made = split(data, tmp_path / "out", images="list", log=Issues())
    for path in (tmp_path / "out").iterdir():
        (data / path.name).write_bytes(path.read_bytes())
    read = {name: len(part) for name, part in formats.read(data).splits().items()}
    assert read == {name: len(part) for name, part in made.parts.items()}


# --- folds --------------------------------------------------------------------------------------
def test_every_image_is_in_the_val_of_one_fold(data, tmp_path):
    made = split(data, tmp_path / "out", folds=3, group_by="video", images="link", log=Issues())
    assert made.parts == {} and len(made.folds) == 3
    held = Counter(name for fold in (1, 2, 3) for name in names(tmp_path / "out" / f"fold_{fold}" / "val"))
    assert held == dict.fromkeys(names(data), 1)
    first = formats.read(tmp_path / "out" / "fold_1")
    assert {name: len(part) for name, part in first.splits().items()} == {"train": 8, "val": 4}


def test_folds_as_lists(data, tmp_path):
    split(data, tmp_path / "out", folds=2, images="list", log=Issues())
    assert sorted(path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.txt")) == [
        "fold_1/train.txt", "fold_1/val.txt", "fold_2/train.txt", "fold_2/val.txt",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "options",
    [{"folds": 3, "val": 0.2}, {"folds": 3, "test": 0.1}, {"folds": 3, "images": "move"},
     {"images": "list", "format": "via"}],
)  # fmt: skip
def test_options_that_contradict_each_other_are_refused(data, tmp_path, options):
    with pytest.raises(RecipeError):
        split(data, tmp_path / "out", **options)
    assert not (tmp_path / "out").exists() and len(names(data)) == 12


def test_the_command_shows_the_folds(data, tmp_path, capsys):
    with pytest.raises(SystemExit):
        main(["split", str(data), str(tmp_path / "out"), "--folds", "2", "--images", "list", "--json"])
    facts = json.loads(capsys.readouterr().out)
    assert [sum(part["images"] for part in fold.values()) for fold in facts["folds"]] == [12, 12]
