"""Masks as run lengths: many masks of one image, and what one asks of them, without dense frames.

The masks of an image of `size` = (height, width) are two int64 arrays (counts, offsets): mask i owns
counts[offsets[i]:offsets[i+1]]. Its runs alternate off, on, off, ... down the columns (COCO's order), begin with an
"off" run (which may be 0) and sum to height * width. n = 0 masks are counts of length 0 and offsets [0].

>>> counts, offsets = from_boxes(np.array([[1, 0, 3, 2]]), size=(3, 4))
>>> counts
array([3, 2, 1, 2, 4])
>>> area(counts, offsets)
array([4])
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from maskwright.geometry import coco_strings
from maskwright.geometry.spans import (
    Spans,
    Strips,
    from_counts,
    from_strips,
    merged,
    ragged_index,
    to_counts,
    to_strips,
)

Size = tuple[int, int]
Runs = tuple[np.ndarray, np.ndarray]
"""(counts, offsets) as above."""

MOST_AT_ONCE = 1 << 21
"""How many runs `iou` compares in one go: bounds its memory to some 100 MB, whatever the number of pairs."""


# --- making -----------------------------------------------------------------------------------------
def from_dense(dense: np.ndarray) -> Runs:
    """n×H×W, anything non-zero belongs to the object."""
    n, height, width = dense.shape
    pixels = height * width
    on = dense if dense.dtype == bool else dense != 0
    # Comparing neighboring rows finds where the runs down the columns begin, without turning the frame over.
    change = np.flatnonzero(on[:, 1:] != on[:, :-1])
    row, x = np.divmod(change, max(width, 1))
    owner, y = np.divmod(row, max(height - 1, 1))
    heads = np.arange(n * width if pixels else 0, dtype=np.int64) * height
    begin = np.sort(np.concatenate([owner * pixels + x * height + y + 1, heads]))
    end = np.append(begin, n * pixels)[1:]
    owner, position = np.divmod(begin, max(pixels, 1))
    belongs = on[owner, position % max(height, 1), position // max(height, 1)]
    return to_counts(Spans(owner[belongs], position[belongs], (position + end - begin)[belongs]), n, pixels)


def to_dense(counts: np.ndarray, offsets: np.ndarray, size: Size) -> np.ndarray:
    """n×H×W bool. Only for drawing."""
    height, width = size
    flat = _painted(counts, offsets)
    return flat.reshape(len(offsets) - 1, width, height).transpose(0, 2, 1)


def from_boxes(boxes: np.ndarray, size: Size) -> Runs:
    """Each n×4 box filled; a pixel belongs when its center is inside, so edges count as if rounded. Clipped."""
    height, width = size
    boxes = np.nan_to_num(np.asarray(boxes, np.float64).reshape(-1, 4))
    corners = np.clip(np.ceil(boxes - 0.5), 0, [width, height, width, height]).astype(np.int64)
    x1, top, x2, bottom = corners.T
    owner, position = ragged_index(np.where(top < bottom, np.maximum(x2 - x1, 0), 0))
    strips = Strips(owner, x1[owner] + position, top[owner], bottom[owner])
    return to_counts(from_strips(strips, height), len(boxes), height * width)


def from_coco(segmentations: Sequence[dict]) -> Runs:
    """COCO's {"size": [h, w], "counts": str | bytes | list of int}, all of one size; ValueError where one is malformed.

    >>> from_coco([{"size": [3, 4], "counts": "32103"}, {"size": [3, 4], "counts": [12]}])
    (array([ 3,  2,  1,  2,  4, 12]), array([0, 5, 6]))
    """
    counts, offsets, pixels = coco_strings.read(segmentations)
    return to_counts(from_counts(counts, offsets), len(offsets) - 1, pixels)


def to_coco(counts: np.ndarray, offsets: np.ndarray, size: Size) -> list[dict]:
    """[{"size": [h, w], "counts": str}, ...] with COCO's compressed strings, as pycocotools writes them."""
    return [{"size": [int(side) for side in size], "counts": text} for text in coco_strings.write(counts, offsets)]


