"""Labels that a model doubts: what it is asked, and in which order it answers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from maskwright.curate import doubts
from maskwright.types import ImageLabels, Instances, Record

NAMES = ("rust", "dent")
DRAWN = np.array([[10, 10, 30, 30], [40, 40, 60, 60]], np.float32)


def drawn(boxes=DRAWN, classes=(0, 1), crowd=None) -> Record:
    instances = Instances(np.asarray(boxes), np.array(classes, np.int64), None, None, NAMES, crowd)
    return Record(Path("a.jpg"), (80, 80), instances)


def found(*rows: tuple[float, float, float, float, int, float]) -> Instances:
    table = np.array(rows, np.float32).reshape(-1, 6)
    return Instances(table[:, :4], table[:, 4].astype(np.int64), table[:, 5], None, NAMES)


AGREEING = [(10, 10, 30, 30, 0, 0.9), (40, 40, 60, 60, 1, 0.8)]


def codes(record: Record, *rows) -> list[str]:
    return [issue.code for issue in doubts.of_objects(record, found(*rows))]


def test_without_objects_and_detections_nothing_is_doubted():
    assert codes(drawn(np.zeros((0, 4)), ())) == []
    assert codes(Record(Path("a.jpg"), (80, 80), None), *AGREEING) == []


def test_what_the_model_sees_too_is_not_doubted():
    assert codes(drawn(), *AGREEING) == []


def test_an_object_that_nobody_drew_is_told_once_with_its_score():
    more = [(65, 10, 78, 25, 0, 0.7), (65, 11, 78, 25, 0, 0.4)]
    (issue,) = doubts.of_objects(drawn(), found(*AGREEING, *more))
    assert issue.code == doubts.OBJECT_UNDRAWN.code and issue.values["doubt"] == pytest.approx(0.7)
    assert str(issue) == "a.jpg: nobody drew the rust at 65 10 78 25 that the model finds (doubt 0.70)"


def test_another_class_at_the_same_place_is_told():
    (issue,) = doubts.of_objects(drawn(), found((10, 10, 30, 30, 1, 0.9), AGREEING[1]))
    assert str(issue) == "a.jpg: object 1, rust, looks like dent to the model (doubt 0.90)"
    assert codes(drawn(), *AGREEING, (10, 10, 30, 30, 1, 0.2)) == []


def test_a_box_beside_the_object_is_told():
    (issue,) = doubts.of_objects(drawn(), found((18, 10, 38, 30, 0, 0.9), AGREEING[1]))
    assert issue.code == doubts.BOX_DOUBTED.code and issue.values["doubt"] == pytest.approx(0.9)
    (issue,) = doubts.of_objects(drawn(), found((14, 10, 34, 30, 0, 0.9), AGREEING[1]))
    assert 0.3 < issue.values["doubt"] < 0.5  # it fits better


def test_the_detection_of_a_neighbor_says_nothing_about_a_label():
    """The second object touches the first one; the model sees only the first."""
    record = drawn([[10, 10, 30, 30], [26, 10, 50, 30]], (0, 0))
    assert codes(record, AGREEING[0]) == [doubts.OBJECT_UNSEEN.code]


def test_a_label_that_the_model_does_not_see_is_told():
    assert codes(drawn(), AGREEING[0]) == [doubts.OBJECT_UNSEEN.code]


def test_crowds_and_classes_that_the_model_does_not_know_are_not_doubted():
    assert codes(drawn(crowd=np.array([False, True])), AGREEING[0]) == []
    strange = Instances(DRAWN, np.array([0, 1]), None, None, ("crack", "dent"))
    assert [
        issue.code for issue in doubts.of_objects(Record(Path("a.jpg"), (80, 80), strange), found(AGREEING[1]))
    ] == []


def test_the_label_of_an_image_is_doubted_by_how_much_another_is_likelier():
    record = Record(Path("a.jpg"), (80, 80), None, labels=(0,))
    (issue,) = doubts.of_image(record, NAMES, ImageLabels.of(np.array([0.2, 0.8], np.float32), NAMES))
    assert str(issue) == "a.jpg: the image, rust, looks like dent to the model (doubt 0.60)"
    assert doubts.of_image(record, NAMES, ImageLabels.of(np.array([0.8, 0.2], np.float32), NAMES)) == []


def test_the_surest_doubt_comes_first():
    told = doubts.of_objects(drawn(), found((65, 10, 78, 25, 0, 0.3), (10, 10, 30, 30, 1, 0.9), AGREEING[1]))
    assert [round(issue.values["doubt"], 2) for issue in doubts.ranked(told)] == [0.9, 0.3]
