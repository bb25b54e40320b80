"""Boxes: n×4 float32 x1 y1 x2 y2, edges in pixels, so a box around one pixel is 1 wide.

Width and height below 0 count as 0. n = 0 is ordinary everywhere.
"""

from __future__ import annotations

import math

import numpy as np

Weights = tuple[float, float, float, float]

MOST_GROWTH = math.log(1000 / 16)
"""dw and dh above this are cut before exp(): a box grows at most 62.5 times (torchvision's bbox_xform_clip)."""


def area(boxes: np.ndarray) -> np.ndarray:
    """n float32.

    >>> area(np.array([[0, 0, 3, 2]], np.float32))
    array([6.], dtype=float32)
    """
    boxes = _table(boxes)
    sides = np.maximum(boxes[:, 2:] - boxes[:, :2], 0)
    return sides[:, 0] * sides[:, 1]


def clip(boxes: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """n×4 float32 with every edge inside an image of `size` = (height, width)."""
    height, width = size
    return np.clip(_table(boxes), 0, np.array([width, height, width, height], np.float32))


def iou(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Intersection over union of each of a with each of b: na×nb float32; 0 where both are empty."""
    a, b = _table(a), _table(b)
    sides = np.minimum(a[:, None, 2:], b[None, :, 2:]) - np.maximum(a[:, None, :2], b[None, :, :2])
    shared = np.maximum(sides, 0).prod(axis=-1)
    union = area(a)[:, None] + area(b)[None, :] - shared
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)


def nms(boxes: np.ndarray, scores: np.ndarray, threshold: float) -> np.ndarray:
    """Indices (int64) of the boxes kept, by falling score: each drops all later ones whose IoU with it is above
    `threshold`. Equal scores keep their order.

    >>> nms(np.array([[0, 0, 4, 4], [0, 0, 4, 5], [9, 9, 12, 12]]), np.array([0.6, 0.9, 0.3]), threshold=0.5)
    array([1, 2])
    """
    boxes = _table(boxes)
    waiting = np.argsort(-np.asarray(scores), kind="stable")
    kept: list[int] = []
    while len(waiting):
        best, waiting = waiting[0], waiting[1:]
        kept.append(int(best))
        waiting = waiting[iou(boxes[best : best + 1], boxes[waiting])[0] <= threshold]
    return np.array(kept, np.int64)


def encode(reference: np.ndarray, boxes: np.ndarray, weights: Weights = (1.0, 1.0, 1.0, 1.0)) -> np.ndarray:
    """n×4 deltas (dx, dy, dw, dh) that turn each reference box into its box (Faster R-CNN, equation 2), weighted.

    All boxes must have some width and height.
    """
    centre0, side0 = _centers(reference)
    centre1, side1 = _centers(boxes)
    deltas = np.concatenate([(centre1 - centre0) / side0, np.log(side1 / side0)], axis=1)
    return (deltas * np.asarray(weights, np.float32)).astype(np.float32)


def decode(reference: np.ndarray, deltas: np.ndarray, weights: Weights = (1.0, 1.0, 1.0, 1.0)) -> np.ndarray:
    """n×4 boxes: `encode` the other way round; growth is limited to MOST_GROWTH."""
    centre0, side0 = _centers(reference)
    moves = _table(deltas) / np.asarray(weights, np.float32)
    center = centre0 + moves[:, :2] * side0
    half = 0.5 * side0 * np.exp(np.minimum(moves[:, 2:], np.float32(MOST_GROWTH)))
    return np.concatenate([center - half, center + half], axis=1).astype(np.float32)


def _table(boxes: np.ndarray) -> np.ndarray:
    return np.asarray(boxes, np.float32).reshape(-1, 4)


def _centers(boxes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Center and sides, each n×2 (x, y)."""
    boxes = _table(boxes)
    sides = boxes[:, 2:] - boxes[:, :2]
    return boxes[:, :2] + 0.5 * sides, sides
