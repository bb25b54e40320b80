"""Written and read again: all pairs of formats, up to the losses that are reported."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from maskwright import formats
from maskwright.api.convert import TARGETS, convert
from maskwright.curate.read_back import (
    ATTRIBUTES_DIFFER,
    BOXES_DIFFER,
    CLASS_ORDER_DIFFERS,
    IMAGES_DIFFER,
    LABELS_DIFFER,
    MASKS_DIFFER,
    OBJECTS_DIFFER,
    READ_BACK,
    VERTICES_DIFFER,
    differences,
)
from maskwright.errors import RecipeError
from maskwright.types import Annotation, Dataset, Instances, Record, RleMasks

SIZE = (48, 64)
OBJECTS = [to for to in TARGETS if to != "labels-csv"]
OUTLINE = np.array([[4.25, 3.5], [30.75, 5], [28, 30.5], [6, 24.25]])
PARTS = (np.array([[40.0, 4], [50, 4], [50, 14]]), np.array([[52.0, 20], [60, 20], [60, 30], [52, 30]]))


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MASKWRIGHT_CACHE", str(tmp_path / "cache"))


def image(folder: Path, number: int) -> Path:
    path = folder / f"image_{number}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(number).integers(0, 255, (*SIZE, 3), dtype=np.uint8)).save(path)
    return path


def party(folder: Path) -> Dataset:
    """Outlines, several parts and a hole on one image, boxes on another, nothing on a third."""
    hole = np.zeros((1, *SIZE), bool)
    hole[0, 30:44, 4:24] = True
    hole[0, 34:38, 8:16] = False
    drawn = RleMasks.from_polygons([[OUTLINE], list(PARTS)], SIZE)
    masks = RleMasks.join([drawn, RleMasks.from_dense(hole)])
    notes = (Annotation((OUTLINE,), None, {"occluded": True}), Annotation(PARTS), None)
    names = ("rust", "dent")
    outlined = Instances(masks.boxes, np.array([0, 1, 0]), None, masks, names, None, notes)
    boxed = Instances(np.array([[2.25, 3.5, 20.5, 30.75], [30, 5, 60, 40]]), np.array([1, 0]), None, None, names)
    contents = (outlined, boxed, Instances.empty(names))
    records = tuple(Record(image(folder, number), SIZE, content) for number, content in enumerate(contents))
    return Dataset("party", names, records)


def codes(data: Dataset, other: Dataset) -> list[str]:
    return [issue.code for issue in differences(data, other)[1:]]


def test_the_same_data_do_not_differ(tmp_path):
    data = party(tmp_path)
    (issue,) = differences(data, data)
    assert (issue.code, issue.values) == (READ_BACK.code, {"count": 3, "objects": 5})
    empty = Dataset("party", ("rust",), ())
    assert differences(empty, empty)[0].values == {"count": 0, "objects": 0}


def changed(data: Dataset, number: int, **fields: object) -> Dataset:
    """The data with other fields of one image's objects."""
    record = data.records[number]
    assert record.instances is not None
    records = [*data.records]
    records[number] = replace(record, instances=replace(record.instances, **fields))
    return replace(data, records=tuple(records))


def test_every_kind_of_difference_is_told(tmp_path):
    data = party(tmp_path)
    outlined, boxed = data.records[0].instances, data.records[1].instances
    assert outlined and boxed and outlined.masks and outlined.annotations
    assert codes(data, changed(data, 1, boxes=boxed.boxes + 0.5)) == [BOXES_DIFFER.code]
    dense = outlined.masks.dense().copy()
    dense[0, 10, 10] ^= True
    other = changed(data, 0, masks=RleMasks.from_dense(dense), annotations=None)
    assert codes(data, other) == [MASKS_DIFFER.code, VERTICES_DIFFER.code, ATTRIBUTES_DIFFER.code]
    notes = (replace(outlined.annotations[0], attributes={}), *outlined.annotations[1:])
    assert codes(data, changed(data, 0, annotations=notes)) == [ATTRIBUTES_DIFFER.code]
    records = (replace(data.records[0], instances=outlined[1:]), *data.records[1:])
    assert codes(data, replace(data, records=records)) == [OBJECTS_DIFFER.code]
    assert codes(data, data.where(lambda record: len(record.instances or ()) > 0)) == [IMAGES_DIFFER.code]
    assert codes(data, data.with_names(("dent", "rust"))) == [CLASS_ORDER_DIFFERS.code]
    assert codes(data, replace(data, names=("rust", "tear"))) == []  # objects bring their names
    labeled = replace(data, records=tuple(replace(record, labels=(0,), instances=None) for record in data))
    relabeled = replace(data, records=tuple(replace(record, labels=(1,), instances=None) for record in data))
    assert LABELS_DIFFER.code in codes(labeled, relabeled)


@pytest.mark.parametrize("first", OBJECTS)
def test_what_a_pair_of_formats_does_not_keep_is_reported(tmp_path, first):
    """Data in one format, read and converted to each other one, differ by nothing for which no loss is told."""
    begun = convert(party(tmp_path / "images"), tmp_path / first, first, copy_images=True, verify=True, log=ignored)
    assert begun.differences == ()
    read = formats.read(tmp_path / first)
    for second in OBJECTS:
        done = convert(read, tmp_path / f"{first}-{second}", second, copy_images=True, verify=True, log=ignored)
        assert done.differences == (), (first, second)


def ignored(_: object) -> None:
    """A log that nobody reads."""


@pytest.mark.parametrize("to", ["coco", "cvat", "datumaro", "via", "labelme", "yolo"])
def test_vertices_survive_where_the_format_has_outlines(tmp_path, to):
    told: list[str] = []
    convert(
        party(tmp_path / "images"), tmp_path / "out", to, copy_images=True, log=lambda issue: told.append(issue.code)
    )
    read = formats.read(tmp_path / "out")
    instances = next(record.instances for record in read if record.image.stem == "image_0")
    found = [parts for parts in instances.outlines() if parts]
    assert any(len(parts) == 1 and parts[0].shape == (4, 2) and np.abs(parts[0] - OUTLINE).max() < 0.01
               for parts in found)  # fmt: skip


def test_verifying_needs_the_images(tmp_path):
    with pytest.raises(RecipeError, match="needs the images beside it"):
        convert(party(tmp_path / "images"), tmp_path / "out", "coco", verify=True, log=ignored)
    assert not (tmp_path / "out").exists()
