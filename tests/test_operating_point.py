"""The operating point: the threshold that serves an aim, what it costs, and what the data can promise."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskwright.errors import DatasetError, RecipeError
from maskwright.evaluation.detection import evaluate
from maskwright.evaluation.operating_point import Aim, choose, of_detections
from maskwright.types import Instances

cases = st.lists(st.tuples(st.integers(0, 8), st.booleans()), min_size=1, max_size=30).filter(
    lambda case: any(there for _, there in case)
)


def columns(case):  # type: ignore[no-untyped-def]
    return np.array([score / 8 for score, _ in case]), np.array([there for _, there in case])


def tried(scores, ground_truth):  # type: ignore[no-untyped-def]
    """(threshold, hits, false) of every threshold there is."""
    return [(level, int(np.sum(ground_truth & (scores >= level))), int(np.sum(~ground_truth & (scores >= level))))
            for level in np.unique(scores)[::-1]]  # fmt: skip


# --- the aims -------------------------------------------------------------------------------------
@given(cases, st.sampled_from([0.1, 0.5, 0.9, 1.0]))
def test_recall_is_reached_with_the_fewest_false_alarms(case, expected):
    scores, ground_truth = columns(case)
    point = choose(scores, ground_truth, Aim.of(recall=expected))
    assert point.recall >= expected
    fitting = [
        false
        for _, true_positives, false in tried(scores, ground_truth)
        if true_positives / ground_truth.sum() >= expected
    ]
    assert point.false_positives == min(fitting)


@given(cases, st.sampled_from([0.2, 0.5, 1.0]))
def test_precision_is_reached_with_the_most_recall(case, expected):
    scores, ground_truth = columns(case)
    fitting = [
        true_positives
        for _, true_positives, false in tried(scores, ground_truth)
        if true_positives / (true_positives + false) >= expected
    ]
    if not fitting:
        with pytest.raises(DatasetError, match="no threshold reaches this precision"):
            choose(scores, ground_truth, Aim.of(precision=expected))
    else:
        point = choose(scores, ground_truth, Aim.of(precision=expected))
        assert point.precision >= expected and point.true_positives == max(fitting)


@given(cases)
def test_no_threshold_has_a_better_f1(case):
    scores, ground_truth = columns(case)
    point = choose(scores, ground_truth, Aim.of(f1=True))
    assert point.f1 == max(
        2 * true_positives / (true_positives + false + ground_truth.sum())
        for _, true_positives, false in tried(scores, ground_truth)
    )


@given(cases, st.sampled_from(["1:1", "1:20", "5:1"]))
def test_no_threshold_is_cheaper(case, cost):
    scores, ground_truth = columns(case)
    aim = Aim.of(cost=cost)
    prices = [
        aim.cost[0] * false + aim.cost[1] * (ground_truth.sum() - true_positives)
        for _, true_positives, false in tried(scores, ground_truth)
    ]
    if min(prices) > aim.cost[1] * ground_truth.sum():
        with pytest.raises(DatasetError, match="cheapest to detect nothing"):
            choose(scores, ground_truth, aim)
    else:
        point = choose(scores, ground_truth, aim)
        assert aim.cost[0] * point.false_positives + aim.cost[1] * point.false_negatives == min(prices)


@given(cases)
def test_the_counts_are_those_of_the_threshold_and_make_up_all_images(case):
    scores, ground_truth = columns(case)
    point = choose(scores, ground_truth, Aim.of(f1=True))
    kept = scores >= point.threshold
    assert (point.true_positives, point.false_positives) == (np.sum(kept & ground_truth), np.sum(kept & ~ground_truth))
    assert point.true_positives + point.false_negatives + point.false_positives + point.true_negatives == len(scores)
    for value, (low, high) in ((point.recall, point.recall_interval), (point.precision, point.precision_interval)):
        assert low <= value <= high


@given(cases)
def test_rounding_turns_no_decision(case):
    """Scores come out a little different on another computer: the threshold keeps away from them."""
    scores, ground_truth = columns(case)
    point = choose(scores, ground_truth, Aim.of(recall=1.0))
    assert ((scores + 1e-6 >= point.threshold) == (scores - 1e-6 >= point.threshold))[scores > 0].all()


def test_neighboring_numbers_are_still_told_apart():
    high = 0.7
    low = float(np.nextafter(high, 0))
    point = choose(np.array([high, low]), np.array([True, False]), Aim.of(recall=1.0))
    assert (point.true_positives, point.false_positives) == (1, 0)


# --- what is promised -----------------------------------------------------------------------------
def test_fifteen_images_and_none_missed_promise_82_percent():
    scores = np.concatenate([np.linspace(0.6, 0.9, 15), np.linspace(0, 0.65, 20)])
    point = choose(scores, np.arange(35) < 15, Aim.of(recall=0.99), name="rust")
    assert round(point.proven_recall, 3) == 0.819 == round(point.max_provable_recall, 3)
    assert point.sentences() == [
        'Threshold 0.5908 (recall at least 0.99): 15 of 15 images of "rust" found, 2 false positives among 20 others.',
        "Recall 1.000 (0.80 to 1.00), precision 0.882 (0.66 to 0.97).",
        '15 images of "rust", none missed: with 95 % confidence the recall is at least 0.819. '
        "To guarantee 0.99, 299 with none missed are needed.",
    ]


def test_a_miss_lowers_the_promise():
    scores = np.concatenate([np.linspace(0.6, 0.9, 29), [0.1], np.linspace(0, 0.5, 20)])
    point = choose(scores, np.arange(50) < 30, Aim.of(precision=1.0))
    assert point.false_negatives == 1
    assert (round(point.proven_recall, 3), round(point.max_provable_recall, 3)) == (0.851, 0.905)
    assert point.guarantee().endswith("the recall is at least 0.851; with none missed it would be 0.905.")


def test_recall_1_is_promised_by_no_number_of_images():
    point = choose(np.array([0.9, 0.1]), np.array([True, False]), Aim.of(recall=1))
    assert point.guarantee().endswith("No number of images can guarantee a recall of 1.")


def test_copies_promise_no_more_than_their_originals():
    scores, ground_truth = np.repeat(np.linspace(0.6, 0.9, 15), 4), np.ones(60, bool)
    point = choose(scores, ground_truth, Aim.of(recall=0.9), groups=np.repeat(np.arange(15), 4).tolist())
    assert point.effective_positives < 30 and point.proven_recall < 0.85
    assert "equivalent to 1" in point.guarantee()
    assert choose(scores, ground_truth, Aim.of(recall=1.0)).proven_recall > 0.95


# --- found objects --------------------------------------------------------------------------------
def image(boxes, scores=None, classes=None, names=("rust", "dent")):  # type: ignore[no-untyped-def]
    boxes = np.array(boxes, np.float32).reshape(-1, 4)
    return Instances(boxes, np.zeros(len(boxes), int) if classes is None else classes, scores, None, names)


A, B, ELSEWHERE = [0, 0, 20, 20], [40, 0, 60, 20], [0, 60, 20, 80]


def matches(ground_truth, detections):  # type: ignore[no-untyped-def]
    return evaluate(ground_truth, detections, [(100, 100)] * len(ground_truth)).box.matches


def test_an_object_nobody_finds_is_missed_at_every_threshold():
    evaluated = matches([image([A, B])], [image([A, ELSEWHERE], [0.9, 0.4])])
    point = of_detections(evaluated, Aim.of(f1=True))
    assert (point.true_positives, point.false_negatives, point.false_positives, point.true_negatives, point.unit) == (
        1,
        1,
        0,
        None,
        "objects",
    )
    with pytest.raises(DatasetError) as error:
        of_detections(evaluated, Aim.of(recall=0.9), "rust")
    assert str(error.value) == (
        'DatasetError: no threshold reaches this recall of "rust"\n  field     recall\n  expected  0.9\n'
        "  got       at most 0.500: 1 of 2 objects are not found at IoU 0.5 at any score\n"
        "  fix       use --recall 0.5 or less, or a better model"
    )


def test_one_class_alone_or_all_together():
    ground_truth = [image([A, B], classes=np.array([0, 1]))]
    detections = [image([A, B, ELSEWHERE], np.array([0.9, 0.3, 0.8]), np.array([0, 1, 0]))]
    evaluated = matches(ground_truth, detections)
    rust, dent, every = (of_detections(evaluated, Aim.of(recall=1), name) for name in ("rust", "dent", None))
    assert [(item.name, item.true_positives, item.false_positives) for item in (rust, dent, every)] == [
        ("rust", 1, 0), ("dent", 1, 0), ("", 2, 1)]  # fmt: skip
    assert rust.threshold > 0.8 > dent.threshold


@given(st.integers(0, 1000))
def test_the_counts_are_those_of_the_matching_at_that_threshold(seed):
    rng = np.random.default_rng(seed)

    def boxes(n):  # type: ignore[no-untyped-def]
        corner = rng.integers(0, 4, (n, 2)) * 20
        return np.concatenate([corner, corner + 20 + rng.integers(0, 9, (n, 2))], axis=1)

    ground_truth = [image(boxes(3)) for _ in range(4)]
    detections = [image(boxes(5), rng.integers(1, 9, 5) / 9) for _ in range(4)]
    evaluated = matches(ground_truth, detections)
    if not evaluated.hit[0].any():
        return
    point = of_detections(evaluated, Aim.of(f1=True), "rust")
    scores = evaluated.image_scores(point.threshold)
    assert point.true_positives == sum(len(score.true_positives) for score in scores)
    assert point.false_positives == sum(len(score.false_positives) for score in scores)
    assert point.false_negatives == sum(len(score.false_negatives) for score in scores)
    assert point.f1 == pytest.approx(evaluated.best_threshold(0)[1])


# --- bad input ------------------------------------------------------------------------------------
def test_nothing_to_find_gives_no_threshold():
    with pytest.raises(DatasetError, match='choosing a threshold needs images of "rust"'):
        choose(np.array([0.5]), np.array([False]), Aim.of(f1=True), name="rust")
    with pytest.raises(DatasetError, match="there are no detections"):
        choose(np.array([-np.inf]), np.array([True]), Aim.of(f1=True))
    with pytest.raises(DatasetError, match="not a number"):
        choose(np.array([np.nan]), np.array([True]), Aim.of(f1=True))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "a threshold needs exactly one aim"), ({"recall": 0.9, "f1": True}, "got       recall and f1"),
        ({"recall": 0.0}, "not a fraction"), ({"precision": 1.5}, "not a fraction"),
        ({"cost": "1"}, "a cost is two positive numbers"), ({"cost": "1:x"}, "a cost is two positive numbers"),
        ({"cost": "0:1"}, "a cost is two positive numbers"), ({"cost": "1:inf"}, "a cost is two positive numbers"),
        ({"cost": "1:2:3"}, "a cost is two positive numbers"),
    ],
)  # fmt: skip
def test_an_aim_that_cannot_be_is_named(options, message):
    with pytest.raises(RecipeError) as error:
        Aim.of(**options)
    assert message in str(error.value)


def test_the_facts_are_plain():
    facts = choose(np.array([0.9, 0.1]), np.array([True, False]), Aim.of(cost="1:20"), name="rust").facts()
    assert facts["aim"] == "lowest cost, 1 per false positive and 20 per false negative" and facts["class"] == "rust"
    assert all(isinstance(value, (int, float, str, list, type(None))) for value in facts.values())
