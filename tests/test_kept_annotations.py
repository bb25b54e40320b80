"""What an annotation file says besides class, box and mask comes back when it is written: points, ids, attributes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from attacks import annotations as attacks
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from reported import put_aside, sentences

from maskwright import formats
from maskwright.errors import DatasetError
from maskwright.types import Annotation, Dataset, Instances, Record, RleMasks

SIDES = st.tuples(st.floats(0, 40, width=32), st.floats(0, 30, width=32))
TRIANGLES = st.lists(st.lists(SIDES, min_size=3, max_size=6, unique=True), min_size=1, max_size=3)


def points(record: Record) -> list[list[list[list[float]]]]:
    assert record.instances is not None
    return [[part.tolist() for part in parts or ()] for parts in record.instances.outlines()]


def voc(folder: Path, *objects: str) -> Path:
    attacks.image(folder / "a.jpg")
    text = "".join(f"<object><name>rust</name>{item}</object>" for item in objects)
    (folder / "a.xml").write_text(f"<annotation><filename>a.jpg</filename>{text}</annotation>", "utf-8")
    return folder / "a.xml"


# --- points -------------------------------------------------------------------------------------
@given(TRIANGLES, st.sampled_from(["via", "coco"]))
def test_the_points_that_were_drawn_are_written_and_read_again(tmp_path_factory, outlines, format):
    folder = tmp_path_factory.mktemp("kept")
    Image.new("RGB", (40, 30)).save(folder / "a.png")
    shapes = [{"name": "polygon", "all_points_x": [x for x, _ in outline], "all_points_y": [y for _, y in outline]}
              for outline in outlines]  # fmt: skip
    regions = [{"shape_attributes": shape, "region_attributes": {"c": "rust"}} for shape in shapes]
    attacks.written(folder / "via.json", {"a": {"filename": "a.png", "regions": regions}})
    data = formats.read(folder / "via.json", allow_faulty=True)
    if not data.instance_count:
        return
    assert formats.write(data, folder / "again.json", format) == ()
    again = formats.read(folder / "again.json")
    assert points(again.records[0]) == points(data.records[0])
    first, second = data.records[0].instances, again.records[0].instances
    assert first is not None and second is not None and first.masks is not None and second.masks is not None
    assert np.array_equal(first.masks.counts, second.masks.counts)


def test_whole_numbers_are_written_without_a_point(tmp_path):
    shape = {"name": "polygon", "all_points_x": [2, 12, 12.5], "all_points_y": [2, 2, 12]}
    data = formats.read(attacks.via(tmp_path, shape))
    formats.write(data, tmp_path / "out.json", "coco")
    text = (tmp_path / "out.json").read_text("utf-8")
    assert '"segmentation": [[2, 2, 12, 2, 12.5, 12]]' in text


def test_points_whose_mask_was_changed_since_are_not_written():
    square = np.array([[2.0, 2], [12, 2], [12, 12], [2, 12]])
    masks = RleMasks.from_polygons([[square]], (30, 40))
    detections = Instances(masks.boxes, np.array([0]), None, masks, ("rust",), None, (Annotation((square,)),))
    assert detections.outlines() == [(square,)] and detections[:0].outlines() == []
    assert replace(detections, masks=masks.flip()).outlines() == [None]


def test_holes_and_run_lengths_stay_run_lengths(tmp_path):
    ring = np.ones((1, 30, 40), bool)
    ring[0, 5:9, 5:9] = False
    masks = RleMasks.from_dense(ring)
    data = formats.read(attacks.coco(tmp_path, {"segmentation": masks.to_coco()[0]}))
    formats.write(data, tmp_path / "out.json", "coco")
    (row,) = json.loads((tmp_path / "out.json").read_text("utf-8"))["annotations"]
    assert row["segmentation"] == masks.to_coco()[0]


def test_a_real_set_keeps_its_points(shared, tmp_path):
    data = formats.read(shared / "data" / "balloon" / "val")
    formats.write(data, tmp_path / "out.json", "via")
    written = json.loads((tmp_path / "out.json").read_text("utf-8"))
    drawn = json.loads((shared / "data" / "balloon" / "val" / "via_region_data.json").read_text("utf-8"))

    def count(file: dict[str, Any]) -> int:
        several = (list(item["regions"].values()) if isinstance(item["regions"], dict) else item["regions"]
                   for item in file.values())  # fmt: skip
        return sum(len(region["shape_attributes"]["all_points_x"]) for regions in several for region in regions)

    assert count(written) == count(drawn)


# --- ids ----------------------------------------------------------------------------------------
def coco_of_ids(folder: Path) -> Path:
    for name in "ab":
        attacks.image(folder / f"{name}.jpg")
    size = {"height": 30, "width": 40}
    box = [3, 4, 10, 6]
    return attacks.written(folder / "in.json", {
        "images": [{"id": 70, "file_name": "a.jpg", **size}, {"id": "x7", "file_name": "b.jpg", **size}],
        "annotations": [{"id": 901, "image_id": 70, "category_id": 3, "bbox": box, "attributes": {"occluded": True}},
                        {"id": 5, "image_id": "x7", "category_id": 7, "bbox": box},
                        {"image_id": "x7", "category_id": 3, "bbox": [1, 1, 5, 5]}],
        "categories": [{"id": 3, "name": "rust"}, {"id": 7, "name": "dent"}, {"id": 9, "name": "unused"}],
    })  # fmt: skip


def test_ids_and_attributes_of_coco_are_kept_and_new_ids_are_free_ones(tmp_path):
    data = formats.read(coco_of_ids(tmp_path))
    assert sentences(data) == ("1 category without objects left out: unused",)
    assert formats.write(data, tmp_path / "out.json", "coco") == ()
    written = json.loads((tmp_path / "out.json").read_text("utf-8"))
    assert [image["id"] for image in written["images"]] == [70, "x7"]
    assert [category["id"] for category in written["categories"]] == [3, 7]
    assert [(row["id"], row["category_id"]) for row in written["annotations"]] == [(901, 3), (5, 7), (1, 3)]
    assert written["annotations"][0]["attributes"] == {"occluded": True}


def test_ids_that_two_files_give_twice_are_counted_as_lost(tmp_path):
    data = formats.read(coco_of_ids(tmp_path / "x"))
    more = formats.read(coco_of_ids(tmp_path / "y"))
    with pytest.raises(DatasetError, match="two images of one name"):
        formats.write(Dataset.join("both", [data, more]), tmp_path / "x" / "out.json", "coco")
    lost = formats.write(Dataset.join("both", [data, more]), tmp_path / "out.json", "coco")
    assert sentences(lost) == ("4 image ids cannot be kept", "4 annotation ids cannot be kept")


# --- Pascal VOC ---------------------------------------------------------------------------------
BOX = "<bndbox><xmin>2</xmin><ymin>3</ymin><xmax>12</xmax><ymax>13</ymax></bndbox>"


def test_difficult_truncated_and_pose_are_kept_in_xml_and_counted_elsewhere(tmp_path):
    marks = "<pose>Left</pose><truncated>1</truncated><difficult>1</difficult>"
    data = formats.read(voc(tmp_path, marks + BOX, "<pose>Unspecified</pose><difficult>0</difficult>" + BOX))
    assert formats.write(data, tmp_path / "out", "voc") == ()
    text = (tmp_path / "out" / "Annotations" / "a.xml").read_text("utf-8")
    assert all(f"<{mark}" in text for mark in ("pose>Left", "truncated>1", "difficult>1"))
    assert text.count("<difficult") == text.count("<pose") == 1
    for format in ("boxes_csv", "tfrecord"):
        assert "3 attributes cannot be kept" in sentences(formats.write(data, tmp_path / f"out.{format}", format))
    assert formats.write(data, tmp_path / "out.json", "coco") == ()


@pytest.mark.parametrize(
    "polygon",
    [
        "<x1>2</x1><y1>3</y1><x2>12</x2><y2>3</y2><x3>12</x3><y3>13</y3>",
        "<point><x>2</x><y>3</y></point><point><x>12</x><y>3</y></point><point><x>12</x><y>13</y></point>",
        "<pt><x>2</x><y>3</y></pt><pt><x>12</x><y>3</y></pt><pt><x>12</x><y>13</y></pt>",
    ],
)
def test_polygons_in_xml_are_outlines(tmp_path, polygon):
    data = formats.read(voc(tmp_path, f"{BOX}<polygon>{polygon}</polygon>"))
    assert data.has_masks and points(data.records[0]) == [[[[2, 3], [12, 3], [12, 13]]]]


def test_an_empty_polygon_leaves_the_box_and_half_a_polygon_is_a_fault(tmp_path):
    half = "<polygon><x1>2</x1><y1>3</y1><x2>12</x2></polygon>"
    data = formats.read(voc(tmp_path, f"{BOX}<polygon/>", f"{BOX}{half}"), allow_faulty=True)
    assert data.instance_count == 1 and not data.has_masks and len(put_aside(data)) == 1


def test_turned_boxes_are_outlines_of_four_corners(tmp_path):
    turned = "<robndbox><cx>20</cx><cy>15</cy><w>8</w><h>4</h><angle>1.5707963267948966</angle></robndbox>"
    data = formats.read(voc(tmp_path, turned))
    ((corners,),) = points(data.records[0])
    assert np.allclose(corners, [[22, 11], [22, 19], [18, 19], [18, 11]])
    assert sentences(data)[0].startswith("turned boxes (robndbox), read as outlines of four corners: 1")


@pytest.mark.parametrize("angle", ["90", "", "x"])
def test_a_turned_box_without_an_angle_in_radians_is_a_fault(tmp_path, angle):
    turned = f"<robndbox><cx>20</cx><cy>15</cy><w>8</w><h>4</h><angle>{angle}</angle></robndbox>"
    assert len(put_aside(formats.read(voc(tmp_path, turned, *[BOX] * 30)))) == 1
