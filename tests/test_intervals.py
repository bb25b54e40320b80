"""Intervals: Wilson's for shares, the bootstrap for means and anything else, paired differences."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskwright.evaluation.intervals import bootstrap, difference, draws, percentiles, wilson

values = st.lists(st.floats(-100, 100), min_size=2, max_size=20)


# --- nothing, one ---------------------------------------------------------------------------------
def test_of_nothing_there_is_no_interval():
    assert wilson(0, 0) is None
    assert bootstrap([]) is None
    assert percentiles([]) is None
    assert difference([], []) is None
    assert draws(0, 5).shape == (5, 0)


def test_one_image_or_one_group_has_no_interval():
    assert bootstrap([0.5]) is None
    assert bootstrap([0.5, 0.6, 0.7], groups=["a", "a", "a"]) is None
    assert bootstrap([0.5, 0.6, 0.7], groups=["a", "a", None]) is not None


# --- shares ---------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("hits", "total", "low", "high"),
    [(0, 10, 0.0, 0.277533), (10, 10, 0.722467, 1.0), (8, 10, 0.490162, 0.943318), (15, 50, 0.191036, 0.437504)],
)
def test_wilson_gives_the_textbook_numbers(hits, total, low, high):
    """Roots of (p - share)² = z² p (1 - p) / total, solved apart from our formula."""
    assert wilson(hits, total) == pytest.approx((low, high), abs=1e-5)
    z, fraction = 1.959963984540054, hits / total
    roots = sorted(np.roots([1 + z * z / total, -2 * fraction - z * z / total, fraction * fraction]).real)
    assert wilson(hits, total) == pytest.approx(roots, abs=1e-9)


@given(st.integers(0, 200), st.integers(0, 200))
def test_wilson_holds_the_fraction_and_stays_within_0_and_1(hits, more):
    if hits + more:
        low, high = wilson(hits, hits + more)
        assert 0 <= low <= hits / (hits + more) <= high <= 1


# --- the bootstrap --------------------------------------------------------------------------------
@given(values, st.integers(0, 5))
def test_the_interval_lies_within_the_values_and_is_repeatable(numbers, seed):
    low, high = bootstrap(numbers, 50, seed)
    slack = 1e-9 * (1 + max(map(abs, numbers)))
    assert min(numbers) - slack <= low <= high <= max(numbers) + slack
    assert bootstrap(numbers, 50, seed) == (low, high)


def test_a_mean_of_normal_numbers_has_the_interval_of_the_textbook():
    numbers = np.random.default_rng(0).normal(3, 1, 400)
    low, high = bootstrap(numbers, 2000)
    half = 1.96 * numbers.std() / 20
    assert low == pytest.approx(numbers.mean() - half, abs=0.015)
    assert high == pytest.approx(numbers.mean() + half, abs=0.015)


def test_a_function_of_indices_is_evaluated_like_its_values():
    numbers = np.arange(12.0)
    assert bootstrap(lambda rows: numbers[rows].mean(), 100, count=12) == bootstrap(numbers, 100)


def test_resamples_without_a_metric_are_left_out():
    def metric(rows):
        return None if 0 in rows else 1.0

    assert bootstrap(metric, 100, count=3) == (1.0, 1.0)
    assert bootstrap(lambda rows: None, 100, count=3) is None


def test_each_resample_has_as_many_images_as_there_are():
    times = draws(7, 50)
    assert times.shape == (50, 7) and (times.sum(axis=1) == 7).all() and (times == 0).any() and (times > 1).any()


def test_images_of_a_group_come_and_go_together():
    times = draws(5, 50, groups=["a", "b", "a", None, None])
    assert (times[:, 0] == times[:, 2]).all()
    assert (times[:, 3] != times[:, 4]).any()  # None is not a group
    assert (times[:, [0, 1, 3, 4]].sum(axis=1) == 4).all()


def test_copies_of_an_image_do_not_narrow_the_interval_when_they_are_grouped():
    numbers = np.random.default_rng(1).random(20)
    low, high = bootstrap(numbers, 500)
    copies = np.repeat(numbers, 5)
    assert bootstrap(copies, 500, groups=np.repeat(np.arange(20), 5).tolist()) == pytest.approx((low, high))
    narrow = bootstrap(copies, 500)
    assert narrow[1] - narrow[0] < 0.6 * (high - low)


# --- differences ----------------------------------------------------------------------------------
@given(values)
def test_nothing_differs_from_itself(numbers):
    same = difference(numbers, numbers, 50)
    assert (same.value, same.low, same.high, same.fraction, same.significant) == (0, 0, 0, 0.5, False)


def test_pairing_shows_a_small_gain_that_separate_intervals_hide():
    hard = np.random.default_rng(2).random(30)
    gain = difference(hard, hard + 0.01, 500)
    assert gain.significant and gain.fraction == 1 and gain.value == pytest.approx(0.01)
    alone, better = bootstrap(hard, 500), bootstrap(hard + 0.01, 500)
    assert alone[1] > better[0]


def test_the_order_of_the_two_turns_the_sign():
    first, second = np.random.default_rng(3).random((2, 15))
    one, other = difference(first, second, 200), difference(second, first, 200)
    assert one.value == pytest.approx(-other.value) and one.low == pytest.approx(-other.high)
    assert one.fraction == pytest.approx(1 - other.fraction)
