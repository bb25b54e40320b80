"""Outlines to run lengths. An outline is k×2 float (x, y) in image pixels: pixel edges are integers, so the upper left
corner of the image is (0, 0) and the center of its first pixel (0.5, 0.5). The last point is connected to the first.

The inverse, run lengths to outlines, is `trace`; `parts` splits a mask into connected parts (both in tracing.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from maskwright.geometry.spans import Strips, from_strips, merge, ragged_index, to_counts
from maskwright.geometry.tracing import Outline, parts, trace

__all__ = ["Outline", "area", "circle", "ellipse", "fill", "length", "parts", "rectangle", "trace"]

MAX_COORDINATE = 1e7
"""Coordinates are clipped to this: no image is so large, and sums stay exact to 1e-9 pixel."""
CROSSINGS_AT_ONCE = 1_000_000
"""Crossings of edges with pixel columns that are computed at once, about 100 MB; more are processed in blocks."""


def fill(outlines: Sequence[Sequence[np.ndarray]], size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Run lengths (counts, offsets) of n objects, each a list of parts, each part an outline; clipped to the image.

    A pixel belongs if its center is inside: even-odd rule within one part, union of the parts. The area of a mask is
    therefore that of its outline, and two outlines with a common edge share no pixel.

    An object too thin to contain a pixel center (a line, a point, a sliver) gets the pixels that its outlines pass
    through instead. Only an object entirely outside the image (or without points) has an empty mask.

    >>> counts, offsets = fill([[rectangle(1, 1, 2, 3)], [np.array([[0.2, 0.2], [0.3, 0.2]])]], size=(5, 5))
    >>> counts
    array([ 6,  3,  2,  3, 11,  0,  1, 24])
    """
    pieces = [[_points(part) for part in object_parts] for object_parts in outlines]
    crossings = np.array([sum(_crossings(part, size[1]) for part in object_parts) for object_parts in pieces], np.int64)
    runs = [
        _fill_at_once(pieces[first:last], size) if total <= CROSSINGS_AT_ONCE else _fill_by_columns(pieces[first], size)
        for first, last, total in _groups(crossings)
    ]
    if len(runs) == 1:
        return runs[0]
    lengths = [np.diff(offsets) for _, offsets in runs]
    none = np.zeros(0, np.int64)
    return (
        np.concatenate([none, *(counts for counts, _ in runs)]),
        np.concatenate([[0], np.cumsum(np.concatenate([none, *lengths]))]),
    )


def length(outlines: Sequence[np.ndarray], size: tuple[int, int]) -> float:
    """Total length of all edges inside the image, each as the larger of its x and y extent: the cost of filling them.

    No outline along pixel edges is longer than four times the number of pixels of the image.
    """
    total = 0.0
    for part in outlines:
        points = np.clip(_points(part), 0, [size[1], size[0]])
        total += float(np.abs(points - np.roll(points, -1, 0)).max(1, initial=0).sum())
    return total


