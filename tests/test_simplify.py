"""Douglas and Peucker: fewer points, none far from the line."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskwright.geometry.simplify import simplify

outlines = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), min_size=3, max_size=60, unique=True)


def distances(points: np.ndarray, closed: np.ndarray) -> np.ndarray:
    """Of each point the distance from the nearest side of a closed line, side by side."""
    nearest = np.full(len(points), np.inf)
    for start, end in zip(closed, np.roll(closed, -1, axis=0), strict=True):
        way = end - start
        along = np.clip((points - start) @ way / max(way @ way, 1e-12), 0, 1)
        nearest = np.minimum(nearest, np.hypot(*(points - start - along[:, None] * way).T))
    return nearest


@given(outlines, st.sampled_from([0.25, 1.0, 4.0]))
def test_no_point_lies_further_than_the_tolerance_from_the_simplified_outline(points, tolerance):
    points = np.array(points, float)
    assert distances(points, simplify(points, tolerance)).max() <= tolerance + 1e-9


@given(outlines, st.sampled_from([0.25, 1.0, 4.0]))
def test_the_points_that_stay_are_points_of_the_outline_in_their_order(points, tolerance):
    points = np.array(points, float)
    row_of = {tuple(point): row for row, point in enumerate(points.tolist())}
    rows = [row_of[tuple(point)] for point in simplify(points, tolerance).tolist()]
    assert rows == sorted(rows) and len(rows) >= 3


def test_a_staircase_of_pixels_becomes_its_slope():
    steps = np.array([(x + corner, x) for x in range(50) for corner in (0, 1)], float)
    outline = np.concatenate([steps, [[50.0, 60.0], [0.0, 60.0]]])
    assert len(simplify(outline, 1.0)) < 8


@pytest.mark.parametrize("points", [np.zeros((0, 2)), np.array([[1.0, 2.0]]), np.eye(3, 2)])
def test_what_has_nothing_to_spare_stays(points):
    assert np.array_equal(simplify(points, 5.0), points)
