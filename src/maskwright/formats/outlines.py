"""Outlines and boxes of a whole file examined together: one numpy call a question instead of one an object."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any, TypeVar

import numpy as np

from maskwright.geometry import polygons
from maskwright.geometry.ragged import Ragged

FARTHEST = 1e7  # pixels; a coordinate beyond is a slip, not a place
_LONGEST = 4  # times the image's pixels: an outline around every single pixel is not longer
_LONG_ANYWAY = 1_000_000  # pixels; an outline of this length costs a tenth of a second
_NEAR = 0.01  # fractions of width and height may reach a little beyond 0 and 1
_SLIP = 3  # pixels; a file's box may be so far from its outline's own, however small the object is
_AT_ONCE = 4000  # objects that are examined or filled together
_SAME_BOX = 0.5  # intersection over union

SOUND, NO_NUMBERS, TOO_FEW, OUTSIDE, TOO_LONG = range(5)
"""What is wrong with an object; a box is TOO_FEW where it has no area."""
CAUSES = ("", "not_numbers", "without_area", "outside", "endless")
"""The same in words (`faults.CAUSES`)."""


@dataclass(slots=True)
class Waiting:
    """An outline or a box that was taken in and is not yet examined.

    row    its own among the objects of its image
    parts  its outlines, k×2 each as in the file; of a box (`alone`) one, the two corners
    turn   when it was met
    box    the box that the file gives beside an outline
    """

    row: int
    parts: list[np.ndarray]
    turn: int
    box: Any = None
    alone: bool = False


@dataclass(frozen=True)
class Examined:
    """Of n objects:

    problems  n of SOUND, NO_NUMBERS, ...
    blamed    n, which of its parts is wrong
    low, high  n×2, the lowest and highest x and y, as in the image
    cut       n bool, reaches past the edge
    tiny      n bool, lies within a pixel of the corner, as fractions do
    broken    n bool, tiny and not of whole numbers
    """

    problems: np.ndarray
    blamed: np.ndarray
    low: np.ndarray
    high: np.ndarray
    cut: np.ndarray
    tiny: np.ndarray
    broken: np.ndarray


def examine(drawn: Ragged, shapes: Ragged, boxes: np.ndarray, sizes: np.ndarray, last: np.ndarray) -> Examined:
    """Check objects, each against its own image. A box is an object of one part, its two corners.

    drawn   as in the file
    shapes  as in the image, turned where EXIF asks for it
    boxes   n bool, which objects are boxes
    sizes   n×2 height and width of the image
    last    n, how far before the right and lower edge an outline is reported as cut
    """
    begins = np.cumsum(drawn.lengths) - drawn.lengths
    firsts = np.cumsum(drawn.parts) - drawn.parts
    good = np.logical_and.reduce(np.abs(drawn.points) <= FARTHEST, axis=1)  # false for what is not a number, too
    numbers = np.logical_and.reduceat(good, begins)
    points = np.where(good[:, None], drawn.points, 0)
    few = ~_three_different(points, drawn.lengths, begins)
    corners = begins[firsts[boxes]]
    few[firsts[boxes]] = ~(points[corners + 1] > points[corners]).all(1)

    problem_of_part = np.where(~numbers, NO_NUMBERS, np.where(few, TOO_FEW, SOUND))
    wrong = np.flatnonzero(problem_of_part)[::-1]
    blamed = firsts.copy()
    blamed[drawn.part_owners[wrong]] = wrong  # the first one of an object is written last
    problems, blamed = problem_of_part[blamed], blamed - firsts

    low, high = Ragged(np.where(good[:, None], shapes.points, 0), shapes.lengths, shapes.parts).extents()
    sides = sizes[:, ::-1]
    outside = (high <= 0).any(1) | (low >= sides).any(1)
    problems[(problems == SOUND) & outside] = OUTSIDE
    longest = np.bincount(drawn.part_owners, weights=drawn.lengths, minlength=len(drawn.parts)) * sizes.max(1)
    for row in np.flatnonzero((problems == SOUND) & ~boxes & (longest > _LONG_ANYWAY)).tolist():
        height, width = sizes[row : row + 1].T
        limit = max(_LONGEST * int(height[0]) * int(width[0]), _LONG_ANYWAY)
        if polygons.lengths(shapes.rows(row, row + 1), height, width)[0] > limit:
            problems[row] = TOO_LONG

    cut = np.logical_or.reduce((low < 0) | (high > sides - np.where(boxes, 0, last)[:, None]), axis=1)
    lowest, highest = Ragged(points, drawn.lengths, drawn.parts).extents()
    tiny = np.logical_and.reduce((lowest >= -_NEAR) & (highest <= 1 + _NEAR), axis=1)
    broken = np.zeros(len(tiny), bool)
    for row in np.flatnonzero(tiny).tolist():
        broken[row] = bool((drawn.rows(row, row + 1).points % 1).any())
    return Examined(problems, blamed, low, high, cut, tiny, broken)


def reason(item: Waiting, found: Examined, row: int, size: tuple[int, int]) -> tuple[str, str, object, str]:
    """Why an object is not sound: field, what was expected, what is there, what to do."""
    part, low, high = item.parts[found.blamed[row]], found.low[row], found.high[row]
    problem, again = found.problems[row], "draw that {} again, or delete it".format("box" if item.alone else "outline")
    if problem == NO_NUMBERS and item.alone:
        return "box", "four numbers", tuple(part.reshape(-1).tolist()), ""
    if problem == NO_NUMBERS:
        return "points", "pairs of numbers", [*map(tuple, part.tolist())], ""
    if problem == TOO_FEW and item.alone:
        width, height = part[1] - part[0]
        return "box", "width and height above 0", f"{width:g} x {height:g}", again
    if problem == TOO_FEW:
        return "points", "at least 3 different points", len({*map(tuple, part.tolist())}), again
    if problem == OUTSIDE:
        got = f"x {low[0]:g} to {high[0]:g}, y {low[1]:g} to {high[1]:g}, wholly outside"
        fix = "draw it again; or was the image resized after it was annotated?"
        return "points", f"a place inside {size[1]} x {size[0]}", got, fix
    got = f"{sum(map(len, item.parts)):,} points to and fro over all the image"
    return "points", "an outline around pixels", got, "draw it again, or delete it"


def _three_different(points: np.ndarray, lengths: np.ndarray, begins: np.ndarray) -> np.ndarray:
    """Of each part: has it three different points?"""
    second, third = (points[begins + np.minimum(index, lengths - 1)] for index in (1, 2))
    first = points[begins]
    different = (first != second).any(1) & (first != third).any(1) & (second != third).any(1)
    for row in np.flatnonzero(~different):  # few begin with the same point twice
        part = points[begins[row] : begins[row] + lengths[row]]
        different[row] = len({*map(tuple, part.tolist())}) > 2
    return different


def corners_of(boxes: list[Any]) -> np.ndarray:
    """n×4 float64; not a number where a box is None, or not four finite numbers of a possible size."""
    table = np.full((len(boxes), 4), np.nan)
    given = [row for row, box in enumerate(boxes) if box is not None]
    listed = [boxes[row] for row in given]
    if all(type(box) is list and len(box) == 4 for box in listed) and are_plain(chain.from_iterable(listed)):
        table[given] = np.array(listed, np.float64).reshape(-1, 4)
    else:
        for row, box in zip(given, listed, strict=True):
            corners = numbers_of(box)
            if corners is not None and corners.shape == (4,):
                table[row] = corners
    table[~(np.abs(table) <= FARTHEST).all(1)] = np.nan
    return table


def sensible(boxes: np.ndarray, low: np.ndarray, high: np.ndarray, sizes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Boxes that a file gives beside what is drawn: (n×4 clipped to the image, n of 1 kept, -1 elsewhere, 0 no box).

    One that lies elsewhere than what was drawn is in other units, or corners where sides were meant.
    """
    limits = np.tile(sizes[:, ::-1], 2)
    boxes = np.clip(boxes, 0, limits)
    own = np.clip(np.concatenate([low, high], 1), 0, limits)
    some = (boxes[:, 2:] > boxes[:, :2]).all(1)
    near = (np.abs(boxes - own).max(1, initial=0) <= _SLIP) | (_overlap(boxes, own) >= _SAME_BOX)
    return boxes, np.where(some, np.where(near, 1, -1), 0)


