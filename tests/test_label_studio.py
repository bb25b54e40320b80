"""Label Studio JSON and JSON-MIN: shapes in percent, brushes bit by bit, several annotations, names of uploads."""

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
from reported import absent, put_aside, sentences
from strategies import masks
from zoo import with_images

from maskwright import formats
from maskwright.errors import DatasetError, MaskwrightError
from maskwright.formats.label_studio_brush import decode
from maskwright.types import Dataset, Instances

BOX = {"x": 5, "y": 10, "width": 25, "height": 20, "rotation": 0}
SIZE = {"original_width": 40, "original_height": 30, "image_rotation": 0}


def region(value: dict[str, Any], *labels: str, kind: str = "rectanglelabels", **more: Any) -> dict[str, Any]:
    value = value | {kind: list(labels or ("rust",))}
    return {"id": "r", "type": kind, "from_name": "label", "to_name": "image", **SIZE, "value": value, **more}


def answer(*result: dict[str, Any], **more: Any) -> dict[str, Any]:
    numbered = [item | {"id": f"r{number}"} if item["id"] == "r" else item for number, item in enumerate(result)]
    return {"id": 1, "completed_by": 1, "result": numbered, "was_cancelled": False, "ground_truth": False, **more}


def project(
    folder: Path, *answers: dict[str, Any], name: str = "a.png", size: tuple[int, int] = (30, 40), **more: Any
) -> Path:
    image(folder / name, size)
    return written(folder / "project.json", [{"id": 1, "data": {"image": name}, "annotations": list(answers), **more}])


def objects(data: Dataset) -> Instances:
    (record,) = [record for record in data if record.instances is not None and len(record.instances)]
    assert record.instances is not None
    return record.instances


def packed(alpha: np.ndarray, runs: bool) -> list[int]:
    """RGBA of one color with this alpha, as rle-pack writes it: with runs, or every value by itself."""
    values = np.repeat(alpha.reshape(-1).astype(np.uint8) * 255, 4).tolist()
    bits = f"{len(values):032b}" + f"{7:05b}" + "".join(f"{length - 1:04b}" for length in (3, 4, 8, 16))
    first = 0
    while first < len(values):
        last = first + 1
        while last < len(values) and values[last] == values[first] and last - first < 256:
            last += 1
        if runs:
            bits += "110" + f"{last - first - 1:08b}" + f"{values[first]:08b}"
        else:
            bits += "000" + f"{0:03b}" + f"{values[first]:08b}"
            last = first + 1
        first = last
    bits += "0" * (-len(bits) % 8)
    return [int(bits[at : at + 8], 2) for at in range(0, len(bits), 8)]


# --- JSON ---------------------------------------------------------------------------------------
def test_a_task_without_annotations_is_unlabeled_and_one_without_regions_empty(tmp_path):
    assert [record.state for record in formats.read(project(tmp_path, predictions=[]))] == ["unlabeled"]
    assert [record.state for record in formats.read(project(tmp_path, answer()))] == ["empty"]


def test_a_rectangle_is_percent_of_the_image(tmp_path):
    found = objects(formats.read(project(tmp_path, answer(region(BOX)))))
    assert found.boxes.tolist() == [[2, 3, 12, 9]] and found.labels == ["rust"] and found.masks is None


def test_a_rotated_rectangle_turns_around_its_upper_left_corner(tmp_path):
    value = {"x": 50, "y": 40, "width": 25, "height": 20, "rotation": 90}
    found = objects(formats.read(project(tmp_path, answer(region(value)))))
    assert found.masks is not None and found.masks.boxes.tolist() == [[14, 12, 20, 22]]


def test_polygons_and_ellipses_are_outlines(tmp_path):
    polygon = region({"points": [[5, 10], [30, 10], [30, 30], [5, 30]], "closed": True}, kind="polygonlabels")
    ellipse = region({"x": 50, "y": 50, "radiusX": 15, "radiusY": 10, "rotation": 90}, "dent", kind="ellipselabels")
    found = objects(formats.read(project(tmp_path, answer(polygon, ellipse))))
    assert found.masks is not None and found.masks.boxes.tolist() == [[2, 3, 12, 9], [17, 9, 23, 21]]
    assert found.labels == ["rust", "dent"]


