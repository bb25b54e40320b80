"""Training targets, sampled with NumPy's global random state like in the original.

The draws (which function, on what, in which order) are part of the behavior: scripts set numpy.random.seed and expect
the same anchors again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from mrcnn.boxes import box_refinement, compute_overlaps
from mrcnn.resizing import resize

CROWD_OVERLAP = 0.001
"""Anchors that overlap a crowd by less than this may count as background."""


def build_rpn_targets(
    image_shape: Sequence[int], anchors: np.ndarray, gt_class_ids: np.ndarray, gt_boxes: np.ndarray, config: Any
) -> tuple[np.ndarray, np.ndarray]:
    """(match, bbox): the targets of the region proposal network for each anchor.

    anchors       L×4 in pixels
    gt_class_ids  n; negative for a crowd

    match  L int32: 1 object, -1 background, 0 of no account
    bbox   RPN_TRAIN_ANCHORS_PER_IMAGE×4: deltas of the anchors that match, in their order, then zeros
    """
    match = np.zeros(len(anchors), np.int32)
    bbox = np.zeros((config.RPN_TRAIN_ANCHORS_PER_IMAGE, 4))
    free = np.ones(len(anchors), bool)
    if (gt_class_ids < 0).any():
        crowds = gt_boxes[gt_class_ids < 0]
        gt_boxes = gt_boxes[gt_class_ids > 0]
        free = compute_overlaps(anchors, crowds).max(axis=1) < CROWD_OVERLAP
    if len(gt_boxes) == 0:
        match[free] = -1
        _thin(match, -1, config.RPN_TRAIN_ANCHORS_PER_IMAGE)
        return match, bbox

    overlaps = compute_overlaps(anchors, gt_boxes)
    nearest, best = overlaps.argmax(axis=1), overlaps.max(axis=1)
    match[(best < 0.3) & free] = -1
    match[(overlaps == overlaps.max(axis=0)).any(axis=1)] = 1  # every object has an anchor
    match[best >= 0.7] = 1
    _thin(match, 1, config.RPN_TRAIN_ANCHORS_PER_IMAGE // 2)
    _thin(match, -1, config.RPN_TRAIN_ANCHORS_PER_IMAGE - int((match == 1).sum()))

    chosen = np.flatnonzero(match == 1)
    anchor, ground_truth = anchors[chosen], gt_boxes[nearest[chosen]]
    size, gt_size = anchor[:, 2:] - anchor[:, :2], ground_truth[:, 2:] - ground_truth[:, :2]
    shift = (ground_truth[:, :2] + 0.5 * gt_size - (anchor[:, :2] + 0.5 * size)) / size
    bbox[: len(chosen)] = np.concatenate([shift, np.log(gt_size / size)], axis=1) / config.RPN_BBOX_STD_DEV
    return match, bbox


def _thin(match: np.ndarray, value: int, most: int) -> None:
    """Keep at most `most` anchors with this value; others, randomly chosen, are set to 0."""
    rows = np.where(match == value)[0]
    if len(rows) > most:
        match[np.random.choice(rows, len(rows) - most, replace=False)] = 0


def build_detection_targets(
    rpn_rois: np.ndarray, gt_class_ids: np.ndarray, gt_boxes: np.ndarray, gt_masks: np.ndarray, config: Any
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """(rois, class_ids, bboxes, masks): what the heads shall say about rois, for looking at the training data.

    rpn_rois, gt_boxes  n×4 and m×4 int32 in pixels
    gt_masks            H×W×m, or small ones in their boxes where USE_MINI_MASK

    rois T×4, class_ids T (0: background), bboxes T×C×4 deltas of the own class, masks T×28×28×C float32;
    T = TRAIN_ROIS_PER_IMAGE.
    """
    assert len(rpn_rois) > 0
    real = np.where(gt_class_ids > 0)[0]
    assert len(real) > 0, "the image must hold an object"
    gt_class_ids, gt_boxes, gt_masks = gt_class_ids[real], gt_boxes[real], gt_masks[:, :, real]
    overlaps = compute_overlaps(rpn_rois, gt_boxes)
    nearest, best = overlaps.argmax(axis=1), overlaps.max(axis=1)

    total = config.TRAIN_ROIS_PER_IMAGE
    positive = _at_most(np.where(best > 0.5)[0], int(total * config.ROI_POSITIVE_RATIO))
    negative = _at_most(np.where(best < 0.5)[0], total - len(positive))
    keep = np.concatenate([positive, negative])
    missing = total - len(keep)
    if missing > 0:  # some of the background again, or of the objects where there is no background
        keep = np.concatenate([keep, np.random.choice(negative if len(negative) else positive, missing, replace=True)])

    background = np.zeros(len(rpn_rois), bool)
    background[negative] = True
    class_ids = np.where(background, 0, gt_class_ids[nearest])[keep]
    rois, ground_truth = rpn_rois[keep], nearest[keep]

    rows = np.where(class_ids > 0)[0]
    bboxes = np.zeros((total, config.NUM_CLASSES, 4), np.float32)
    bboxes[rows, class_ids[rows]] = box_refinement(rois[rows], gt_boxes[ground_truth[rows]][:, :4])
    bboxes /= config.BBOX_STD_DEV
    masks = np.zeros((total, *config.MASK_SHAPE, config.NUM_CLASSES), np.float32)
    for row in rows:
        mask = gt_masks[:, :, ground_truth[row]]
        if config.USE_MINI_MASK:
            y1, x1, y2, x2 = gt_boxes[ground_truth[row]]
            full = np.zeros(tuple(config.IMAGE_SHAPE[:2]), bool)
            full[y1:y2, x1:x2] = np.round(resize(mask, (y2 - y1, x2 - x1))).astype(bool)
            mask = full
        y1, x1, y2, x2 = rois[row].astype(np.int32)
        masks[row, :, :, class_ids[row]] = resize(mask[y1:y2, x1:x2], config.MASK_SHAPE)
    return rois, class_ids, bboxes, masks


def _at_most(rows: np.ndarray, count: int) -> np.ndarray:
    return np.random.choice(rows, count, replace=False) if len(rows) > count else rows


def generate_random_rois(
    image_shape: Sequence[int], count: int, gt_class_ids: np.ndarray, gt_boxes: np.ndarray
) -> np.ndarray:
    """Rois at random, count×4 int32 in pixels: nine tenths around the objects, the rest anywhere."""
    rois = np.zeros((count, 4), np.int32)
    each = int(0.9 * count / len(gt_boxes))
    for row, (y1, x1, y2, x2) in enumerate(gt_boxes):
        height, width = y2 - y1, x2 - x1
        rows = (max(y1 - height, 0), min(y2 + height, image_shape[0]))
        columns = (max(x1 - width, 0), min(x2 + width, image_shape[1]))
        rois[each * row : each * (row + 1)] = _random_boxes(rows, columns, each)
    rest = count - each * len(gt_boxes)
    if rest:
        rois[-rest:] = _random_boxes((0, image_shape[0]), (0, image_shape[1]), rest)
    return rois


def _random_boxes(rows: tuple[int, int], columns: tuple[int, int], count: int) -> np.ndarray:
    """Boxes whose corners lie in these ranges; twice as many are drawn, because some have no area."""
    while True:
        y = np.random.randint(*rows, (count * 2, 2))
        x = np.random.randint(*columns, (count * 2, 2))
        y, x = y[y[:, 0] != y[:, 1]][:count], x[x[:, 0] != x[:, 1]][:count]
        if len(y) == count and len(x) == count:
            y, x = np.sort(y, axis=1), np.sort(x, axis=1)
            return np.stack([y[:, 0], x[:, 0], y[:, 1], x[:, 1]], axis=1)
