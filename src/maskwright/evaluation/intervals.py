"""Confidence intervals of metrics: Wilson's for fractions, the percentile bootstrap over images for the others."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

Metric = Callable[[np.ndarray], float | None]  # image indices (with repeats) -> the metric of these images


@dataclass(frozen=True, slots=True)
class Difference:
    """The difference of two models on the same images.

    value      second minus first
    low, high  95 % interval of the difference
    fraction   fraction of resamples in which the second is better (ties count half), 0..1
    """

    value: float
    low: float
    high: float
    fraction: float

    @property
    def significant(self) -> bool:
        """The interval does not contain 0."""
        return self.low > 0 or self.high < 0


def wilson(hits: float, total: float, confidence: float = 0.95) -> tuple[float, float] | None:
    """Wilson's score interval (1927) of the fraction hits / total; None if total is 0.

    >>> low, high = wilson(8, 10)
    >>> round(low, 3), round(high, 3)
    (0.49, 0.943)
    """
    assert 0 <= hits <= total, f"{hits} of {total}"
    if total == 0:
        return None
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    fraction, shrink = hits / total, 1 + z * z / total
    middle = (fraction + z * z / (2 * total)) / shrink
    half = z * np.sqrt(fraction * (1 - fraction) / total + z * z / (4 * total * total)) / shrink
    # With 0 or `total` hits the interval ends exactly at 0 or 1, in spite of rounding.
    return (0.0 if hits == 0 else float(middle - half)), (1.0 if hits == total else float(middle + half))


def draws(count: int, n: int, seed: int = 0, groups: Sequence[Hashable] | None = None) -> np.ndarray:
    """n bootstrap resamples of `count` images, n×count int64: how often each image is in each resample.

    groups  one per image: images of one group (a series, copies of one original) are drawn together; an image with
            group None is a group of its own
    """
    member = group_indices(count, groups)
    number = int(member.max()) + 1 if count else 0
    random = np.random.default_rng(seed)
    times = random.multinomial(number, np.full(number, 1 / number), size=n) if number else np.zeros((n, 0), np.int64)
    return times[:, member]


def bootstrap(
    metric: Metric | Sequence[float] | np.ndarray, n: int = 1000, seed: int = 0,
    groups: Sequence[Hashable] | None = None, *, count: int | None = None, confidence: float = 0.95,
) -> tuple[float, float] | None:  # fmt: skip
    """(low, high): the percentile bootstrap interval.

    metric  numbers, one per image, of which the mean is taken; or a function of image indices. Resamples for which
            the function returns None or NaN are left out
    count   number of images; required with a function
    groups  see `draws`

    None with fewer than two images (or groups).

    >>> low, high = bootstrap([0.0, 1.0, 1.0, 1.0], n=200)
    >>> (low, high)
    (0.25, 1.0)
    """
    metric, count = _as_function(metric, count)
    if not computable(count, groups):
        return None
    return percentiles([_number(metric(rows)) for rows in _index_rows(draws(count, n, seed, groups))], confidence)


def difference(
    first: Metric | Sequence[float] | np.ndarray, second: Metric | Sequence[float] | np.ndarray, n: int = 1000,
    seed: int = 0, groups: Sequence[Hashable] | None = None, *, count: int | None = None, confidence: float = 0.95,
) -> Difference | None:  # fmt: skip
    """The paired bootstrap: both models are evaluated on the same resamples, so the difficulty of images cancels out.

    Arguments as for `bootstrap`; None with fewer than two images (or groups), or where a metric is undefined.
    """
    first, count = _as_function(first, count)
    second, other = _as_function(second, count)
    assert count == other, f"not the same images: {count} and {other}"
    everything = np.arange(count)
    if not computable(count, groups):
        return None
    both = np.array([(_number(first(rows)), _number(second(rows)))
                     for rows in [everything, *_index_rows(draws(count, n, seed, groups))]])  # fmt: skip
    return paired(both[0, 1] - both[0, 0], both[1:, 1] - both[1:, 0], confidence)


def paired(value: float, gaps: np.ndarray, confidence: float = 0.95) -> Difference | None:
    """A Difference from its value on all images and on the resamples; NaN where undefined."""
    between = percentiles(gaps, confidence)
    if between is None or np.isnan(value):
        return None
    gaps = gaps[~np.isnan(gaps)]
    return Difference(float(value), *between, float(np.mean(gaps > 0) + np.mean(gaps == 0) / 2))


def percentiles(values: Sequence[float] | np.ndarray, confidence: float = 0.95) -> tuple[float, float] | None:
    """The central interval that contains the fraction `confidence` of the values; NaN is left out. None if empty."""
    values = np.asarray(values, np.float64)
    values = values[~np.isnan(values)]
    if len(values) == 0:
        return None
    low, high = np.quantile(values, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


def computable(count: int, groups: Sequence[Hashable] | None = None) -> bool:
    """Whether there is a bootstrap interval: at least two images or groups."""
    return count > 1 and int(group_indices(count, groups).max()) > 0


def group_indices(count: int, groups: Sequence[Hashable] | None) -> np.ndarray:
    """The group index of each image, 0, 1, 2 ... in order of first appearance."""
    if groups is None:
        return np.arange(count)
    assert len(groups) == count, f"{len(groups)} groups for {count} images"
    keys = [("alone", index) if group is None else ("group", group) for index, group in enumerate(groups)]
    number = {key: index for index, key in enumerate(dict.fromkeys(keys))}
    return np.array([number[key] for key in keys], np.int64)


def _index_rows(times: np.ndarray) -> list[np.ndarray]:
    return [np.repeat(np.arange(times.shape[1]), row) for row in times]


def _as_function(metric: Metric | Sequence[float] | np.ndarray, count: int | None) -> tuple[Metric, int]:
    if callable(metric):
        assert count is not None, "a function needs `count`"
        return metric, count
    values = np.asarray(metric, np.float64)
    return (lambda rows: float(values[rows].mean()) if len(rows) else None), len(values)


def _number(value: float | None) -> float:
    return float("nan") if value is None else float(value)
