"""VIA 3 projects of images: numbered shapes, attributes by number, views."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import pytest
from attacks.annotations import image, written
from hypothesis import given
from hypothesis import strategies as st
from reported import put_aside, sentences

from maskwright import formats
from maskwright.errors import AnnotationError, MaskwrightError
from maskwright.formats import via3
from maskwright.formats.faults import Faults
from maskwright.types import Instances

KINDS = {"1": {"aname": "class", "anchor_id": "FILE1_Z0_XY1", "type": 4, "options": {"0": "rust", "1": "dent"}}}
RECT = [2, 3, 4, 10, 6.5]


def project(folder: Path, *shapes: Any, av: Any = None, **parts: Any) -> Path:
    """One image; a shape is xy, or a whole entry."""
    image(folder / "a.jpg")
    entries = [shape if isinstance(shape, dict) else {"xy": shape} for shape in shapes]
    whole = [{"vid": "1", "flg": 0, "z": [], "av": {"1": "0"} if av is None else av} | entry for entry in entries]
    data = {
        "project": {"pid": "__VIA_PROJECT_ID__", "vid_list": ["1"]},
        "config": {},
        "attribute": KINDS,
        "file": {"1": {"fid": "1", "fname": "a.jpg", "type": 2, "loc": 1, "src": ""}},
        "view": {"1": {"fid_list": ["1"]}},
        "metadata": {f"1_{number}": entry for number, entry in enumerate(whole)},
    }
    return written(folder / "project.json", data | parts)


def instances(path: Path, **options: Any) -> Instances:
    found = formats.read(path, **options).records[0].instances
    assert found is not None
    return found


def test_an_image_without_regions_is_empty(tmp_path):
    data = formats.read(project(tmp_path).parent)
    assert [(record.image.name, record.state) for record in data] == [("a.jpg", "empty")] and data.format == "via3"


def test_every_shape_of_an_area_is_read_and_points_and_lines_are_counted(tmp_path):
    shapes = [
        RECT, [3, 20, 15, 5], [4, 20, 15, 6, 4], [6, 2, 2, 12, 2, 12, 12], [7, 2, 2, 12, 2, 12, 12],
        [8, 5, 2, 9, 6, 5, 9, 2, 6], [9, 15, 15, 20, 10, 25, 15], [1, 3, 3], [5, 1, 1, 9, 9], [6, 1, 1, 9, 9],
    ]  # fmt: skip
    data = formats.read(project(tmp_path, *shapes))
    boxes = instances(tmp_path / "project.json").boxes.tolist()
    assert boxes == [[3, 4, 13, 10.5], [15, 10, 25, 20], [14, 11, 26, 19], [3, 2, 12, 11], [3, 2, 12, 11],
                     [2, 2, 9, 9], [15, 10, 25, 20]]  # fmt: skip
    assert "1 point cannot be used here: left out" in sentences(data)
    assert "2 lines cannot be used here: left out" in sentences(data)


def test_classes_are_the_options_of_an_attribute_and_others_are_kept(tmp_path):
    more = {"2": {"aname": "note", "type": 1}, "3": {"aname": "marks", "type": 2, "options": {"0": "old", "1": "wet"}}}
    second = {"xy": RECT, "av": {"1": "1", "2": "seen", "3": "0,1"}}
    path = project(tmp_path, RECT, second, attribute=KINDS | more)
    found = instances(path)
    assert found.labels == ["rust", "dent"] and found.annotations is not None and found.annotations[1] is not None
    assert found.annotations[1].attributes == {"note": "seen", "marks": {"old": True, "wet": True}}
    assert instances(path, class_attribute="note", allow_faulty=True).labels == ["seen"]


def test_regions_without_any_attribute_have_the_name_of_the_folder(tmp_path):
    assert instances(project(tmp_path / "rust", RECT, av={}, attribute={})).labels == ["rust"]


def test_attributes_of_whole_images_are_their_classes_where_nothing_is_drawn(tmp_path):
    (record,) = formats.read(project(tmp_path, [], av={"1": "1"})).records
    assert record.labels == (0,) and record.instances is None


def test_images_of_one_name_are_found_by_their_source(tmp_path):
    image(tmp_path / "b" / "a.jpg")
    files = {
        key: {"fid": key, "fname": "a.jpg", "type": 2, "src": src} for key, src in (("1", "a.jpg"), ("2", "b/a.jpg"))
    }
    view = {key: {"fid_list": [key]} for key in "12"}
    data = formats.read(project(tmp_path, RECT, {"xy": RECT, "vid": "2", "av": {"1": "1"}}, file=files, view=view))
    assert {record.image.parent.name: record.instances.labels for record in data if record.instances} == {
        tmp_path.name: ["rust"], "b": ["dent"],
    }  # fmt: skip


def test_what_is_said_of_times_is_counted_and_a_project_of_videos_is_an_error(tmp_path):
    assert "1 entry about videos or sound cannot be used here: left out" in sentences(
        formats.read(project(tmp_path, RECT, {"z": [1.5, 2.5], "xy": []}))
    )
    with pytest.raises(AnnotationError, match="a VIA 3 project of videos or sound"):
        formats.read(project(tmp_path, {"z": [1], "xy": []}, file={"1": {"fid": "1", "fname": "a.mp4", "type": 4}}))


@pytest.mark.parametrize(
    ("bad", "subject", "field"),
    [
        ({"xy": RECT, "av": {}}, 'image "a.jpg", region 1_1', "av"),
        ({"xy": RECT, "vid": "9"}, 'entry "1_1"', "vid"),
        ({"xy": 3}, 'entry "1_1"', "xy"),
        ([2, 3, 4, 10], 'image "a.jpg", region 1_1', "xy"),
        ([2, 3, 4, True, 5], 'image "a.jpg", region 1_1', "xy"),
        ([3, 3, 4, 0], 'image "a.jpg", region 1_1', "xy"),
        ([9, 1, 1, 2, 2, 3, 3], 'image "a.jpg", region 1_1', "xy"),
        ([77, 1], 'image "a.jpg", region 1_1', "xy"),
        ([7, 1, 1, 2, 2], 'image "a.jpg", region 1_1', "points"),
    ],
)
def test_a_broken_entry_is_put_aside_by_name(tmp_path, bad, subject, field):
    data = formats.read(project(tmp_path, RECT, bad), allow_faulty=True)
    (issue,) = put_aside(data)
    assert (issue.subject, issue.values["field"]) == (subject, field) and data.instance_count == 1


def test_a_file_without_its_parts_is_an_error(tmp_path):
    with pytest.raises(AnnotationError, match="not a VIA 3 project"):
        via3.read(written(tmp_path / "a.json", {"project": {"vid_list": []}}), Faults("a.json"))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(
    JSON, JSON, st.sampled_from(["attribute", "file", "view", "metadata"]), st.sampled_from(["xy", "vid", "av", "z"])
)
def test_any_value_in_any_field_gives_a_data_set_or_our_error(tmp_path_factory, one, two, part, field):
    folder = tmp_path_factory.mktemp("via3")
    for path in (project(folder, RECT, {"xy": RECT, field: one}), project(folder, RECT, **{part: {"1": two}})):
        with contextlib.suppress(MaskwrightError):
            formats.read(path, allow_faulty=True)
