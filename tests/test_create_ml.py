"""CreateML JSON: boxes around their centers."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
from attacks.annotations import image, written
from hypothesis import given
from hypothesis import strategies as st
from reported import absent, put_aside
from zoo import with_images

from maskwright import formats
from maskwright.errors import AnnotationError, MaskwrightError
from maskwright.formats import create_ml
from maskwright.formats.faults import Faults

PLACE = {"x": 7, "y": 6, "width": 10, "height": 6}
BOX = {"label": "rust", "coordinates": PLACE}


def page(folder: Path, *boxes: Any, **record: Any) -> Path:
    image(folder / "a.png")
    return written(folder / "_annotations.createml.json", [{"image": "a.png", "annotations": [*boxes]} | record])


def test_an_image_without_boxes_is_empty_and_one_in_no_record_unlabeled(tmp_path):
    image(tmp_path / "b.png")
    path = written(
        tmp_path / "c.json", [{"image": "a.png", "annotations": []}, {"image": "c.png", "annotations": [BOX]}]
    )
    image(tmp_path / "a.png"), image(tmp_path / "c.png")
    states = {record.image.name: record.state for record in formats.read(path)}
    assert states == {"a.png": "empty", "c.png": "labeled", "b.png": "unlabeled"}


def test_x_and_y_are_the_center(tmp_path):
    data = formats.read(page(tmp_path, BOX))
    assert data.records[0].instances is not None and data.records[0].instances.boxes.tolist() == [[2, 3, 12, 9]]


@pytest.mark.parametrize(
    ("bad", "field"),
    [
        ({"label": "", "coordinates": PLACE}, "label"),
        ({"label": "rust"}, "coordinates"),
        ({"label": "rust", "coordinates": PLACE | {"x": True}}, "coordinates"),
        ({"label": "rust", "coordinates": PLACE | {"width": 0}}, "box"),
        ({"label": "rust", "coordinates": PLACE | {"x": 70}}, "points"),
        ("rust", "label"),
    ],
)  # fmt: skip
def test_a_broken_box_is_put_aside_by_name(tmp_path, bad, field):
    data = formats.read(page(tmp_path, BOX, bad), allow_faulty=True)
    (issue,) = put_aside(data)
    assert (issue.subject, issue.values["field"]) == ('image "a.png", region 1', field) and data.instance_count == 1


def test_an_object_instead_of_a_list_is_an_error(tmp_path):
    with pytest.raises(AnnotationError, match="not CreateML JSON"):
        create_ml.read(written(tmp_path / "a.json", {"annotations": [BOX]}), Faults("a.json"))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(JSON, JSON, JSON)
def test_any_value_in_any_field_gives_a_data_set_or_our_error(tmp_path_factory, one, two, three):
    boxes = [BOX, {"label": one, "coordinates": PLACE}, {"label": "a", "coordinates": two}]
    with contextlib.suppress(MaskwrightError):
        formats.read(page(tmp_path_factory.mktemp("ml"), *boxes, image="a.png"), allow_faulty=True)
    with contextlib.suppress(MaskwrightError):
        formats.read(page(tmp_path_factory.mktemp("ml"), BOX, annotations=three), allow_faulty=True)


def test_a_real_export_is_counted_right(shared):
    data = formats.read(shared / "data/zoo/createml_plates")
    assert (len(data), len(absent(data)), data.class_counts()) == (6, 29, {"license-plate": 7, "vehicle": 11})
    assert data.records[0].instances is not None
    assert data.records[0].instances.boxes[0].tolist() == [257.5, 236.5, 303.5, 269.5]


def test_a_real_export_with_all_its_images_has_all_its_boxes(shared, tmp_path):
    case = shared / "data/zoo/createml_plates"
    records = json.loads((case / "test/_annotations.createml.json").read_text("utf-8"))
    sizes = {f"test/{record['image']}": (416, 416) for record in records}
    data = formats.read(with_images(case, tmp_path, sizes))
    assert data.class_counts() == {"license-plate": 45, "vehicle": 67} and not put_aside(data)
