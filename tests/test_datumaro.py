"""Datumaro JSON: polygons of one group, masks, boxes, labels; and what is written is read again."""

from __future__ import annotations

import contextlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from attacks.annotations import image, written
from hypothesis import given
from hypothesis import strategies as st
from reported import put_aside, sentences
from round_trips import assert_same, contents, dataset

from maskwright import formats
from maskwright.errors import AnnotationError, MaskwrightError
from maskwright.formats import datumaro
from maskwright.formats.faults import Faults
from maskwright.types import Annotation, Instances, RleMasks

LABELS = {"label": {"labels": [{"name": "rust", "parent": "", "attributes": []}, {"name": "dent"}], "label_groups": []}}
TRIANGLE = {"id": 1, "type": "polygon", "label_id": 0, "points": [2, 2, 12, 2, 12, 12], "group": 0, "attributes": {}}
BOX = {"id": 2, "type": "bbox", "label_id": 1, "bbox": [3, 4, 10, 6.5], "group": 0, "attributes": {}}


def page(folder: Path, *shapes: Any, file: str = "annotations/default.json", **item: Any) -> Path:
    image(folder / "images" / "default" / "a.png")
    found = {"id": "a", "annotations": [*shapes], "image": {"path": "a.png", "size": [30, 40]}} | item
    return written(folder / file, {"infos": {}, "categories": LABELS, "items": [found]})


def instances(path: Path) -> Instances:
    found = formats.read(path).records[0].instances
    assert found is not None
    return found


def test_an_item_without_annotations_is_an_empty_image(tmp_path):
    data = formats.read(page(tmp_path).parent.parent)
    assert [(record.image.name, record.state) for record in data] == [("a.png", "empty")]


def test_a_file_of_an_old_version_is_known_by_its_parts(tmp_path):
    path = page(tmp_path, TRIANGLE)
    data = json.loads(path.read_text("utf-8"))
    labels = {"label": {"labels": data["categories"]["label"]["labels"], "attributes": []}}
    path = written(path, {"info": {}, "categories": labels, "items": data["items"]})
    assert formats.read(path.parent.parent).format == "datumaro"


def test_files_of_annotations_are_subsets_and_images_of_equal_names_stay_apart(tmp_path):
    for split, shape in (("train", TRIANGLE), ("val", BOX)):
        image(tmp_path / "images" / split / "a.png")
        page(tmp_path, shape, file=f"annotations/{split}.json")
    (tmp_path / "images" / "default" / "a.png").unlink()
    data = formats.read(tmp_path)
    found = {record.split: record.instances.labels for record in data if record.instances is not None}
    assert found == {"train": ["rust"], "val": ["dent"]} and not put_aside(data)
    assert all(record.image.parent.name == record.split for record in data)


def test_polygons_of_one_group_are_one_object_and_a_box_beside_them_is_its_box(tmp_path):
    other = TRIANGLE | {"points": [20, 2, 30, 2, 30, 12]}
    box = BOX | {"label_id": 0, "bbox": [2.5, 2.25, 27.25, 9.5]}
    data = instances(page(tmp_path, *(shape | {"group": 3} for shape in (TRIANGLE, other, box)), BOX | {"group": 3}))
    assert data.labels == ["rust", "dent"]
    assert data.boxes[0].tolist() == [2.5, 2.25, 29.75, 11.75]
    assert data.outlines()[0] is not None and len(data.outlines()[0] or ()) == 2


def test_masks_ellipses_and_rotated_boxes_are_read_and_lines_counted(tmp_path):
    drawn = np.zeros((1, 30, 40), bool)
    drawn[0, 3:9, 5:10] = True
    mask = {"type": "mask", "label_id": 0, "rle": RleMasks.from_dense(drawn).to_coco()[0]}
    ellipse = {"type": "ellipse", "label_id": 0, "points": [10, 10, 20, 16]}
    turned = BOX | {"bbox": [3, 4, 10, 6], "attributes": {"rotation": 90.0}}
    center = {"type": "rotated_bbox", "label_id": 1, "bbox": [20, 15, 10, 6, 90]}
    others = [{"type": "points", "points": [1, 1]}, {"type": "polyline"}, {"type": "caption", "caption": "a"}]
    path = page(tmp_path, mask, ellipse, turned, center, *others)
    found, data = instances(path), formats.read(path)
    assert found.masks is not None and found.masks.area[0] == 30
    assert found.boxes[2].tolist() == [5, 2, 11, 12] and found.boxes[3].tolist() == [17, 10, 23, 20]
    assert sentences(data) == (
        "1 point cannot be used here: left out",
        "1 line cannot be used here: left out",
        "1 annotation that is neither a shape nor a class was left out",
        "2 rotated boxes were read as outlines of four corners",
    )


