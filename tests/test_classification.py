"""Figures of whole-photo classes: scikit-learn's, with intervals, from plain arrays."""

from __future__ import annotations

import csv
import io
import json
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maskwright.errors import DatasetError
from maskwright.evaluation.classification import evaluate
from maskwright.evaluation.intervals import bootstrap, wilson

NAMES = ("norust", "rust", "paint", "dirt")


@st.composite
def answers(draw: st.DrawFn, multi_label: bool = False, least: int = 1):  # type: ignore[no-untyped-def]
    """(truth, scores): ties, absent classes and one-class truths are ordinary; n×C bool, n×C float."""
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
    truth = rng.integers(0, 2, count)
    rust = np.clip(rng.normal(0.35 + 0.3 * truth, 0.2), 0, 1)
    return truth, np.stack([1 - rust, rust], axis=1)


# --- nothing, one ---------------------------------------------------------------------------------
def test_no_photos_give_no_figures():
    figures = evaluate([], np.zeros((0, 2)), NAMES[:2])
    assert figures.accuracy is None and figures.auc is None and figures.ap is None
    assert set(figures.intervals.values()) == {None} and figures.mistakes() == []
    assert figures.confusion is not None and figures.confusion.tolist() == [[0, 0], [0, 0]]
    json.loads(figures.to_json())


def test_one_photo_has_an_accuracy_and_no_bootstrap():
    figures = evaluate([1], np.array([[0.2, 0.8]]), NAMES[:2])
    assert figures.accuracy == 1 and figures.auc is None
    assert figures.intervals["accuracy"] == wilson(1, 1) and figures.intervals["macro F1"] is None
    assert figures.remarks == ("no photo shows norust: recall is put at 0, the areas do not exist",)


# --- scikit-learn's figures -----------------------------------------------------------------------
def printed_alike(ours: str, theirs: str) -> bool:
    """The same text, but for the last digit of a share that lies half-way: two orders of adding round it two ways."""
    shares = r"\b[01]\.\d\d\b"
    near = [
        abs(float(a) - float(b)) < 0.011
        for a, b in zip(*(re.findall(shares, text) for text in (ours, theirs)), strict=True)
    ]
    return all(near) and re.sub(shares, "", ours) == re.sub(shares, "", theirs)


@given(answers())
def test_exclusive_classes_are_judged_as_scikit_learn_does(case):
    metrics = pytest.importorskip("sklearn.metrics")
    truth, scores = case
    kinds = scores.shape[1]
    figures = evaluate(truth, scores, NAMES[:kinds], bootstrap=0)
    real, said = truth.argmax(1), scores.argmax(1)
    given_names = {"labels": range(kinds), "target_names": NAMES[:kinds], "zero_division": 0}
    if figures.accuracy:  # where nothing at all is right, theirs prints the supports as 1.0
        assert printed_alike(figures.text(), metrics.classification_report(real, said, **given_names))
    report = metrics.classification_report(real, said, output_dict=True, **given_names)
    assert figures.accuracy == pytest.approx(report["accuracy"], abs=1e-9)
    for each in (*figures.classes, figures.average("macro avg"), figures.average("weighted avg")):
        theirs = report[each.name]
        assert (each.precision, each.recall, each.f1) == pytest.approx(
            (theirs["precision"], theirs["recall"], theirs["f1-score"]), abs=1e-9
        )
        assert each.support == theirs["support"]
    assert (figures.confusion == metrics.confusion_matrix(real, said, labels=range(kinds))).all()
    same_areas(metrics, figures, truth, scores)


@given(answers(multi_label=True))
def test_several_labels_are_judged_as_scikit_learn_does(case):
    metrics = pytest.importorskip("sklearn.metrics")
    truth, scores = case
    kinds = scores.shape[1]
    figures = evaluate(truth, scores, NAMES[:kinds], multi_label=True, bootstrap=0)
    said = scores >= 0.5
    theirs = metrics.classification_report(truth, said, target_names=NAMES[:kinds], zero_division=0)
    assert printed_alike(figures.text(), theirs)
    assert figures.accuracy == pytest.approx(metrics.accuracy_score(truth, said)) and figures.confusion is None
    same_areas(metrics, figures, truth, scores)


