"""matterport's boxes in numpy: anchors, deltas, normalized coordinates, and the way back to the image.

Boxes are y1 x1 y2 x2. In pixels y2 and x2 lie outside the box, normalized (0..1) they lie inside.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

OUTSIDE = np.array([0, 0, 1, 1])


def normalized(boxes: np.ndarray, size: Sequence[int]) -> np.ndarray:
    """Pixels of an image of (height, width) -> 0..1, float32."""
    return ((boxes - OUTSIDE) / _scale(size)).astype(np.float32)


def in_pixels(boxes: np.ndarray, size: Sequence[int]) -> np.ndarray:
    """0..1 -> whole pixels, int32, halves to even."""
    return np.around(boxes * _scale(size) + OUTSIDE).astype(np.int32)


def unmolded(boxes: np.ndarray, window: Sequence[int], molded: Sequence[int], image: Sequence[int]) -> np.ndarray:
    """n×4 normalized on the molded image -> whole pixels of the image.

    window         of the image in the molded image, pixels
    molded, image  (height, width)
    """
    y1, x1, y2, x2 = normalized(np.asarray(window), molded)
    height, width = y2 - y1, x2 - x1
    return in_pixels((boxes - np.array([y1, x1, y1, x1])) / np.array([height, width, height, width]), image)


def _scale(size: Sequence[int]) -> np.ndarray:
    height, width = size
    return np.array([height - 1, width - 1, height - 1, width - 1])


def decode(boxes: np.ndarray, deltas: np.ndarray) -> np.ndarray:
    """n×4 float32 boxes moved by (dy, dx, log dh, log dw), in the order of the original's operations. Their growth has
    no limit: a box may become infinite."""
    sides = boxes[:, 2:] - boxes[:, :2]
    with np.errstate(over="ignore", invalid="ignore"):
        centers, sides = deltas[:, :2] * sides + (boxes[:, :2] + sides / 2), np.exp(deltas[:, 2:]) * sides
        first = centers - np.float32(0.5) * sides
        return np.concatenate([first, first + sides], axis=1)


def clip(boxes: np.ndarray, window: np.ndarray) -> np.ndarray:
    """n×4 boxes held inside a window (y1 x1 y2 x2)."""
    return np.maximum(np.minimum(boxes, window[[2, 3, 2, 3]]), window[[0, 1, 0, 1]])


def pyramid_levels(boxes: np.ndarray, area: float) -> np.ndarray:
    """Which of P2..P5 pools each normalized box: n int64, 0 is P2 (FPN paper, equation 1, rounded half to even).

    area  of the network input in pixels. Boxes without area: 0

    >>> pyramid_levels(np.array([[0, 0, 0, 0], [0, 0, 0.25, 0.25], [0, 0, 1, 1]], np.float32), 1024.0**2)
    array([0, 2, 3])
    """
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        sides = np.sqrt((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]))
        levels = np.round(np.log(sides / (np.float32(224) / np.sqrt(np.float32(area)))) / np.log(np.float32(2)))
    return np.clip(4 + np.nan_to_num(levels, nan=-9, neginf=-9, posinf=9), 2, 5).astype(np.int64) - 2


def level_anchors(
    scales: float | Sequence[float],
    ratios: Sequence[float],
    shape: Sequence[int] | np.ndarray,
    stride: float,
    every: int,
) -> np.ndarray:
    """The anchors of one level in pixels: n×4 float64 by row, column, ratio, scale.

    scales  side of a square anchor;  ratios  width / height
    shape   (height, width) of the level's map;  stride  pixels between two of its cells, on which the centers lie
    every   1: anchors at every cell, 2: at every second
    """
    side, ratio = (item.ravel() for item in np.meshgrid(np.array(scales), np.array(ratios)))
    size = np.stack([side / np.sqrt(ratio), side * np.sqrt(ratio)], axis=1)  # k×2
    y = np.arange(0, shape[0], every) * stride
    x = np.arange(0, shape[1], every) * stride
    center = np.stack(np.meshgrid(y, x, indexing="ij"), axis=-1)[:, :, None]  # rows × columns × 1 × 2
    return np.concatenate([center - 0.5 * size, center + 0.5 * size], axis=-1).reshape(-1, 4)


def pyramid_anchors(
    scales: Sequence[float],
    ratios: Sequence[float],
    shapes: Sequence[Sequence[int]] | np.ndarray,
    strides: Sequence[float],
    every: int,
) -> np.ndarray:
    """The anchors of all levels, one scale a level, finest level first."""
    levels = zip(scales, shapes, strides, strict=False)
    return np.concatenate([level_anchors(scale, ratios, shape, stride, every) for scale, shape, stride in levels])