def test_labels_are_classes_of_whole_images_where_nothing_is_drawn(tmp_path):
    (record,) = formats.read(page(tmp_path, {"type": "label", "label_id": 1})).records
    assert record.labels == (0,) and record.instances is None


@pytest.mark.parametrize(
    ("bad", "field"),
    [
        (TRIANGLE | {"label_id": 2}, "label_id"),
        (TRIANGLE | {"label_id": True}, "label_id"),
        (TRIANGLE | {"points": [2, 2, 3]}, "points"),
        (BOX | {"bbox": [1, 2, 3]}, "bbox"),
        (BOX | {"bbox": [3, 4, 0, 6]}, "box"),
        ({"type": "mask", "label_id": 0}, "rle"),
        ({"type": "mask", "label_id": 0, "rle": {"size": [3, 4], "counts": [12]}}, "segmentation.size"),
        ({"type": "ellipse", "label_id": 0, "points": [3, 3, 2, 2]}, "points"),
        ({"label_id": 0}, "type"),
        (7, "type"),
    ],
)
def test_a_broken_shape_is_put_aside_by_name(tmp_path, bad, field):
    data = formats.read(page(tmp_path, TRIANGLE, bad), allow_faulty=True)
    (issue,) = put_aside(data)
    assert (issue.subject, issue.values["field"]) == (
        'image "images/default/a.png", region 1',
        field,
    ) and data.instance_count == 1


@pytest.mark.parametrize("data", [[], {"items": {}}, {"items": [], "categories": {"label": {"labels": [{}]}}}])
def test_a_file_of_another_kind_is_an_error(tmp_path, data):
    with pytest.raises(AnnotationError, match=r"not a Datumaro file|a class without a name"):
        datumaro.read(written(tmp_path / "a.json", data), Faults("a.json"))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(JSON, JSON, st.sampled_from(["type", "label_id", "points", "group", "attributes", "bbox", "rle"]))
def test_any_value_in_any_field_gives_a_data_set_or_our_error(tmp_path_factory, one, two, field):
    folder = tmp_path_factory.mktemp("dm")
    for path in (page(folder, TRIANGLE | {field: one}, BOX | {field: two}), page(folder, image=one, annotations=two)):
        with contextlib.suppress(MaskwrightError):
            formats.read(path, allow_faulty=True)


@given(contents("boxes", "outlines", "masks"))
def test_what_is_written_is_read_again(tmp_path_factory, content):
    folder = tmp_path_factory.mktemp("dm")
    data = dataset(folder, content)
    assert formats.write(data, folder / "out.json", "datumaro") == ()
    assert_same(data, formats.read(folder / "out.json"))


def test_crowds_ids_attributes_and_finer_boxes_come_back_and_scores_are_counted(tmp_path):
    image(tmp_path / "a.png")
    square = np.array([[2.0, 2], [12, 2], [12, 12], [2, 12]])
    masks = RleMasks.from_polygons([[square]], (30, 40))
    note = Annotation((square,), 7, {"difficult": 1})
    boxes, scores = np.array([[2.25, 2, 12, 11.5]]), np.array([0.5])
    found = Instances(boxes, np.array([0]), scores, masks, ("rust",), np.array([True]), (note,))
    data = formats.read(page(tmp_path / "x", TRIANGLE))
    record = replace(data.records[0], instances=found, id=70)
    lost = formats.write(replace(data, names=("rust",), records=(record,)), tmp_path / "x" / "out.json", "datumaro")
    assert sentences(lost) == ("1 score cannot be kept",)
    (again,) = formats.read(tmp_path / "x" / "out.json").records
    kept = again.instances
    assert again.id == 70 and kept is not None and kept.crowd is not None and kept.crowd.tolist() == [True]
    assert kept.boxes.tolist() == boxes.tolist() and kept.annotations is not None and kept.annotations[0] is not None
    assert (kept.annotations[0].id, dict(kept.annotations[0].attributes)) == (7, {"difficult": 1})


def test_a_folder_is_written_as_datumaro_lays_it_out(tmp_path):
    from maskwright.api.convert import convert

    page(tmp_path / "in", TRIANGLE, BOX)
    convert(tmp_path / "in", tmp_path / "out", "datumaro", copy_images=True)
    names = sorted(path.relative_to(tmp_path / "out").as_posix() for path in tmp_path.joinpath("out").rglob("*.*"))
    assert names == ["annotations/default.json", "images/a.png"]
    (item,) = json.loads((tmp_path / "out" / "annotations" / "default.json").read_text("utf-8"))["items"]
    assert (item["id"], item["image"]) == ("a", {"path": "a.png", "size": [30, 40]})
    assert formats.read(tmp_path / "out").class_counts() == {"rust": 1, "dent": 1}
