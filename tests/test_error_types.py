"""Why a detection is wrong: each of TIDE's error types on one image that shows it."""

from __future__ import annotations

import numpy as np
import pytest

from maskwright.evaluation.error_types import error_types
from maskwright.types import Instances

NAMES = ("gun", "sword")
GROUND_TRUTH = Instances(np.array([[0, 0, 10, 10], [40, 40, 60, 60]], np.float32), [0, 1], None, None, NAMES)


def detected(box: list[float], name: str) -> Instances:
    return Instances(np.array([box], np.float32), [NAMES.index(name)], np.array([0.9]), None, NAMES)


@pytest.mark.parametrize(
    ("box", "name", "matched", "expected"),
    [
        ([0, 0, 10, 10], "gun", 0, ""),
        ([0, 0, 10, 10], "sword", -1, "class"),
        ([0, 0, 10, 4], "gun", -1, "location"),
        ([0, 0, 10, 4], "sword", -1, "both"),
        ([0, 0, 10, 9], "gun", -1, "duplicate"),
        ([20, 20, 30, 30], "gun", -1, "background"),
        ([0, 0, 1, 1], "gun", -1, "background"),  # an overlap below 0.1 explains nothing
    ],
)
def test_each_error_has_its_type(box, name, matched, expected):
    assert error_types(detected(box, name), GROUND_TRUTH, [matched]) == [expected]


def test_on_an_image_that_shows_nothing_everything_is_background():
    assert error_types(detected([0, 0, 5, 5], "gun"), Instances.empty(NAMES), [-1]) == ["background"]
    assert error_types(Instances.empty(NAMES, scored=True), GROUND_TRUTH, []) == []