def area(outline: np.ndarray) -> float:
    """Signed area by the shoelace formula: positive if the points are clockwise as seen on the image.

    >>> area(rectangle(10, 10, 4, 3))
    12.0
    """
    x, y = _points(outline).T
    return float(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2


def rectangle(x: float, y: float, w: float, h: float) -> np.ndarray:
    """4×2 corners, clockwise from the upper left."""
    return np.array([[x, y], [x + w, y], [x + w, y + h], [x, y + h]], np.float64)


def circle(cx: float, cy: float, r: float, points: int | None = None) -> np.ndarray:
    """A circle of radius r around (cx, cy), as `ellipse` gives it."""
    return ellipse(cx, cy, r, r, points=points)


def ellipse(cx: float, cy: float, rx: float, ry: float, theta: float = 0.0, points: int | None = None) -> np.ndarray:
    """points×2 on an ellipse whose axis rx is rotated by `theta` radians, clockwise as seen on the image.

    points  default: as many as keep the chords within 1/20 pixel of the ellipse
    """
    if points is None:
        points = int(np.clip(np.pi * np.sqrt(max(abs(rx), abs(ry), 1.0) / 0.1), 16, 4096))
    angle = np.arange(points) * (2 * np.pi / points)
    along, across = rx * np.cos(angle), ry * np.sin(angle)
    cos, sin = np.cos(theta), np.sin(theta)
    return np.stack([cx + along * cos - across * sin, cy + along * sin + across * cos], axis=1)


# --- inside -----------------------------------------------------------------------------------------
def _points(outline: np.ndarray) -> np.ndarray:
    """k×2 float64, finite and clipped to MAX_COORDINATE."""
    points = np.asarray(outline, np.float64).reshape(-1, 2)
    if not np.isfinite(points).all():
        raise ValueError("an outline has a coordinate that is not a finite number")
    return np.clip(points, -MAX_COORDINATE, MAX_COORDINATE)


def _groups(crossings: np.ndarray) -> Iterator[tuple[int, int, int]]:
    """(first, after the last, crossings) of consecutive objects that are computed together."""
    first, total = 0, 0
    for index, own in enumerate(crossings.tolist()):
        if index > first and total + own > CROSSINGS_AT_ONCE:
            yield first, index, total
            first, total = index, 0
        total += own
    yield first, len(crossings), total


def _fill_at_once(pieces: Sequence[Sequence[np.ndarray]], size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """`fill` for objects with few enough crossings to be computed at once."""
    height, width = size
    object_of_part = np.repeat(np.arange(len(pieces)), [len(object_parts) for object_parts in pieces])
    part, (x0, y0, x1, y1) = _edges([part for object_parts in pieces for part in object_parts])
    inside = _inside(part, x0, y0, x1, y1, size)
    strips = inside._replace(owner=object_of_part[inside.owner])

    without_pixels = np.bincount(strips.owner, minlength=len(pieces)) == 0
    thin_edges = without_pixels[object_of_part[part]]
    touched = _touched(
        object_of_part[part[thin_edges]], x0[thin_edges], y0[thin_edges], x1[thin_edges], y1[thin_edges], size
    )
    strips = Strips(*(np.concatenate(both) for both in zip(strips, touched, strict=True)))
    return to_counts(merge(from_strips(strips, height)), len(pieces), height * width)


def _fill_by_columns(parts: Sequence[np.ndarray], size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """`fill` for one object whose edges cross very many columns: the same pixels, a block of columns at a time."""
    height, width = size
    total = sum(_crossings(part, width) for part in parts)
    step = max(1, min(width * CROSSINGS_AT_ONCE // total, 4 * CROSSINGS_AT_ONCE // max(height, 1)))
    changes: list[np.ndarray] = []
    last = False
    for begin in range(0, width, step):
        stop = min(begin + step, width)
        pixels = np.zeros((stop - begin, height), bool)
        for part in parts:
            _, (x0, y0, x1, y1) = _edges([part])
            column, row = _crossed(x0, y0, x1, y1, size, begin, stop)[1:]
            enter = np.bincount((column - begin) * (height + 1) + row, minlength=(stop - begin) * (height + 1))
            pixels |= (np.cumsum(enter.reshape(-1, height + 1), 1)[:, :-1] & 1).astype(bool)
        flat = pixels.reshape(-1)
        changes.append(np.flatnonzero(flat != np.concatenate([[last], flat[:-1]])) + begin * height)
        last = bool(flat[-1])
    ends = np.concatenate([*changes, [height * width]])
    if len(ends) == 1:  # no pixel's center is inside
        _, edges = _edges(parts)
        x0, y0, x1, y1 = edges
        strips = _touched(np.zeros(len(x0), np.int64), x0, y0, x1, y1, size)
        return to_counts(merge(from_strips(strips, height)), 1, height * width)
    return np.diff(ends, prepend=0), np.array([0, len(ends)])


def _crossings(part: np.ndarray, width: int) -> int:
    """Number of crossings of a part's edges with pixel columns, to within one per edge."""
    x = np.clip(part[:, 0], 0, width)
    return int(np.abs(x - np.roll(x, -1)).sum()) + len(x)


def _edges(pieces: Sequence[np.ndarray]) -> tuple[np.ndarray, tuple[np.ndarray, ...]]:
    """All edges of all parts: index of the part, and x0 y0 x1 y1. A part of one point has an edge of length 0."""
    lengths = np.array([len(piece) for piece in pieces], np.int64)
    part, position = ragged_index(lengths)
    start = np.concatenate([np.zeros((0, 2)), *pieces])
    after = np.arange(len(part)) + 1
    ends = position == lengths[part] - 1
    after[ends] -= lengths[part[ends]]
    stop = start[after]
    return part, (start[:, 0], start[:, 1], stop[:, 0], stop[:, 1])


def _inside(
    part: np.ndarray, x0: np.ndarray, y0: np.ndarray, x1: np.ndarray, y1: np.ndarray, size: tuple[int, int]
) -> Strips:
    """Scanline conversion along pixel columns: strips owned by parts; those of one part do not overlap."""
    height, width = size
    edge, x, row = _crossed(x0, y0, x1, y1, size, 0, width)

    # Sorted by column and row, crossings of a part alternately enter and leave it.
    key = ((part[edge] * width) + x) * (height + 1) + row
    key.sort()
    column, row = key // (height + 1), key % (height + 1)
    top, bottom, column = row[0::2], row[1::2], column[0::2]
    some = top < bottom
    return Strips(column[some] // max(width, 1), column[some] % max(width, 1), top[some], bottom[some])


def _crossed(
    x0: np.ndarray, y0: np.ndarray, x1: np.ndarray, y1: np.ndarray, size: tuple[int, int], begin: int, stop: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where edges cross the centers of columns begin..stop-1: (edge, column, first row not above the crossing)."""
    height, _ = size
    # An edge crosses the center of column x if left <= x + 0.5 < right: an even number of edges crosses each column.
    first = np.clip(np.ceil(np.minimum(x0, x1) - 0.5), begin, stop).astype(np.int64)
    after = np.clip(np.ceil(np.maximum(x0, x1) - 0.5), begin, stop).astype(np.int64)
    edge, position = ragged_index(after - first)
    x = first[edge] + position
    slope = (y1 - y0)[edge] / (x1 - x0)[edge]
    y = y0[edge] + (x + 0.5 - x0[edge]) * slope
    return edge, x, np.clip(np.ceil(y - 0.5), 0, height).astype(np.int64)


def _touched(
    owner: np.ndarray, x0: np.ndarray, y0: np.ndarray, x1: np.ndarray, y1: np.ndarray, size: tuple[int, int]
) -> Strips:
    """The pixels that edges pass through, as strips of one pixel, sampled every half pixel or less."""
    height, width = size
    begin, end = np.zeros(len(owner)), np.ones(len(owner))  # the part of each edge inside the image, as fractions
    for at, far, side in ((x0, x1, width), (y0, y1, height)):
        length = far - at
        flat = np.abs(length) < 1e-9
        to_low, to_high = (-at / np.where(flat, 1, length)), ((side - at) / np.where(flat, 1, length))
        begin = np.where(flat, begin, np.maximum(begin, np.minimum(to_low, to_high)))
        end = np.where(flat, np.where((at < 0) | (at > side), -1, end), np.minimum(end, np.maximum(to_low, to_high)))
    visible = (begin <= end) & (min(size) > 0)
    owner, x0, y0, x1, y1, begin, end = (values[visible] for values in (owner, x0, y0, x1, y1, begin, end))
    steps = np.ceil(2 * np.maximum(np.abs(x1 - x0), np.abs(y1 - y0)) * (end - begin)).astype(np.int64) + 1
    pixels = [np.zeros((3, 0), np.int64)]
    for first, last, _ in _groups(steps):
        edge, position = ragged_index(steps[first:last])
        edge += first
        fraction = begin[edge] + (end - begin)[edge] * (position / np.maximum(steps - 1, 1)[edge])
        x = np.clip(x0[edge] + (x1 - x0)[edge] * fraction, 0, width - 1).astype(np.int64)
        y = np.clip(y0[edge] + (y1 - y0)[edge] * fraction, 0, height - 1).astype(np.int64)
        pixels.append(np.stack([owner[edge], x, y]))
        if len(pixels) > 1 and len(steps) > last:  # edges may pass through the same pixels
            pixels = [np.unique(np.concatenate(pixels, 1), axis=1)]
    owner, x, y = np.concatenate(pixels, 1)
    return Strips(owner, x, y, y + 1)
