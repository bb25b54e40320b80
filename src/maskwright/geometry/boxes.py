"""Boxes: n×4 float32 x1 y1 x2 y2, edges in pixels, so a box around one pixel is 1 wide.

A negative width or height counts as 0. n = 0 is valid everywhere.
"""

from __future__ import annotations

import math

import numpy as np

Weights = tuple[float, float, float, float]

SMALLEST = np.finfo(np.float32).tiny
MAX_LOG_SCALE = math.log(1000 / 16)
"""dw and dh are clipped to this before exp(): a box grows at most 62.5 times (torchvision's bbox_xform_clip)."""


def area(boxes: np.ndarray) -> np.ndarray:
    """Areas, n float32.

    >>> area(np.array([[0, 0, 3, 2]], np.float32))
    array([6.], dtype=float32)
    """
    boxes = _table(boxes)
    sides = np.maximum(boxes[:, 2:] - boxes[:, :2], 0)
    return sides[:, 0] * sides[:, 1]


def clip(boxes: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Clip boxes to an image of `size` = (height, width): n×4 float32."""
    height, width = size
    return np.clip(_table(boxes), 0, np.array([width, height, width, height], np.float32))


def iou(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Pairwise intersection over union: na×nb float32; 0 where both boxes are empty."""
    a, b = _table(a), _table(b)
    (x1, y1, x2, y2), (u1, v1, u2, v2) = a.T[:, :, None], b.T  # by coordinate: a third of the time of na×nb×2 corners
    shared = np.maximum(np.minimum(x2, u2) - np.maximum(x1, u1), 0)
    shared *= np.maximum(np.minimum(y2, v2) - np.maximum(y1, v1), 0)
    union = area(a)[:, None] + area(b)[None, :] - shared
    return np.divide(shared, np.maximum(union, SMALLEST, out=union), out=shared)  # 0 / SMALLEST is 0


def nms(
    boxes: np.ndarray, scores: np.ndarray, threshold: float, groups: np.ndarray | None = None, *,
    limit: int | None = None, at_once: int = 256,
) -> np.ndarray:  # fmt: skip
    """Non-maximum suppression: indices (int64) of the boxes kept, by descending score.

    A box is removed if its IoU with a kept box of higher score is above `threshold`. Ties keep their order.

    groups   n: boxes of different groups (classes, pyramid levels) never suppress each other
    limit    at most so many are kept; None: all
    at_once  boxes that are compared with each other at a time; changes nothing but the speed

    >>> nms(np.array([[0, 0, 4, 4], [0, 0, 4, 5], [9, 9, 12, 12]]), np.array([0.6, 0.9, 0.3]), threshold=0.5)
    array([1, 2])
    """
    boxes = _table(boxes)
    groups = np.zeros(len(boxes), np.int64) if groups is None else np.asarray(groups)
    rest = np.argsort(-np.asarray(scores), kind="stable")
    kept = rest[:0]

    def overlap(some: np.ndarray, others: np.ndarray) -> np.ndarray:
        return (iou(boxes[some], boxes[others]) > threshold) & (groups[some][:, None] == groups[others])

    # Block by block, and with what is kept only when a block's turn comes: `limit` is often reached by the first two.
    while len(rest) and (limit is None or len(kept) < limit):
        best, rest = rest[:at_once], rest[at_once:]
        if len(kept):
            best = best[~overlap(kept, best).any(0)]
        number = np.arange(len(best))
        best = best[_survivors(overlap(best, best) & (number[:, None] < number))]
        kept = np.concatenate([kept, best])
    return kept[:limit]


def _survivors(overlaps: np.ndarray) -> np.ndarray:
    """Which boxes, best first, greedy suppression keeps: n bool. overlaps  n×n bool, row: the better box."""
    # The one fixed point of "a box survives if no better survivor overlaps it": each round settles at least one more.
    counts = overlaps.astype(np.float32)
    survives = np.ones(len(overlaps), np.float32)
    while True:
        after = (survives @ counts == 0).astype(np.float32)
        if np.array_equal(after, survives):
            return survives > 0
        survives = after


def encode(reference: np.ndarray, boxes: np.ndarray, weights: Weights = (1.0, 1.0, 1.0, 1.0)) -> np.ndarray:
    """Weighted n×4 deltas (dx, dy, dw, dh) from each reference box to its box (Faster R-CNN, equation 2).

    Width and height of all boxes must be positive.
    """
    center0, side0 = _centers(reference)
    center1, side1 = _centers(boxes)
    deltas = np.concatenate([(center1 - center0) / side0, np.log(side1 / side0)], axis=1)
    return (deltas * np.asarray(weights, np.float32)).astype(np.float32)


def decode(reference: np.ndarray, deltas: np.ndarray, weights: Weights = (1.0, 1.0, 1.0, 1.0)) -> np.ndarray:
    """Inverse of `encode`: n×4 boxes; dw and dh are limited to MAX_LOG_SCALE."""
    center0, side0 = _centers(reference)
    deltas = _table(deltas) / np.asarray(weights, np.float32)
    center = center0 + deltas[:, :2] * side0
    half = 0.5 * side0 * np.exp(np.minimum(deltas[:, 2:], np.float32(MAX_LOG_SCALE)))
    return np.concatenate([center - half, center + half], axis=1).astype(np.float32)


def _table(boxes: np.ndarray) -> np.ndarray:
    return np.asarray(boxes, np.float32).reshape(-1, 4)


def _centers(boxes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Centers and side lengths, each n×2 (x, y)."""
    boxes = _table(boxes)
    sides = boxes[:, 2:] - boxes[:, :2]
    return boxes[:, :2] + 0.5 * sides, sides
