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
    channels = levels[0].shape[2]
    pooled = np.empty((len(boxes), out, out, channels), np.float32)
    if not len(boxes):
        return pooled
    shapes = np.array([level.shape[:2] for level in levels])[level_of_each]
    cells = boxes * (1 / np.array(strides, np.float32))[level_of_each][:, None]
    tops, heights, row_weights = _axis_weights(cells[:, 1], cells[:, 3], shapes[:, 0], out, samples)
    lefts, widths, column_weights = _axis_weights(cells[:, 0], cells[:, 2], shapes[:, 1], out, samples)
    regions = zip(level_of_each, tops, heights, lefts, widths, strict=True)
    for index, (level, top, height, left, width) in enumerate(regions):
        region = levels[level][top : top + height, left : left + width].reshape(height, width * channels)
        rows = (row_weights[index, :, :height] @ region).reshape(out, width, channels)
        np.matmul(column_weights[index, :, :width], rows, out=pooled[index])
    return pooled


def _axis_weights(
    low: np.ndarray, high: np.ndarray, length: np.ndarray, out: int, samples: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Along one axis: the first cell of the map that each box needs, how many, and n×out×most float32 their weights.

    low, high  n float32, the box in cells of its map;  length  n, cells of the map
    """
    steps = (np.arange(out * samples, dtype=np.float32) + np.float32(0.5)) / np.float32(out * samples)
    last = (length - 1)[:, None]
    at = low[:, None] + np.maximum(high - low, np.float32(1))[:, None] * steps
    at = np.minimum(np.maximum(at, 0), last.astype(np.float32))
    before = at.astype(np.int64)
    fraction = at - before.astype(np.float32)
    after = np.minimum(before + 1, last)
    first = before[:, 0]
    counts = after[:, -1] - first + 1
    most = int(counts.max())
    row = (np.arange(len(low))[:, None] * out + np.arange(out * samples) // samples) * most - first[:, None]
    flat = np.concatenate([(row + before).ravel(), (row + after).ravel()])
    share = np.concatenate([(1 - fraction).ravel(), fraction.ravel()]) / samples
    weights = np.bincount(flat, share, len(low) * out * most).astype(np.float32)
    return first, counts, weights.reshape(len(low), out, most)
