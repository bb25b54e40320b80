"""Outlines to run lengths, for any number of objects of any number of images at once.

A pixel belongs to a part if its center is inside by the even-odd rule; to an object if it belongs to any of its parts.
Every pixel column is a scan line: edges cross its center, and sorted crossings alternately enter and leave the part.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from maskwright.geometry import rle
from maskwright.geometry.ragged import Ragged
from maskwright.geometry.spans import Strips, from_strips, merge, ragged_index, to_counts

MAX_COORDINATE = 1e7
"""Coordinates are clipped to this: no image is so large, and sums stay exact to 1e-9 pixel."""
CROSSINGS_AT_ONCE = 1_000_000
"""Crossings of edges with pixel columns of one object; more are processed in blocks of columns, about 100 MB each."""
CROSSINGS_TOGETHER = 60_000
"""Of several objects that are computed at once: few enough that the arrays stay in the processor's cache."""


class Filled(NamedTuple):
    """Run lengths of n masks, with n areas in pixels (int64) and n×4 boxes x1 y1 x2 y2 (float32; 0 0 0 0 if empty)."""

    counts: np.ndarray
    offsets: np.ndarray
    areas: np.ndarray
    boxes: np.ndarray


Side = np.ndarray | np.int64
"""Heights or widths: one for each, or one number that all have."""


def fill(shapes: Ragged, heights: np.ndarray, widths: np.ndarray) -> Filled:
    """The masks of n objects, clipped to their images. ValueError if a coordinate is not finite.

    heights, widths  n int64, of the image of each object in pixels
    """
    if not np.isfinite(shapes.points).all():
        raise ValueError("an outline has a coordinate that is not a finite number")
    shapes = Ragged(np.clip(shapes.points, -MAX_COORDINATE, MAX_COORDINATE), shapes.lengths, shapes.parts)
    bounds = groups(_crossings(shapes, widths), min(CROSSINGS_TOGETHER, CROSSINGS_AT_ONCE))
    filled = [_filled(shapes.rows(first, last), heights[first:last], widths[first:last], total)
              for first, last, total in bounds]  # fmt: skip
    if len(filled) == 1:
        return filled[0]
    counts, offsets, areas, boxes = zip(*filled, strict=True)
    lengths = np.concatenate([np.diff(item) for item in offsets])
    return Filled(
        np.concatenate(counts), np.concatenate([[0], np.cumsum(lengths)]), np.concatenate(areas), np.concatenate(boxes)
    )


def groups(costs: np.ndarray, most: int) -> Iterator[tuple[int, int, int]]:
    """(first, after the last, cost) of consecutive objects that are computed together."""
    first, total = 0, 0
    for index, own in enumerate(costs.tolist()):
        if index > first and total + own > most:
            yield first, index, total
            first, total = index, 0
        total += own
    yield first, len(costs), total


def _crossings(shapes: Ragged, widths: np.ndarray) -> np.ndarray:
    """Number of crossings of an object's edges with pixel columns, to within one per edge; n int64."""
    limits = widths[shapes.owners]
    x, after = np.clip(shapes.points[:, 0], 0, limits), np.clip(shapes.following()[:, 0], 0, limits)
    return shapes.totals(np.abs(x - after) + 1).astype(np.int64)


def _filled(shapes: Ragged, heights: np.ndarray, widths: np.ndarray, total: int) -> Filled:
    if total > CROSSINGS_AT_ONCE:  # then it is one object
        counts, offsets = _fill_by_columns(shapes, int(heights[0]), int(widths[0]))
        size = int(heights[0]), int(widths[0])
        return Filled(counts, offsets, rle.area(counts, offsets), rle.boxes(counts, offsets, size))
    alike = len(heights) > 0 and (heights == heights[0]).all() and (widths == widths[0]).all()
    if alike:  # numbers are faster than arrays
        return _fill_at_once(shapes, np.int64(heights[0]), np.int64(widths[0]))
    return _fill_at_once(shapes, heights, widths)


def _of(values: Side, index: np.ndarray) -> Side:
    """values[index], or the one number that all have."""
    return values[index] if isinstance(values, np.ndarray) else values


