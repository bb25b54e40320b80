"""How sure a fraction is when counts are small, or images hang together; what n images can promise at all.

Wilson's interval (in `intervals`) is the everyday one. Here: the exact one of Clopper and Pearson (1934), its one-sided
bound, and Wilson's over as many images as the groups are worth.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence

import numpy as np

from maskwright.evaluation.intervals import members, wilson

Interval = tuple[float, float]


def fraction_interval(
    right: np.ndarray, groups: Sequence[Hashable] | None = None, confidence: float = 0.95
) -> Interval | None:
    """Wilson's interval of the fraction of True; with groups over the number of images they are worth. None of nothing.

    right  n bool    groups  one an image, None for an image that stands alone

    >>> low, high = fraction_interval(np.array([True] * 9 + [False]))
    >>> round(low, 3), round(high, 3)
    (0.596, 0.982)
    """
    worth = effective(right, groups)
    return wilson(float(np.mean(right)) * worth, worth, confidence) if worth else None


def effective(right: np.ndarray, groups: Sequence[Hashable] | None = None) -> float:
    """How many images that stand alone would tell as much about the fraction as these groups do.

    The spread between groups says it (the design effect of cluster samples). Never more than there are images; never
    less than if all of one group were always of one mind (Kish 1965), which is also taken where nothing varies.

    >>> effective(np.array([True, True, False, False]), ["a", "a", "b", "b"])
    2.0
    """
    count = len(right)
    if groups is None or count == 0:
        return float(count)
    member = members(count, groups)
    sizes = np.bincount(member)
    least = count**2 / float(np.sum(sizes**2))
    fraction = float(np.mean(right))
    number = len(sizes)
    if number < 2 or fraction in (0.0, 1.0):
        return least
    residues = np.bincount(member, np.asarray(right, np.float64) - fraction)
    variance = float(np.sum(residues**2)) * number / (number - 1) / count**2
    return float(min(max(fraction * (1 - fraction) / variance, least), count)) if variance > 0 else float(count)


def clopper_pearson(hits: int, total: int, confidence: float = 0.95) -> Interval | None:
    """The exact interval of hits / total: never promises too much, at the price of some width. None where total is 0.

    >>> low, high = clopper_pearson(8, 10)
    >>> round(low, 3), round(high, 3)
    (0.444, 0.975)
    """
    if total == 0:
        return None
    side = 0.5 + confidence / 2
    return at_least(hits, total, side), 1 - at_least(total - hits, total, side)


def at_least(hits: int, total: int, confidence: float = 0.95) -> float:
    """The fraction that hits / total proves: one-sided lower bound (Clopper and Pearson). 0 where nothing was hit.

    >>> round(at_least(15, 15), 3), round(at_least(299, 299), 3), round(at_least(14, 15), 3)
    (0.819, 0.99, 0.721)
    """
    assert 0 <= hits <= total, f"{hits} of {total}"
    if hits == 0:
        return 0.0
    doubt = 1 - confidence
    if hits == total:
        return doubt ** (1 / total)  # all of `total` are hit with probability fraction ** total
    low, high = 0.0, hits / total
    for _ in range(60):  # the chance of so many hits grows with the fraction: halve until the chance is the doubt
        middle = (low + high) / 2
        if float(binomial(total, middle)[hits:].sum()) < doubt:
            low = middle
        else:
            high = middle
    return low


def needed(fraction: float, confidence: float = 0.95) -> int:
    """How many must be looked at, and none missed, to promise this fraction (0 < fraction < 1).

    >>> needed(0.95), needed(0.99)
    (59, 299)
    """
    return math.ceil(math.log(1 - confidence) / math.log(fraction) - 1e-9)


def binomial(total: int, fraction: float) -> np.ndarray:
    """total + 1 float64: the chance of 0, 1 .. total hits, each with probability `fraction` (0 < fraction < 1).

    >>> binomial(2, 0.5)
    array([0.25, 0.5 , 0.25])
    """
    counts = np.arange(total + 1)
    factorial = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, total + 1)))])
    ways = factorial[total] - factorial - factorial[::-1]
    return np.exp(ways + counts * math.log(fraction) + (total - counts) * math.log1p(-fraction))
