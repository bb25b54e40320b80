"""Confidence intervals of fractions for small counts and grouped images, and the sample size that a bound needs.

Wilson's interval (in `intervals`) is the usual one. Here: the exact interval of Clopper and Pearson (1934), its
one-sided bound, and Wilson's interval with the effective sample size of grouped images.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence

import numpy as np

from maskwright.evaluation.intervals import group_indices, wilson

Interval = tuple[float, float]


def fraction_interval(
    correct: np.ndarray, groups: Sequence[Hashable] | None = None, confidence: float = 0.95
) -> Interval | None:
    """Wilson's interval of the fraction of True, with groups for the effective sample size. None if n = 0.

    correct  n bool
    groups   one per image, None for an independent image

    >>> low, high = fraction_interval(np.array([True] * 9 + [False]))
    >>> round(low, 3), round(high, 3)
    (0.596, 0.982)
    """
    size = effective(correct, groups)
    return wilson(float(np.mean(correct)) * size, size, confidence) if size else None


def effective(correct: np.ndarray, groups: Sequence[Hashable] | None = None) -> float:
    """Effective sample size: the number of independent images with the same variance of the fraction as these groups.

    Estimated from the variance between groups (the design effect of cluster samples). At most the number of images,
    at least the value for identical images within each group (Kish 1965), which is also used if the variance is 0.

    >>> effective(np.array([True, True, False, False]), ["a", "a", "b", "b"])
    2.0
    """
    count = len(correct)
    if groups is None or count == 0:
        return float(count)
    group_of_image = group_indices(count, groups)
    sizes = np.bincount(group_of_image)
    lower_limit = count**2 / float(np.sum(sizes**2))
    fraction = float(np.mean(correct))
    group_count = len(sizes)
    if group_count < 2 or fraction in (0.0, 1.0):
        return lower_limit
    residuals = np.bincount(group_of_image, np.asarray(correct, np.float64) - fraction)
    variance = float(np.sum(residuals**2)) * group_count / (group_count - 1) / count**2
    return float(min(max(fraction * (1 - fraction) / variance, lower_limit), count)) if variance > 0 else float(count)


def clopper_pearson(hits: int, total: int, confidence: float = 0.95) -> Interval | None:
    """The exact interval of hits / total, conservative: at least the nominal coverage. None if total is 0.

    >>> low, high = clopper_pearson(8, 10)
    >>> round(low, 3), round(high, 3)
    (0.444, 0.975)
    """
    if total == 0:
        return None
    side = 0.5 + confidence / 2
    return lower_bound(hits, total, side), 1 - lower_bound(total - hits, total, side)


def lower_bound(hits: int, total: int, confidence: float = 0.95) -> float:
    """One-sided lower confidence bound of the fraction hits / total (Clopper and Pearson); 0 without hits.

    >>> round(lower_bound(15, 15), 3), round(lower_bound(299, 299), 3), round(lower_bound(14, 15), 3)
    (0.819, 0.99, 0.721)
    """
    assert 0 <= hits <= total, f"{hits} of {total}"
    if hits == 0:
        return 0.0
    alpha = 1 - confidence
    if hits == total:
        return alpha ** (1 / total)  # the probability of `total` hits is fraction ** total
    low, high = 0.0, hits / total
    for _ in range(60):  # bisection: the probability of at least so many hits grows with the fraction
        middle = (low + high) / 2
        if float(binomial(total, middle)[hits:].sum()) < alpha:
            low = middle
        else:
            high = middle
    return low


def sample_size(fraction: float, confidence: float = 0.95) -> int:
    """The number of trials, all of them hits, whose lower bound is this fraction (0 < fraction < 1).

    >>> sample_size(0.95), sample_size(0.99)
    (59, 299)
    """
    return math.ceil(math.log(1 - confidence) / math.log(fraction) - 1e-9)


def binomial(total: int, fraction: float) -> np.ndarray:
    """Binomial distribution, total + 1 float64: probabilities of 0, 1 ... total hits; 0 < fraction < 1.

    >>> binomial(2, 0.5)
    array([0.25, 0.5 , 0.25])
    """
    counts = np.arange(total + 1)
    factorial = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, total + 1)))])
    ways = factorial[total] - factorial - factorial[::-1]
    return np.exp(ways + counts * math.log(fraction) + (total - counts) * math.log1p(-fraction))
