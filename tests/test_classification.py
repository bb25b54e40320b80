"""Metrics of whole-image classes: scikit-learn's, with intervals, from plain arrays."""

from __future__ import annotations

import csv
import io
import json
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reported import sentences

from maskwright.errors import DatasetError
from maskwright.evaluation.classification import evaluate
from maskwright.evaluation.intervals import bootstrap, wilson

NAMES = ("norust", "rust", "paint", "dirt")


@st.composite
def answers(draw: st.DrawFn, multi_label: bool = False, least: int = 1):  # type: ignore[no-untyped-def]
    """(ground truth, scores): ties, absent classes and one-class ground-truth objects are ordinary; n×C bool, n×C
    float."""
    count, kinds = draw(st.integers(least, 25)), draw(st.integers(2, 4))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    steps = draw(st.sampled_from([2, 5, 1000]))
    scores = rng.integers(0, steps + 1, (count, kinds)) / steps
    present = draw(st.integers(1, kinds))
    if multi_label:
        return rng.random((count, kinds)) < draw(st.sampled_from([0.0, 0.3, 1.0])), scores
    return np.eye(kinds, dtype=bool)[rng.integers(0, present, count)], scores


def binary(count: int = 40, seed: int = 0):  # type: ignore[no-untyped-def]
    rng = np.random.default_rng(seed)
    ground_truth = rng.integers(0, 2, count)
    rust = np.clip(rng.normal(0.35 + 0.3 * ground_truth, 0.2), 0, 1)
    return ground_truth, np.stack([1 - rust, rust], axis=1)


# --- nothing, one ---------------------------------------------------------------------------------
def test_no_images_give_no_metrics():
    metrics = evaluate([], np.zeros((0, 2)), NAMES[:2])
    assert metrics.accuracy is None and metrics.auc is None and metrics.ap is None
    assert set(metrics.intervals.values()) == {None} and metrics.mistakes() == []
    assert metrics.confusion is not None and metrics.confusion.tolist() == [[0, 0], [0, 0]]
    json.loads(metrics.to_json())


def test_one_image_has_an_accuracy_and_no_bootstrap():
    metrics = evaluate([1], np.array([[0.2, 0.8]]), NAMES[:2])
    assert metrics.accuracy == 1 and metrics.auc is None
    assert metrics.intervals["accuracy"] == wilson(1, 1) and metrics.intervals["macro_F1"] is None
    assert sentences(metrics.issues) == ("no image shows norust: its recall is set to 0, its AUC and AP are undefined",)


# --- scikit-learn's metrics -----------------------------------------------------------------------
def printed_alike(ours: str, theirs: str) -> bool:
    """The same text, but for the last digit of a share that lies half-way: two orders of adding round it two ways."""
    fractions = r"\b[01]\.\d\d\b"
    near = [
        abs(float(a) - float(b)) < 0.011
        for a, b in zip(*(re.findall(fractions, text) for text in (ours, theirs)), strict=True)
    ]
    return all(near) and re.sub(fractions, "", ours) == re.sub(fractions, "", theirs)


@given(answers())
def test_exclusive_classes_are_evaluated_as_scikit_learn_does(case):
    metric_rows = pytest.importorskip("sklearn.metrics")
    ground_truth, scores = case
    kinds = scores.shape[1]
    metrics = evaluate(ground_truth, scores, NAMES[:kinds], bootstrap=0)
    real, said = ground_truth.argmax(1), scores.argmax(1)
    given_names = {"labels": range(kinds), "target_names": NAMES[:kinds], "zero_division": 0}
    if metrics.accuracy:  # where nothing at all is right, theirs prints the supports as 1.0
        assert printed_alike(metrics.text(), metric_rows.classification_report(real, said, **given_names))
    report = metric_rows.classification_report(real, said, output_dict=True, **given_names)
    assert metrics.accuracy == pytest.approx(report["accuracy"], abs=1e-9)
    for item in (*metrics.classes, metrics.average("macro avg"), metrics.average("weighted avg")):
        theirs = report[item.name]
        assert (item.precision, item.recall, item.f1) == pytest.approx(
            (theirs["precision"], theirs["recall"], theirs["f1-score"]), abs=1e-9
        )
        assert item.support == theirs["support"]
    assert (metrics.confusion == metric_rows.confusion_matrix(real, said, labels=range(kinds))).all()
    same_areas(metric_rows, metrics, ground_truth, scores)


