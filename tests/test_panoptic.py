"""COCO panoptic: colors are segments, and the file says what each of them is."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from attacks.annotations import image, written
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from reported import absent, put_aside, sentences

from maskwright import formats
from maskwright.errors import AnnotationError, DatasetError, MaskwrightError
from maskwright.formats import panoptic
from maskwright.formats.faults import Faults

CATEGORIES = [{"id": 7, "name": "cup", "isthing": 1}, {"id": 2, "name": "table", "isthing": 0}, {"id": 3, "name": "x"}]
SEGMENTS = [{"id": 266, "category_id": 7, "iscrowd": 0}, {"id": 65536, "category_id": 2}]
NAME = 'image "images/a.jpg"'


def picture(file: Path, size: tuple[int, int] = (30, 40)) -> None:
    pixels = np.zeros((*size, 3), np.uint8)
    pixels[:3, :3] = (10, 1, 0)  # 266
    pixels[9:12] = (0, 0, 1)  # 65536
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(file)


def page(folder: Path, segments: Any = SEGMENTS, **parts: Any) -> Path:
    image(folder / "images" / "a.jpg")
    picture(folder / "annotations" / "panoptic" / "a.png")
    images = [{"id": 4, "file_name": "a.jpg", "height": 30, "width": 40}]
    annotations = [{"image_id": 4, "file_name": "a.png", "segments_info": segments}]
    data = {"images": images, "annotations": annotations, "categories": CATEGORIES}
    return written(folder / "annotations" / "panoptic.json", data | parts)


def test_an_image_without_segments_is_empty_and_one_without_an_annotation_unlabeled(tmp_path):
    image(tmp_path / "images" / "b.jpg")
    listed = [{"id": number, "file_name": f"{name}.jpg"} for number, name in ((4, "a"), (5, "b"))]
    data = formats.read(page(tmp_path, [], images=listed))
    assert {record.image.name: record.state for record in data} == {"a.jpg": "empty", "b.jpg": "unlabeled"}


def test_things_are_objects_and_stuff_is_counted(tmp_path):
    data = formats.read(page(tmp_path).parent.parent)
    (record,) = data.records
    assert (data.format, data.names, data.class_ids, record.id) == ("panoptic", ("cup",), (7,), 4)
    assert record.instances is not None and record.instances.masks is not None
    assert record.instances.masks.area.tolist() == [9]
    assert sentences(data) == ("1 stuff segment cannot be used here: left out",)


def test_crowds_are_kept_and_colors_without_a_segment_counted(tmp_path):
    data = formats.read(page(tmp_path, [SEGMENTS[0] | {"iscrowd": 1}]))
    found = data.records[0].instances
    assert found is not None and found.crowd is not None and found.crowd.tolist() == [True]
    assert sentences(data) == ("1 color of a picture is in no list of segments: left out",)


def test_a_picture_of_segments_is_never_taken_for_an_absent_image(tmp_path):
    path = page(tmp_path, images=[{"id": 4, "file_name": "a.jpg"}, {"id": 5, "file_name": "b.jpg"}])
    picture(tmp_path / "annotations" / "panoptic" / "b.png")
    assert absent(formats.read(path)) == ["b.jpg"]
    (tmp_path / "images" / "a.jpg").unlink()
    with pytest.raises(DatasetError, match="none of the images"):
        formats.read(path)


def test_images_of_equal_names_are_not_confused(tmp_path):
    image(tmp_path / "other" / "a.jpg")
    image(tmp_path / "images" / "north" / "b.jpg")
    path = page(tmp_path, images=[{"id": 4, "file_name": "south/b.jpg"}])
    with pytest.raises(DatasetError, match="none of the images"):
        formats.read(path)


@pytest.mark.parametrize(
    ("segments", "subject", "field"),
    [
        ([SEGMENTS[0], {"id": 65536, "category_id": 9}], f"{NAME}, region 1", "category_id"),
        ([SEGMENTS[0], {"id": 65536, "category_id": True}], f"{NAME}, region 1", "category_id"),
        ([SEGMENTS[0], {"id": 5, "category_id": 7}], f"{NAME}, region 1", "id"),
        ([SEGMENTS[0], 7], f"{NAME}, region 1", "category_id"),
        ({}, f"{NAME}, region all", "segments_info"),
    ],
)
def test_a_broken_segment_is_put_aside_by_name(tmp_path, segments, subject, field):
    data = formats.read(page(tmp_path, segments), allow_faulty=True)
    (issue,) = put_aside(data)
    assert (issue.subject.replace('"a.jpg"', '"images/a.jpg"'), issue.values["field"]) == (subject, field)


def test_an_image_whose_picture_is_absent_or_of_another_size_is_skipped(tmp_path):
    path = page(tmp_path)
    picture(tmp_path / "annotations" / "panoptic" / "a.png", (20, 40))
    assert [record.state for record in formats.read(path, allow_faulty=True)] == ["skipped"]
    (tmp_path / "annotations" / "panoptic" / "a.png").unlink()
    assert [record.state for record in formats.read(path, allow_faulty=True)] == ["skipped"]


@pytest.mark.parametrize("data", [[], {"images": 3}, {"images": [], "annotations": [3], "categories": []}])
def test_a_json_that_is_no_panoptic_file_is_refused(tmp_path, data):
    with pytest.raises(AnnotationError, match="not a panoptic file"):
        panoptic.read(written(tmp_path / "panoptic.json", data), Faults("panoptic.json"))


@pytest.mark.parametrize("categories", [[{"id": 1}], [{"name": "a"}], [CATEGORIES[0]] * 2])
def test_a_category_without_id_or_name_is_an_error(tmp_path, categories):
    with pytest.raises(AnnotationError, match="a category without id or name"):
        formats.read(page(tmp_path, categories=categories))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(JSON, st.sampled_from(["images", "annotations", "categories", "segments"]))
def test_any_value_in_any_field_gives_a_data_set_or_our_error(tmp_path_factory, value, field):
    with contextlib.suppress(MaskwrightError):
        formats.read(page(tmp_path_factory.mktemp("pan"), **{field: value}), allow_faulty=True)


def test_segments_of_a_real_file_have_its_areas(shared):
    file = shared / "data/zoo/mask_id_png_panoptic/annotations/panoptic_train2017.json"
    found, data = formats.read(shared / "data/zoo/mask_id_png_panoptic"), json.loads(file.read_text())
    things = {item["id"] for item in data["categories"] if item["isthing"]}
    assert (found.format, len(found), found.instance_count, len(absent(found))) == ("panoptic", 3, 24, 97)
    for record in found:
        (listed,) = [item for item in data["annotations"] if item["file_name"] == f"{record.image.stem}.png"]
        areas = [item["area"] for item in listed["segments_info"] if item["category_id"] in things]
        assert record.instances is not None and record.instances.masks is not None
        assert record.instances.masks.area.tolist() == areas
