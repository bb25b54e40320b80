"""Calibration of scores: reliability diagram, expected calibration error, Brier score, temperature scaling."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from maskwright.errors import DatasetError
from maskwright.evaluation.classification import as_table
from maskwright.evaluation.intervals import wilson

MIN_TEMPERATURE, MAX_TEMPERATURE = 0.2, 20.0  # beyond these limits a handful of images would determine the fit


@dataclass(frozen=True, slots=True, eq=False)
class Reliability:
    """A reliability diagram: images binned by score; b bins, empty ones included.

    edges      b+1 float64, 0..1
    count      b int64
    score      b float64, mean score in the bin, NaN where empty
    fraction   b float64, fraction of correct predictions in the bin, NaN where empty
    intervals  b, 95 % (Wilson) of `fraction`, None where empty
    """

    edges: np.ndarray
    count: np.ndarray
    score: np.ndarray
    fraction: np.ndarray
    intervals: tuple[tuple[float, float] | None, ...]

    @property
    def ece(self) -> float | None:
        """Expected calibration error: mean |score - fraction| over bins, weighted by count. None without images."""
        if not self.count.sum():
            return None
        filled = self.count > 0
        gaps = np.abs(self.score[filled] - self.fraction[filled])
        return float(np.sum(gaps * self.count[filled]) / self.count.sum())


def reliability(scores: np.ndarray, correct: np.ndarray, bins: int = 10) -> Reliability:
    """Bin scores and count how often they are correct.

    scores   n, 0..1: of a class, or of the predicted class
    correct  n bool: the image is of that class, or the prediction is correct

    A score on an edge belongs to the bin above it; 1 belongs to the last bin.

    >>> diagram = reliability(np.array([0.95, 0.95, 0.15]), np.array([True, False, False]))
    >>> diagram.count.tolist(), round(diagram.ece, 3)
    ([0, 1, 0, 0, 0, 0, 0, 0, 0, 2], 0.35)
    """
    scores, correct = np.asarray(scores, np.float64), np.asarray(correct, bool)
    edges = np.linspace(0, 1, bins + 1)
    bin_index = np.clip(np.searchsorted(edges, scores, side="right") - 1, 0, bins - 1)
    count = np.bincount(bin_index, minlength=bins)
    true_positives = np.bincount(bin_index, correct, minlength=bins)
    empty = np.full(bins, np.nan)
    return Reliability(
        edges,
        count,
        np.divide(np.bincount(bin_index, scores, minlength=bins), count, out=empty.copy(), where=count > 0),
        np.divide(true_positives, count, out=empty.copy(), where=count > 0),
        tuple(wilson(int(hit), int(total)) for hit, total in zip(true_positives, count, strict=True)),
    )


def brier(scores: np.ndarray, ground_truth: np.ndarray) -> float | None:
    """Brier score: mean squared difference of scores and ground truth, 0 (best) to 1; None without images.

    scores, ground_truth  n and n bool; or n×C for exclusive classes: half the sum over classes, so that two classes
                          give the same value in both forms

    >>> brier(np.array([0.9, 0.2]), np.array([True, False]))
    0.025
    """
    if not len(scores):
        return None
    squared_errors = (np.asarray(scores, np.float64) - np.asarray(ground_truth, np.float64)) ** 2
    return round(
        float(squared_errors.mean() if squared_errors.ndim == 1 else squared_errors.sum(axis=1).mean() / 2), 15
    )


# --- temperature --------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Temperature:
    """Logits are divided by `value`: above 1 lowers the confidence, below 1 raises it. The ranking is unchanged.

    before, after  mean negative log-likelihood in nats on the images it was fitted on
    bounded        the fit reached MIN_TEMPERATURE or MAX_TEMPERATURE: almost no, or almost only, wrong predictions
    """

    value: float
    before: float
    after: float
    bounded: bool
    multi_label: bool = False

    def scores(self, logits: np.ndarray) -> np.ndarray:
        """n×C logits -> n×C scores at this temperature."""
        return scores_of(np.asarray(logits, np.float64) / self.value, self.multi_label)


def fit_temperature(
    logits: np.ndarray,
    ground_truth: np.ndarray | Sequence[int],
    *,
    multi_label: bool = False,
    from_scores: bool = False,
) -> Temperature:
    """The temperature that minimizes the negative log-likelihood of validation images (Guo et al. 2017).

    logits        n×C: before softmax, or with multi_label before the sigmoid of each class
    ground_truth  n class indices, or n×C bool
    from_scores   `logits` are scores 0..1, which are converted to logits first

    On these images the result is never worse than temperature 1.

    >>> fitted = fit_temperature(np.array([[4.0, 0.0], [4.0, 0.0], [4.0, 0.0]]), [0, 0, 1])
    >>> round(fitted.value, 2), fitted.after < fitted.before
    (5.77, True)
    """
    logits = logits_of(logits, multi_label) if from_scores else np.asarray(logits, np.float64)
    if logits.ndim != 2 or not np.isfinite(logits).all():
        raise DatasetError("the logits are not a table of numbers", field="logits",
                           expected="finite numbers, images by classes",
                           got=f"shape {logits.shape}")  # fmt: skip
    if not len(logits):
        raise DatasetError("fitting a temperature needs images", got="none", fix="name validation images")
    names = [str(index) for index in range(logits.shape[1])]
    table = as_table(
        ground_truth, len(logits), names, [str(row) for row in range(len(logits))], "ground_truth", not multi_label
    )

    def slope(inverse: float) -> float:
        """Derivative of the loss with respect to 1 / temperature; increasing, because the loss is convex in it."""
        return float(np.sum((scores_of(logits * inverse, multi_label) - table) * logits))

    low, high = 1 / MAX_TEMPERATURE, 1 / MIN_TEMPERATURE
    if slope(low) >= 0 or slope(high) <= 0:
        inverse, bounded = (low if slope(low) >= 0 else high), True
    else:
        bounded = False
        for _ in range(60):
            middle = (low + high) / 2
            low, high = (middle, high) if slope(middle) < 0 else (low, middle)
        inverse = (low + high) / 2
    before, after = nll(logits, table, multi_label), nll(logits * inverse, table, multi_label)
    if after > before:  # by rounding, where temperature 1 is already optimal
        inverse, after = 1.0, before
    return Temperature(1 / inverse, before, after, bounded, multi_label)


def scores_of(logits: np.ndarray, multi_label: bool = False) -> np.ndarray:
    """n×C logits -> n×C scores: softmax over classes, or with multi_label a sigmoid per class."""
    if multi_label:
        return np.exp(-np.logaddexp(0, -logits))
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    return exponentials / exponentials.sum(axis=1, keepdims=True)


def logits_of(scores: np.ndarray, multi_label: bool = False) -> np.ndarray:
    """Inverse of scores_of, up to a constant per image; scores are clipped to 1e-12 .. 1 - 1e-12."""
    inside = np.clip(np.asarray(scores, np.float64), 1e-12, 1 - 1e-12)
    return np.log(inside) - np.log1p(-inside) if multi_label else np.log(inside)


def nll(logits: np.ndarray, table: np.ndarray, multi_label: bool = False) -> float:
    """Mean negative log-likelihood in nats, per image (with multi_label: per label)."""
    if multi_label:
        return float(np.mean(np.logaddexp(0, np.where(table, -logits, logits))))
    top = logits.max(axis=1, keepdims=True)
    log_sum = top[:, 0] + np.log(np.exp(logits - top).sum(axis=1))
    return float(np.mean(log_sum - logits[table]))