def _overlap(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Intersection over union of each with its own counterpart, n float32, as `boxes.iou` computes it."""
    a, b = a.astype(np.float32), b.astype(np.float32)
    shared = np.maximum(np.minimum(a[:, 2:], b[:, 2:]) - np.maximum(a[:, :2], b[:, :2]), 0).prod(1)
    areas = np.maximum(a[:, 2:] - a[:, :2], 0).prod(1) + np.maximum(b[:, 2:] - b[:, :2], 0).prod(1)
    union = areas - shared
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)


Item = TypeVar("Item")


def batches(counted: Iterable[tuple[Item, int]]) -> Iterator[list[Item]]:
    """Those that have something, as many at a time as have some thousand objects together."""
    together: list[Item] = []
    total = 0
    for item, count in counted:
        if count:
            together.append(item)
            total += count
        if total >= _AT_ONCE:
            yield together
            together, total = [], 0
    if together:
        yield together


# --- numbers in files ---------------------------------------------------------------------------------
def are_plain(values: Any) -> bool:
    """All are Python's own int or float: no texts, no booleans, no lists."""
    return {*map(type, values)} <= {int, float}


def numbers_of(values: Any) -> np.ndarray | None:
    """A float64 array, or None where something in it is no number: a text, or a boolean, which numpy takes for 1."""
    if isinstance(values, np.ndarray) and values.dtype == np.float64:
        return values if values.size else None
    try:
        if isinstance(values, list) and values and are_plain(values):
            return np.array(values, np.float64)
        array = np.asarray(values)
        if array.dtype.kind not in "iuf" or array.size == 0 or _holds_boolean(values):
            return None
        return array.astype(np.float64, copy=False)
    except (ValueError, TypeError, OverflowError):
        return None


def _holds_boolean(values: Any) -> bool:
    """Lists in lists are looked through."""
    if isinstance(values, list | tuple):
        if values and all(type(row) in (list, tuple) for row in values) and are_plain(chain.from_iterable(values)):
            return False
        return any(value is True or value is False or _holds_boolean(value) for value in values)
    return isinstance(values, bool)


def plain(values: np.ndarray) -> list[int | float]:
    """Coordinates for JSON, whole ones without a point: [1, 2.5]."""
    return [int(value) if value.is_integer() else value for value in values.tolist()]