@given(masks(n=1, size=(9, 7)), st.booleans())
def test_a_brush_gives_the_pixels_back(alpha, runs):
    found = decode(packed(alpha[0], runs), (9, 7))
    assert isinstance(found, np.ndarray) and (found == alpha[0]).all()


def test_a_brush_becomes_a_mask(tmp_path):
    painted = np.zeros((30, 40), bool)
    painted[3:9, 5:12] = painted[20, 20] = True
    value = {"format": "rle", "rle": packed(painted, True)}
    found = objects(formats.read(project(tmp_path, answer(region(value, kind="brushlabels")))))
    assert found.masks is not None and (found.masks.dense()[0] == painted).all()


@given(st.lists(st.integers(0, 255), max_size=40), st.integers(0, 40))
def test_a_broken_brush_is_named_and_never_read_past_its_end(junk, cut):
    whole = packed(np.ones((3, 4), bool), True)
    for rle in (whole[:cut] + junk, [0, 0, 0, 48, *junk]):
        found = decode(rle, (3, 4))
        assert isinstance(found, str) or found.shape == (3, 4)
    assert decode([256], (3, 4)) == decode(["a"], (3, 4)) == "no bytes"


def test_a_brush_of_another_size_is_not_stretched(tmp_path):
    value = {"format": "rle", "rle": packed(np.ones((15, 20), bool), True)}
    size = {"original_width": 20, "original_height": 15}
    path = project(tmp_path, answer(region(value, kind="brushlabels", **size)))
    data = formats.read(path, allow_faulty=True)
    assert put_aside(data)[0].values["got"] == "1,200 values, of which an image of 40 x 30 has 4,800"


def test_percent_hold_on_an_image_that_was_scaled_and_on_no_other(tmp_path):
    data = formats.read(project(tmp_path, answer(region(BOX, original_width=80, original_height=60))))
    assert objects(data).boxes.tolist() == [[2, 3, 12, 9]] and "another size" in sentences(data)[0]
    path = project(tmp_path, answer(region(BOX, original_width=80, original_height=45)))
    assert [record.state for record in formats.read(path, allow_faulty=True)] == ["skipped"]


def test_a_region_in_two_questions_is_one_object(tmp_path):
    plain = {"id": "x", "type": "rectangle", "from_name": "box", **SIZE, "value": BOX}
    named = region(BOX, kind="labels", id="x")
    grade = {"id": "x", "type": "choices", "from_name": "grade", **SIZE, "value": BOX | {"choices": ["deep"]}}
    found = objects(formats.read(project(tmp_path, answer(plain, named, grade))))
    assert found.labels == ["rust"] and found.annotations is not None and found.annotations[0] is not None
    assert found.annotations[0].attributes == {"grade": "deep"}


def test_choices_are_classes_of_images_where_nothing_is_drawn(tmp_path):
    choice = {"id": "c", "type": "choices", "from_name": "choice", "value": {"choices": ["rust", "dent"]}}
    data = formats.read(project(tmp_path, answer(choice)))
    assert data.names == ("dent", "rust") and data.records[0].labels == (0, 1)
    data = formats.read(project(tmp_path, answer(choice, region(BOX))))
    assert data.records[0].labels is None and "2 classes of whole images" in sentences(data)[0]


def test_points_lines_texts_and_predictions_are_counted(tmp_path):
    point = region({"x": 3, "y": 3, "width": 1}, kind="keypointlabels")
    line = region({"points": [[1, 1], [9, 9], [3, 8]], "closed": False}, kind="polygonlabels")
    text = {"id": "t", "type": "textarea", "from_name": "note", "value": {"text": ["hm"]}}
    relation = {"type": "relation", "from_id": "a", "to_id": "b", "id": "q"}
    data = formats.read(project(tmp_path, answer(point, line, text, relation), predictions=[{"result": []}]))
    assert [record.state for record in data] == ["unlabeled"]
    assert [said.split(" ", 2)[:2] for said in sentences(data)[:4]] == [
        ["1", "prediction"], ["2", "answers"], ["1", "point"], ["1", "line"]]  # fmt: skip


# --- several annotations ------------------------------------------------------------------------
def test_two_annotations_that_differ_skip_the_image_unless_one_is_the_ground_truth(tmp_path):
    one, other = answer(region(BOX)), answer(region(BOX | {"x": 9}))
    data = formats.read(project(tmp_path, one, other), allow_faulty=True)
    assert [record.state for record in data] == ["skipped"] and put_aside(data)[0].values["got"] == "2 that differ"
    data = formats.read(project(tmp_path, one, other | {"ground_truth": True}))
    assert np.allclose(objects(data).boxes, [[3.6, 3, 13.6, 9]])


