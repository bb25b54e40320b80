"""ROC, precision and recall, areas: scikit-learn's points, and resamples without sorting twice."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskwright.evaluation import ranking
from maskwright.evaluation.intervals import draws

pairs = st.lists(st.tuples(st.integers(0, 6), st.booleans()), min_size=1, max_size=30)


def columns(case):  # type: ignore[no-untyped-def]
    return np.array([score / 6 for score, _ in case]), np.array([there for _, there in case])


def test_no_scores_give_no_curve_and_no_area():
    nothing = np.zeros(0), np.zeros(0, bool)
    assert ranking.roc(*nothing) is None and ranking.auc(*nothing) is None
    assert ranking.average_precision(*nothing) is None and len(ranking.precision_recall(*nothing).scores) == 0


def test_one_side_alone_has_no_roc():
    scores = np.array([0.2, 0.8])
    assert ranking.roc(scores, np.array([True, True])) is None and ranking.auc(scores, np.array([False, False])) is None
    assert ranking.average_precision(scores, np.array([True, True])) == 1


@given(pairs)
def test_the_points_are_scikit_learns(case):
    metrics = pytest.importorskip("sklearn.metrics")
    scores, ground_truth = columns(case)
    if not ground_truth.all() and ground_truth.any():
        curve = ranking.roc(scores, ground_truth)
        false, recall, levels = metrics.roc_curve(ground_truth, scores, drop_intermediate=False)
        assert np.allclose(curve.false_positive_rate, false) and np.allclose(curve.recall, recall)
        assert (curve.scores == levels).all()
    if ground_truth.any():
        curve = ranking.precision_recall(scores, ground_truth)
        precision, recall, levels = metrics.precision_recall_curve(ground_truth, scores)
        assert np.allclose(curve.precision, precision[-2::-1]) and np.allclose(curve.recall, recall[-2::-1])
        assert (curve.scores == levels[::-1]).all()


@given(pairs)
def test_the_area_is_how_often_a_positive_scores_above_another(case):
    scores, ground_truth = columns(case)
    if not ground_truth.all() and ground_truth.any():
        gaps = scores[ground_truth][:, None] - scores[~ground_truth][None]
        assert ranking.auc(scores, ground_truth) == pytest.approx(np.mean(np.sign(gaps) / 2 + 0.5))


@given(pairs)
def test_turning_the_scores_turns_the_area(case):
    scores, ground_truth = columns(case)
    if not ground_truth.all() and ground_truth.any():
        assert ranking.auc(1 - scores, ground_truth) == pytest.approx(1 - ranking.auc(scores, ground_truth))


@given(pairs, st.integers(0, 9))
def test_a_resample_by_weights_is_a_resample_by_repeats(case, seed):
    scores, ground_truth = columns(case)
    weights = draws(len(scores), 5, seed)
    auc, ap = ranking.areas(scores, ground_truth, weights)
    for row, times in enumerate(weights):
        again = np.repeat(scores, times), np.repeat(ground_truth, times)
        expected = ranking.auc(*again), ranking.average_precision(*again)
        assert [auc[row], ap[row]] == pytest.approx(
            [np.nan if item is None else item for item in expected], nan_ok=True
        )


def test_many_resamples_are_evaluated_in_parts(monkeypatch):
    scores, ground_truth = columns([(score % 7, score % 3 == 0) for score in range(20)])
    weights = draws(20, 30)
    whole = ranking.areas(scores, ground_truth, weights)
    monkeypatch.setattr(ranking, "WEIGHTS_AT_ONCE", 50)
    assert len(list(ranking.parts(weights))) > 5
    assert np.allclose(ranking.areas(scores, ground_truth, weights), whole)
