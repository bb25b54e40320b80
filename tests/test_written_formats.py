"""What the formats of other tools hold when they are written: read again it is the same; what is lost is counted."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from attacks.annotations import SQUARE, image, via
from hypothesis import given, settings
from hypothesis import strategies as st
from reported import Lines, sentences
from round_trips import SIZE, Content, assert_same, contents, dataset

from maskwright import formats
from maskwright.api.convert import TARGETS, convert
from maskwright.errors import DatasetError, OutputError
from maskwright.types import Annotation, Dataset, Instances, Record, RleMasks

SQUARES = [np.array([[2.0, 2], [12, 2], [12, 12], [2, 12]]), np.array([[20.0, 2], [30, 2], [30, 12], [20, 12]])]
BOXES_ONLY = ("create_ml", "open_images", "kitti")
OUT = {"create_ml": "out.json", "open_images": "out-bbox.csv", "kitti": "", "vott": "out.json",
       "label_studio": "out.json", "supervisely": ""}  # fmt: skip


def place(folder: Path, format: str) -> Path:
    """Where the image lies, as the format wants it."""
    return {"kitti": folder / "image_2", "supervisely": folder / "data" / "img"}.get(format, folder)


def again(data: Dataset, folder: Path, format: str) -> tuple[Dataset, tuple[str, ...]]:
    """Written and read; and what was lost."""
    lost = formats.write(data, folder / OUT[format], format)
    return formats.read(folder, format=format), sentences(lost)


def written(folder: Path, format: str, content: Content) -> Dataset:
    place(folder, format).mkdir(parents=True, exist_ok=True)
    return dataset(place(folder, format), content)


@pytest.mark.parametrize("format", OUT)
@settings(max_examples=30)
@given(data=st.data())
def test_boxes_and_their_classes_come_back(tmp_path_factory, format, data):
    folder = tmp_path_factory.mktemp(format)
    content = data.draw(contents("boxes").filter(lambda content: content.objects))
    first = written(folder, format, content)
    second, lost = again(first, folder, format)
    assert lost == ()
    assert_same(first, second)


@pytest.mark.parametrize("format", ["vott", "label_studio", "supervisely"])
@settings(max_examples=30)
@given(data=st.data())
def test_one_outline_comes_back_with_its_points(tmp_path_factory, format, data):
    folder = tmp_path_factory.mktemp(format)
    first = written(folder, format, data.draw(contents("outlines", parts=1)))
    second, lost = again(first, folder, format)
    assert lost == ()
    assert_same(first, second)


@pytest.mark.parametrize("format", ["label_studio", "supervisely"])
@settings(max_examples=30)
@given(data=st.data())
def test_masks_with_holes_and_parts_come_back_to_the_pixel(tmp_path_factory, format, data):
    folder = tmp_path_factory.mktemp(format)
    first = written(folder, format, data.draw(contents("masks", "outlines").filter(lambda content: content.objects)))
    second, lost = again(first, folder, format)
    assert not [line for line in lost if "the points of" not in line]
    (record,), (other,) = first.records, second.records
    assert record.instances is not None and other.instances is not None
    assert record.instances.masks is not None and other.instances.masks is not None
    if format == "supervisely" or not any(
        parts is not None and len(parts) == 1 for parts in record.instances.outlines()
    ):
        assert np.array_equal(record.instances.masks.counts, other.instances.masks.counts)


@pytest.mark.parametrize("format", OUT)
def test_images_without_objects_and_without_labels_come_back_or_are_counted(tmp_path, format):
    folder = place(tmp_path, format)
    records = (
        Record(image(folder / "a.png"), SIZE, Instances([[3, 3, 9, 9]], [0], None, None, ("rust",))),  # type: ignore[arg-type]
        Record(image(folder / "b.png"), SIZE, Instances.empty(("rust",))),
        Record(image(folder / "c.png"), SIZE, None),
        Record(image(folder / "d.png"), SIZE, None, skipped=True),
    )
    data, lost = again(Dataset("set", ("rust",), records), tmp_path, format)
    states = {record.image.name: record.state for record in data}
    expected = {"a.png": "labeled", "b.png": "empty", "c.png": "unlabeled", "d.png": "unlabeled"}
    kept = {"label_studio": {"d.png": "skipped"}, "open_images": {"b.png": "unlabeled"}}
    assert states == expected | kept.get(format, {})
    skipped = () if format == "label_studio" else ("1 skipped image cannot be kept",)
    unlabeled = () if format in ("label_studio", "vott") else ("1 unlabeled image cannot be kept",)
    empty = ("1 empty image cannot be kept",) if format == "open_images" else ()
    assert sorted(lost) == sorted(empty + unlabeled + skipped)


@pytest.mark.parametrize("format", OUT)
def test_all_that_a_format_cannot_hold_is_counted(tmp_path, format):
    path = image(place(tmp_path, format) / "a.png")
    masks = RleMasks.from_polygons([SQUARES], SIZE)
    note = Annotation(tuple(SQUARES), 7, {"occluded": 1, "why": {"old": 1}})
    found = Instances(masks.boxes, np.array([0]), np.array([0.5]), masks, ("rust",), np.array([True]), (note,))
    record = Record(path, SIZE, found, labelled_classes=(0,))
    _, lost = again(Dataset("set", ("rust",), (record,), class_ids=(7,)), tmp_path, format)
    outline, union = "1 outline cannot be kept", "1 union of several parts cannot be kept"
    expected = {"1 class id cannot be kept", "1 score cannot be kept"}
    expected |= {outline} if format in BOXES_ONLY else set()
    expected |= {union} if format == "vott" else set()
    points = "the points of 1 outline cannot be kept, its mask is"
    expected |= {points} if format in ("label_studio", "supervisely") else set()
    expected |= set() if format == "open_images" else {"1 crowd mark cannot be kept"}
    expected |= set() if format == "open_images" else {"1 list of labelled classes cannot be kept"}
    one = format in ("open_images", "kitti", "supervisely")  # has a place for one of the two attributes
    expected |= {"1 attribute cannot be kept" if one else "2 attributes cannot be kept"}
    assert {*lost} == expected


def test_groups_marks_and_labelled_classes_of_open_images_come_back(tmp_path):
    boxes, names = np.array([[3, 3, 9, 9], [4, 4, 8, 8]]), ("dent", "rust")
    notes = (Annotation((), None, {"occluded": 1}), None)
    found = Instances(boxes, np.array([1, 1]), None, None, names, np.array([False, True]), notes)
    record = Record(image(tmp_path / "a.png"), SIZE, found, labelled_classes=(0, 1))
    data, lost = again(Dataset("set", names, (record,), class_ids=("/m/1", "/m/2")), tmp_path, "open_images")
    (other,) = data.records
    assert lost == () and data.names == ("rust",) and other.labelled_classes == (0,)  # nobody drew a dent
    assert other.instances is not None and other.instances.crowd is not None and other.instances.annotations is not None
    assert other.instances.crowd.tolist() == [False, True]
    first = other.instances.annotations[0]
    assert first is not None and first.attributes == {"occluded": 1}
    assert "/m/2" in (tmp_path / "out-bbox.csv").read_text("utf-8")


def test_tags_of_supervisely_keep_attributes(tmp_path):
    facts = {"wet": True, "age": 3, "by": "me"}
    boxes = np.array([[3, 3, 9, 9]])
    found = Instances(boxes, np.array([0]), None, None, ("rust",), None, (Annotation((), None, facts),))
    record = Record(image(tmp_path / "data" / "img" / "a.png"), SIZE, found, attributes={"sunny": True, "by": 7})
    data, lost = again(Dataset("set", ("rust",), (record,)), tmp_path, "supervisely")
    instances = data.records[0].instances
    assert data.records[0].attributes == record.attributes
    assert lost == () and instances is not None and instances.annotations is not None
    assert instances.annotations[0] is not None and instances.annotations[0].attributes == facts
    kinds = {tag["name"]: tag["value_type"] for tag in json.loads((tmp_path / "meta.json").read_text())["tags"]}
    assert kinds == {"sunny": "none", "wet": "none", "age": "any_number", "by": "any_string"}


def test_attributes_of_an_image_that_no_tag_can_hold_are_counted(tmp_path):
    """A list, and what would be read as a split."""
    found = Instances(np.array([[3, 3, 9, 9]]), np.array([0]), None, None, ("rust",))
    facts = {"by": ["me"], "Val": "maybe", "sunny": True}
    record = Record(image(tmp_path / "data" / "img" / "a.png"), SIZE, found, attributes=facts)
    data, lost = again(Dataset("set", ("rust",), (record,)), tmp_path, "supervisely")
    assert lost == ("2 attributes of images cannot be kept",) and data.records[0].attributes == {"sunny": True}


@pytest.mark.parametrize("name", ["fire truck", "DontCare", ""])
def test_a_class_that_cannot_stand_in_kittis_lines_is_an_error(tmp_path, name):
    data = replace(formats.read(via(tmp_path, SQUARE)), names=(name,))
    with pytest.raises(DatasetError, match="this class cannot stand in KITTI's lines"):
        formats.write(data, tmp_path / "out", "kitti")


@pytest.mark.parametrize(("format", "name"), [("kitti", "a.txt"), ("supervisely", "a.json")])
def test_a_format_of_several_files_is_written_into_a_folder(tmp_path, format, name):
    with pytest.raises(OutputError, match="folder of several files"):
        formats.write(formats.read(via(tmp_path, SQUARE)), tmp_path / name, format)


@pytest.mark.parametrize("to", ["label-studio", "supervisely", "create-ml", "vott", "open-images", "kitti", "datumaro"])
def test_a_folder_with_splits_and_copied_images_is_read_again(tmp_path, to):
    for split, name in (("train", "a.jpg"), ("val", "b.jpg")):
        via(tmp_path / "in" / split, SQUARE, {"name": "rect", "x": 3, "y": 4, "width": 9, "height": 6}, name=name)
    log = Lines()
    result = convert(tmp_path / "in", tmp_path / "out", to, copy_images=True, log=log)
    data = formats.read(tmp_path / "out")
    assert data.format == TARGETS[to].name and result.objects == data.instance_count == 4
    splits = {record.image.name: record.split for record in data}
    assert splits == {"a.jpg": "train", "b.jpg": "val"}
    assert not any(line.startswith("the division") for line in log)