def test_two_annotations_that_say_the_same_are_one_and_it_is_said(tmp_path):
    data = formats.read(project(tmp_path, answer(region(BOX, id="x")), answer(region(BOX, id="y"))))
    assert data.instance_count == 1
    assert sentences(data) == ("1 annotation that says the same as another of its task counts once",)


def test_a_cancelled_annotation_does_not_count_and_alone_skips_the_image(tmp_path):
    cancelled = answer(region(BOX | {"x": 9}), was_cancelled=True)
    assert objects(formats.read(project(tmp_path, answer(region(BOX)), cancelled))).boxes[0, 0] == 2
    data = formats.read(project(tmp_path, cancelled))
    assert [record.state for record in data] == ["skipped"] and "cancelled" in sentences(data)[0]


# --- names --------------------------------------------------------------------------------------
def test_an_upload_is_found_with_and_without_the_letters_before_its_name(tmp_path):
    records = [{"id": n, "data": {"image": f"/data/upload/3/{name}"}, "annotations": [answer(region(BOX))]}
               for n, name in enumerate(("1a2b3c4d-a.png", "99999999-b.png"))]  # fmt: skip
    image(tmp_path / "a.png")
    image(tmp_path / "99999999-b.png")
    data = formats.read(written(tmp_path / "p.json", records))
    assert [record.image.name for record in data] == ["a.png", "99999999-b.png"]


def test_two_uploads_of_one_name_are_never_given_the_same_image(tmp_path):
    records = [{"id": n, "data": {"image": f"/data/upload/3/{letters}-a.png"}, "annotations": [answer(region(BOX))]}
               for n, letters in enumerate(("1a2b3c4d", "99999999"))]  # fmt: skip
    image(tmp_path / "a.png")
    with pytest.raises(DatasetError, match="none of the images it names"):
        formats.read(written(tmp_path / "p.json", records))


def test_the_image_is_found_in_whatever_field_holds_an_address(tmp_path):
    image(tmp_path / "a.png")
    record = {"id": 1, "data": {"photo": "s3://bucket/a.png", "caption": "rust"}, "annotations": [answer(region(BOX))]}
    assert formats.read(written(tmp_path / "p.json", [record])).instance_count == 1
    record["data"]["other"] = "s3://bucket/b.png"  # type: ignore[index]
    data = put_aside(formats.read(written(tmp_path / "p.json", [record, {**record, "data": {"image": "a.png"}}]),
                                  allow_faulty=True))  # fmt: skip
    assert data[0].values["got"] == "none, or several"


def test_one_annotation_of_a_storage_is_a_task(tmp_path):
    image(tmp_path / "a.png")
    file = written(tmp_path / "1.json", {**answer(region(BOX)), "task": {"id": 4, "data": {"image": "a.png"}}})
    assert formats.read(file).instance_count == 1


# --- JSON-MIN -----------------------------------------------------------------------------------
def least(folder: Path, *records: dict[str, Any]) -> Path:
    image(folder / "a.png")
    return written(
        folder / "least.json",
        [{"id": 1, "image": "a.png", "annotation_id": 7, "annotator": 1, **record} for record in records],
    )


def test_regions_of_json_min_stand_under_the_name_of_their_question(tmp_path):
    box = BOX | SIZE | {"rectanglelabels": ["rust"]}
    data = formats.read(least(tmp_path, {"label": [box, box | {"x": 40}]}))
    assert objects(data).boxes.tolist() == [[2, 3, 12, 9], [16, 3, 26, 9]] and not put_aside(data)


def test_records_of_one_task_of_json_min_are_its_annotations(tmp_path):
    box = BOX | SIZE | {"rectanglelabels": ["rust"]}
    same = formats.read(least(tmp_path, {"label": [box]}, {"label": [box]}))
    assert same.instance_count == 1
    data = formats.read(least(tmp_path, {"label": [box]}, {"label": [box | {"x": 9}]}), allow_faulty=True)
    assert [record.state for record in data] == ["skipped"]