# --- choosing and joining rows ----------------------------------------------------------------------
def take(counts: np.ndarray, offsets: np.ndarray, rows: np.ndarray) -> Runs:
    """The masks of these row numbers, in this order; a row may come twice."""
    rows = np.asarray(rows, np.int64)
    lengths = np.diff(offsets)[rows]
    which, position = ragged_index(lengths)
    return counts[offsets[:-1][rows][which] + position], np.concatenate([[0], np.cumsum(lengths)])


def join(several: Sequence[Runs]) -> Runs:
    """The masks of several, one after another. No part at all gives no masks."""
    lengths = [np.diff(offsets) for _, offsets in several]
    none = np.zeros(0, np.int64)
    counts = np.concatenate([none, *(counts for counts, _ in several)])
    return counts, np.concatenate([[0], np.cumsum(np.concatenate([none, *lengths]))])


# --- asking -----------------------------------------------------------------------------------------
def area(counts: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """n int64, in pixels."""
    owner, start, stop = from_counts(counts, offsets)
    total = np.concatenate([[0], np.cumsum(stop - start)])
    bounds = np.searchsorted(owner, np.arange(len(offsets)))
    return np.diff(total[bounds])


def boxes(counts: np.ndarray, offsets: np.ndarray, size: Size) -> np.ndarray:
    """n×4 float32 x1 y1 x2 y2, edges (a one-pixel mask is 1 wide); an empty mask gives 0 0 0 0."""
    height = size[0]
    detections = np.zeros((len(offsets) - 1, 4), np.float32)
    owner, start, stop = from_counts(counts, offsets)
    if not len(owner):
        return detections
    first, last = start // height, (stop - 1) // height
    whole = first != last  # a span over a column border reaches the foot and the head of the image
    begin = np.flatnonzero(np.diff(owner, prepend=-1))
    rows = owner[begin]
    detections[rows, 0] = first[begin]
    detections[rows, 1] = np.minimum.reduceat(np.where(whole, 0, start - first * height), begin)
    detections[rows, 2] = np.maximum.reduceat(last, begin) + 1
    detections[rows, 3] = np.maximum.reduceat(np.where(whole, height, stop - last * height), begin)
    return detections


def iou(a: Runs, b: Runs, size: Size, crowd: np.ndarray | None = None) -> np.ndarray:
    """Intersection over union of each of a with each of b: na×nb float64; 0 where both are empty.

    crowd  nb bool: in these columns the intersection is divided by a's own area (COCO's rule for crowds)
    """
    area_a, area_b = area(*a), area(*b)
    shared = _intersections(a, b, size).astype(np.float64)
    union = area_a[:, None] + area_b[None, :] - shared
    if crowd is not None:
        union = np.where(np.asarray(crowd, bool)[None, :], area_a[:, None], union)
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)


# --- changing ---------------------------------------------------------------------------------------
def union(counts: np.ndarray, offsets: np.ndarray, size: Size) -> Runs:
    """One mask: the pixels that belong to any. Of no masks: one empty mask."""
    owner, start, stop = from_counts(counts, offsets)
    return to_counts(merged(Spans(np.zeros_like(owner), start, stop)), 1, size[0] * size[1])


def crop(counts: np.ndarray, offsets: np.ndarray, size: Size, box: tuple[int, int, int, int]) -> Runs:
    """All masks inside the whole-pixel box (x1, y1, x2, y2), numbered in an image of the box's size."""
    rows = len(offsets) - 1
    return _cut(counts, offsets, size, np.broadcast_to(np.asarray(box, np.int64), (rows, 4)))


def embedded(counts: np.ndarray, offsets: np.ndarray, size: Size, corner: tuple[int, int], whole: Size) -> Runs:
    """`crop` the other way round: the same masks in an image of size `whole`, in which theirs lies at (left, top)."""
    owner, x, top, bottom = to_strips(from_counts(counts, offsets), size[0])
    left, above = corner
    strips = Strips(owner, x + left, top + above, bottom + above)
    return to_counts(from_strips(strips, whole[0]), len(offsets) - 1, whole[0] * whole[1])


def patches(counts: np.ndarray, offsets: np.ndarray, size: Size, boxes: np.ndarray) -> list[np.ndarray]:
    """For each mask the h×w bool cut of its own whole-pixel box (n×4 int x1 y1 x2 y2); the rest is never decoded."""
    boxes = np.asarray(boxes, np.int64).reshape(-1, 4)
    widths, heights = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    flat = _painted(*_cut(counts, offsets, size, boxes))
    cuts = np.split(flat, np.cumsum(widths * heights)[:-1]) if len(boxes) else []
    return [cut.reshape(w, h).T for cut, w, h in zip(cuts, widths, heights, strict=True)]


