"""A small soft mask in a box becomes run lengths of the image; the frame between them is never painted.

Enlarged bilinearly, a mask of 30 cells is linear between 30 knots down each column of the image. So where a column
goes above the threshold and below it again is solved from its knots, for all columns of all objects at once.
"""

from __future__ import annotations

import numpy as np

from maskwright.geometry.spans import Strips, from_strips, ragged_index, to_counts

COLUMNS_AT_ONCE = 1 << 13
"""Image columns solved in one go: 1 MB of knots, which stays in the processor's cache."""


def paste_masks(
    mask_probs: np.ndarray, boxes: np.ndarray, size: tuple[int, int], threshold: float = 0.5
) -> tuple[np.ndarray, np.ndarray]:
    """Draw each small soft mask into its box as run lengths (counts, offsets); no full-frame mask is ever made.

    mask_probs       n×28×28 float32  probability that this cell of the box belongs to the object (any square size)
    boxes      n×4 float32      x1 y1 x2 y2 in image pixels; may reach over the edge
    size       (height, width) of the image in pixels
    threshold  a pixel belongs where its interpolated probability is at least this; above 0

    An object wholly outside keeps its row, with area 0; n = 0 gives 0 masks.
    The rule is torchvision's (paste_masks_in_image, 0.28): the box grows by 30/28, its corners are cut to whole
    pixels, both ends included. So a full mask in a 30×20 box covers 32×20 pixels, not 600:

    >>> counts, offsets = paste_masks(np.ones((1, 28, 28)), np.array([[10, 10, 40, 30]]), size=(60, 80))
    >>> int(counts[1::2].sum())
    640
    """
    assert threshold > 0
    height, width = size
    mask_probs = np.asarray(mask_probs, np.float32)
    if not np.isfinite(mask_probs).all():
        mask_probs = np.nan_to_num(mask_probs, nan=0, posinf=1, neginf=0)
    n, cells, _ = mask_probs.shape
    rim = np.zeros((n, cells + 2, cells + 2), np.float32)  # n × x × y, a rim of 0: each column lies in one piece
    rim[:, 1:-1, 1:-1] = mask_probs.transpose(0, 2, 1)
    x1, y1, x2, y2 = _whole_pixels(boxes, grown=rim.shape[1] / (rim.shape[1] - 2)).T
    columns, rows = np.maximum(x2 - x1 + 1, 1), np.maximum(y2 - y1 + 1, 1)

    first, last = np.clip(x1, 0, width), np.clip(x1 + columns, 0, width)
    seen = np.where((y1 < height) & (y1 + rows > 0), last - first, 0)
    owner, position = ragged_index(seen)
    x = first[owner] + position
    pieces = [Strips(*(np.zeros(0, np.int64),) * 4)]
    for begin in range(0, len(owner), COLUMNS_AT_ONCE):
        of, at = owner[begin : begin + COLUMNS_AT_ONCE], x[begin : begin + COLUMNS_AT_ONCE]
        knots = _columns(rim, of, at - x1[of], columns[of])
        column, top, bottom = _solve(knots, rows[of], threshold)
        top, bottom = np.maximum(top + y1[of][column], 0), np.minimum(bottom + y1[of][column], height)
        some = top < bottom
        pieces.append(Strips(of[column[some]], at[column[some]], top[some], bottom[some]))
    strips = Strips(*(np.concatenate(parts) for parts in zip(*pieces, strict=True)))
    return to_counts(from_strips(strips, height), len(rim), height * width)


def _whole_pixels(boxes: np.ndarray, grown: float) -> np.ndarray:
    """n×4 int64 corners of the boxes grown about their centers. In float32, because the last bit decides here."""
    boxes = np.asarray(boxes, np.float32).reshape(-1, 4)
    center = (boxes[:, 2:] + boxes[:, :2]) * np.float32(0.5)
    half = (boxes[:, 2:] - boxes[:, :2]) * np.float32(0.5) * np.float32(grown)
    corners = np.concatenate([center - half, center + half], axis=1)
    return np.clip(np.nan_to_num(corners, nan=-1e9), -1e9, 1e9).astype(np.int64)  # cut towards 0, as torchvision


def _columns(rim: np.ndarray, owner: np.ndarray, column: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """The knots down each image column, m×S: two columns of the small mask, mixed.

    column, columns  number of the column in its enlarged mask, and how many that has
    """
    cells = rim.shape[1]
    scale = np.float32(cells) / columns.astype(np.float32)
    at = np.clip(scale * (column.astype(np.float32) + np.float32(0.5)) - np.float32(0.5), 0, cells - 1)
    left = at.astype(np.int64)
    fraction = (at - left).astype(np.float32)[:, None]
    every = rim.reshape(-1, cells)
    first = owner * cells + left
    mixed = every[first]
    mixed *= 1 - fraction
    other = every[first + (left < cells - 1)]
    other *= fraction
    mixed += other
    return mixed


def _solve(knots: np.ndarray, rows: np.ndarray, threshold: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where each column is at least the threshold: (which column, first row, row after the last), in order.

    knots  m×S values at the centers of the S cells; the first and the last are 0, below the threshold
    rows   m   image rows over which the S cells are spread
    """
    cells = knots.shape[1]
    on = knots >= threshold
    flat, change = knots.reshape(-1), on.reshape(-1)
    at = np.flatnonzero(change[1:] != change[:-1])  # rises and falls take turns down each column, and at its ends is 0
    column, cell = np.divmod(at, cells)
    here, there = flat[at].astype(np.float64), flat[at + 1].astype(np.float64)
    crossing = cell + (threshold - here) / (there - here)
    row = (crossing + 0.5) * (rows[column] / cells) - 0.5
    top = np.ceil(row[0::2]).astype(np.int64)  # the crossing itself belongs
    bottom = np.floor(row[1::2]).astype(np.int64) + 1
    return column[0::2], np.maximum(top, 0), np.minimum(bottom, rows[column[1::2]])
