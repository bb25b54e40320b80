"""COCO's average precision and recall of many resamples of the images, from one run of the evaluator.

A resample is a row of weights: how often each image is in it. A detection in an image with weight 2 counts twice, so
cumulative counts of true positives and detections become cumulative sums of weights, and the matching is reused. With
all weights 1 the metrics are the evaluator's (test_weights_of_one_give_the_evaluators_metric).
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np

from maskwright.evaluation import intervals
from maskwright.evaluation.coco import IOUS, RECALLS
from maskwright.evaluation.matching import Matches

WEIGHTS_AT_ONCE = 4_000_000  # weights processed at once, 32 MB


def accumulate(matches: Matches, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(average precision, recall) of each resample, R×K×10 float64 each: K classes at 10 IoUs.

    NaN where a resample has no ground truth of a class.

    weights  R×images int64, how often each image is in each resample
    """
    steps = max(1, -(-weights.size * max(1, len(matches.detection_image)) // max(1, matches.images) // WEIGHTS_AT_ONCE))
    parts = [_accumulate(matches, part) for part in np.array_split(weights, min(steps, max(1, len(weights))))]
    return np.concatenate([ap for ap, _ in parts]), np.concatenate([recall for _, recall in parts])


def _accumulate(matches: Matches, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    shape = (len(weights), len(matches.names), len(IOUS))
    precision, recall = np.full(shape, np.nan), np.full(shape, np.nan)
    for index in range(len(matches.names)):
        counted = matches.ground_truth_counted & (matches.ground_truth_class == index)
        ground_truths = weights @ np.bincount(matches.ground_truth_image[counted], minlength=matches.images)
        has_ground_truth = ground_truths > 0
        chosen = np.flatnonzero(matches.detection_class == index)
        chosen = chosen[np.argsort(-matches.detection_score[chosen], kind="stable")]
        # Crowds can make the evaluated detections differ between IoUs, but rarely do.
        detection_sums: dict[bytes, np.ndarray] = {}
        for row in range(len(IOUS)):
            evaluated = chosen[~matches.ignored[row, chosen]]
            key = evaluated.tobytes()
            if key not in detection_sums:
                detection_sums[key] = np.cumsum(weights[:, matches.detection_image[evaluated]], axis=1)
            # Precision has its maxima at true positives: the other points are not needed.
            at = np.flatnonzero(matches.hit[row, evaluated])
            true_positives = np.cumsum(weights[:, matches.detection_image[evaluated[at]]], axis=1)
            ap = _interpolated(true_positives, detection_sums[key][:, at], ground_truths)
            precision[has_ground_truth, index, row] = ap[has_ground_truth]
            recall[has_ground_truth, index, row] = (true_positives[:, -1] if len(at) else np.zeros(len(weights)))[
                has_ground_truth
            ] / ground_truths[has_ground_truth]
    return precision, recall


def _interpolated(true_positives: np.ndarray, detections: np.ndarray, ground_truths: np.ndarray) -> np.ndarray:
    """Mean precision at COCO's 101 recalls, R float64.

    true_positives, detections  R×n cumulative sums at n true positives, by falling score
    ground_truths               R, number of ground-truth objects
    """
    if true_positives.shape[1] == 0:
        return np.zeros(len(true_positives))
    precision = true_positives / np.maximum(detections, 1)
    best_from_here = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    best_from_here = np.concatenate(
        [best_from_here, np.zeros((len(true_positives), 1))], axis=1
    )  # 0 at recalls that are not reached
    # One search for all rows: the integers of row r are shifted by r * step, above those of the rows before it.
    step = int(true_positives.max() + ground_truths.max() + 2)
    shift = np.arange(len(true_positives))[:, None] * step
    first = np.searchsorted((true_positives + shift).ravel(), (_needed_true_positives(ground_truths) + shift).ravel())
    first = first.reshape(len(true_positives), -1) - np.arange(len(true_positives))[:, None] * true_positives.shape[1]
    return np.take_along_axis(best_from_here, first, axis=1).mean(axis=1)


def _needed_true_positives(ground_truths: np.ndarray) -> np.ndarray:
    """R×101: the number of true positives with which recall reaches each of COCO's recalls, with the rounding of that
    division."""
    total = np.maximum(ground_truths, 1)[:, None]
    needed = np.ceil(RECALLS * total).astype(np.int64)
    needed -= (needed > 0) & ((needed - 1) / total >= RECALLS)
    return needed + (needed / total < RECALLS)


def samples(matches: Matches, n: int, seed: int = 0, groups: Sequence[Hashable] | None = None) -> dict[str, np.ndarray]:
    """The metrics of n resamples: "AP", "AP50", "AP75", "AR100", and of each class X "AP_X", "AP50_X".

    n float64 each; NaN where the resample has no ground truth.
    """
    return metrics_of(matches, intervals.draws(matches.images, n, seed, groups))


def metrics_of(matches: Matches, weights: np.ndarray) -> dict[str, np.ndarray]:
    """The metrics of given resamples (weights R×images), as `samples` returns them."""
    precision, recall = accumulate(matches, weights)
    metrics = {
        "AP": _mean(precision),
        "AP50": _mean(precision[:, :, :1]),
        "AP75": _mean(precision[:, :, 5:6]),
        "AR100": _mean(recall),
    }
    for index, name in enumerate(matches.names):
        metrics[f"AP_{name}"] = _mean(precision[:, index : index + 1])
        metrics[f"AP50_{name}"] = _mean(precision[:, index : index + 1, :1])
    return metrics


def _mean(values: np.ndarray) -> np.ndarray:
    """Mean over all axes but the first without NaN; NaN if all are NaN."""
    flat = values.reshape(len(values), -1)
    defined = ~np.isnan(flat)
    count = defined.sum(axis=1)
    total = np.where(defined, flat, 0.0).sum(axis=1)
    return np.divide(total, count, out=np.full(len(values), np.nan), where=count > 0)