def flip(counts: np.ndarray, offsets: np.ndarray, size: Size) -> Runs:
    """Left and right exchanged."""
    height, width = size
    owner, x, top, bottom = to_strips(from_counts(counts, offsets), height)
    turned = from_strips(Strips(owner, width - 1 - x, top, bottom), height)
    return to_counts(merged(turned), len(offsets) - 1, height * width)


# --- inside -----------------------------------------------------------------------------------------
def _painted(counts: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """All pixels of all masks one after another, bool."""
    _, position = ragged_index(np.diff(offsets))
    return np.repeat(position & 1 == 1, counts)


def _cut(counts: np.ndarray, offsets: np.ndarray, size: Size, boxes: np.ndarray) -> Runs:
    """Each mask cut to its own box, int n×4."""
    x1, y1, x2, y2 = boxes.T
    owner, x, top, bottom = to_strips(from_counts(counts, offsets), size[0])
    top, bottom = np.maximum(top, y1[owner]), np.minimum(bottom, y2[owner])
    inside = (top < bottom) & (x >= x1[owner]) & (x < x2[owner])
    owner, x, top, bottom = owner[inside], x[inside], top[inside], bottom[inside]
    strips = Strips(owner, x - x1[owner], top - y1[owner], bottom - y1[owner])
    return to_counts(from_strips(strips, (y2 - y1)[owner]), len(boxes), (x2 - x1) * (y2 - y1))


def _intersections(a: Runs, b: Runs, size: Size) -> np.ndarray:
    """na×nb int64 pixels in common; only pairs whose boxes overlap are looked at."""
    boxes_a, boxes_b = boxes(*a, size)[:, None], boxes(*b, size)[None, :]
    corner1, corner2 = np.maximum(boxes_a[..., :2], boxes_b[..., :2]), np.minimum(boxes_a[..., 2:], boxes_b[..., 2:])
    row_a, row_b = np.nonzero((corner1 < corner2).all(axis=-1))
    shared = np.zeros(boxes_a.shape[:1] + boxes_b.shape[1:2], np.int64)
    if not len(row_a):
        return shared
    spans_a, spans_b = from_counts(*a), from_counts(*b)
    stride = size[0] * size[1] + 1  # pixel p of row i is i * stride + p: one ordered line for all masks

    # Only the spans of a between the first and the last pixel of b can share something with it.
    bounds = np.searchsorted(spans_b.owner, np.arange(len(b[1])))
    begin = np.searchsorted(
        spans_a.owner * stride + spans_a.stop, row_a * stride + spans_b.start[bounds[row_b]], side="right"
    )
    end = np.searchsorted(
        spans_a.owner * stride + spans_a.start, row_a * stride + spans_b.stop[bounds[row_b + 1] - 1], side="left"
    )
    number = np.maximum(end - begin, 0)
    batch = np.cumsum(number) // MOST_AT_ONCE
    for pairs in np.split(np.arange(len(row_a)), np.flatnonzero(np.diff(batch)) + 1):
        pair, position = ragged_index(number[pairs])
        span = begin[pairs][pair] + position
        base = row_b[pairs][pair] * stride
        grown = _pixels_before(spans_b, stride, base + spans_a.stop[span])
        grown -= _pixels_before(spans_b, stride, base + spans_a.start[span])
        shared[row_a[pairs], row_b[pairs]] = np.bincount(pair, weights=grown, minlength=len(pairs))
    return shared


def _pixels_before(spans: Spans, stride: int, position: np.ndarray) -> np.ndarray:
    """How many pixels of all masks lie before each position on the one line of all masks.

    A run from start to stop holds as many pixels of a mask as this number grows between them.
    """
    starts, stops = spans.owner * stride + spans.start, spans.owner * stride + spans.stop
    so_far = np.concatenate([[0], np.cumsum(spans.stop - spans.start)])
    nth = np.searchsorted(starts, position, side="right")
    return so_far[nth] - np.maximum(np.concatenate([[0], stops])[nth] - position, 0)
