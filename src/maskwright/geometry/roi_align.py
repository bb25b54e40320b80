"""RoI Align (Mask R-CNN, section 3) over a feature pyramid, in numpy: the rule of models/ops.py, without torch.

A cell of a box is a weighted sum of the map's cells around its sampling points, and its weight for a cell of the map is
one number for the row times one for the column. So a box is two small matrix products over the region it covers.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

CANONICAL_SIDE, CANONICAL_LEVEL, LOWEST_LEVEL = 224.0, 4, 2  # a box of ImageNet's 224 pixels is pooled from P4


def pyramid_levels(boxes: np.ndarray, count: int) -> np.ndarray:
    """Which of `count` pyramid levels pools each box: n int64, 0 is the finest (FPN paper, equation 1).

    >>> pyramid_levels(np.array([[0, 0, 32, 32], [0, 0, 224, 224], [0, 0, 900, 900]], np.float32), count=4)
    array([0, 2, 3])
    """
    sides = boxes[:, 2:] - boxes[:, :2]
    side = np.sqrt(np.maximum(sides[:, 0] * sides[:, 1], 0))
    # torchvision's epsilon
    level = np.floor(CANONICAL_LEVEL + np.log2(side / np.float32(CANONICAL_SIDE) + np.float32(1e-6)))
    return np.clip(level, LOWEST_LEVEL, LOWEST_LEVEL + count - 1).astype(np.int64) - LOWEST_LEVEL


def roi_align(
    levels: Sequence[np.ndarray],
    strides: Sequence[int],
    boxes: np.ndarray,
    level_of_each: np.ndarray,
    out: int,
    samples: int = 2,
) -> np.ndarray:
    """Pool each box to out×out cells: n×out×out×C float32.

    levels         H×W×C float32 each;  strides  of each, in network input pixels
    boxes          n×4 float32 x1 y1 x2 y2, network input pixels
    level_of_each  n int64, the level that pools each box
    samples        points per cell and axis, averaged

    As torchvision's roi_align(aligned=False): points are not shifted by half a pixel, a box is at least one feature
    cell large. Points beyond the map's last row or column take its value.
    """
    lengths = np.array([level.shape[:2] for level in levels])[level_of_each]
    cells = boxes * (1 / np.array(strides, np.float32))[level_of_each][:, None]
    steps = (np.arange(out * samples, dtype=np.float32) + np.float32(0.5)) / np.float32(out * samples)

    def points(low: np.ndarray, high: np.ndarray, length: np.ndarray) -> np.ndarray:
        at = low[:, None] + np.maximum(high - low, np.float32(1))[:, None] * steps
        return np.minimum(np.maximum(at, 0), (length - 1)[:, None].astype(np.float32))

    y = points(cells[:, 1], cells[:, 3], lengths[:, 0])
    x = points(cells[:, 0], cells[:, 2], lengths[:, 1])
    share = np.full_like(y, 1 / samples)
    return _pool(levels, level_of_each, (y, share), (x, share), out)


def crop_and_resize(levels: Sequence[np.ndarray], boxes: np.ndarray, level_of_each: np.ndarray, out: int) -> np.ndarray:
    """TensorFlow's image.crop_and_resize, by which matterport pools: n×out×out×C float32.

    levels         H×W×C float32 each
    boxes          n×4 float32 y1 x1 y2 x2, normalized: 1 is the middle of a map's last cell
    level_of_each  n int64, the level that pools each box

    One sample a cell, the box's corners on the corners of the cells; outside of the map it is 0.

    >>> crop_and_resize([np.arange(4, dtype=np.float32).reshape(2, 2, 1)], np.array([[0, 0, 1, 1]], np.float32), [0], 2)
    array([[[[0.],
             [1.]],
    <BLANKLINE>
            [[2.],
             [3.]]]], dtype=float32)
    """
    lengths = np.array([level.shape[:2] for level in levels])[level_of_each]

    def points(low: np.ndarray, high: np.ndarray, length: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        last = (length - 1).astype(np.float32)
        step = (high - low) * last / np.float32(out - 1)
        at = (low * last)[:, None] + np.arange(out, dtype=np.float32) * step[:, None]
        inside = (at >= 0) & (at <= last[:, None])
        return np.where(inside, at, 0), inside.astype(np.float32)

    y, x = (points(boxes[:, axis], boxes[:, axis + 2], lengths[:, axis]) for axis in (0, 1))
    return _pool(levels, level_of_each, y, x, out)


Points = tuple[np.ndarray, np.ndarray]  # n×points float32 each: where they are, in cells of the box's map; their weight


def _pool(levels: Sequence[np.ndarray], level_of_each: np.ndarray, y: Points, x: Points, out: int) -> np.ndarray:
    """n×out×out×C: weighted sums of bilinear values at a grid of points a box; each cell has as many of them."""
    channels = levels[0].shape[2]
    pooled = np.empty((len(level_of_each), out, out, channels), np.float32)
    if not len(pooled):
        return pooled
    lengths = np.array([level.shape[:2] for level in levels])[level_of_each]
    tops, heights, row_weights = _axis_weights(*y, lengths[:, 0], out)
    lefts, widths, column_weights = _axis_weights(*x, lengths[:, 1], out)
    regions = zip(level_of_each, tops, heights, lefts, widths, strict=True)
    for index, (level, top, height, left, width) in enumerate(regions):
        region = levels[level][top : top + height, left : left + width].reshape(height, width * channels)
        rows = (row_weights[index, :, :height] @ region).reshape(out, width, channels)
        np.matmul(column_weights[index, :, :width], rows, out=pooled[index])
    return pooled


def _axis_weights(
    at: np.ndarray, share: np.ndarray, length: np.ndarray, out: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Along one axis: the first cell of the map that each box needs, how many, and n×out×most float32 their weights.

    at, share  n×points float32, points inside the map and their weight;  length  n, cells of the map
    """
    before = at.astype(np.int64)
    fraction = at - before.astype(np.float32)
    after = np.minimum(before + 1, (length - 1)[:, None])
    first = before.min(1)
    counts = after.max(1) - first + 1
    most = int(counts.max())
    cell = np.arange(at.shape[1]) * out // at.shape[1]
    row = (np.arange(len(at))[:, None] * out + cell) * most - first[:, None]
    flat = np.concatenate([(row + before).ravel(), (row + after).ravel()])
    values = np.concatenate([((1 - fraction) * share).ravel(), (fraction * share).ravel()])
    weights = np.bincount(flat, values, len(at) * out * most).astype(np.float32)
    return first, counts, weights.reshape(len(at), out, most)
