"""COCO's average precision and recall of many resamples of the images at once, from one run of the evaluator.

A resample is a row of weights: how often each image is in it. A found object of an image taken twice counts twice,
so the running sums of hits and finds become running sums of weights, and nothing is matched again. With all weights 1
the metrics are the evaluator's own (test_weights_of_one_give_the_evaluators_metric).
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np

from maskwright.evaluation import intervals
from maskwright.evaluation.coco import IOUS, RECALLS
from maskwright.evaluation.matching import Matches

AT_ONCE = 4_000_000  # weights held at a time, 32 MB


def accumulate(matches: Matches, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(average precision, recall) of every resample: R×K×10 float64 each; NaN where a class has nothing to find.

    weights  R×images int64, how often each image is in each resample
    """
    steps = max(1, -(-weights.size * max(1, len(matches.detection_image)) // max(1, matches.images) // AT_ONCE))
    parts = [_accumulate(matches, part) for part in np.array_split(weights, min(steps, max(1, len(weights))))]
    return np.concatenate([ap for ap, _ in parts]), np.concatenate([recall for _, recall in parts])


def _accumulate(matches: Matches, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    shape = (len(weights), len(matches.names), len(IOUS))
    precision, recall = np.full(shape, np.nan), np.full(shape, np.nan)
    for index in range(len(matches.names)):
        real = matches.ground_truth_counts & (matches.ground_truth_class == index)
        ground_truths = weights @ np.bincount(matches.ground_truth_image[real], minlength=matches.images)
        some = ground_truths > 0
        chosen = np.flatnonzero(matches.detection_class == index)
        chosen = chosen[np.argsort(-matches.detection_score[chosen], kind="stable")]
        running: dict[bytes, np.ndarray] = {}  # crowds make the evaluated finds differ between IoUs, but seldom
        for row in range(len(IOUS)):
            evaluated = chosen[~matches.ignored[row, chosen]]
            key = evaluated.tobytes()
            if key not in running:
                running[key] = np.cumsum(weights[:, matches.detection_image[evaluated]], axis=1)
            at = np.flatnonzero(matches.hit[row, evaluated])  # precision peaks at hits: the other points are never read
            true_positives = np.cumsum(weights[:, matches.detection_image[evaluated[at]]], axis=1)
            ap = _interpolated(true_positives, running[key][:, at], ground_truths)
            precision[some, index, row] = ap[some]
            recall[some, index, row] = (true_positives[:, -1] if len(at) else np.zeros(len(weights)))[
                some
            ] / ground_truths[some]
    return precision, recall


def _interpolated(true_positives: np.ndarray, seen: np.ndarray, ground_truths: np.ndarray) -> np.ndarray:
    """Mean precision at COCO's 101 recalls. hits, seen: R×n running sums at n hits, best score first; ground-truth
    objects: R."""
    if true_positives.shape[1] == 0:
        return np.zeros(len(true_positives))
    precision = true_positives / np.maximum(seen, 1)
    best_from_here = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    best_from_here = np.concatenate(
        [best_from_here, np.zeros((len(true_positives), 1))], axis=1
    )  # a recall never reached: 0
    # All rows in one search: row r's integers are lifted by r * step, above everything in the rows before it.
    step = int(true_positives.max() + ground_truths.max() + 2)
    lift = np.arange(len(true_positives))[:, None] * step
    first = np.searchsorted((true_positives + lift).ravel(), (_needed(ground_truths) + lift).ravel())
    first = first.reshape(len(true_positives), -1) - np.arange(len(true_positives))[:, None] * true_positives.shape[1]
    return np.take_along_axis(best_from_here, first, axis=1).mean(axis=1)


def _needed(ground_truths: np.ndarray) -> np.ndarray:
    """R×101: how many hits make hits / ground-truth objects reach each of COCO's recalls, with the same rounding as
    that division."""
    total = np.maximum(ground_truths, 1)[:, None]
    needed = np.ceil(RECALLS * total).astype(np.int64)
    needed -= (needed > 0) & ((needed - 1) / total >= RECALLS)
    return needed + (needed / total < RECALLS)


def samples(matches: Matches, n: int, seed: int = 0, groups: Sequence[Hashable] | None = None) -> dict[str, np.ndarray]:
    """The metrics of n resamples: "AP", "AP50", "AP75", "AR100", and of each class "AP dog", "AP50 dog".

    n float64 each; NaN where the resample has nothing to find.
    """
    return metrics_of(matches, intervals.draws(matches.images, n, seed, groups))


def metrics_of(matches: Matches, weights: np.ndarray) -> dict[str, np.ndarray]:
    """The same for given weights (R×images)."""
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
    """Mean over all axes but the first, NaN left out, NaN where nothing is left."""
    flat = values.reshape(len(values), -1)
    there = ~np.isnan(flat)
    count = there.sum(axis=1)
    total = np.where(there, flat, 0.0).sum(axis=1)
    return np.divide(total, count, out=np.full(len(values), np.nan), where=count > 0)