def same_areas(metrics, figures, truth, scores):  # type: ignore[no-untyped-def]
    for index, each in enumerate(figures.classes):
        column = truth[:, index]
        assert (each.auc is None) == (column.all() or not column.any())
        assert (each.ap is None) == (not column.any())
        if each.auc is not None:
            assert each.auc == pytest.approx(metrics.roc_auc_score(column, scores[:, index]), abs=1e-6)
        if each.ap is not None:
            assert each.ap == pytest.approx(metrics.average_precision_score(column, scores[:, index]), abs=1e-6)


def test_the_headline_auc_of_two_classes_is_the_usual_one_and_of_more_the_mean():
    metrics = pytest.importorskip("sklearn.metrics")
    truth, scores = binary()
    assert evaluate(truth, scores, NAMES[:2], bootstrap=0).auc == pytest.approx(
        metrics.roc_auc_score(truth, scores[:, 1])
    )
    rng = np.random.default_rng(0)
    three, shares = rng.integers(0, 3, 50), rng.dirichlet([1, 1, 1], 50)
    assert evaluate(three, shares, NAMES[:3], bootstrap=0).auc == pytest.approx(
        metrics.roc_auc_score(three, shares, multi_class="ovr")
    )


def test_an_auc_comes_from_scores_not_from_decisions():
    """0/1 decisions give a lower area: the mistake of many a tutorial."""
    truth, scores = binary()
    decided = np.eye(2)[scores.argmax(1)]
    assert evaluate(truth, scores, NAMES[:2], bootstrap=0).auc > evaluate(truth, decided, NAMES[:2], bootstrap=0).auc


def test_decisions_of_ones_own_are_judged_instead():
    truth, scores = binary()
    careful = (scores[:, 1] >= 0.2).astype(int)
    usual, own = (evaluate(truth, scores, NAMES[:2], bootstrap=0, chosen=each) for each in (None, careful))
    assert own.classes[1].recall > usual.classes[1].recall and own.auc == usual.auc


# --- intervals ------------------------------------------------------------------------------------
def test_shares_have_wilsons_interval_and_everything_else_the_bootstrap():
    truth, scores = binary()
    figures = evaluate(truth, scores, NAMES[:2], bootstrap=200, seed=3)
    assert figures.intervals["accuracy"] == wilson(int(figures.right.sum()), 40)
    rust = figures.classes[1]
    assert figures.intervals["recall rust"] == wilson(rust.hits, rust.support)
    assert figures.intervals["precision rust"] == wilson(rust.hits, rust.said)

    def slow(rows):
        again = evaluate(truth[rows], scores[rows], NAMES[:2], bootstrap=0)
        return [again.auc, again.average("macro avg").f1, again.classes[0].ap, again.ap, again.classes[1].f1]

    for place, name in enumerate(["AUC", "macro F1", "AP norust", "AP", "F1 rust"]):
        expected = bootstrap(lambda rows, place=place: slow(rows)[place], 200, 3, count=40)
        assert figures.intervals[name] == pytest.approx(expected), name


def test_copies_of_a_photo_do_not_narrow_any_interval_when_they_are_grouped():
    truth, scores = binary()
    one = evaluate(truth, scores, NAMES[:2], bootstrap=300)
    groups = np.repeat(np.arange(40), 5).tolist()
    five = evaluate(np.repeat(truth, 5), np.repeat(scores, 5, axis=0), NAMES[:2], bootstrap=300, groups=groups)
    for name in ("accuracy", "recall rust", "precision norust", "AUC", "macro F1"):
        assert five.intervals[name] == pytest.approx(one.intervals[name], abs=0.03), name
    loose = evaluate(np.repeat(truth, 5), np.repeat(scores, 5, axis=0), NAMES[:2], bootstrap=300)
    for name in ("accuracy", "AUC"):
        (low, high), (least, most) = loose.intervals[name], one.intervals[name]
        assert high - low < 0.6 * (most - least)
    assert five.remarks == ("200 photos in 40 groups: intervals count a group as one draw",)


