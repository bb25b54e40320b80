"""Masks as run lengths: operations on many masks of one image, without dense arrays.

The masks of an image of `size` = (height, width) are two int64 arrays (counts, offsets): the runs of mask i are
counts[offsets[i]:offsets[i+1]]. They alternate off, on, off, ... down the columns (COCO's order), begin with an
"off" run (which may be 0) and sum to height * width. n = 0 masks: counts of length 0 and offsets [0].

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
    merge,
    ragged_index,
    to_counts,
    to_strips,
)

Size = tuple[int, int]
Runs = tuple[np.ndarray, np.ndarray]
"""(counts, offsets), see above."""

RUNS_AT_ONCE = 1 << 21
"""Runs that `iou` compares at once: limits its memory to about 100 MB, whatever the number of pairs."""


# --- conversion -------------------------------------------------------------------------------------
def from_dense(dense: np.ndarray) -> Runs:
    """From n×H×W; non-zero pixels belong to the object."""
    n, height, width = dense.shape
    pixels = height * width
    on = dense if dense.dtype == bool else dense != 0
    # Comparing adjacent rows gives the starts of the runs down the columns, without transposing the array.
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
    """n×H×W bool. For drawing only: this takes n full images of memory."""
    height, width = size
    flat = _decode(counts, offsets)
    return flat.reshape(len(offsets) - 1, width, height).transpose(0, 2, 1)


def from_boxes(boxes: np.ndarray, size: Size) -> Runs:
    """Filled boxes, n×4, clipped to the image; a pixel belongs if its center is inside, so edges are rounded."""
    height, width = size
    boxes = np.nan_to_num(np.asarray(boxes, np.float64).reshape(-1, 4))
    corners = np.clip(np.ceil(boxes - 0.5), 0, [width, height, width, height]).astype(np.int64)
    x1, top, x2, bottom = corners.T
    owner, position = ragged_index(np.where(top < bottom, np.maximum(x2 - x1, 0), 0))
    strips = Strips(owner, x1[owner] + position, top[owner], bottom[owner])
    return to_counts(from_strips(strips, height), len(boxes), height * width)


def from_coco(segmentations: Sequence[dict]) -> Runs:
    """From COCO's {"size": [h, w], "counts": str | bytes | list of int}, all of one size; ValueError if malformed.

    >>> from_coco([{"size": [3, 4], "counts": "32103"}, {"size": [3, 4], "counts": [12]}])
    (array([ 3,  2,  1,  2,  4, 12]), array([0, 5, 6]))
    """
    counts, offsets, pixels = coco_strings.read(segmentations)
    return to_counts(from_counts(counts, offsets), len(offsets) - 1, pixels)


def to_coco(counts: np.ndarray, offsets: np.ndarray, size: Size) -> list[dict]:
    """[{"size": [h, w], "counts": str}, ...] with COCO's compressed strings, as pycocotools writes them."""
    return [{"size": [int(side) for side in size], "counts": text} for text in coco_strings.write(counts, offsets)]


# --- selecting and joining --------------------------------------------------------------------------
def take(counts: np.ndarray, offsets: np.ndarray, rows: np.ndarray) -> Runs:
    """The masks with these indices, in this order; indices may repeat."""
    rows = np.asarray(rows, np.int64)
    lengths = np.diff(offsets)[rows]
    which, position = ragged_index(lengths)
    return counts[offsets[:-1][rows][which] + position], np.concatenate([[0], np.cumsum(lengths)])


def join(several: Sequence[Runs]) -> Runs:
    """Concatenate several sets of masks; none gives no masks."""
    lengths = [np.diff(offsets) for _, offsets in several]
    none = np.zeros(0, np.int64)
    counts = np.concatenate([none, *(counts for counts, _ in several)])
    return counts, np.concatenate([[0], np.cumsum(np.concatenate([none, *lengths]))])


