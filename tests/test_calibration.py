"""Calibration: bins that hold every image, Brier's score, and a temperature that never makes things worse."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskwright.errors import DatasetError
from maskwright.evaluation.calibration import (
    MAX_TEMPERATURE,
    MIN_TEMPERATURE,
    brier,
    fit_temperature,
    logits_of,
    nll,
    reliability,
    scores_of,
)  # fmt: skip

seeds = st.integers(0, 2**32 - 1)


def case(seed: int, multi_label: bool, spread: float = 3.0):  # type: ignore[no-untyped-def]
    rng = np.random.default_rng(seed)
    count, kinds = int(rng.integers(1, 30)), int(rng.integers(2, 5))
    logits = rng.normal(0, spread, (count, kinds))
    if multi_label:
        return logits, rng.random((count, kinds)) < 0.4
    return logits, np.eye(kinds, dtype=bool)[rng.integers(0, kinds, count)]


# --- reliability ----------------------------------------------------------------------------------
def test_no_images_give_empty_bins():
    made = reliability(np.zeros(0), np.zeros(0, bool))
    assert made.count.sum() == 0 and made.ece is None and made.intervals == (None,) * 10
    assert brier(np.zeros(0), np.zeros(0, bool)) is None


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=40), st.integers(1, 15))
def test_every_image_is_in_one_bin_and_its_score_between_the_edges(images, bins):
    scores, right = np.array([score for score, _ in images]), np.array([item for _, item in images])
    made = reliability(scores, right, bins)
    assert made.count.sum() == len(scores)
    there = made.count > 0
    assert (made.score[there] >= made.edges[:-1][there] - 1e-12).all()
    assert (made.score[there] <= made.edges[1:][there] + 1e-12).all()
    assert np.sum(made.fraction[there] * made.count[there]) == pytest.approx(right.sum())
    assert 0 <= made.ece <= 1


def test_scores_that_keep_their_word_have_no_error():
    scores = np.repeat([0.25, 0.75], 4)
    assert reliability(scores, np.array([1, 0, 0, 0, 1, 1, 1, 0], bool)).ece == 0


@given(seeds)
def test_briers_score_is_scikit_learns(seed):
    metrics = pytest.importorskip("sklearn.metrics")
    logits, ground_truth = case(seed, False)
    scores = scores_of(logits)
    kinds = ground_truth.shape[1]
    theirs = metrics.brier_score_loss(ground_truth.argmax(1), scores, labels=range(kinds), scale_by_half=True) \
        if kinds > 2 else metrics.brier_score_loss(ground_truth[:, 1], scores[:, 1], pos_label=True)  # fmt: skip
    assert brier(scores, ground_truth) == pytest.approx(theirs, abs=1e-6)


# --- temperature ----------------------------------------------------------------------------------
@given(seeds, st.booleans(), st.sampled_from([0.1, 3.0, 300.0]))
def test_a_temperature_never_worsens_the_images_it_was_fitted_on(seed, multi_label, spread):
    logits, ground_truth = case(seed, multi_label, spread)
    made = fit_temperature(logits, ground_truth, multi_label=multi_label)
    assert made.after <= made.before == nll(logits, ground_truth, multi_label)
    assert MIN_TEMPERATURE - 1e-9 <= made.value <= MAX_TEMPERATURE + 1e-9


@given(seeds, st.booleans())
def test_no_other_temperature_is_better(seed, multi_label):
    logits, ground_truth = case(seed, multi_label)
    made = fit_temperature(logits, ground_truth, multi_label=multi_label)
    others = [
        nll(logits / value, ground_truth, multi_label) for value in np.geomspace(MIN_TEMPERATURE, MAX_TEMPERATURE, 200)
    ]
    assert made.after <= min(others) + 1e-9


@given(seeds, st.booleans())
def test_the_order_of_the_scores_stays(seed, multi_label):
    logits, ground_truth = case(seed, multi_label)
    made = fit_temperature(logits, ground_truth, multi_label=multi_label)
    assert (made.scores(logits).argmax(1) == logits.argmax(1)).all()
    if multi_label:
        assert ((made.scores(logits) >= 0.5) == (logits >= 0)).all()


@pytest.mark.parametrize("multi_label", [False, True])
def test_a_network_made_too_sure_is_brought_back(multi_label):
    """Images drawn from the scores themselves, logits then tripled: the temperature found is 3."""
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 1, (4000, 3))
    scores = scores_of(logits, multi_label)
    if multi_label:
        ground_truth = rng.random(scores.shape) < scores
    else:
        ground_truth = (scores.cumsum(1) > rng.random((4000, 1))).argmax(1)
    made = fit_temperature(3 * logits, ground_truth, multi_label=multi_label)
    assert made.value == pytest.approx(3, rel=0.08) and not made.bounded


def test_images_without_a_mistake_do_not_make_a_network_boundlessly_sure():
    made = fit_temperature(np.array([[2.0, 0.0], [0.0, 2.0]]), [0, 1])
    assert made.value == pytest.approx(MIN_TEMPERATURE) and made.bounded


@given(seeds, st.booleans())
def test_scores_stand_for_logits(seed, multi_label):
    logits, ground_truth = case(seed, multi_label, 1.0)
    scores = scores_of(logits, multi_label)
    assert np.allclose(scores_of(logits_of(scores, multi_label), multi_label), scores)
    own = fit_temperature(scores, ground_truth, multi_label=multi_label, from_scores=True)
    assert own.after == pytest.approx(fit_temperature(logits, ground_truth, multi_label=multi_label).after, abs=1e-6)


@pytest.mark.parametrize(
    ("logits", "ground_truth", "message"),
    [
        (np.zeros((0, 2)), [], "fitting a temperature needs images"),
        (np.array([[np.inf, 0.0]]), [0], "the logits are not a table of numbers"),
        (np.zeros(3), [0, 1, 1], "the logits are not a table of numbers"),
        (np.zeros((2, 2)), [0, 5], "no such class"),
    ],
)
def test_what_cannot_be_fitted_is_named(logits, ground_truth, message):
    with pytest.raises(DatasetError, match=message):
        fit_temperature(logits, ground_truth)
