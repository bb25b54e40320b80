"""Boxes (y1, x1, y2, x2) and masks: IoU, non-maximum suppression, deltas. y2 and x2 are exclusive."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from maskwright.geometry import boxes_matterport


def extract_bboxes(mask: np.ndarray) -> np.ndarray:
    """The bounding box of each mask.

    mask  H×W×n, anything non-zero belongs to the object

    n×4 int32; a mask without pixels gives 0 0 0 0.
    """
    boxes = np.zeros((mask.shape[-1], 4), np.int32)
    rows, columns = np.asarray(mask.any(axis=1)), np.asarray(mask.any(axis=0))  # H×n, W×n
    some = np.flatnonzero(rows.any(axis=0)) if mask.size else np.zeros(0, np.int64)
    if len(some):
        boxes[some, 0], boxes[some, 1] = rows[:, some].argmax(0), columns[:, some].argmax(0)
        boxes[some, 2] = mask.shape[0] - rows[::-1, some].argmax(0)
        boxes[some, 3] = mask.shape[1] - columns[::-1, some].argmax(0)
    return boxes


def compute_iou(box: np.ndarray, boxes: np.ndarray, box_area: Any, boxes_area: np.ndarray) -> np.ndarray:
    """IoU of one box with many; the areas are arguments because callers reuse them."""
    height = np.maximum(np.minimum(box[2], boxes[:, 2]) - np.maximum(box[0], boxes[:, 0]), 0)
    width = np.maximum(np.minimum(box[3], boxes[:, 3]) - np.maximum(box[1], boxes[:, 1]), 0)
    intersection = width * height
    return intersection / (box_area + boxes_area[:] - intersection[:])


def compute_overlaps(boxes1: np.ndarray, boxes2: np.ndarray) -> np.ndarray:
    """IoU of each of n boxes with each of m others: n×m float64."""
    area1, area2 = _areas(boxes1), _areas(boxes2)
    overlaps = np.zeros((boxes1.shape[0], boxes2.shape[0]))
    for column in range(overlaps.shape[1]):  # column by column: with 260 000 anchors n×m×4 would not fit
        overlaps[:, column] = compute_iou(boxes2[column], boxes1, area2[column], area1)
    return overlaps


def compute_overlaps_masks(masks1: np.ndarray, masks2: np.ndarray) -> np.ndarray:
    """IoU of each of n masks (H×W×n) with each of m others (H×W×m): n×m float32."""
    n, m = masks1.shape[-1], masks2.shape[-1]
    if n == 0 or m == 0:
        return np.zeros((n, m))
    flat1, flat2 = masks1.reshape(-1, n), masks2.reshape(-1, m)
    common, area1, area2 = np.zeros((n, m)), np.zeros(n), np.zeros(m)
    for begin in range(0, len(flat1), 1 << 18):  # in blocks, to avoid whole large images as float32
        a = (flat1[begin : begin + (1 << 18)] > 0.5).astype(np.float32)
        b = (flat2[begin : begin + (1 << 18)] > 0.5).astype(np.float32)
        common += a.T @ b
        area1 += a.sum(0)
        area2 += b.sum(0)
    with np.errstate(invalid="ignore"):  # two empty masks: NaN, as in the original
        return (common / (area1[:, None] + area2[None] - common)).astype(np.float32)


def non_max_suppression(boxes: np.ndarray, scores: np.ndarray, threshold: float) -> np.ndarray:
    """Non-maximum suppression: indices (int32) of the boxes kept, by descending score."""
    assert boxes.shape[0] > 0
    if boxes.dtype.kind != "f":
        boxes = boxes.astype(np.float32)
    area = _areas(boxes)
    left, picked = scores.argsort()[::-1], []
    while len(left):
        best, rest = left[0], left[1:]
        picked.append(best)
        left = rest[~(compute_iou(boxes[best], boxes[rest], area[best], area[rest]) > threshold)]
    return np.array(picked, dtype=np.int32)


def apply_box_deltas(boxes: np.ndarray, deltas: np.ndarray) -> np.ndarray:
    """Boxes with deltas (dy, dx, log dh, log dw) applied: n×4 float32."""
    boxes = boxes.astype(np.float32)
    size = boxes[:, 2:] - boxes[:, :2]
    center = boxes[:, :2] + 0.5 * size + deltas[:, :2] * size
    size = size * np.exp(deltas[:, 2:])
    corner = center - 0.5 * size
    return np.concatenate([corner, corner + size], axis=1).astype(np.float32)


def box_refinement(box: np.ndarray, gt_box: np.ndarray) -> np.ndarray:
    """The deltas (dy, dx, log dh, log dw) from `box` to `gt_box`: n×4 float32."""
    box, gt_box = box.astype(np.float32), gt_box.astype(np.float32)
    size, gt_size = box[:, 2:] - box[:, :2], gt_box[:, 2:] - gt_box[:, :2]
    shift = (gt_box[:, :2] + 0.5 * gt_size - (box[:, :2] + 0.5 * size)) / size
    return np.concatenate([shift, np.log(gt_size / size)], axis=1)


def norm_boxes(boxes: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """Pixels to normalized coordinates 0..1 for an image of (height, width): float32. There y2 and x2 are inclusive."""
    return boxes_matterport.normalized(boxes, shape)


def denorm_boxes(boxes: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """Normalized coordinates 0..1 to pixels for an image of (height, width): int32, rounded half to even."""
    return boxes_matterport.in_pixels(boxes, shape)


def trim_zeros(x: np.ndarray) -> np.ndarray:
    """A table without rows of zeros."""
    assert len(x.shape) == 2
    return x[~np.all(x == 0, axis=1)]


def _areas(boxes: np.ndarray) -> np.ndarray:
    return (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
