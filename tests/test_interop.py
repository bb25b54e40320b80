"""Instances come and go through rows, CSV, pandas, supervision and COCO results without loss."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import masks

from maskwright import interop
from maskwright.errors import AnnotationError, MissingExtra, UnknownName
from maskwright.types import Instances, RleMasks

NAMES = ("cat", "dog")


@st.composite
def detections(draw: st.DrawFn) -> Instances:
    dense = draw(masks(size=(7, 9)))
    n = len(dense)
    classes = np.array(draw(st.lists(st.integers(0, 1), min_size=n, max_size=n)), np.int64)
    fraction = st.floats(0, 1, width=32)
    scores = draw(st.none() | st.lists(fraction, min_size=n, max_size=n).map(np.array))
    crowd = draw(st.none() | st.lists(st.booleans(), min_size=n, max_size=n).map(lambda flags: np.array(flags, bool)))
    kept = RleMasks.from_dense(dense)
    edges = draw(st.lists(st.lists(st.floats(-5, 50, width=32), min_size=4, max_size=4), min_size=n, max_size=n))
    return Instances(np.array(edges), classes, scores, draw(st.sampled_from([kept, None])), NAMES, crowd)


def one_cat(score: float = 0.9) -> Instances:
    dense = np.zeros((1, 4, 5), bool)
    dense[0, 1:3, 1:4] = True
    return Instances(np.array([[1, 1, 4, 3]]), np.array([0]), np.array([score]), RleMasks.from_dense(dense), NAMES)


def same(a: Instances, b: Instances) -> None:
    assert a.names == b.names and len(a) == len(b)
    for column in ("boxes", "classes", "scores", "crowd"):
        one, other = getattr(a, column), getattr(b, column)
        assert (one is None) == (other is None), column
        assert one is None or np.array_equal(one, other), column
    assert (a.masks is None) == (b.masks is None)
    if a.masks is not None and b.masks is not None:
        assert a.masks.size == b.masks.size and np.array_equal(a.masks.dense(), b.masks.dense())


# --- rows -----------------------------------------------------------------------------------------
def test_no_objects_give_no_rows_and_back():
    assert interop.to_rows(Instances.empty(NAMES, (4, 5))) == []
    same(interop.from_rows([], NAMES, (4, 5)), Instances.empty(NAMES, (4, 5)))
    assert interop.from_rows([]).names == ()


def test_a_row_says_everything_in_plain_values():
    (row,) = interop.to_rows(one_cat())
    assert {**row, "segmentation": ...} == {
        "class": "cat", "score": 0.9, "box": [1.0, 1.0, 4.0, 3.0], "area": 6, "segmentation": ...,
    }  # fmt: skip
    assert row["segmentation"]["size"] == [4, 5]


@given(detections())
def test_rows_through_json_give_the_same_objects(instances):
    rows = json.loads(json.dumps(interop.to_rows(instances)))
    if rows:
        same(interop.from_rows(rows, NAMES), instances)


@pytest.mark.parametrize(
    ("row", "field"),
    [
        (None, "class"),
        ({}, "class"),
        ({"class": 3, "box": [0, 0, 1, 1]}, "class"),
        ({"class": "cat"}, "box"),
        ({"class": "cat", "box": [0, 0, 1]}, "box"),
        ({"class": "cat", "box": [0, 0, 1, float("nan")]}, "box"),
        ({"class": "cat", "box": [0, 0, 1, "1"]}, "box"),
        ({"class": "cat", "box": [0, 0, 1, 1], "score": 1.5}, "score"),
        ({"class": "cat", "box": [0, 0, 1, 1], "score": None}, "score"),
        ({"class": "cat", "box": [0, 0, 1, 1], "crowd": "no"}, "crowd"),
        ({"class": "cat", "box": [0, 0, 1, 1], "segmentation": {"size": [4], "counts": "1"}}, "segmentation"),
        ({"class": "cat", "box": [0, 0, 1, 1], "segmentation": {"size": [4, 5], "counts": "~~~~"}}, "segmentation"),
        ({"class": "cat", "box": [0, 0, 1, 1], "segmentation": {"size": [4, 5], "counts": [3, "a"]}}, "segmentation"),
        (
            {"class": "cat", "box": [0, 0, 1, 1], "segmentation": {"size": [4, 5], "counts": [3, None, -2]}},
            "segmentation",
        ),
    ],
)
def test_a_bad_row_is_named(row, field):
    with pytest.raises(AnnotationError) as caught:
        interop.from_rows([row], file="found.json")
    assert caught.value.parts["field"] == field and caught.value.parts["file"] == "found.json"


def test_a_column_is_in_all_rows_or_in_none():
    rows = [*interop.to_rows(one_cat()), {"class": "cat", "box": [0, 0, 1, 1]}]
    with pytest.raises(AnnotationError, match="a row cannot be read") as caught:
        interop.from_rows(rows)
    parts = {"record": "row 2", "field": "score", "expected": "a number 0..1", "got": "nothing"}
    assert caught.value.parts == parts


def test_masks_must_be_of_the_images_size():
    with pytest.raises(AnnotationError, match="does not have the size of the image"):
        interop.from_rows(interop.to_rows(one_cat()), NAMES, (5, 5))


def test_an_unknown_class_offers_the_nearest():
    with pytest.raises(UnknownName, match=r'no class "cat"\. Did you mean "cart"'):
        interop.from_rows(interop.to_rows(one_cat()), ("cart", "dog"))


# --- CSV and pandas -------------------------------------------------------------------------------
def test_csv_of_nothing_is_its_header():
    assert interop.to_csv([], []) == "image,class,score,x1,y1,x2,y2,area,crowd\n"


def test_csv_has_one_line_an_object_with_its_image():
    text = interop.to_csv([one_cat(), Instances.empty(NAMES), one_cat(0.25)], ["a.jpg", "b.jpg", "c, d.jpg"])
    assert text.splitlines()[1:] == ["a.jpg,cat,0.9,1.0,1.0,4.0,3.0,6,", '"c, d.jpg",cat,0.25,1.0,1.0,4.0,3.0,6,']
    assert [row["image"] for row in csv.DictReader(text.splitlines())] == ["a.jpg", "c, d.jpg"]


def test_csv_is_no_spreadsheet_program():
    assert interop.to_csv([one_cat()], ["=1+1.jpg"]).splitlines()[1].startswith("'=1+1.jpg,")


def test_a_data_frame_has_the_same_columns():
    pytest.importorskip("pandas")
    frame = interop.to_frame([one_cat(), one_cat(0.5)], ["a.jpg", "b.jpg"])
    assert list(frame.columns) == list(interop.CSV_COLUMNS) and frame.score.tolist() == [0.9, 0.5]
    assert interop.to_frame([], []).empty


@pytest.mark.parametrize(
    ("module", "call"),
    [("pandas", lambda: interop.to_frame([], [])), ("supervision", lambda: interop.to_supervision(one_cat()))],
)
def test_what_is_not_installed_is_named(monkeypatch, module, call):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtra, match=f"{module} is not installed\n  fix       .*pip install {module}"):
        call()


# --- COCO results ---------------------------------------------------------------------------------
def test_the_table_beside_numbered_results():
    assert interop.to_coco_images([], [], ()) == {"images": [], "categories": []}
    table = interop.to_coco_images(["a.jpg"], [(30, 40)], ("cat", "dog"))
    assert table["images"] == [{"id": 1, "file_name": "a.jpg", "width": 40, "height": 30}]
    assert table["categories"] == [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}]


def test_coco_results_have_corner_and_sides():
    (result,) = interop.to_coco_results([Instances.empty(NAMES), one_cat()], [7, 8])
    assert result.pop("segmentation")["size"] == [4, 5]
    assert result == {"image_id": 8, "category_id": 1, "bbox": [1.0, 1.0, 3.0, 2.0], "score": 0.9}
    assert interop.to_coco_results([one_cat()], [8], {"cat": 17})[0]["category_id"] == 17
    with pytest.raises(UnknownName, match='no category "cat"'):
        interop.to_coco_results([one_cat()], [8], {"dog": 18})


def test_pycocotools_reads_the_results():
    mask = pytest.importorskip("pycocotools.mask")
    (result,) = interop.to_coco_results([one_cat()], [1])
    assert mask.area(result["segmentation"]) == 6


# --- supervision ----------------------------------------------------------------------------------
def stand_in() -> ModuleType:
    """supervision.Detections, as far as we use it."""
    module = ModuleType("supervision")
    module.Detections = SimpleNamespace  # type: ignore[attr-defined]
    return module


@given(detections())
def test_supervision_and_back_gives_the_same_objects(instances):
    with pytest.MonkeyPatch.context() as patch:
        if "supervision" not in sys.modules:
            patch.setitem(sys.modules, "supervision", stand_in())
        back = interop.from_supervision(interop.to_supervision(instances), NAMES)
    plain = Instances(instances.boxes, instances.classes, instances.scores, instances.masks, NAMES)  # no crowds there
    same(back, plain)


def test_the_real_supervision_takes_our_objects():
    supervision = pytest.importorskip("supervision")
    detections = interop.to_supervision(one_cat())
    assert isinstance(detections, supervision.Detections)
    assert detections["class_name"].tolist() == ["cat"] and detections.area.tolist() == [6]
    same(interop.from_supervision(detections, NAMES), one_cat())
    assert len(interop.from_supervision(supervision.Detections.empty())) == 0
    assert len(interop.to_supervision(Instances.empty(NAMES, (4, 5), scored=True))) == 0


def detections(**columns):
    default = {"xyxy": np.array([[0, 0, 2, 2]]), "mask": None, "confidence": None, "class_id": None, "data": {}}
    return SimpleNamespace(**{**default, **columns})


def test_names_come_from_the_data_or_are_made_up():
    assert interop.from_supervision(detections()).labels == ["object"]
    assert interop.from_supervision(detections(class_id=np.array([2]))).names == ("class 0", "class 1", "class 2")
    named = detections(class_id=np.array([1]), data={"class_name": np.array(["dog"])})
    assert interop.from_supervision(named).names == ("class 0", "dog")


@pytest.mark.parametrize("number", [-1, 2])
def test_a_class_number_without_a_name_is_a_mistake(number):
    with pytest.raises(AnnotationError, match="a class number"):
        interop.from_supervision(detections(class_id=np.array([number])), NAMES)


def test_importing_interop_leaves_the_others_alone():
    code = "import sys, maskwright.interop; sys.exit(bool({'pandas', 'supervision', 'torch'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
