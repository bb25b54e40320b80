"""Outlines that cross themselves, of a whole dataset at once."""

from __future__ import annotations

import numpy as np

from maskwright.geometry.ragged import Ragged

MOST_POINTS = 20_000  # of an outline: the time that a comb of parallel lines takes grows with the square of its points


def self_crossing(shapes: Ragged) -> np.ndarray:
    """n×2: where two edges of one outline of the object cross, each passing through the other; NaN where none do.

    Edges that only touch do not: outlines traced around pixels touch themselves at corners. Outlines of more than
    MOST_POINTS points are not looked at.

    >>> bow_tie = np.array([[0, 0], [4, 4], [4, 0], [0, 4]])
    >>> self_crossing(Ragged.of([[bow_tie], [bow_tie[[0, 2, 1, 3]]]])).tolist()
    [[2.0, 2.0], [nan, nan]]
    """
    found = np.full((len(shapes.parts), 2), np.nan)
    outlines = np.repeat(np.arange(len(shapes.lengths)), shapes.lengths)
    kept = (shapes.lengths <= MOST_POINTS)[outlines]
    starts, ends, outlines = shapes.points[kept], shapes.following()[kept], outlines[kept]
    # Sorted by their left ends, an edge meets only the next few: those that begin before it ends.
    left, right = np.minimum(starts[:, 0], ends[:, 0]), np.maximum(starts[:, 0], ends[:, 0])
    order = np.lexsort((left, outlines))
    starts, ends, outlines, left, right = starts[order], ends[order], outlines[order], left[order], right[order]
    first, step = np.arange(len(order)), 1
    owners = shapes.part_owners
    while len(first):
        first = first[first + step < len(order)]
        second = first + step
        near = (outlines[first] == outlines[second]) & (left[second] <= right[first])
        near &= np.isnan(found[owners[outlines[first]], 0])
        first, second = first[near], second[near]
        crossing = _cross(starts[first], ends[first], starts[second], ends[second])
        a, b = first[crossing], second[crossing]
        found[owners[outlines[a]]] = _meeting(starts[a], ends[a], starts[b], ends[b])
        step += 1
    return found


def _cross(a: np.ndarray, b: np.ndarray, c: np.ndarray, d: np.ndarray) -> np.ndarray:
    """k bool: do the edges a-b and c-d pass through each other? Each k×2."""
    apart = _side(a, b, c) * _side(a, b, d) < 0
    return apart & (_side(c, d, a) * _side(c, d, b) < 0)


def _meeting(a: np.ndarray, b: np.ndarray, c: np.ndarray, d: np.ndarray) -> np.ndarray:
    """k×2: where the edges a-b and c-d cross."""
    along, other, between = b - a, d - c, c - a
    part = (between[:, 0] * other[:, 1] - between[:, 1] * other[:, 0]) / (
        along[:, 0] * other[:, 1] - along[:, 1] * other[:, 0]
    )
    return a + part[:, None] * along


def _side(a: np.ndarray, b: np.ndarray, point: np.ndarray) -> np.ndarray:
    """k of 1, 0 or -1: on which side of the line from a to b the point lies; 0 on it."""
    along, toward = b - a, point - a
    return np.sign(along[:, 0] * toward[:, 1] - along[:, 1] * toward[:, 0])