@given(answers(multi_label=True))
def test_several_labels_are_evaluated_as_scikit_learn_does(case):
    metric_rows = pytest.importorskip("sklearn.metrics")
    ground_truth, scores = case
    kinds = scores.shape[1]
    metrics = evaluate(ground_truth, scores, NAMES[:kinds], multi_label=True, bootstrap=0)
    said = scores >= 0.5
    theirs = metric_rows.classification_report(ground_truth, said, target_names=NAMES[:kinds], zero_division=0)
    assert printed_alike(metrics.text(), theirs)
    assert (
        metrics.accuracy == pytest.approx(metric_rows.accuracy_score(ground_truth, said)) and metrics.confusion is None
    )
    same_areas(metric_rows, metrics, ground_truth, scores)


def same_areas(metric_rows, metrics, ground_truth, scores):  # type: ignore[no-untyped-def]
    for index, per_class in enumerate(metrics.classes):
        column = ground_truth[:, index]
        assert (per_class.auc is None) == (column.all() or not column.any())
        assert (per_class.ap is None) == (not column.any())
        if per_class.auc is not None:
            assert per_class.auc == pytest.approx(metric_rows.roc_auc_score(column, scores[:, index]), abs=1e-6)
        if per_class.ap is not None:
            assert per_class.ap == pytest.approx(
                metric_rows.average_precision_score(column, scores[:, index]), abs=1e-6
            )


def test_the_headline_auc_of_two_classes_is_the_usual_one_and_of_more_the_mean():
    metrics = pytest.importorskip("sklearn.metrics")
    ground_truth, scores = binary()
    assert evaluate(ground_truth, scores, NAMES[:2], bootstrap=0).auc == pytest.approx(
        metrics.roc_auc_score(ground_truth, scores[:, 1])
    )
    rng = np.random.default_rng(0)
    three, fractions = rng.integers(0, 3, 50), rng.dirichlet([1, 1, 1], 50)
    assert evaluate(three, fractions, NAMES[:3], bootstrap=0).auc == pytest.approx(
        metrics.roc_auc_score(three, fractions, multi_class="ovr")
    )


def test_an_auc_comes_from_scores_not_from_decisions():
    """0/1 decisions give a lower area: the mistake of many a tutorial."""
    ground_truth, scores = binary()
    decided = np.eye(2)[scores.argmax(1)]
    assert (
        evaluate(ground_truth, scores, NAMES[:2], bootstrap=0).auc
        > evaluate(ground_truth, decided, NAMES[:2], bootstrap=0).auc
    )


def test_decisions_of_ones_own_are_evaluated_instead():
    ground_truth, scores = binary()
    careful = (scores[:, 1] >= 0.2).astype(int)
    usual, own = (evaluate(ground_truth, scores, NAMES[:2], bootstrap=0, predicted=item) for item in (None, careful))
    assert own.classes[1].recall > usual.classes[1].recall and own.auc == usual.auc


# --- intervals ------------------------------------------------------------------------------------
def test_fractions_have_wilsons_interval_and_everything_else_the_bootstrap():
    ground_truth, scores = binary()
    metrics = evaluate(ground_truth, scores, NAMES[:2], bootstrap=200, seed=3)
    assert metrics.intervals["accuracy"] == wilson(int(metrics.correct.sum()), 40)
    rust = metrics.classes[1]
    assert metrics.intervals["recall_rust"] == wilson(rust.true_positives, rust.support)
    assert metrics.intervals["precision_rust"] == wilson(rust.true_positives, rust.predicted)

    def slow(rows):
        again = evaluate(ground_truth[rows], scores[rows], NAMES[:2], bootstrap=0)
        return [again.auc, again.average("macro avg").f1, again.classes[0].ap, again.ap, again.classes[1].f1]

    for index, name in enumerate(["AUC", "macro_F1", "AP_norust", "AP", "F1_rust"]):
        expected = bootstrap(lambda rows, row=index: slow(rows)[row], 200, 3, count=40)
        assert metrics.intervals[name] == pytest.approx(expected), name


def test_copies_of_an_image_do_not_narrow_any_interval_when_they_are_grouped():
    ground_truth, scores = binary()
    one = evaluate(ground_truth, scores, NAMES[:2], bootstrap=300)
    groups = np.repeat(np.arange(40), 5).tolist()
    five = evaluate(np.repeat(ground_truth, 5), np.repeat(scores, 5, axis=0), NAMES[:2], bootstrap=300, groups=groups)
    for name in ("accuracy", "recall_rust", "precision_norust", "AUC", "macro_F1"):
        assert five.intervals[name] == pytest.approx(one.intervals[name], abs=0.03), name
    loose = evaluate(np.repeat(ground_truth, 5), np.repeat(scores, 5, axis=0), NAMES[:2], bootstrap=300)
    for name in ("accuracy", "AUC"):
        (low, high), (least, most) = loose.intervals[name], one.intervals[name]
        assert high - low < 0.6 * (most - least)
    assert sentences(five.issues) == ("200 images in 40 groups: intervals are computed by resampling whole groups",)


