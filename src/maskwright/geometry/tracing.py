"""Run lengths to outlines, and masks split into connected parts. Both work on runs, not on pixels."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from maskwright.geometry.spans import (
    Spans,
    Strips,
    from_counts,
    from_strips,
    merge,
    ragged_index,
    to_counts,
    to_strips,
)


class Outline(NamedTuple):
    """A closed line along pixel edges, as its corners.

    points  k×2 float64 (x, y); clockwise as seen on the image around an object, counterclockwise around a hole
    hole    True around a hole
    """

    points: np.ndarray
    hole: bool


def trace(counts: np.ndarray, offsets: np.ndarray, size: tuple[int, int], connectivity: int = 8) -> list[list[Outline]]:
    """The outlines of each mask: one around each connected part, one around each hole.

    connectivity  8: pixels that touch at a corner are connected (usual); 4: they are not

    >>> counts, offsets = np.array([4, 1, 4]), np.array([0, 3])
    >>> [outline.points.tolist() for outline in trace(counts, offsets, size=(3, 3))[0]]
    [[[1.0, 1.0], [2.0, 1.0], [2.0, 2.0], [1.0, 2.0]]]
    """
    traced: list[list[Outline]] = [[] for _ in offsets[1:]]
    owner, start, direction, length = _border(to_strips(from_counts(counts, offsets), size[0]), size)
    follow = _followers(
        owner, start, start + _DIRECTIONS[direction] * length[:, None], direction, connectivity
    ).tolist()
    corner = np.ones(len(owner), bool)
    corner[follow] = direction != direction[follow]  # no corner where the line goes straight on

    left = np.ones(len(owner), bool).tolist()
    for first in range(len(follow)):
        if not left[first]:
            continue
        loop, at = [], first
        while left[at]:
            left[at] = False
            loop.append(at)
            at = follow[at]
        line = np.array(loop)
        points = start[line[corner[line]]].astype(np.float64)
        x, y = points.T
        hole = bool(x @ np.roll(y, -1) < y @ np.roll(x, -1))
        traced[owner[first]].append(Outline(points, hole))
    return traced


def parts(counts: np.ndarray, size: tuple[int, int], connectivity: int = 8) -> tuple[np.ndarray, np.ndarray]:
    """(counts, offsets) with one mask for each connected part of one mask, from left to right; none if it is empty.

    >>> parts(np.array([0, 1, 5, 1, 2]), size=(3, 3))
    (array([0, 1, 8, 6, 1, 2]), array([0, 3, 6]))
    """
    height, width = size
    strips = to_strips(from_counts(counts, np.array([0, len(counts)])), height)
    label = _components(len(strips.x), *_neighbors(strips, height, reach=int(connectivity == 8)))
    labels, owner = np.unique(label, return_inverse=True)
    spans = merge(from_strips(strips._replace(owner=owner.reshape(-1)), height))
    return to_counts(spans, len(labels), height * width)


def count_parts(spans: Spans, rows: int, size: tuple[int, int], connectivity: int = 8) -> np.ndarray:
    """Number of connected parts of each mask, (rows,) int64. The masks must share no pixel; spans sorted by start."""
    strips = to_strips(spans, size[0])
    first, second = _neighbors(strips, size[0], reach=int(connectivity == 8))
    same = strips.owner[first] == strips.owner[second]
    label = _components(len(strips.x), first[same], second[same])
    return np.bincount(strips.owner[np.unique(label)], minlength=rows)


# --- inside -----------------------------------------------------------------------------------------
_DIRECTIONS = np.array([[1, 0], [0, 1], [-1, 0], [0, -1]])
"""The four directions of a border, each a right turn from the previous one (y points down)."""


def _border(strips: Strips, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """All border segments, with the object on the right: (owner, start m×2, direction, length)."""
    owner, x, top, bottom = strips
    ones = np.ones_like(x)
    horizontal = [
        (owner, np.stack([x, top], axis=1), 0 * ones, ones),
        (owner, np.stack([x + 1, bottom], axis=1), 2 * ones, ones),
    ]
    vertical = [_vertical(strips, size)] if len(owner) else []
    owners, starts, directions, lengths = zip(*horizontal, *vertical, strict=True)
    return np.concatenate(owners), np.concatenate(starts), np.concatenate(directions), np.concatenate(lengths)


def _vertical(strips: Strips, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Borders between two columns: where only the left or only the right column belongs to the mask."""
    height, width = size
    owner, x, top, bottom = strips
    lines = np.concatenate([owner * (width + 1) + x + 1, owner * (width + 1) + x])  # its right, its left side
    ones = np.ones_like(x)
    where = np.concatenate([lines, lines]) * (height + 1) + np.concatenate([top, top, bottom, bottom])
    change = np.concatenate([ones, 2 * ones, -ones, -2 * ones])  # state 1: left belongs, 2: right, 3: both
    order = np.argsort(where, kind="stable")
    where, state = where[order], np.cumsum(change[order])
    some = np.flatnonzero((where[:-1] < where[1:]) & ((state[:-1] == 1) | (state[:-1] == 2)))
    line, y0, y1 = where[some] // (height + 1), where[some] % (height + 1), where[some + 1] % (height + 1)
    down = state[some] == 1
    start = np.stack([line % (width + 1), np.where(down, y0, y1)], axis=1)
    return line // (width + 1), start, np.where(down, 1, 3), y1 - y0


def _followers(
    owner: np.ndarray, start: np.ndarray, stop: np.ndarray, direction: np.ndarray, connectivity: int
) -> np.ndarray:
    """Index of the segment that continues each border segment. Where there are two (pixels that touch at a corner),
    turning right stays at the same pixel, turning left continues at the other."""
    if not len(owner):
        return np.zeros(0, np.int64)
    high, wide = int(start[:, 1].max()) + 1, int(start[:, 0].max()) + 1
    begins, ends = (((owner * wide) + at[:, 0]) * high + at[:, 1] for at in (start, stop))
    order = np.lexsort((direction, begins))
    begins, directions = begins[order], direction[order]
    following = np.searchsorted(begins, ends)
    second = np.minimum(following + 1, len(begins) - 1)
    expected = (direction + (3 if connectivity == 8 else 1)) % 4
    following = np.where((begins[second] == ends) & (directions[second] == expected), second, following)
    return order[following]


def _neighbors(strips: Strips, height: int, reach: int) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of strips in adjacent columns that overlap (reach 0) or at least touch at a corner (reach 1)."""
    stride = height + 2
    tops, bottoms = strips.x * stride + strips.top, strips.x * stride + strips.bottom
    first = np.searchsorted(bottoms, tops + stride - reach, side="right")
    after = np.searchsorted(tops, bottoms + stride + reach, side="left")
    which, position = ragged_index(np.maximum(after - first, 0))
    return which, first[which] + position


def _components(number: int, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Label of each node 0..number-1, the lowest index of its connected component; (a, b) are the edges."""
    label = np.arange(number)
    while len(a):
        low, high = np.minimum(label[a], label[b]), np.maximum(label[a], label[b])
        apart = low != high
        a, b = a[apart], b[apart]
        np.minimum.at(label, high[apart], low[apart])
        while not np.array_equal(label, jumped := label[label]):
            label = jumped
    return label