# --- measuring --------------------------------------------------------------------------------------
def area(counts: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Areas in pixels, n int64."""
    lengths = np.diff(offsets)
    odd = (np.arange(len(counts)) - np.repeat(offsets[:-1], lengths)) & 1  # runs 1, 3, 5, ... of a mask are "on"
    total = np.concatenate([[0], np.cumsum(counts * odd)])
    return total[offsets[1:]] - total[offsets[:-1]]


def boxes(counts: np.ndarray, offsets: np.ndarray, size: Size) -> np.ndarray:
    """Bounding boxes, n×4 float32 x1 y1 x2 y2, edges (a one-pixel mask is 1 wide); 0 0 0 0 for an empty mask."""
    return boxes_of_images(counts, offsets, np.full(len(offsets) - 1, size[0], np.int64))


def boxes_of_images(counts: np.ndarray, offsets: np.ndarray, heights: np.ndarray) -> np.ndarray:
    """The same for masks of several images: n heights in pixels."""
    enclosing = np.zeros((len(offsets) - 1, 4), np.float32)
    owner, start, stop = from_counts(counts, offsets)
    if not len(owner):
        return enclosing
    height = heights[owner]
    first, last = start // height, (stop - 1) // height
    several_columns = first != last  # a span over several columns touches the bottom and the top of the image
    begin = np.flatnonzero(np.diff(owner, prepend=-1))
    rows = owner[begin]
    enclosing[rows, 0] = first[begin]
    enclosing[rows, 1] = np.minimum.reduceat(np.where(several_columns, 0, start - first * height), begin)
    enclosing[rows, 2] = np.maximum.reduceat(last, begin) + 1
    enclosing[rows, 3] = np.maximum.reduceat(np.where(several_columns, height, stop - last * height), begin)
    return enclosing


def iou(a: Runs, b: Runs, size: Size, crowd: np.ndarray | None = None) -> np.ndarray:
    """Pairwise intersection over union: na×nb float64; 0 where both masks are empty.

    crowd  nb bool: in these columns the intersection is divided by the area of a alone (COCO's rule for crowds)
    """
    area_a, area_b = area(*a), area(*b)
    shared = _intersections(a, b, size).astype(np.float64)
    union = area_a[:, None] + area_b[None, :] - shared
    if crowd is not None:
        union = np.where(np.asarray(crowd, bool)[None, :], area_a[:, None], union)
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)


# --- transforming -----------------------------------------------------------------------------------
def union(counts: np.ndarray, offsets: np.ndarray, size: Size) -> Runs:
    """One mask of the pixels that belong to any; without masks one empty mask."""
    owner, start, stop = from_counts(counts, offsets)
    return to_counts(merge(Spans(np.zeros_like(owner), start, stop)), 1, size[0] * size[1])


def crop(counts: np.ndarray, offsets: np.ndarray, size: Size, box: tuple[int, int, int, int]) -> Runs:
    """All masks cropped to the box (x1, y1, x2, y2), integer pixels; their image has the size of the box."""
    rows = len(offsets) - 1
    return _crop_each(counts, offsets, size, np.broadcast_to(np.asarray(box, np.int64), (rows, 4)))


def embed(counts: np.ndarray, offsets: np.ndarray, size: Size, corner: tuple[int, int], whole: Size) -> Runs:
    """Inverse of `crop`: the masks in an image of size `whole` in which theirs is at `corner` = (left, top)."""
    owner, x, top, bottom = to_strips(from_counts(counts, offsets), size[0])
    left, above = corner
    strips = Strips(owner, x + left, top + above, bottom + above)
    return to_counts(from_strips(strips, whole[0]), len(offsets) - 1, whole[0] * whole[1])


def patches(counts: np.ndarray, offsets: np.ndarray, size: Size, boxes: np.ndarray) -> list[np.ndarray]:
    """Each mask decoded inside its own box (n×4 int x1 y1 x2 y2): h×w bool arrays."""
    boxes = np.asarray(boxes, np.int64).reshape(-1, 4)
    widths, heights = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    flat = _decode(*_crop_each(counts, offsets, size, boxes))
    cuts = np.split(flat, np.cumsum(widths * heights)[:-1]) if len(boxes) else []
    return [cut.reshape(w, h).T for cut, w, h in zip(cuts, widths, heights, strict=True)]


def flip(counts: np.ndarray, offsets: np.ndarray, size: Size) -> Runs:
    """Mirror left to right."""
    height, width = size
    owner, x, top, bottom = to_strips(from_counts(counts, offsets), height)
    mirrored = from_strips(Strips(owner, width - 1 - x, top, bottom), height)
    return to_counts(merge(mirrored), len(offsets) - 1, height * width)


# --- inside -----------------------------------------------------------------------------------------
def _decode(counts: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """All pixels of all masks, concatenated, bool."""
    _, position = ragged_index(np.diff(offsets))
    return np.repeat(position & 1 == 1, counts)


def _crop_each(counts: np.ndarray, offsets: np.ndarray, size: Size, boxes: np.ndarray) -> Runs:
    """Each mask cropped to its own box, n×4 int."""
    x1, y1, x2, y2 = boxes.T
    owner, x, top, bottom = to_strips(from_counts(counts, offsets), size[0])
    top, bottom = np.maximum(top, y1[owner]), np.minimum(bottom, y2[owner])
    inside = (top < bottom) & (x >= x1[owner]) & (x < x2[owner])
    owner, x, top, bottom = owner[inside], x[inside], top[inside], bottom[inside]
    strips = Strips(owner, x - x1[owner], top - y1[owner], bottom - y1[owner])
    return to_counts(from_strips(strips, (y2 - y1)[owner]), len(boxes), (x2 - x1) * (y2 - y1))


def _intersections(a: Runs, b: Runs, size: Size) -> np.ndarray:
    """na×nb int64, pixels in common; only pairs with overlapping boxes are computed."""
    boxes_a, boxes_b = boxes(*a, size)[:, None], boxes(*b, size)[None, :]
    corner1, corner2 = np.maximum(boxes_a[..., :2], boxes_b[..., :2]), np.minimum(boxes_a[..., 2:], boxes_b[..., 2:])
    row_a, row_b = np.nonzero((corner1 < corner2).all(axis=-1))
    shared = np.zeros(boxes_a.shape[:1] + boxes_b.shape[1:2], np.int64)
    if not len(row_a):
        return shared
    spans_a, spans_b = from_counts(*a), from_counts(*b)
    stride = size[0] * size[1] + 1  # pixel p of mask i is numbered i * stride + p: one axis for all masks

    # Only the spans of a between the first and the last pixel of b can intersect it.
    bounds = np.searchsorted(spans_b.owner, np.arange(len(b[1])))
    begin = np.searchsorted(
        spans_a.owner * stride + spans_a.stop, row_a * stride + spans_b.start[bounds[row_b]], side="right"
    )
    end = np.searchsorted(
        spans_a.owner * stride + spans_a.start, row_a * stride + spans_b.stop[bounds[row_b + 1] - 1], side="left"
    )
    number = np.maximum(end - begin, 0)
    batch = np.cumsum(number) // RUNS_AT_ONCE
    for pairs in np.split(np.arange(len(row_a)), np.flatnonzero(np.diff(batch)) + 1):
        pair, position = ragged_index(number[pairs])
        span = begin[pairs][pair] + position
        base = row_b[pairs][pair] * stride
        common = _pixels_before(spans_b, stride, base + spans_a.stop[span])
        common -= _pixels_before(spans_b, stride, base + spans_a.start[span])
        shared[row_a[pairs], row_b[pairs]] = np.bincount(pair, weights=common, minlength=len(pairs))
    return shared


def _pixels_before(spans: Spans, stride: int, position: np.ndarray) -> np.ndarray:
    """Number of mask pixels before each position on the common axis of all masks.

    Its difference between the stop and the start of a run is the number of mask pixels in the run.
    """
    starts, stops = spans.owner * stride + spans.start, spans.owner * stride + spans.stop
    so_far = np.concatenate([[0], np.cumsum(spans.stop - spans.start)])
    nth = np.searchsorted(starts, position, side="right")
    return so_far[nth] - np.maximum(np.concatenate([[0], stops])[nth] - position, 0)