@given(answers(least=2), st.integers(0, 3))
@settings(max_examples=25, deadline=None)
def test_a_fraction_lies_in_its_interval_and_every_interval_within_0_and_1(case, seed):
    ground_truth, scores = case
    names = NAMES[: scores.shape[1]]
    metrics = evaluate(ground_truth, scores, names, bootstrap=30, seed=seed)
    for per_class in metrics.classes:
        for name in ("precision", "recall"):
            pair = metrics.intervals[f"{name}_{per_class.name}"]
            assert pair is None or pair[0] <= getattr(per_class, name) <= pair[1]
    assert all(0 <= low <= high <= 1 for low, high in filter(None, metrics.intervals.values()))


# --- mistakes -------------------------------------------------------------------------------------
def test_the_most_convinced_mistake_comes_first():
    scores = np.array([[0.4, 0.6], [0.05, 0.95], [0.9, 0.1], [0.2, 0.8]])
    metrics = evaluate([0, 0, 0, 1], scores, NAMES[:2], image_names=["a", "b", "c", "d"], bootstrap=0)
    first, second = metrics.mistakes()
    assert (first.name, first.ground_truth, first.predicted, first.score) == ("b", "norust", "rust", 0.95)
    assert second.name == "a" and metrics.mistakes(1) == [first]


def test_with_several_labels_each_wrong_label_is_a_mistake():
    ground_truth = np.array([[True, True], [False, False]])
    metrics = evaluate(ground_truth, np.array([[0.9, 0.1], [0.6, 0.2]]), NAMES[:2], multi_label=True, bootstrap=0)
    assert [(mistake.ground_truth, mistake.predicted, round(mistake.score, 2)) for mistake in metrics.mistakes()] == [
        ("rust", "not rust", 0.9), ("not norust", "norust", 0.6)]  # fmt: skip


# --- files ----------------------------------------------------------------------------------------
def test_the_table_as_csv_has_a_line_a_class_and_average():
    ground_truth, scores = binary()
    rows = list(csv.DictReader(io.StringIO(evaluate(ground_truth, scores, NAMES[:2]).to_csv())))
    assert [row["class"] for row in rows] == ["norust", "rust", "micro avg", "macro avg", "weighted avg"]
    assert float(rows[1]["recall_low"]) <= float(rows[1]["recall"]) <= float(rows[1]["recall_high"])
    assert rows[4]["auc"] == "" and float(rows[4]["f1_low"]) > 0


def test_the_scores_as_csv_have_a_line_an_image():
    metrics = evaluate([1], np.array([[0.25, 0.75]]), NAMES[:2], image_names=["a.jpg"])
    assert metrics.scores_csv() == "image,ground_truth,predicted,score_norust,score_rust\na.jpg,rust,rust,0.25,0.75\n"


def test_json_holds_no_arrays_and_no_nan():
    ground_truth, scores = binary()
    facts = json.loads(evaluate(ground_truth, scores, NAMES[:2], bootstrap=20).to_json(), parse_constant=pytest.fail)
    assert facts["images"] == 40 and facts["intervals"]["accuracy"][0] < facts["accuracy"]


# --- bad input ------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"scores": np.array([[0.5, 0.5], [0.1, np.nan]])}, 'a score is not a fraction\n  record    image "b"'),
        ({"scores": np.array([[0.5, 0.5], [0.1, 1.2]])}, 'a score is not a fraction\n  record    image "b"'),
        ({"scores": np.zeros((2, 3))}, "the scores do not fit the classes"),
        (
            {"ground_truth": [0, 2]},
            'no such class\n  record    image "b"\n  field     ground_truth\n  expected  0 to 1\n  got       2',
        ),
        ({"ground_truth": [0, 1, 1]}, "the labels do not fit the scores"),
        ({"ground_truth": [0.5, 0.2]}, "the labels do not fit the scores"),
        ({"ground_truth": np.array([[1, 0], [1, 1]])}, "got       2 classes\n  fix       multi_label=True"),
        ({"predicted": [0, -1]}, "no such class"),
        ({"groups": ["x"]}, "one group per image is needed"),
        ({"image_names": ["a"]}, "one name per image is needed"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named(change, message):
    given = {
        "ground_truth": [0, 1],
        "scores": np.full((2, 2), 0.5),
        "names": NAMES[:2],
        "image_names": ["a", "b"],
    } | change
    with pytest.raises(DatasetError) as error:
        evaluate(**given)
    assert message in str(error.value)
