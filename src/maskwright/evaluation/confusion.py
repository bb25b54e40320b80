"""Confusion matrix of detections: ground-truth class against predicted class, with background."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from maskwright.evaluation.matching import Matches
from maskwright.geometry import boxes
from maskwright.types import Instances

BACKGROUND = "background"


def confusion(
    matches: Matches, threshold: float | Mapping[str, float] | None = None
) -> tuple[tuple[str, ...], np.ndarray]:
    """(names + "background", (K+1)×(K+1) int64): row = ground truth, column = predicted.

    threshold  score threshold, for all classes or per class; None: the best of each class (Matches.best_threshold)

    The last column counts false negatives, the last row false positives. Objects of the same class are matched first,
    as for AP, so the diagonal has the true positives; the rest is matched across classes at IoU 0.5, best score first.
    """
    size = len(matches.names) + 1
    background = size - 1
    matrix = np.zeros((size, size), np.int64)
    selected = matches.above_threshold(threshold)
    hit = selected & matches.hit[0]
    false_positives = selected & ~matches.hit[0] & ~matches.ignored[0]
    unmatched_ground_truth = matches.ground_truth_counted.copy()
    unmatched_ground_truth[matches.matched_ground_truth[hit]] = False
    np.add.at(matrix, (matches.detection_class[hit], matches.detection_class[hit]), 1)
    for image in range(matches.images):
        unmatched = np.flatnonzero(false_positives & (matches.detection_image == image))
        candidates = np.flatnonzero(unmatched_ground_truth & (matches.ground_truth_image == image))
        unmatched = unmatched[np.argsort(-matches.detection_score[unmatched], kind="stable")]
        unmatched_detections = matches.detections[image][matches.detection_row[unmatched]]
        ious = _overlaps(
            unmatched_detections, matches.ground_truth[image][matches.ground_truth_row[candidates]], matches.kind
        )
        for row, overlaps in enumerate(ious):
            best = int(np.argmax(overlaps)) if len(candidates) else -1
            confused = best >= 0 and overlaps[best] >= 0.5
            real = matches.ground_truth_class[candidates[best]] if confused else background
            matrix[real, unmatched_detections.classes[row]] += 1
            if confused:
                ious[:, best] = 0  # matched
                unmatched_ground_truth[candidates[best]] = False
    np.add.at(
        matrix,
        (
            matches.ground_truth_class[unmatched_ground_truth],
            np.full(np.count_nonzero(unmatched_ground_truth), background),
        ),
        1,
    )
    return (*matches.names, BACKGROUND), matrix


def _overlaps(detections: Instances, ground_truth: Instances, kind: str) -> np.ndarray:
    """len(detections) × len(ground_truth) IoU; 0 between objects of one class, which the evaluator has matched."""
    if kind == "mask" and detections.masks is not None and ground_truth.masks is not None:
        ious = detections.masks.iou(ground_truth.masks)
    else:
        ious = boxes.iou(detections.boxes, ground_truth.boxes)
    return np.where(detections.classes[:, None] == ground_truth.classes[None], 0.0, ious)
