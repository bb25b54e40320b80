"""Supervisely projects: bitmaps at their place, polygons with holes, rectangles; datasets of equal names stay apart."""

from __future__ import annotations

import base64
import contextlib
import io
import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from attacks.annotations import image, written
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from reported import absent, put_aside, sentences
from strategies import masks
from zoo import with_images

from maskwright import formats
from maskwright.errors import AnnotationError, InputError, MaskwrightError
from maskwright.formats.supervisely_bitmap import decode
from maskwright.types import Dataset, Instances

SQUARE = {"exterior": [[2, 3], [12, 3], [12, 9], [2, 9]], "interior": []}


def item(kind: str | None = "polygon", label: str = "rust", **more: Any) -> dict[str, Any]:
    return {"classTitle": label, "tags": [], "points": SQUARE} | ({"geometryType": kind} if kind else {}) | more


def dataset(
    folder: Path, *objects: Any, name: str = "a.png", shape: str | None = None, within: str = "set", **page: Any
) -> Path:
    """A dataset with one image below `folder`, which it gives back."""
    image(folder / within / "img" / name)
    written(folder / within / "ann" / f"{name}.json", {"size": {"height": 30, "width": 40}, "objects": objects} | page)
    if shape is not None:
        written(folder / "meta.json", {"classes": [{"title": "rust", "shape": shape}], "tags": []})
    return folder


def bitmap(drawn: np.ndarray, left: int, top: int, mode: str = "1") -> dict[str, Any]:
    picture = Image.fromarray(drawn.astype(np.uint8) * 255).convert(mode)
    if mode == "RGBA":
        picture.putalpha(Image.fromarray(drawn.astype(np.uint8) * 255))
    stream = io.BytesIO()
    picture.save(stream, "PNG")
    return {"data": base64.b64encode(zlib.compress(stream.getvalue())).decode(), "origin": [left, top]}


def objects(data: Dataset) -> Instances:
    (record,) = [record for record in data if record.instances is not None and len(record.instances)]
    assert record.instances is not None
    return record.instances


def test_an_image_without_objects_is_empty_and_one_without_a_file_unlabeled(tmp_path):
    image(dataset(tmp_path) / "set" / "img" / "b.png")
    assert {record.image.name: record.state for record in formats.read(tmp_path)} == {
        "a.png": "empty", "b.png": "unlabeled"}  # fmt: skip


def test_a_polygon_has_holes(tmp_path):
    hole = {"exterior": SQUARE["exterior"], "interior": [[[4, 5], [8, 5], [8, 7], [4, 7]], [[9, 5], [10, 5], [10, 6]]]}
    found = objects(formats.read(dataset(tmp_path, item(points=SQUARE), item(points=hole))))
    assert found.masks is not None
    assert found.masks.area[0] == 60 and found.masks.area[1] in (51, 52)
    assert not found.masks.dense()[1, 5:7, 4:8].any()


def test_a_rectangle_holds_both_of_its_corner_pixels(tmp_path):
    corners = {"exterior": [[11, 8], [2, 3]], "interior": []}
    found = objects(formats.read(dataset(tmp_path, item("rectangle", points=corners))))
    assert found.boxes.tolist() == [[2, 3, 12, 9]] and found.masks is None


@given(masks(n=1, size=(8, 11)), st.integers(0, 22), st.integers(0, 29), st.sampled_from(["1", "L", "P", "RGBA"]))
def test_a_bitmap_gives_its_pixels_back_at_its_place(tmp_path_factory, drawn, top, left, mode):
    if not drawn.any():
        return
    folder = dataset(
        tmp_path_factory.mktemp("sly"), item("bitmap", points=None, bitmap=bitmap(drawn[0], left, top, mode))
    )
    expected = np.zeros((30, 40), bool)
    expected[top : top + 8, left : left + 11] = drawn[0]
    found = objects(formats.read(folder))
    assert found.masks is not None and (found.masks.dense()[0] == expected).all()


