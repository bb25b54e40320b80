"""Average precision as in the original (VOC-like, on masks). For COCO's use maskwright.evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from mrcnn.boxes import compute_overlaps, compute_overlaps_masks, trim_zeros


def compute_matches(
    gt_boxes: np.ndarray,
    gt_class_ids: np.ndarray,
    gt_masks: np.ndarray,
    pred_boxes: np.ndarray,
    pred_class_ids: np.ndarray,
    pred_scores: np.ndarray,
    pred_masks: np.ndarray,
    iou_threshold: float = 0.5,
    score_threshold: float = 0.0,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Match predictions with objects: (gt_match, pred_match, overlaps), by descending score.

    gt_match    for each object the row of its prediction (in order of score), -1 if none
    pred_match  for each prediction, in order of score, the row of its object, -1 if none
    overlaps    predictions × objects, IoU of masks
    """
    gt_boxes, pred_boxes = trim_zeros(gt_boxes), trim_zeros(pred_boxes)
    order = np.argsort(pred_scores[: len(pred_boxes)])[::-1]
    overlaps = compute_overlaps_masks(pred_masks[..., order], gt_masks[..., : len(gt_boxes)])
    return *_match(overlaps, pred_class_ids[order], gt_class_ids, iou_threshold, score_threshold), overlaps


def _match(
    overlaps: np.ndarray, pred_class_ids: np.ndarray, gt_class_ids: np.ndarray, iou_threshold: float, least: float
) -> tuple[np.ndarray, np.ndarray]:
    """(gt_match, pred_match): each prediction in turn takes the object of its class that it overlaps most."""
    pred_match, gt_match = np.full(overlaps.shape[0], -1.0), np.full(overlaps.shape[1], -1.0)
    for row in range(overlaps.shape[0]):
        for column in np.argsort(overlaps[row])[::-1]:
            overlap = overlaps[row, column]
            if overlap < least:
                break
            if gt_match[column] > -1:
                continue
            if overlap < iou_threshold:
                break
            if pred_class_ids[row] == gt_class_ids[column]:
                gt_match[column], pred_match[row] = row, column
                break
    return gt_match, pred_match


def compute_ap(
    gt_boxes: np.ndarray,
    gt_class_ids: np.ndarray,
    gt_masks: np.ndarray,
    pred_boxes: np.ndarray,
    pred_class_ids: np.ndarray,
    pred_scores: Any = None,
    pred_masks: np.ndarray | None = None,
    iou_threshold: float = 0.5,
) -> tuple[float, np.ndarray, np.ndarray, np.ndarray]:
    """(AP, precisions, recalls, overlaps) of one image, by IoU of masks.

    Versions 1 and 2.0 had no masks: compute_ap(gt_boxes, gt_class_ids, pred_boxes, pred_class_ids, pred_scores,
    iou_threshold) goes by IoU of boxes, here too.
    """
    if pred_masks is None:
        threshold = iou_threshold if pred_scores is None else pred_scores
        return _ap_of_boxes(gt_boxes, gt_class_ids, gt_masks, pred_boxes, pred_class_ids, threshold)
    gt_match, pred_match, overlaps = compute_matches(
        gt_boxes, gt_class_ids, gt_masks, pred_boxes, pred_class_ids, pred_scores, pred_masks, iou_threshold
    )
    return *_average(gt_match, pred_match), overlaps


def _ap_of_boxes(
    gt_boxes: np.ndarray,
    gt_class_ids: np.ndarray,
    pred_boxes: np.ndarray,
    pred_class_ids: np.ndarray,
    pred_scores: np.ndarray,
    iou_threshold: float,
) -> tuple[float, np.ndarray, np.ndarray, np.ndarray]:
    gt_boxes, pred_boxes = trim_zeros(gt_boxes), trim_zeros(pred_boxes)
    order = np.argsort(pred_scores[: len(pred_boxes)])[::-1]
    overlaps = compute_overlaps(pred_boxes[order], gt_boxes)
    gt_match, pred_match = _match(overlaps, pred_class_ids[order], gt_class_ids, iou_threshold, 0.0)
    return *_average(gt_match, pred_match), overlaps


def _average(gt_match: np.ndarray, pred_match: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    """(AP, precisions, recalls), predictions in order of score."""
    hits = np.cumsum(pred_match > -1)
    with np.errstate(invalid="ignore", divide="ignore"):  # without objects: NaN
        recalls = hits.astype(np.float32) / len(gt_match)
    precisions = np.concatenate([[0], hits / (np.arange(len(pred_match)) + 1), [0]])
    recalls = np.concatenate([[0], recalls, [1]])
    precisions = np.maximum.accumulate(precisions[::-1])[::-1]  # never rising with recall
    steps = np.where(recalls[:-1] != recalls[1:])[0] + 1
    average = np.sum((recalls[steps] - recalls[steps - 1]) * precisions[steps])
    return average, precisions, recalls


def compute_ap_range(
    gt_box: np.ndarray,
    gt_class_id: np.ndarray,
    gt_mask: np.ndarray,
    pred_box: np.ndarray,
    pred_class_id: np.ndarray,
    pred_score: np.ndarray,
    pred_mask: np.ndarray,
    iou_thresholds: Sequence[float] | np.ndarray | None = None,
    verbose: int = 1,
) -> float:
    """AP averaged over IoU thresholds, 0.50 to 0.95 in steps of 0.05 unless told otherwise; prints each if verbose."""
    thresholds = np.arange(0.5, 1.0, 0.05) if iou_thresholds is None else iou_thresholds
    found = []
    for threshold in thresholds:
        average = compute_ap(
            gt_box, gt_class_id, gt_mask, pred_box, pred_class_id, pred_score, pred_mask, iou_threshold=threshold
        )[0]
        if verbose:
            print(f"AP @{threshold:.2f}:\t {average:.3f}")
        found.append(average)
    mean = np.array(found).mean()
    if verbose:
        print(f"AP @{thresholds[0]:.2f}-{thresholds[-1]:.2f}:\t {mean:.3f}")
    return mean


def compute_recall(pred_boxes: np.ndarray, gt_boxes: np.ndarray, iou: float) -> tuple[float, np.ndarray]:
    """(fraction of objects that some box overlaps by `iou`, the rows of those boxes)."""
    overlaps = compute_overlaps(pred_boxes, gt_boxes)
    best = np.argmax(overlaps, axis=1)
    rows = np.where(np.max(overlaps, axis=1) >= iou)[0]
    return len(set(best[rows])) / gt_boxes.shape[0], rows
