"""Cityscapes polygons: what is drawn later lies in front, and some labels are no objects."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from attacks.annotations import half, image, written
from hypothesis import given
from hypothesis import strategies as st
from reported import absent, put_aside, sentences

from maskwright import formats
from maskwright.errors import MaskwrightError
from maskwright.formats import cityscapes
from maskwright.formats.reading import Head
from maskwright.types import Instances

STEM = "aachen_000000_000019"
CAR = {"label": "car", "polygon": [[4, 4], [14, 4], [14, 14], [4, 14]]}
NAME = f'image "{STEM}_leftImg8bit.png"'


def page(folder: Path, *objects: Any, split: str = "train", stem: str = STEM, **parts: Any) -> Path:
    city = stem.split("_")[0]
    image(folder / "leftImg8bit" / split / city / f"{stem}_leftImg8bit.png")
    image(folder / "gtFine" / split / city / f"{stem}_gtFine_labelIds.png")
    data = {"imgHeight": 30, "imgWidth": 40, "objects": [*objects]} | parts
    return written(folder / "gtFine" / split / city / f"{stem}_gtFine_polygons.json", data)


def box(label: str, x1: int, y1: int, x2: int, y2: int) -> dict[str, Any]:
    return {"label": label, "polygon": [[x1, y1], [x2, y1], [x2, y2], [x1, y2]]}


def instances(folder: Path) -> Instances:
    found = formats.read(folder).records[0].instances
    assert found is not None
    return found


def test_an_image_without_objects_is_empty_and_one_of_the_test_set_unlabeled(tmp_path):
    page(tmp_path)
    page(tmp_path, box("road", 0, 0, 40, 30), box("ego vehicle", 0, 20, 40, 30), stem="aachen_000001_000019")
    page(tmp_path, box("out of roi", 0, 0, 40, 2), box("ego vehicle", 0, 20, 40, 30), split="test", stem="bonn_1_1")
    data = formats.read(tmp_path)
    assert [(record.split, record.state) for record in data] == [
        ("test", "unlabeled"), ("train", "empty"), ("train", "empty"),
    ]  # fmt: skip


def test_objects_keep_their_points_and_labels_without_instances_are_counted(tmp_path):
    page(tmp_path, box("road", 0, 10, 40, 30), CAR, box("sky", 0, 0, 40, 3), box("scooter", 20, 5, 26, 9))
    data = formats.read(tmp_path)
    assert (data.format, data.names) == ("cityscapes", ("car", "scooter"))
    outlines = instances(tmp_path).outlines()
    assert outlines[0] is not None and outlines[0][0].tolist() == CAR["polygon"]
    assert sentences(data) == ("2 regions of labels without instances (road, sky, ...) were left out",)


def test_what_is_drawn_later_hides_what_is_behind_it(tmp_path):
    page(tmp_path, CAR, box("pole", 8, 0, 10, 30), box("person", 12, 4, 16, 14), box("rider", 20, 2, 22, 4),
         box("bus", 19, 1, 30, 20), CAR | {"label": "sky", "deleted": 1})  # fmt: skip
    found = instances(tmp_path)
    assert found.masks is not None
    areas = dict(zip(found.labels, found.masks.area.tolist(), strict=True))
    assert areas == {"car": 60, "person": 40, "bus": 209}  # 100 without the pole's 20 and the person's 20
    assert not np.logical_and(*found.masks.dense()[:2]).any()
    assert "1 object wholly behind others was left out" in sentences(formats.read(tmp_path))


def test_groups_are_crowds(tmp_path):
    page(tmp_path, CAR | {"label": "cargroup"}, box("hedgegroup", 20, 5, 26, 9))
    found = instances(tmp_path)
    assert found.labels == ["car", "hedgegroup"] and found.crowd is not None and found.crowd.tolist() == [True, False]


def test_images_are_found_by_their_names_and_absent_ones_counted(tmp_path):
    page(tmp_path, CAR)
    written(tmp_path / "gtFine" / "val" / "bonn" / "bonn_1_1_gtFine_polygons.json", {"objects": []})
    data = formats.read(tmp_path)
    assert absent(data) == ["bonn_1_1_leftImg8bit.png"] and len(data) == 1
    assert cityscapes.sniff(Head(tmp_path / "gtFine" / "train")) is not None
    assert cityscapes.sniff(Head(tmp_path / "leftImg8bit")) is None


def test_a_page_whose_only_object_has_a_list_for_a_label_is_a_fault_and_no_unlabeled_image(tmp_path):
    page(tmp_path, {"label": ["ego vehicle"], "polygon": CAR["polygon"]})
    data = formats.read(tmp_path, allow_faulty=True)
    assert put_aside(data)[0].values["field"] == "label" and data.state_counts()["unlabeled"] == 0


@pytest.mark.parametrize(
    ("bad", "field"),
    [
        ({"polygon": CAR["polygon"]}, "label"),
        ({"label": "car", "polygon": [[1, 2], [3, 4]]}, "polygon"),
        ({"label": "car", "polygon": [[1, 2], [3, 4], [3, True]]}, "polygon"),
        ({"label": "car", "polygon": [[1, 2], [3, 4], [3, 4]]}, "points"),
        (box("car", 50, 4, 60, 9), "points"),
        (7, "label"),
    ],
)
def test_a_broken_object_is_put_aside_by_name(tmp_path, bad, field):
    page(tmp_path, CAR, bad)
    data = formats.read(tmp_path, allow_faulty=True)
    (issue,) = put_aside(data)
    assert (issue.subject, issue.values["field"]) == (f"{NAME}, region 1", field) and data.instance_count == 1


def test_half_a_file_of_many_is_put_aside_and_its_image_skipped(tmp_path):
    for number in range(40):
        page(tmp_path, CAR, stem=f"bonn_{number:06}_000001")
    half(page(tmp_path, CAR))
    data = formats.read(tmp_path)
    assert data.state_counts()["skipped"] == 1 and len(put_aside(data)) == 1
    assert put_aside(data)[0].subject == f'file "{STEM}_gtFine_polygons.json"'


def test_objects_that_cover_the_image_again_and_again_are_refused_before_they_are_painted(tmp_path):
    page(tmp_path, *[box("car", 0, 0, 40, 30)] * 600)
    data = formats.read(tmp_path, allow_faulty=True)
    assert put_aside(data)[0].values["got"] == "objects that cover it more than 500 times"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(JSON, JSON, JSON)
def test_any_value_in_any_field_gives_a_data_set_or_our_error(tmp_path_factory, one, two, three):
    folder = tmp_path_factory.mktemp("city")
    page(folder, {"label": one, "polygon": CAR["polygon"]}, {"label": "car", "polygon": two}, CAR, imgHeight=three)
    with contextlib.suppress(MaskwrightError):
        formats.read(folder, allow_faulty=True)
    page(folder, objects=json.loads(json.dumps(one)))
    with contextlib.suppress(MaskwrightError):
        formats.read(folder, allow_faulty=True)
