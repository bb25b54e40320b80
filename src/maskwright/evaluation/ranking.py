"""Threshold-independent metrics of scores: ROC curve, precision-recall curve, and the areas under both.

A curve has one point for every distinct score. A resample is a row of weights (how often each image is in it, see
`intervals.draws`), so scores are sorted only once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from maskwright.evaluation.matching import Curve

WEIGHTS_AT_ONCE = 250_000  # weights processed at once: they fit the processor's cache


@dataclass(frozen=True, slots=True, eq=False)
class RocCurve:
    """Receiver operating characteristic of one class, one point for every distinct score, highest first.

    scores               p float64; the first is infinity: nothing is predicted positive
    false_positive_rate  p float64: fraction of the negatives with at least this score
    recall               p float64: true positive rate
    """

    scores: np.ndarray
    false_positive_rate: np.ndarray
    recall: np.ndarray


def roc(scores: np.ndarray, ground_truth: np.ndarray) -> RocCurve | None:
    """The ROC curve of scores (n float) for a ground truth (n bool); None without positives or without negatives.

    >>> curve = roc(np.array([0.9, 0.8, 0.3]), np.array([True, False, True]))
    >>> curve.false_positive_rate.tolist(), curve.recall.tolist()
    ([0.0, 0.0, 1.0, 1.0], [0.0, 0.5, 0.5, 1.0])
    """
    levels, true_positives, false_positives = _counts(scores, ground_truth)
    if not len(levels) or true_positives[-1] == 0 or false_positives[-1] == 0:
        return None
    return RocCurve(
        np.concatenate([[np.inf], levels]),
        np.concatenate([[0.0], false_positives / false_positives[-1]]),
        np.concatenate([[0.0], true_positives / true_positives[-1]]),
    )


def precision_recall(scores: np.ndarray, ground_truth: np.ndarray) -> Curve:
    """The precision-recall curve of scores (n float) for a ground truth (n bool); without points if no positives."""
    levels, true_positives, false_positives = _counts(scores, ground_truth)
    if not len(levels) or true_positives[-1] == 0:
        return Curve(np.zeros(0), np.zeros(0), np.zeros(0))
    return Curve(levels, true_positives / (true_positives + false_positives), true_positives / true_positives[-1])


def auc(scores: np.ndarray, ground_truth: np.ndarray) -> float | None:
    """Area under the ROC curve: probability that a positive scores above a negative (ties count half).

    None without positives or without negatives.

    >>> auc(np.array([0.9, 0.8, 0.3, 0.3]), np.array([True, False, True, False]))
    0.625
    """
    return _or_none(areas(scores, ground_truth)[0][0])


def average_precision(scores: np.ndarray, ground_truth: np.ndarray) -> float | None:
    """Average precision as in scikit-learn: sum of precision times increase of recall, without interpolation.

    None without positives.

    >>> average_precision(np.array([0.9, 0.8, 0.3]), np.array([True, False, True]))
    0.8333333333333333
    """
    return _or_none(areas(scores, ground_truth)[1][0])


def areas(
    scores: np.ndarray, ground_truth: np.ndarray, weights: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """(AUC, average precision) of R resamples, R float64 each, NaN where undefined.

    weights  R×n, how often each image is in each resample; None: all once, R = 1
    """
    if weights is None:
        weights = np.ones((1, len(scores)), np.int64)
    if not len(scores):
        return np.full(len(weights), np.nan), np.full(len(weights), np.nan)
    pairs = [_areas(scores, ground_truth, part) for part in parts(weights)]
    return np.concatenate([item for item, _ in pairs]), np.concatenate([item for _, item in pairs])


def parts(weights: np.ndarray) -> Iterator[np.ndarray]:
    """The rows of a large table of weights in blocks."""
    yield from np.array_split(weights, max(1, min(len(weights), weights.size // WEIGHTS_AT_ONCE)))


def _areas(scores: np.ndarray, ground_truth: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Only scores of positives are points: at others recall does not rise, and neither area changes.

    At each point `true_positives` positives and `above` images have at least this score, `gained` positives and `tied`
    negatives exactly this score.
    """
    order, last = _order(scores)
    first = np.append(True, last[:-1])
    sorted_ground_truth = ground_truth[order]
    run = np.cumsum(first) - 1  # index of the run of equal scores
    chosen = np.unique(run[sorted_ground_truth])
    ends, starts = np.flatnonzero(last)[chosen], np.flatnonzero(first)[chosen]
    seen = np.cumsum(weights[:, order], axis=1, dtype=np.int32)
    positive = np.cumsum(weights[:, order[sorted_ground_truth]], axis=1, dtype=np.int32)
    upto = np.cumsum(sorted_ground_truth)[ends] - 1
    true_positives = positive[:, upto].astype(np.float64)
    gained = np.diff(true_positives, axis=1, prepend=0)
    total = seen[:, -1].astype(np.float64)
    positives = true_positives[:, -1] if len(chosen) else np.zeros(len(weights))
    above = seen[:, ends].astype(np.float64)
    before = np.where(starts > 0, seen[:, starts - 1], 0)
    tied = above - before - gained  # negatives with exactly this score: half of them count as lower
    area_below = np.sum(gained * ((total - positives)[:, None] - (above - true_positives) + tied / 2), axis=1)
    pairs_total = positives * (total - positives)
    precision = np.divide(true_positives, above, out=np.zeros_like(true_positives), where=above > 0)
    rows = len(weights), np.nan
    return (
        np.divide(area_below, pairs_total, out=np.full(*rows), where=pairs_total > 0),
        np.divide(np.sum(gained * precision, axis=1), positives, out=np.full(*rows), where=positives > 0),
    )


def _order(scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(indices by descending score, whether a run of equal scores ends at each)."""
    order = np.argsort(-scores, kind="stable")
    ranked = scores[order]
    return order, np.append(ranked[1:] != ranked[:-1], True)


def _counts(scores: np.ndarray, ground_truth: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(distinct scores, number of positives with at least each, number of negatives with at least each)."""
    if not len(scores):
        return np.zeros(0), np.zeros(0), np.zeros(0)
    order, last = _order(scores)
    true_positives = np.cumsum(ground_truth[order])[last].astype(np.float64)
    return (
        scores[order][last].astype(np.float64),
        true_positives,
        np.cumsum(~ground_truth[order])[last].astype(np.float64),
    )


def _or_none(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
