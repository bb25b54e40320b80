"""maskwright convert: the same boxes in every format, and a word about what is lost."""

from __future__ import annotations

import errno
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from maskwright import formats
from maskwright.api.convert import TARGETS
from maskwright.cli.main import main
from maskwright.types import Dataset, Instances, Record, RleMasks

BOXES = [[1, 2, 30, 40], [3, 4, 64, 48]]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MASKWRIGHT_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def steel(tmp_path: Path) -> Path:
    """Three images with two boxes each, two of them for training; as COCO."""
    records = []
    for number, split in enumerate(["train", "train", "val"]):
        path = tmp_path / "steel" / split / f"image_{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(number).integers(0, 255, (48, 64, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(path)
        records.append(Record(path, (48, 64), Instances(np.array(BOXES), np.array([0, 1]), None, None, ("a", "b"))))
    formats.write(Dataset("steel", ("a", "b"), tuple(records)), tmp_path / "steel" / "all.json", "coco")
    return tmp_path / "steel"


def maskwright(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as end:
        main([str(argument) for argument in arguments])
    assert isinstance(end.value.code, int)
    return end.value.code, *capsys.readouterr()


@pytest.mark.parametrize("to", [to for to in TARGETS if to not in ("labels-csv", "class-folders")])
def test_a_folder_of_each_format_reads_as_the_same_data(steel, tmp_path, capsys, to):
    out = tmp_path / "other"
    code, text, err = maskwright(capsys, "convert", steel, out, "--to", to, "--copy-images")
    assert (code, err) == (0, "") and text.startswith("3 images with 6 objects: ")
    again = formats.read(out)
    assert {name: len(part) for name, part in again.splits().items()} == {"train": 2, "val": 1}
    assert sorted(record.image.name for record in again) == [f"image_{number}.png" for number in range(3)]
    for record in again:
        assert record.instances is not None
        assert (record.instances.boxes.tolist(), record.instances.labels) == (BOXES, ["a", "b"])
        assert record.image.read_bytes() == next(steel.rglob(record.image.name)).read_bytes()


def test_round_the_tutorials_way_and_back(shared, tmp_path, capsys):
    """XML -> table -> TFRecord -> XML: the same 169 boxes."""
    first = formats.read(shared / "data" / "rust" / "objDet")
    source: Path = shared / "data" / "rust" / "objDet"
    for to in ("boxes-csv", "tfrecord", "voc"):
        assert maskwright(capsys, "convert", source, tmp_path / to, "--to", to, "--copy-images")[0] == 0
        source = tmp_path / to
    last = formats.read(source)

    def drawn(data: Dataset) -> dict[str, object]:
        return {
            record.image.name: (record.split, sorted(record.instances.boxes.tolist()))
            for record in data
            if record.instances
        }

    assert last.instance_count == 169 and drawn(last) == drawn(first)


def test_one_file_cannot_hold_the_splits_and_says_so(steel, capsys):
    code, _, err = maskwright(capsys, "convert", steel, steel / "all.csv", "--to", "boxes-csv")
    assert code == 0
    assert err == "the division into train and val cannot be kept in one file: name a folder\n"
    assert formats.read(steel / "all.csv").instance_count == 6


def test_what_the_format_cannot_hold_is_counted(tmp_path, capsys):
    Image.new("RGB", (64, 48)).save(tmp_path / "a.png")
    masks = RleMasks.from_boxes(np.array([[1, 1, 5, 5]]), (48, 64))
    drawn = Instances(masks.boxes, np.zeros(1), None, masks, ("a",))
    formats.write(Dataset("x", ("a",), (Record(tmp_path / "a.png", (48, 64), drawn),)), tmp_path / "x.json", "coco")
    code, out, err = maskwright(capsys, "convert", tmp_path / "x.json", tmp_path / "out", "--to", "tfrecord")
    assert (code, err) == (0, "data.record: 1 outline cannot be kept\n")
    code, out, _ = maskwright(capsys, "convert", tmp_path / "x.json", tmp_path / "x.csv", "--to", "boxes-csv", "--json")
    (lost,) = json.loads(out)["issues"]
    assert (lost["code"], lost["subject"], lost["values"]) == ("outlines_lost", "", {"count": 1})


def test_images_that_stay_elsewhere_are_mentioned(steel, tmp_path, capsys):
    _, _, err = maskwright(capsys, "convert", steel, tmp_path / "away", "--to", "voc")
    assert "the images were not copied" in err


def test_nothing_of_the_users_is_replaced(steel, capsys):
    code, _, err = maskwright(capsys, "convert", steel, steel / "all.json", "--to", "coco")
    assert code == 1 and "would be replaced" in err


@pytest.mark.parametrize("out", ["new/other", "other.json"])
def test_a_full_disk_leaves_nothing_half_copied(steel, tmp_path, capsys, monkeypatch, out):
    copied, real = [], shutil.copy2

    def copy(source: Path, target: Path) -> None:
        if copied:
            raise OSError(errno.ENOSPC, "No space left on device")
        copied.append(real(source, target))

    monkeypatch.setattr(shutil, "copy2", copy)
    before = {path for path in tmp_path.rglob("*") if path != tmp_path / "new"}
    code, _, err = maskwright(capsys, "convert", steel, tmp_path / out, "--to", "coco", "--copy-images")
    assert code == 1 and "the disk is full" in err
    assert {path for path in tmp_path.rglob("*") if path != tmp_path / "new"} == before and copied


def test_images_copied_beside_one_file_replace_nothing(steel, tmp_path, capsys):
    call = ("convert", steel, "--out", tmp_path / "a.json", "--to", "coco", "--copy-images")
    assert maskwright(capsys, *call)[0] == 0
    (tmp_path / "a.json").unlink()
    code, _, err = maskwright(capsys, *call)
    assert code == 1 and "would be replaced" in err and len(list((tmp_path / "images").rglob("*.png"))) == 3


def test_an_ending_of_another_format_is_a_slip(steel, tmp_path, capsys):
    code, _, err = maskwright(capsys, "convert", steel, tmp_path / "out.csv", "--to", "coco")
    assert code == 2 and "OUT is a file of another format" in err


def test_classes_of_whole_images_are_no_objects(tmp_path, capsys):
    for label in ("clean", "rust"):
        (tmp_path / "steel" / label).mkdir(parents=True)
        Image.new("RGB", (64, 48)).save(tmp_path / "steel" / label / "a.png")
    code, _, err = maskwright(capsys, "convert", tmp_path / "steel", tmp_path / "out", "--to", "coco")
    assert code == 2 and "there are no objects to write" in err and "--to labels-csv" in err


# --- labels of whole images -----------------------------------------------------------------------
@pytest.fixture
def parts(tmp_path: Path) -> Path:
    """Class folders in train and val; images of two classes share a name."""
    for number, index in enumerate(["train/clean", "train/rust", "val/clean", "val/rust"]):
        (tmp_path / "parts" / index).mkdir(parents=True)
        Image.new("RGB", (64, 48), (number, 0, 0)).save(tmp_path / "parts" / index / "a.png")
    return tmp_path / "parts"


def labels(data: Dataset) -> list[tuple[object, object, object]]:
    """Of each image: its first pixel, split, and classes."""
    return sorted(
        (Image.open(record.image).getpixel((0, 0)), record.split, [data.names[index] for index in record.labels or ()])
        for record in data
    )


@pytest.mark.parametrize("to", ["labels-csv", "labels_csv"])
def test_class_folders_become_one_table_beside_its_images(parts, tmp_path, capsys, to):
    code, text, err = maskwright(capsys, "convert", parts, tmp_path / "out", "--to", to, "--copy-images")
    assert err == "2 images were renamed, as others have the same names: a.png is rust_a_2.png, a.png is rust_a_2.png\n"
    assert code == 0 and text == f"4 images with 4 labels: {tmp_path / 'out' / 'labels.csv'}\n"
    again = formats.read(tmp_path / "out")
    assert again.format == "labels_csv" and labels(again) == labels(formats.read(parts))


def test_a_table_beside_the_images_needs_no_copies(parts, capsys):
    before = labels(formats.read(parts))
    assert maskwright(capsys, "convert", parts, parts / "all.csv", "--to", "labels-csv")[::2] == (0, "")
    assert labels(formats.read(parts / "all.csv")) == before


def test_of_objects_a_table_of_labels_keeps_the_classes(steel, tmp_path, capsys):
    code, text, err = maskwright(capsys, "convert", steel, tmp_path / "out", "--to", "labels-csv", "--copy-images")
    assert code == 0 and text.startswith("3 images with 6 objects: ")
    assert err == "labels.csv: 6 boxes cannot be kept\n"
    again = formats.read(tmp_path / "out")
    assert [(record.split, record.labels) for record in again] == [
        ("train", (0, 1)),
        ("train", (0, 1)),
        ("val", (0, 1)),
    ]


def test_images_that_nobody_has_labeled_are_no_table(tmp_path, capsys):
    Image.new("RGB", (64, 48)).save(tmp_path / "a.png")
    (tmp_path / "labels.csv").write_text("file,labels\na.png,\n")
    code, _, err = maskwright(capsys, "convert", tmp_path, tmp_path / "out.csv", "--to", "labels-csv")
    assert code == 2 and "there are no labels to write" in err