@pytest.mark.parametrize("choice", ["rust", ["rust"], {"choices": ["rust"]}])
def test_choices_of_json_min_are_classes_of_images(tmp_path, choice):
    data = formats.read(least(tmp_path, {"choice": choice}))
    assert data.names == ("rust",) and data.records[0].labels == (0,)


# --- bad input ----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("bad", "field"),
    [
        (region(BOX | {"x": None}), "x, y, width, height"),
        (region(BOX | {"width": 0}), "box"),
        (region(BOX | {"rotation": "much"}), "x, y, width, height"),
        (region(BOX | {"rotation": [[1, 2]]}), "x, y, width, height"),
        (region(BOX | {"x": True}), "x, y, width, height"),
        (region({"points": [[1, 2], [True, 4], [9, 9]]}, kind="polygonlabels"), "points"),
        (region(BOX, "rust", "dent"), "labels"),
        (region(BOX, image_rotation=90), "image_rotation"),
        (region(BOX, original_width=41), "original_width"),
        (region({"points": [[1, 2], [3]]}, kind="polygonlabels"), "points"),
        (region({"points": [[1, 2], [3, 4]]}, kind="polygonlabels"), "points"),
        (region({"format": "rle", "rle": [1, 2, 3]}, kind="brushlabels"), "rle"),
        (region({"format": "rle", "rle": packed(np.zeros((30, 40), bool), True)}, kind="brushlabels"), "rle"),
    ],
)  # fmt: skip
def test_a_broken_region_is_put_aside_by_name(tmp_path, bad, field):
    data = formats.read(project(tmp_path, answer(region(BOX), bad)), allow_faulty=True)
    (issue,) = put_aside(data)
    assert (issue.subject, issue.values["field"]) == ('image "a.png", region r1', field) and data.instance_count == 1


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(st.sampled_from(["data", "annotations", "result", "value", "rectanglelabels", "x", "original_width", "points",
                        "rle", "id", "image", "ground_truth"]), JSON)  # fmt: skip
def test_any_value_in_any_field_gives_a_data_set_or_our_error(tmp_path_factory, name, value):
    polygon = region({"points": [[5, 10], [30, 10], [30, 30]]}, kind="polygonlabels")
    brush = region({"format": "rle", "rle": packed(np.ones((30, 40), bool), True)}, kind="brushlabels")
    path = project(tmp_path_factory.mktemp("ls"), answer(region(BOX), polygon, brush))

    def replaced(item: Any) -> Any:
        if isinstance(item, dict):
            return {key: value if key == name else replaced(part) for key, part in item.items()}
        return [replaced(part) for part in item] if isinstance(item, list) else item

    written(path, replaced(json.loads(path.read_text("utf-8"))))
    with contextlib.suppress(MaskwrightError):
        formats.read(path, allow_faulty=True)


# --- real data ----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("case", "sizes", "counts", "areas"),
    [
        ("brush_json_min", {"374770ff-video19-frame0-06-39.42.jpg": (720, 1280),
                            "video37-frame0-01-43.44.jpg": (2160, 3840)},
         {"Fire": 5}, [189, 24, 4328, 23773, 5638]),
        ("json_min_tiny", {"example.png": (128, 128)}, {"Airplane": 1}, [118]),
        ("polygons_small", {"image2.png": (426, 640)}, {"Airplane": 1}, [19239]),
        ("rotated", {"image1.png": (768, 597), "image2.png": None, "image3.png": None},
         {"Butterfly": 24, "butterfly": 1}, None),
    ],
)  # fmt: skip
def test_real_projects_are_counted_right(shared, tmp_path, case, sizes, counts, areas):
    folder = shared / "data/zoo" / f"labelstudio_{case}"
    with pytest.raises(DatasetError, match="none of the images it names"):
        formats.read(folder)
    if case == "rotated":
        records = json.loads((folder / "data_obb.json").read_text("utf-8"))
        first = [(record["data"]["image"][1:], record["annotations"][0]["result"][0]) for record in records]
        sizes = {f"{name}.png": (item["original_height"], item["original_width"]) for name, item in first}
    data = formats.read(with_images(folder, tmp_path, sizes))
    assert data.class_counts() == counts and not put_aside(data) and not absent(data)
    found = [int(area) for record in data if record.instances is not None and record.instances.masks is not None
             for area in record.instances.masks.area]  # fmt: skip
    assert areas is None or found == areas
