"""Paste mask probabilities into their boxes as run lengths of the image, without a full-image mask.

Enlarged bilinearly, a mask of 30 cells is piecewise linear with 30 knots along each image column. The rows where a
column crosses the threshold are therefore computed from its knots, for all columns of all objects at once.
"""

from __future__ import annotations

import numpy as np

from maskwright.geometry.spans import Strips, from_strips, ragged_index, to_counts

COLUMNS_AT_ONCE = 1 << 13
"""Image columns processed at once: 1 MB of knots, which fits the processor's cache."""


def paste_masks(
    mask_probs: np.ndarray, boxes: np.ndarray, size: tuple[int, int], threshold: float = 0.5
) -> tuple[np.ndarray, np.ndarray]:
    """Paste each mask into its box: run lengths (counts, offsets); no full-image mask is created.

    mask_probs  n×28×28 float32  probability that this cell of the box belongs to the object (any square size)
    boxes       n×4 float32      x1 y1 x2 y2 in image pixels; may extend past the edge
    size        (height, width) of the image in pixels
    threshold   a pixel belongs where its interpolated probability is at least this; above 0

    An object entirely outside keeps its row, with area 0; n = 0 gives 0 masks.
    Follows torchvision's paste_masks_in_image (0.28): the box grows by 30/28 and its corners are truncated to whole
    pixels, both ends included, so a full mask in a 30×20 box covers 32×20 pixels, not 600:

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
    padded = np.zeros((n, cells + 2, cells + 2), np.float32)  # n × x × y with a border of 0; columns are contiguous
    padded[:, 1:-1, 1:-1] = mask_probs.transpose(0, 2, 1)
    x1, y1, x2, y2 = _whole_pixels(boxes, scale=padded.shape[1] / (padded.shape[1] - 2)).T
    columns, rows = np.maximum(x2 - x1 + 1, 1), np.maximum(y2 - y1 + 1, 1)

    first, last = np.clip(x1, 0, width), np.clip(x1 + columns, 0, width)
    visible_columns = np.where((y1 < height) & (y1 + rows > 0), last - first, 0)
    owner, position = ragged_index(visible_columns)
    x = first[owner] + position
    strips_of_blocks = [Strips(*(np.zeros(0, np.int64),) * 4)]
    for begin in range(0, len(owner), COLUMNS_AT_ONCE):
        of, at = owner[begin : begin + COLUMNS_AT_ONCE], x[begin : begin + COLUMNS_AT_ONCE]
        knots = _columns(padded, of, at - x1[of], columns[of])
        column, top, bottom = _solve(knots, rows[of], threshold)
        top, bottom = np.maximum(top + y1[of][column], 0), np.minimum(bottom + y1[of][column], height)
        visible = top < bottom
        strips_of_blocks.append(Strips(of[column[visible]], at[column[visible]], top[visible], bottom[visible]))
    strips = Strips(*(np.concatenate(parts) for parts in zip(*strips_of_blocks, strict=True)))
    return to_counts(from_strips(strips, height), len(padded), height * width)


def _whole_pixels(boxes: np.ndarray, scale: float) -> np.ndarray:
    """n×4 int64 corners of the boxes scaled about their centers. In float32 like torchvision: the last bit matters."""
    boxes = np.asarray(boxes, np.float32).reshape(-1, 4)
    center = (boxes[:, 2:] + boxes[:, :2]) * np.float32(0.5)
    half = (boxes[:, 2:] - boxes[:, :2]) * np.float32(0.5) * np.float32(scale)
    corners = np.concatenate([center - half, center + half], axis=1)
    return np.clip(np.nan_to_num(corners, nan=-1e9), -1e9, 1e9).astype(
        np.int64
    )  # truncated toward 0, as in torchvision


def _columns(padded: np.ndarray, owner: np.ndarray, column: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """The knots along each image column, m×S: interpolated between two columns of the mask.

    column, columns  index of the column in its enlarged mask, and the number of its columns
    """
    cells = padded.shape[1]
    scale = np.float32(cells) / columns.astype(np.float32)
    at = np.clip(scale * (column.astype(np.float32) + np.float32(0.5)) - np.float32(0.5), 0, cells - 1)
    left = at.astype(np.int64)
    fraction = (at - left).astype(np.float32)[:, None]
    flat = padded.reshape(-1, cells)
    first = owner * cells + left
    mixed = flat[first]
    mixed *= 1 - fraction
    other = flat[first + (left < cells - 1)]
    other *= fraction
    mixed += other
    return mixed


def _solve(knots: np.ndarray, rows: np.ndarray, threshold: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where each column is at least the threshold: (index of the column, first row, row after the last), in order.

    knots  m×S  values at the centers of the S cells; the first and the last are 0, below the threshold
    rows   m    number of image rows that the S cells cover
    """
    cells = knots.shape[1]
    on = knots >= threshold
    flat, change = knots.reshape(-1), on.reshape(-1)
    at = np.flatnonzero(
        change[1:] != change[:-1]
    )  # rising and falling crossings alternate: both ends of a column are 0
    column, cell = np.divmod(at, cells)
    value_before, value_after = flat[at].astype(np.float64), flat[at + 1].astype(np.float64)
    crossing = cell + (threshold - value_before) / (value_after - value_before)
    row = (crossing + 0.5) * (rows[column] / cells) - 0.5
    top = np.ceil(row[0::2]).astype(np.int64)  # a pixel exactly at the threshold belongs
    bottom = np.floor(row[1::2]).astype(np.int64) + 1
    return column[0::2], np.maximum(top, 0), np.minimum(bottom, rows[column[1::2]])