def _fill_at_once(shapes: Ragged, heights: Side, widths: Side) -> Filled:
    """`fill` for objects with few enough crossings; heights and widths n each, or one number each for all."""
    part_owner = shapes.part_owners
    part = np.repeat(np.arange(len(part_owner)), shapes.lengths)
    (x0, y0), (x1, y1) = shapes.points.T, shapes.following().T
    owner = part_owner[part]
    strips = _inside(part, x0, y0, x1, y1, _of(heights, owner), _of(widths, owner))
    strips = strips._replace(owner=part_owner[strips.owner])

    without_pixels = np.bincount(strips.owner, minlength=len(shapes.parts)) == 0
    if without_pixels.any():
        thin = without_pixels[owner]
        touched = _touched(
            owner[thin], x0[thin], y0[thin], x1[thin], y1[thin], _of(heights, owner[thin]), _of(widths, owner[thin])
        )
        strips = Strips(*(np.concatenate(both) for both in zip(strips, touched, strict=True)))
    spans = from_strips(strips, _of(heights, strips.owner))
    if without_pixels.any() or len(part_owner) > len(shapes.parts):  # those of one part are sorted and apart
        spans = merge(spans)
    rows = len(shapes.parts)
    areas = np.bincount(spans.owner, weights=spans.stop - spans.start, minlength=rows).astype(np.int64)
    return Filled(*to_counts(spans, rows, heights * widths), areas, _boxes(strips, rows))


def _boxes(strips: Strips, rows: int) -> np.ndarray:
    boxes = np.zeros((rows, 4), np.float32)
    owner, x, top, bottom = strips
    if (np.diff(owner) < 0).any():  # what edges only pass through comes last
        owner, x, top, bottom = (column[np.argsort(owner, kind="stable")] for column in strips)
    begin = np.flatnonzero(np.diff(owner, prepend=-1))
    if len(begin):
        lowest, highest = (np.minimum.reduceat(x, begin), np.minimum.reduceat(top, begin)), (
            np.maximum.reduceat(x, begin) + 1, np.maximum.reduceat(bottom, begin))  # fmt: skip
        boxes[owner[begin]] = np.stack([*lowest, *highest], 1)
    return boxes


def _inside(
    part: np.ndarray, x0: np.ndarray, y0: np.ndarray, x1: np.ndarray, y1: np.ndarray, height: Side,
    width: Side,
) -> Strips:  # fmt: skip
    """Scanline conversion along pixel columns: strips owned by parts, sorted; those of one part do not overlap."""
    edge, x, row = _crossed(x0, y0, x1, y1, height, np.int64(0), width)
    # Sorted by part, column and row, crossings of a part alternately enter and leave it. One number holds all three.
    row_bits, column_bits = (int(sides.max(initial=0)).bit_length() for sides in (height, width))
    key = (((part[edge] << column_bits) | x) << row_bits) | row
    key.sort()
    top, bottom = key[0::2], key[1::2]
    some = top != bottom
    top, bottom = top[some], bottom[some]
    last_row, last_column = (1 << row_bits) - 1, (1 << column_bits) - 1
    column = top >> row_bits
    return Strips(column >> column_bits, column & last_column, top & last_row, bottom & last_row)


