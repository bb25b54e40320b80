"""Whether a score of 0.8 means right in eight of ten: reliability, its summary metrics, and temperature scaling."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from maskwright.errors import DatasetError
from maskwright.evaluation.classification import as_table
from maskwright.evaluation.intervals import wilson

COLDEST, HOTTEST = 0.2, 20.0  # temperatures: beyond these a handful of images would decide everything


@dataclass(frozen=True, slots=True, eq=False)
class Reliability:
    """Images in bins by score; b bins, the empty ones included.

    edges      b+1 float64, 0..1      count      b int64
    score      b float64, mean score in the bin, NaN where empty
    fraction      b float64, how many of them were right, NaN where empty
    intervals  b, 95 % (Wilson), None where empty
    """

    edges: np.ndarray
    count: np.ndarray
    score: np.ndarray
    fraction: np.ndarray
    intervals: tuple[tuple[float, float] | None, ...]

    @property
    def ece(self) -> float | None:
        """Expected calibration error: the mean gap between score and fraction of hits, by images. None of no images."""
        if not self.count.sum():
            return None
        there = self.count > 0
        gaps = np.abs(self.score[there] - self.fraction[there])
        return float(np.sum(gaps * self.count[there]) / self.count.sum())


def reliability(scores: np.ndarray, right: np.ndarray, bins: int = 10) -> Reliability:
    """How often scores keep their word.

    scores  n, 0..1: of a class, or of the answer given    right  n bool: it is that class, the answer was right
    A score on an edge belongs to the bin above it; 1 to the last.

    >>> made = reliability(np.array([0.95, 0.95, 0.15]), np.array([True, False, False]))
    >>> made.count.tolist(), round(made.ece, 3)
    ([0, 1, 0, 0, 0, 0, 0, 0, 0, 2], 0.35)
    """
    scores, right = np.asarray(scores, np.float64), np.asarray(right, bool)
    edges = np.linspace(0, 1, bins + 1)
    bin_index = np.clip(np.searchsorted(edges, scores, side="right") - 1, 0, bins - 1)
    count = np.bincount(bin_index, minlength=bins)
    true_positives = np.bincount(bin_index, right, minlength=bins)
    empty = np.full(bins, np.nan)
    return Reliability(
        edges,
        count,
        np.divide(np.bincount(bin_index, scores, minlength=bins), count, out=empty.copy(), where=count > 0),
        np.divide(true_positives, count, out=empty.copy(), where=count > 0),
        tuple(wilson(int(hit), int(total)) for hit, total in zip(true_positives, count, strict=True)),
    )


def brier(scores: np.ndarray, ground_truth: np.ndarray) -> float | None:
    """Mean squared gap between scores and what is so, 0 (best) to 1; None of no images.

    scores, ground_truth  n and n bool; or n×C of exclusive classes: half the sum over classes, as with two classes

    >>> brier(np.array([0.9, 0.2]), np.array([True, False]))
    0.025
    """
    if not len(scores):
        return None
    gaps = (np.asarray(scores, np.float64) - np.asarray(ground_truth, np.float64)) ** 2
    return round(float(gaps.mean() if gaps.ndim == 1 else gaps.sum(axis=1).mean() / 2), 15)


# --- temperature --------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Temperature:
    """Logits are divided by `value`: above 1 scores grow more modest, below 1 bolder. The ranking stays.

    before, after  negative log-likelihood a label, in nats, on the images it was fitted on
    bounded        the fit ran into its limit: hardly a mistake (or nothing but mistakes) to learn from
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
    """The temperature that makes validation images likeliest (Guo et al. 2017). Never worse than none on these images.

    logits       n×C: before softmax, or with multi_label before each class's sigmoid
    ground_truth        n class numbers or n×C bool
    from_scores  `logits` are scores 0..1: their logits are taken

    >>> made = fit_temperature(np.array([[4.0, 0.0], [4.0, 0.0], [4.0, 0.0]]), [0, 0, 1])
    >>> round(made.value, 2), made.after < made.before
    (5.77, True)
    """
    logits = logits_of(logits, multi_label) if from_scores else np.asarray(logits, np.float64)
    if logits.ndim != 2 or not np.isfinite(logits).all():
        raise DatasetError("these are no logits", field="logits", expected="finite numbers, images by classes",
                           got=f"shape {logits.shape}")  # fmt: skip
    if not len(logits):
        raise DatasetError("a temperature needs images", got="none", fix="name validation images")
    names = [str(index) for index in range(logits.shape[1])]
    table = as_table(
        ground_truth, len(logits), names, [str(row) for row in range(len(logits))], "ground_truth", not multi_label
    )

    def slope(cold: float) -> float:
        """Of the loss by 1 / temperature: it only ever rises, for the loss is convex in that."""
        return float(np.sum((scores_of(logits * cold, multi_label) - table) * logits))

    low, high = 1 / HOTTEST, 1 / COLDEST
    if slope(low) >= 0 or slope(high) <= 0:
        cold, bounded = (low if slope(low) >= 0 else high), True
    else:
        bounded = False
        for _ in range(60):
            middle = (low + high) / 2
            low, high = (middle, high) if slope(middle) < 0 else (low, middle)
        cold = (low + high) / 2
    before, after = nll(logits, table, multi_label), nll(logits * cold, table, multi_label)
    if after > before:  # by rounding, where nothing can be won
        cold, after = 1.0, before
    return Temperature(1 / cold, before, after, bounded, multi_label)


def scores_of(logits: np.ndarray, multi_label: bool = False) -> np.ndarray:
    """Softmax over classes, or a sigmoid for each."""
    if multi_label:
        return np.exp(-np.logaddexp(0, -logits))
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    return raised / raised.sum(axis=1, keepdims=True)


def logits_of(scores: np.ndarray, multi_label: bool = False) -> np.ndarray:
    """What scores_of undoes; 0 and 1 are moved inwards by 1e-12."""
    inside = np.clip(np.asarray(scores, np.float64), 1e-12, 1 - 1e-12)
    return np.log(inside) - np.log1p(-inside) if multi_label else np.log(inside)


def nll(logits: np.ndarray, table: np.ndarray, multi_label: bool = False) -> float:
    """Mean negative log-likelihood, an image (or, with multi_label, a label)."""
    if multi_label:
        return float(np.mean(np.logaddexp(0, np.where(table, -logits, logits))))
    top = logits.max(axis=1, keepdims=True)
    whole = top[:, 0] + np.log(np.exp(logits - top).sum(axis=1))
    return float(np.mean(whole - logits[table]))