@given(answers(least=2), st.integers(0, 3))
@settings(max_examples=25, deadline=None)
def test_a_share_lies_in_its_interval_and_every_interval_within_0_and_1(case, seed):
    truth, scores = case
    names = NAMES[: scores.shape[1]]
    figures = evaluate(truth, scores, names, bootstrap=30, seed=seed)
    for each in figures.classes:
        for name in ("precision", "recall"):
            pair = figures.intervals[f"{name} {each.name}"]
            assert pair is None or pair[0] <= getattr(each, name) <= pair[1]
    assert all(0 <= low <= high <= 1 for low, high in filter(None, figures.intervals.values()))


# --- mistakes -------------------------------------------------------------------------------------
def test_the_most_convinced_mistake_comes_first():
    scores = np.array([[0.4, 0.6], [0.05, 0.95], [0.9, 0.1], [0.2, 0.8]])
    figures = evaluate([0, 0, 0, 1], scores, NAMES[:2], photo_names=["a", "b", "c", "d"], bootstrap=0)
    first, second = figures.mistakes()
    assert (first.name, first.truth, first.said, first.score) == ("b", "norust", "rust", 0.95)
    assert second.name == "a" and figures.mistakes(1) == [first]


def test_with_several_labels_each_wrong_label_is_a_mistake():
    truth = np.array([[True, True], [False, False]])
    figures = evaluate(truth, np.array([[0.9, 0.1], [0.6, 0.2]]), NAMES[:2], multi_label=True, bootstrap=0)
    assert [(each.truth, each.said, round(each.score, 2)) for each in figures.mistakes()] == [
        ("rust", "not rust", 0.9), ("not norust", "norust", 0.6)]  # fmt: skip


# --- files ----------------------------------------------------------------------------------------
def test_the_table_as_csv_has_a_line_a_class_and_average():
    truth, scores = binary()
    rows = list(csv.DictReader(io.StringIO(evaluate(truth, scores, NAMES[:2]).to_csv())))
    assert [row["class"] for row in rows] == ["norust", "rust", "micro avg", "macro avg", "weighted avg"]
    assert float(rows[1]["recall_low"]) <= float(rows[1]["recall"]) <= float(rows[1]["recall_high"])
    assert rows[4]["auc"] == "" and float(rows[4]["f1_low"]) > 0


def test_the_scores_as_csv_have_a_line_a_photo():
    figures = evaluate([1], np.array([[0.25, 0.75]]), NAMES[:2], photo_names=["a.jpg"])
    assert figures.scores_csv() == "photo,truth,said,score norust,score rust\na.jpg,rust,rust,0.25,0.75\n"


def test_json_holds_no_arrays_and_no_nan():
    truth, scores = binary()
    facts = json.loads(evaluate(truth, scores, NAMES[:2], bootstrap=20).to_json(), parse_constant=pytest.fail)
    assert facts["photos"] == 40 and facts["intervals"]["accuracy"][0] < facts["accuracy"]


# --- bad input ------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"scores": np.array([[0.5, 0.5], [0.1, np.nan]])}, 'a score is no share\n  record  photo "b"'),
        ({"scores": np.array([[0.5, 0.5], [0.1, 1.2]])}, 'a score is no share\n  record  photo "b"'),
        ({"scores": np.zeros((2, 3))}, "the scores do not fit the classes"),
        ({"truth": [0, 2]}, 'no such class\n  record  photo "b"\n  field   truth\n  wanted  0 to 1\n  got     2'),
        ({"truth": [0, 1, 1]}, "the answers do not fit the scores"),
        ({"truth": [0.5, 0.2]}, "the answers do not fit the scores"),
        ({"truth": np.array([[1, 0], [1, 1]])}, "got     2 classes\n  fix     multi_label=True"),
        ({"chosen": [0, -1]}, "no such class"),
        ({"groups": ["x"]}, "not one group a photo"),
        ({"photo_names": ["a"]}, "not one name a photo"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named(change, message):
    given = {"truth": [0, 1], "scores": np.full((2, 2), 0.5), "names": NAMES[:2], "photo_names": ["a", "b"]} | change
    with pytest.raises(DatasetError) as error:
        evaluate(**given)
    assert message in str(error.value)