def _crossed(
    x0: np.ndarray, y0: np.ndarray, x1: np.ndarray, y1: np.ndarray, height: Side, begin: Side,
    stop: Side,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:  # fmt: skip
    """Where edges cross the centers of columns begin..stop-1: (edge, column, first row not above the crossing)."""
    # An edge crosses the center of column x if left <= x + 0.5 < right: an even number of edges crosses each column.
    first = np.clip(np.ceil(np.minimum(x0, x1) - 0.5), begin, stop).astype(np.int64)
    after = np.clip(np.ceil(np.maximum(x0, x1) - 0.5), begin, stop).astype(np.int64)
    edge, position = ragged_index(after - first)
    x = first[edge] + position
    slope = np.divide(y1 - y0, x1 - x0, out=np.zeros(len(x0)), where=after > first)
    y = y0[edge] + (x + 0.5 - x0[edge]) * slope[edge]
    return edge, x, np.clip(np.ceil(y - 0.5), 0, _of(height, edge)).astype(np.int64)


def _fill_by_columns(shapes: Ragged, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """`fill` for one object whose edges cross very many columns: the same pixels, a block of columns at a time."""
    ends = np.cumsum(shapes.lengths)
    after = shapes.following()
    # Edges may lie close together: the crossings of each column decide, and its pixels, of which four cost as much.
    first, stop = (np.clip(np.ceil(side(shapes.points[:, 0], after[:, 0]) - 0.5), 0, width).astype(np.int64)
                   for side in (np.minimum, np.maximum))  # fmt: skip
    begun, ended = (np.bincount(column, minlength=width + 1)[:width] for column in (first, stop))
    blocks = groups(np.cumsum(begun - ended) + height // 4, CROSSINGS_AT_ONCE)
    parts = [(*shapes.points[stop - size : stop].T, *after[stop - size : stop].T)
             for stop, size in zip(ends, shapes.lengths, strict=True)]  # fmt: skip
    changes: list[np.ndarray] = []
    last = False
    for begin, stop, _ in blocks:
        pixels = np.zeros((stop - begin, height), bool)
        for x0, y0, x1, y1 in parts:
            column, row = _crossed(x0, y0, x1, y1, np.int64(height), np.int64(begin), np.int64(stop))[1:]
            enter = np.bincount((column - begin) * (height + 1) + row, minlength=(stop - begin) * (height + 1))
            pixels |= (np.cumsum(enter.reshape(-1, height + 1), 1)[:, :-1] & 1).astype(bool)
        flat = pixels.reshape(-1)
        changes.append(np.flatnonzero(flat != np.concatenate([[last], flat[:-1]])) + begin * height)
        last = bool(flat[-1])
    ends = np.concatenate([*changes, [height * width]])
    if len(ends) == 1:  # no pixel's center is inside
        (x0, y0), (x1, y1) = shapes.points.T, after.T
        strips = _touched(np.zeros(len(x0), np.int64), x0, y0, x1, y1, np.int64(height), np.int64(width))
        return to_counts(merge(from_strips(strips, height)), 1, height * width)
    return np.diff(ends, prepend=0), np.array([0, len(ends)])


def _touched(
    owner: np.ndarray, x0: np.ndarray, y0: np.ndarray, x1: np.ndarray, y1: np.ndarray, height: Side,
    width: Side,
) -> Strips:  # fmt: skip
    """The pixels that edges pass through, as strips of one pixel, sampled every half pixel or less."""
    begin, end = np.zeros(len(owner)), np.ones(len(owner))  # the part of each edge inside the image, as fractions
    for at, far, side in ((x0, x1, width), (y0, y1, height)):
        length = far - at
        flat = np.abs(length) < 1e-9
        to_low, to_high = (-at / np.where(flat, 1, length)), ((side - at) / np.where(flat, 1, length))
        begin = np.where(flat, begin, np.maximum(begin, np.minimum(to_low, to_high)))
        end = np.where(flat, np.where((at < 0) | (at > side), -1, end), np.minimum(end, np.maximum(to_low, to_high)))
    visible = (begin <= end) & (np.minimum(height, width) > 0)
    owner, x0, y0, x1, y1, begin, end = (values[visible] for values in (owner, x0, y0, x1, y1, begin, end))
    height, width = _of(height, visible), _of(width, visible)
    steps = np.ceil(2 * np.maximum(np.abs(x1 - x0), np.abs(y1 - y0)) * (end - begin)).astype(np.int64) + 1
    pixels = [np.zeros((3, 0), np.int64)]
    for first, last, _ in groups(steps, CROSSINGS_AT_ONCE):
        edge, position = ragged_index(steps[first:last])
        edge += first
        fraction = begin[edge] + (end - begin)[edge] * (position / np.maximum(steps - 1, 1)[edge])
        x = np.clip(x0[edge] + (x1 - x0)[edge] * fraction, 0, _of(width, edge) - 1).astype(np.int64)
        y = np.clip(y0[edge] + (y1 - y0)[edge] * fraction, 0, _of(height, edge) - 1).astype(np.int64)
        pixels.append(np.stack([owner[edge], x, y]))
        if len(pixels) > 1 and len(steps) > last:  # edges may pass through the same pixels
            pixels = [np.unique(np.concatenate(pixels, 1), axis=1)]
    owner, x, y = np.concatenate(pixels, 1)
    return Strips(owner, x, y, y + 1)
