"""Fractions of few images: exact bounds, groups, and how many images a promise takes."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskwright.evaluation.intervals import wilson
from maskwright.evaluation.proportions import (
    binomial,
    clopper_pearson,
    effective,
    fraction_interval,
    lower_bound,
    sample_size,
)

counts = st.integers(1, 60).flatmap(lambda total: st.tuples(st.integers(0, total), st.just(total)))


def test_of_nothing_there_is_no_interval():
    assert fraction_interval(np.zeros(0, bool)) is None and clopper_pearson(0, 0) is None
    assert effective(np.zeros(0, bool)) == 0 and effective(np.zeros(0, bool), []) == 0


@given(counts)
def test_the_exact_interval_is_scipys(case):
    stats = pytest.importorskip("scipy.stats")
    hits, total = case
    theirs = stats.binomtest(hits, total).proportion_ci(method="exact")
    assert clopper_pearson(hits, total) == pytest.approx((theirs.low, theirs.high), abs=1e-7)
    assert lower_bound(hits, total) == pytest.approx(
        stats.binomtest(hits, total, alternative="greater").proportion_ci(method="exact").low, abs=1e-7
    )


@given(counts)
def test_at_the_bound_so_many_hits_have_just_the_chance_of_the_doubt(case):
    hits, total = case
    if hits:
        assert binomial(total, lower_bound(hits, total))[hits:].sum() == pytest.approx(0.05, abs=1e-6)


@given(st.integers(0, 80), st.floats(0.01, 0.99))
def test_the_chances_are_the_binomials_and_add_up(total, fraction):
    chances = binomial(total, fraction)
    assert chances.sum() == pytest.approx(1)
    expected = [math.comb(total, k) * fraction**k * (1 - fraction) ** (total - k) for k in range(total + 1)]
    assert chances == pytest.approx(np.array(expected), abs=1e-12)


@given(st.floats(0.5, 0.999))
def test_so_many_are_needed_and_not_one_fewer(fraction):
    count = sample_size(fraction)
    assert lower_bound(count, count) >= fraction - 1e-9
    assert count == 1 or lower_bound(count - 1, count - 1) < fraction


# --- groups ---------------------------------------------------------------------------------------
@given(st.lists(st.booleans(), min_size=1, max_size=40))
def test_images_that_stand_alone_have_wilsons_interval(right):
    hits = np.array(right)
    assert fraction_interval(hits) == wilson(int(hits.sum()), len(hits))
    assert fraction_interval(hits, list(range(len(hits)))) == pytest.approx(
        wilson(int(hits.sum()), len(hits)), abs=0.02
    )


@given(st.lists(st.booleans(), min_size=2, max_size=30), st.integers(2, 5))
def test_copies_are_worth_one_image(right, times):
    copies = np.repeat(right, times)
    groups = np.repeat(np.arange(len(right)), times).tolist()
    assert effective(copies, groups) == pytest.approx(len(right))


def test_groups_that_are_mixed_inside_lose_nothing():
    assert effective(np.tile([True, False], 20), np.repeat(np.arange(20), 2).tolist()) == 40


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 4)), min_size=1, max_size=40))
def test_a_group_never_makes_more_of_the_images_than_they_are(case):
    right, groups = np.array([item for item, _ in case]), [group for _, group in case]
    assert 1 - 1e-9 <= effective(right, groups) <= len(case)
    low, high = fraction_interval(right, groups)
    assert 0 <= low <= right.mean() + 1e-12 and right.mean() - 1e-12 <= high <= 1


def test_the_interval_of_groups_holds_the_true_fraction_as_often_as_it_says():
    """Twenty groups of three, mostly of one mind: taken one by one they would seem to be sixty images."""
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(20), 3).tolist()
    held, careless, rounds = 0, 0, 400
    for _ in range(rounds):
        shared, own = rng.random((20, 1)) < 0.8, rng.random((20, 3)) < 0.8
        right = np.where(rng.random((20, 3)) < 0.9, shared, own).ravel()
        low, high = fraction_interval(right, groups)
        held += low <= 0.8 <= high
        low, high = fraction_interval(right)
        careless += low <= 0.8 <= high
    assert held / rounds > 0.92 and careless / rounds < 0.85
