"""What scores are worth as an order, whatever the threshold: ROC, precision and recall, the areas under both.

Equal scores stay or go together, so a curve has one point for every distinct score. A resample is a row of weights
(how often each image is in it, see `intervals.draws`): nothing is sorted twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from maskwright.evaluation.matching import Curve

AT_ONCE = 250_000  # weights held at a time: what fits a processor's cache is done fastest


@dataclass(frozen=True, slots=True, eq=False)
class Roc:
    """Receiver operating characteristic of one class, one point for every distinct score, highest first.

    scores  p float64; the first is infinity: nothing is called positive
    false_positive_rate   p float64: the fraction of the other images with at least this score
    recall  p float64, true positive rate
    """

    scores: np.ndarray
    false_positive_rate: np.ndarray
    recall: np.ndarray


def roc(scores: np.ndarray, ground_truth: np.ndarray) -> Roc | None:
    """scores n float, ground truth n bool; None where one side is empty.

    >>> curve = roc(np.array([0.9, 0.8, 0.3]), np.array([True, False, True]))
    >>> curve.false_positive_rate.tolist(), curve.recall.tolist()
    ([0.0, 0.0, 1.0, 1.0], [0.0, 0.5, 0.5, 1.0])
    """
    levels, true_positives, false = _counts(scores, ground_truth)
    if not len(levels) or true_positives[-1] == 0 or false[-1] == 0:
        return None
    return Roc(
        np.concatenate([[np.inf], levels]),
        np.concatenate([[0.0], false / false[-1]]),
        np.concatenate([[0.0], true_positives / true_positives[-1]]),
    )


def precision_recall(scores: np.ndarray, ground_truth: np.ndarray) -> Curve:
    """The same for precision and recall; no points where there is nothing to find."""
    levels, true_positives, false = _counts(scores, ground_truth)
    if not len(levels) or true_positives[-1] == 0:
        return Curve(np.zeros(0), np.zeros(0), np.zeros(0))
    return Curve(levels, true_positives / (true_positives + false), true_positives / true_positives[-1])


def auc(scores: np.ndarray, ground_truth: np.ndarray) -> float | None:
    """Area under the ROC curve: how often a random positive scores above a random negative (ties count half).

    None where one side is empty.

    >>> auc(np.array([0.9, 0.8, 0.3, 0.3]), np.array([True, False, True, False]))
    0.625
    """
    return _known(areas(scores, ground_truth)[0][0])


def average_precision(scores: np.ndarray, ground_truth: np.ndarray) -> float | None:
    """Sum of precision times the gain in recall, point by point, nothing interpolated; None where nothing is to find.

    >>> average_precision(np.array([0.9, 0.8, 0.3]), np.array([True, False, True]))
    0.8333333333333333
    """
    return _known(areas(scores, ground_truth)[1][0])


def areas(
    scores: np.ndarray, ground_truth: np.ndarray, weights: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """(AUC, average precision) of R resamples, R float64 each, NaN where one does not exist.

    weights  R×n, how often each image is in each resample; None: all once, R = 1
    """
    if weights is None:
        weights = np.ones((1, len(scores)), np.int64)
    if not len(scores):
        return np.full(len(weights), np.nan), np.full(len(weights), np.nan)
    pairs = [_areas(scores, ground_truth, part) for part in parts(weights)]
    return np.concatenate([item for item, _ in pairs]), np.concatenate([item for _, item in pairs])


def parts(weights: np.ndarray) -> Iterator[np.ndarray]:
    """The rows of a large table of weights, some at a time."""
    yield from np.array_split(weights, max(1, min(len(weights), weights.size // AT_ONCE)))


def _areas(scores: np.ndarray, ground_truth: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Only scores that a positive has are points: elsewhere recall does not rise, and nothing is added to either area.

    Of a point: `true_positives` positives and `above` images score at least this, `gained` positives and `tied` others
    just this.
    """
    order, last = _order(scores)
    first = np.append(True, last[:-1])
    sorted_ground_truth = ground_truth[order]
    run = np.cumsum(first) - 1  # which run of equal scores a place belongs to
    chosen = np.unique(run[sorted_ground_truth])
    ends, starts = np.flatnonzero(last)[chosen], np.flatnonzero(first)[chosen]
    seen = np.cumsum(weights[:, order], axis=1, dtype=np.int32)
    positive = np.cumsum(weights[:, order[sorted_ground_truth]], axis=1, dtype=np.int32)
    upto = np.cumsum(sorted_ground_truth)[ends] - 1
    true_positives = positive[:, upto].astype(np.float64)
    gained = np.diff(true_positives, axis=1, prepend=0)
    total = seen[:, -1].astype(np.float64)
    detections = true_positives[:, -1] if len(chosen) else np.zeros(len(weights))
    above = seen[:, ends].astype(np.float64)
    before = np.where(starts > 0, seen[:, starts - 1], 0)
    tied = above - before - gained  # other images with just this score: half of them count as lower
    under = np.sum(gained * ((total - detections)[:, None] - (above - true_positives) + tied / 2), axis=1)
    both = detections * (total - detections)
    precision = np.divide(true_positives, above, out=np.zeros_like(true_positives), where=above > 0)
    rows = len(weights), np.nan
    return (
        np.divide(under, both, out=np.full(*rows), where=both > 0),
        np.divide(np.sum(gained * precision, axis=1), detections, out=np.full(*rows), where=detections > 0),
    )


def _order(scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Highest first, and where a run of equal scores ends."""
    order = np.argsort(-scores, kind="stable")
    ranked = scores[order]
    return order, np.append(ranked[1:] != ranked[:-1], True)


def _counts(scores: np.ndarray, ground_truth: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Distinct scores, and how many positives and others have at least each."""
    if not len(scores):
        return np.zeros(0), np.zeros(0), np.zeros(0)
    order, last = _order(scores)
    true_positives = np.cumsum(ground_truth[order])[last].astype(np.float64)
    return (
        scores[order][last].astype(np.float64),
        true_positives,
        np.cumsum(~ground_truth[order])[last].astype(np.float64),
    )


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
