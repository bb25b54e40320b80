"""The outlines of a large file in a third of the memory: coordinates with few decimals as whole numbers of 32 bits.

Annotation files give most coordinates to a hundredth of a pixel. 123.45 is the double nearest to 12345 / 100, so 12345
and the scale 100 hold it without loss; what no scale holds exactly stays as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from maskwright.geometry.ragged import Ragged
from maskwright.geometry.spans import ragged_index

SCALES = (1, 100, 10_000)


class _Places(NamedTuple):
    """Object i has the parts parts[i] to before parts[i + 1]; part p the points from points[p], over all blocks.

    first_objects, first_points  of each block
    """

    parts: np.ndarray
    points: np.ndarray
    first_objects: np.ndarray
    first_points: np.ndarray


class PackedOutlines:
    """The outlines of n objects of any images, in the order in which they were appended.

    >>> packed = PackedOutlines()
    >>> packed.append(Ragged.of([[np.array([[0, 0], [4.25, 0], [4, 3]])]]))
    >>> packed.rows([0]).points.tolist()
    [[0.0, 0.0], [4.25, 0.0], [4.0, 3.0]]
    """

    def __init__(self) -> None:
        self._points: list[np.ndarray] = []  # of each block of objects that were appended together
        self._scales: list[int] = []
        self._lengths: list[np.ndarray] = []
        self._parts: list[np.ndarray] = []
        self._known: _Places | None = None

    def append(self, shapes: Ragged) -> None:
        points, scale = _packed(shapes.points)
        self._points.append(points)
        self._scales.append(scale)
        self._lengths.append(shapes.lengths.astype(np.int32))
        self._parts.append(shapes.parts.astype(np.int32))
        self._known = None

    def rows(self, numbers: Sequence[int] | np.ndarray) -> Ragged:
        """The objects with these numbers, in this order."""
        at, numbers = self._places(), np.asarray(numbers, np.int64)
        parts = at.parts[numbers + 1] - at.parts[numbers]
        which, position = ragged_index(parts)
        part = at.parts[numbers][which] + position
        lengths = at.points[part + 1] - at.points[part]
        block = np.searchsorted(at.first_objects, numbers, side="right") - 1
        starts = at.points[at.parts[numbers]] - at.first_points[block]
        stops = at.points[at.parts[numbers + 1]] - at.first_points[block]
        spans = zip(block.tolist(), starts.tolist(), stops.tolist(), strict=True)
        points = [self._points[index][start:stop] for index, start, stop in spans]
        scales = np.array(self._scales, np.int64)[block]
        if (scales == scales[:1]).all():  # as nearly always; one number is faster than a column
            return Ragged(np.concatenate([np.zeros((0, 2), np.int32), *points]) / scales.max(initial=1), lengths, parts)
        column = np.repeat(scales, stops - starts)[:, None]
        return Ragged(np.concatenate([np.zeros((0, 2)), *points]) / column, lengths, parts)

    def _places(self) -> _Places:
        if self._known is None:
            objects, points = ([*map(len, arrays)] for arrays in (self._parts, self._points))
            self._known = _Places(_before(self._parts), _before(self._lengths),
                                  *(np.cumsum([0, *sizes])[:-1] for sizes in (objects, points)))  # fmt: skip
        return self._known


def _packed(points: np.ndarray) -> tuple[np.ndarray, int]:
    """(numbers, scale), so that numbers / scale are the very points."""
    for scale in SCALES:
        numbers = np.rint(points * scale)
        if (np.abs(numbers) < 1 << 31).all() and (numbers / scale == points).all():
            return numbers.astype(np.int32), scale
    return points, 1


def _before(lengths: list[np.ndarray]) -> np.ndarray:
    """How many come before each, and the total at the end; int64."""
    return np.concatenate([[0], np.cumsum(np.concatenate([np.zeros(0, np.int64), *lengths]))])
