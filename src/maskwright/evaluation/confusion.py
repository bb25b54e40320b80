"""What is taken for what: classes against classes, and against the background."""

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
    """(names + "background", (K+1)×(K+1) int64): row = what it is, column = what was said.

    threshold  keep finds with at least this score, of all classes or of each; None: each class's own best

    The last column counts misses, the last row false positives. Objects of the right class are paired first, as for AP,
    so the diagonal is the hits; what is left over is paired across classes at IoU 0.5, best score first.
    """
    size = len(matches.names) + 1
    nothing = size - 1
    matrix = np.zeros((size, size), np.int64)
    selected = matches.kept(threshold)
    hit = selected & matches.hit[0]
    wrong = selected & ~matches.hit[0] & ~matches.ignored[0]
    free = matches.ground_truth_counts.copy()
    free[matches.partner[hit]] = False
    np.add.at(matrix, (matches.detection_class[hit], matches.detection_class[hit]), 1)
    for image in range(matches.images):
        unmatched = np.flatnonzero(wrong & (matches.detection_image == image))
        there = np.flatnonzero(free & (matches.ground_truth_image == image))
        unmatched = unmatched[np.argsort(-matches.detection_score[unmatched], kind="stable")]
        here = matches.detections[image][matches.detection_row[unmatched]]
        ious = _overlaps(here, matches.ground_truth[image][matches.ground_truth_row[there]], matches.kind)
        for row, overlaps in enumerate(ious):
            best = int(np.argmax(overlaps)) if len(there) else -1
            mixed_up = best >= 0 and overlaps[best] >= 0.5
            real = matches.ground_truth_class[there[best]] if mixed_up else nothing
            matrix[real, here.classes[row]] += 1
            if mixed_up:
                ious[:, best] = 0  # taken
                free[there[best]] = False
    np.add.at(matrix, (matches.ground_truth_class[free], np.full(np.count_nonzero(free), nothing)), 1)
    return (*matches.names, BACKGROUND), matrix


def _overlaps(here: Instances, there: Instances, kind: str) -> np.ndarray:
    """len(here) × len(there) IoU, 0 between objects of one class (those the evaluator has dealt with)."""
    if kind == "mask" and here.masks is not None and there.masks is not None:
        ious = here.masks.iou(there.masks)
    else:
        ious = boxes.iou(here.boxes, there.boxes)
    return np.where(here.classes[:, None] == there.classes[None], 0.0, ious)