def test_the_class_says_which_shape_an_object_is_where_the_object_does_not(tmp_path):
    corners = {"exterior": [[2, 3], [11, 8]], "interior": []}
    found = objects(formats.read(dataset(tmp_path, item(None, points=corners), shape="rectangle")))
    assert found.boxes.tolist() == [[2, 3, 12, 9]]


def test_tags_of_objects_and_images_are_attributes_but_for_splits(tmp_path):
    tags = [{"name": "age", "value": "old"}, {"name": "wet", "value": None}]
    of_image = [{"name": "val"}, {"name": "sunny"}, {"name": "hour", "value": 7}]
    data = formats.read(dataset(tmp_path, item(tags=tags), tags=of_image))
    found = objects(data)
    assert found.annotations is not None and found.annotations[0] is not None
    assert found.annotations[0].attributes == {"age": "old", "wet": True}
    assert data.records[0].split == "val" and sentences(data) == ()
    assert data.records[0].attributes == {"sunny": True, "hour": 7}


def test_a_tag_of_an_image_that_has_no_name_or_stands_twice_is_counted(tmp_path):
    tags = [{"name": "sunny"}, {"name": "sunny", "value": "very"}, {"value": 3}, {"name": "train"}, {"name": "val"}]
    data = formats.read(dataset(tmp_path, item(), tags=tags))
    assert data.records[0].split is None
    assert data.records[0].attributes == {"sunny": "very", "train": True, "val": True}
    assert sentences(data) == ("2 tags without a name, or of a name that stands twice, were not read",)


def test_datasets_of_equal_file_names_stay_apart(tmp_path):
    for name, label in (("one", "rust"), ("two", "dent"), ("two/datasets/three", "scratch")):
        dataset(tmp_path, item(label=label), within=name)
    data = formats.read(tmp_path)
    assert {record.image.parts[-3]: record.instances.labels for record in data if record.instances is not None} == {
        "one": ["rust"], "two": ["dent"], "three": ["scratch"]}  # fmt: skip


def test_datasets_called_by_a_split_are_splits(tmp_path):
    for name in ("train", "val"):
        image(tmp_path / name / "img" / "a.png")
        written(tmp_path / name / "ann" / "a.png.json", {"size": {}, "objects": [item()]})
    assert {name: len(part) for name, part in formats.read(tmp_path).splits().items()} == {"train": 1, "val": 1}


def test_older_names_without_the_ending_of_the_image_are_found(tmp_path):
    image(tmp_path / "img" / "a.jpeg")
    written(tmp_path / "ann" / "a.json", {"size": {"height": 30, "width": 40}, "objects": [item()]})
    assert formats.read(tmp_path).instance_count == 1


def test_points_and_lines_are_counted(tmp_path):
    data = formats.read(dataset(tmp_path, item("point"), item("line"), item("cuboid"), item("graph")))
    assert [record.state for record in data] == ["unlabeled"] and len(sentences(data)) == 5


def test_one_file_of_a_project_says_which_folder_to_name(tmp_path):
    with pytest.raises(InputError, match="name the folder that holds the folders ann and img"):
        formats.read(dataset(tmp_path, item()) / "set/ann/a.png.json")


