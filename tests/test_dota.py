"""DOTA: four corners in pixels, the class by its name."""

from __future__ import annotations

from pathlib import Path

import pytest
from attacks import annotations
from reported import absent, put_aside, sentences

from maskwright import formats
from maskwright.errors import AnnotationError
from maskwright.formats import dota
from maskwright.types import Dataset

HEADER = "imagesource:GoogleEarth\ngsd:0.146\n"
SHIP = "3 4 20 4 20 25 3 25 ship 0"


def data(folder: Path, **texts: str) -> Path:
    for name, text in texts.items():
        annotations.image(folder / "images" / f"{name}.png", (30, 40))
        (folder / "labelTxt").mkdir(exist_ok=True)
        (folder / "labelTxt" / f"{name}.txt").write_text(text, "utf-8")
    return folder


def labels(dataset: Dataset) -> list[str]:
    return [label for record in dataset if record.instances is not None for label in record.instances.labels]


def test_an_empty_text_is_an_empty_image_and_no_text_an_unlabeled_one(tmp_path):
    data(tmp_path, a="", b=HEADER, c=HEADER + SHIP)
    annotations.image(tmp_path / "images/d.png")
    states = formats.read(tmp_path).state_counts()
    assert states == {"labeled": 1, "empty": 2, "unlabeled": 1, "skipped": 0}


def test_corners_are_pixels_and_names_may_have_blanks(tmp_path):
    read = formats.read(data(tmp_path, a=f"{HEADER}{SHIP}\n1.5 1 9 1 9 9 1.5 9 small vehicle 1\n1 1 9 2 8 9 1 8 plane"))
    assert (read.format, labels(read), sentences(read)) == ("dota", ["ship", "small vehicle", "plane"], ())
    notes = read.records[0].instances.annotations
    assert notes[0].outlines[0].tolist() == [[3, 4], [20, 4], [20, 25], [3, 25]]
    assert [dict(note.attributes) for note in notes] == [{}, {"difficult": 1}, {}]


def test_one_text_can_be_named(tmp_path):
    data(tmp_path, a=SHIP, b=SHIP)
    assert [record.image.name for record in formats.read(tmp_path / "labelTxt/b.txt")] == ["b.png"]


@pytest.mark.parametrize(
    ("line", "field", "got"),
    [
        ("3 4 20 4 20 25 3 ship 0", "line", "3 4 20 4 20 25 3 ship 0"),
        ("3 4 20 4 20 25 3 25", "line", "3 4 20 4 20 25 3 25"),
        ("3 4 20 4 20 25 3 1e999 ship 0", "points", None),
        ("90 90 99 90 99 99 90 99 ship 0", "points", "x 90 to 99, y 90 to 99, wholly outside"),
    ],
)
def test_a_line_that_is_no_object_is_put_aside(tmp_path, line, field, got):
    data(tmp_path, a=f"{SHIP}\n{line}\n", b=SHIP)
    read = formats.read(tmp_path, format="dota", allow_faulty=True)
    (fault,) = put_aside(read)
    assert fault.values["field"] == field and got in (None, fault.values["got"]) and len(labels(read)) == 2
    with pytest.raises(AnnotationError, match="regions are faulty"):
        formats.read(tmp_path, format="dota")


def test_texts_without_images_are_named_as_absent(tmp_path):
    data(tmp_path, a=SHIP)
    (tmp_path / "labelTxt/gone.txt").write_text(SHIP)
    assert absent(formats.read(tmp_path)) == ["images/gone"]


def test_a_row_of_digits_without_end_is_not_searched_twice():
    assert dota._LINE.fullmatch("1 " * 7 + "4" * 300_000) is None


def test_roboflows_oriented_boxes_are_read(shared):
    read = formats.read(shared / "data/zoo/yolo_obb_roboflow_tiny", allow_faulty=True)
    assert (len(read), read.class_counts(), absent(read)) == (3, {"label_0": 2, "label_1": 2}, [])
    assert {name: len(part) for name, part in read.splits().items()} == {"train": 2, "val": 1}