# --- bad input ----------------------------------------------------------------------------------
def test_a_bitmap_is_refused_before_it_is_unpacked_or_decoded():
    bomb = base64.b64encode(zlib.compress(bytes(10**7))).decode()
    assert decode(bomb, (30, 40)) == "more than 71,536 bytes"
    wide = bitmap(np.ones((30, 41), bool), 0, 0)["data"]
    assert decode(wide, (30, 40)) == "a PNG of 41 x 30"
    assert decode(wide[: len(wide) // 8 * 4], (30, 50)) == "half of a packed file"
    assert [decode(value, (9, 9)) for value in (None, "%", "aGk=")] == ["NoneType, no text", "no base64", "no zlib"]
    assert decode(base64.b64encode(zlib.compress(b"hi")).decode(), (9, 9)) == "no PNG"
    assert str(decode(base64.b64encode(zlib.compress(Path(__file__).read_bytes()[:0] + b"\x89PNG\r\n\x1a\n" + bytes(8)
                      + b"\0\0\0\1\0\0\0\1")).decode(), (9, 9))).startswith("a broken PNG")  # fmt: skip


@pytest.mark.parametrize(
    ("bad", "field"),
    [
        (item(label=""), "classTitle"),
        (item(points=None), "points"),
        (item(points={"exterior": [[1, 2], [3, True], [4, 5]]}), "points"),
        (item(points={"exterior": [[1, 2], [3, 3]]}), "points"),
        (item(points=SQUARE | {"interior": [[[20, 20], [25, 20], [25, 25]]]}), "points.interior"),
        (item("rectangle"), "points.exterior"),
        (item("helix"), "geometryType"),
        (item("bitmap", bitmap={"data": "", "origin": [1]}), "bitmap.origin"),
        (item("bitmap", bitmap=bitmap(np.ones((4, 4), bool), 37, 2)), "bitmap.data"),
        (item("bitmap", bitmap=bitmap(np.zeros((4, 4), bool), 3, 2)), "bitmap.data"),
    ],
)  # fmt: skip
def test_a_broken_object_is_put_aside_by_name(tmp_path, bad, field):
    data = formats.read(dataset(tmp_path, item(), bad), allow_faulty=True)
    (issue,) = put_aside(data)
    assert (issue.subject, issue.values["field"]) == ('image "a.png", region 1', field) and data.instance_count == 1


def test_a_broken_file_of_many_skips_its_image(tmp_path):
    folder = dataset(tmp_path, item())
    image(folder / "set/img/b.png")
    (folder / "set/ann/b.png.json").write_text("{", "utf-8")
    data = formats.read(folder, allow_faulty=True)
    assert {record.image.name: record.state for record in data} == {"a.png": "labeled", "b.png": "skipped"}


def test_a_meta_file_that_is_none_is_an_error(tmp_path):
    with pytest.raises(AnnotationError, match=r"not Supervisely's meta\.json"):
        formats.read(written(dataset(tmp_path, item()) / "meta.json", {"classes": 3}).parent)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(st.sampled_from(["size", "objects", "classTitle", "geometryType", "points", "exterior", "interior", "bitmap",
                        "origin", "data", "tags", "height"]), JSON)  # fmt: skip
def test_any_value_in_any_field_gives_a_data_set_or_our_error(tmp_path_factory, name, value):
    folder = dataset(tmp_path_factory.mktemp("sly"), item(),
                     item("bitmap", bitmap=bitmap(np.ones((4, 4), bool), 3, 2)), item("rectangle"))  # fmt: skip

    def replaced(part: Any) -> Any:
        if isinstance(part, dict):
            return {key: value if key == name else replaced(inside) for key, inside in part.items()}
        return [replaced(inside) for inside in part] if isinstance(part, list) else part

    file = folder / "set/ann/a.png.json"
    written(file, replaced(json.loads(file.read_text("utf-8"))))
    with contextlib.suppress(MaskwrightError):
        formats.read(folder, allow_faulty=True)


# --- real data ----------------------------------------------------------------------------------
def test_a_real_project_is_counted_right_to_the_pixel(shared, tmp_path):
    case = shared / "data/zoo/supervisely_project"
    assert absent(formats.read(case)) == ["image_01", "image_03", "image_01"]
    sizes = {}
    for page in case.glob("*/ann/*.json"):
        size = json.loads(page.read_text("utf-8"))["size"]
        sizes[f"{page.parent.parent.name}/img/{page.stem}.jpeg"] = (size["height"], size["width"])
    data = formats.read(with_images(case, tmp_path, sizes))
    assert data.class_counts() == {"person": 6, "dog": 1, "car": 5, "bike": 3} and not put_aside(data)
    people = [int(area) for record in data if record.instances is not None and record.instances.masks is not None
              for label, area in zip(record.instances.labels, record.instances.masks.area, strict=True)
              if label == "person"]  # fmt: skip
    assert people == [111124, 41262, 13576, 3292, 9325, 25229]
