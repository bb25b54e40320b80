"""A threshold a class, chosen on few images so that it holds on others; kept in the card and used."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reported import sentences
from tiny_runs import model_folder, party

from maskwright.errors import WeightsError
from maskwright.evaluation.class_thresholds import DEFAULT_THRESHOLD, choose_for_classes, count_detections
from maskwright.evaluation.matching import Matches
from maskwright.prediction import threshold_origins as thresholds
from maskwright.prediction.loading import load
from maskwright.prediction.options import InferenceOptions
from maskwright.tasks.detection.class_thresholds import choose_class_thresholds
from maskwright.transforms.postprocess import postprocess
from maskwright.types import RawDetections, ResizeTransform
from maskwright.weights.card import Card, read_card, write_card

NAMES = ("gun", "sword")


def matches(
    *detections: tuple[int, int, float, bool], ground_truths: dict[int, int] | None = None, count_of_images: int = 8
) -> Matches:
    """found: (image, class, score, hit); ground-truth objects: {class: objects}, spread over the count_of_images."""
    ground_truths = {0: 0, 1: 0} | (ground_truths or {})
    classes = np.array([index for index, count in ground_truths.items() for _ in range(count)], int)
    images = np.array([row % count_of_images for count in ground_truths.values() for row in range(count)], int)
    rows = [np.array(column) for column in zip(*detections, strict=True)] if detections else [np.zeros(0)] * 4
    nothing = np.zeros((1, len(detections)), bool)
    return Matches(
        "box", NAMES, [None] * count_of_images, (), images, images, classes, np.ones(len(classes), bool),  # type: ignore[list-item]
        rows[0].astype(int), np.zeros(len(detections), int), rows[1].astype(int), rows[2].astype(float),
        rows[3].astype(bool)[None], nothing, np.full(len(detections), -1),
    )  # fmt: skip


def clear(index: int, border: float, count: int = 40) -> list[tuple[int, int, float, bool]]:
    """Hits just above the border, and false positives just below."""
    true_positives = [(row % 8, index, border + 0.02 + 0.001 * row, True) for row in range(count)]
    return true_positives + [(row % 8, index, border - 0.02 - 0.001 * row, False) for row in range(count)]


# --- choosing -------------------------------------------------------------------------------------
def test_without_images_or_finds_every_class_takes_the_ordinary_threshold():
    for empty in (
        matches(count_of_images=0),
        matches(),
        matches(ground_truths={0: 5}),
        matches((0, 0, 0.9, False), ground_truths={0: 5}),
    ):
        common, chosen = choose_for_classes(empty)
        assert common == DEFAULT_THRESHOLD and [item.threshold for item in chosen] == [
            DEFAULT_THRESHOLD,
            DEFAULT_THRESHOLD,
        ]


def test_classes_of_unlike_scores_get_thresholds_of_their_own():
    both = matches(*clear(0, 0.3), *clear(1, 0.8), ground_truths={0: 40, 1: 40})
    gun, sword = choose_for_classes(both)[1]
    assert gun.threshold < 0.45 and sword.threshold > 0.65
    assert (gun.name, gun.objects) == ("gun", 40)


def test_a_class_with_few_objects_stays_near_the_threshold_of_all():
    few = matches(*clear(0, 0.3, 2), *clear(1, 0.8), ground_truths={0: 2, 1: 40})
    many = matches(*clear(0, 0.3), *clear(1, 0.8), ground_truths={0: 40, 1: 40})
    assert choose_for_classes(few)[1][0].threshold > choose_for_classes(many)[1][0].threshold


def test_one_object_does_not_move_the_threshold_far():
    """The score of best F1 would be 0.95."""
    common = choose_for_classes(matches((0, 0, 0.95, True), ground_truths={0: 1}))[0]
    assert abs(common - DEFAULT_THRESHOLD) < 0.1


def test_a_class_without_objects_takes_the_common_threshold():
    common, (_, sword) = choose_for_classes(matches(*clear(0, 0.3), ground_truths={0: 40}))
    assert sword.threshold == common and sword.objects == 0


@given(st.lists(st.tuples(st.integers(0, 7), st.integers(0, 1), st.floats(0, 1), st.booleans()), max_size=30))
def test_any_finds_give_scores_within_bounds_and_the_same_again(detections):
    ground_truths = {index: sum(hit for _, item, _, hit in detections if item == index) + 1 for index in (0, 1)}
    common, chosen = choose_for_classes(matches(*detections, ground_truths=ground_truths))
    assert all(0.04 < score < 0.96 for score in (common, *(item.threshold for item in chosen)))
    assert (common, chosen) == choose_for_classes(matches(*detections, ground_truths=ground_truths))


# --- counting -------------------------------------------------------------------------------------
def test_what_is_shown_counts_hits_false_finds_and_misses():
    two = matches(
        (0, 0, 0.4, True), (0, 0, 0.3, False), (1, 1, 0.4, False), (2, 1, 0.9, True), ground_truths={0: 2, 1: 1}
    )
    assert count_detections(two, 0.35).facts() == {
        "true_positives": 2,
        "false_positives": 1,
        "false_negatives": 1,
        "recall": 2 / 3,
        "F1": 2 / 3,
    }
    assert (
        str(count_detections(two, {"gun": 0.35, "sword": 0.5}))
        == "at its score threshold: 2 of 3 objects, 0 false positives; F1 0.800"
    )
    assert count_detections(two, {"gun": 0.35, "sword": 0.5}, "sword").recall == 1.0
    assert (
        count_detections(matches(count_of_images=0), 0.5).f1 is None
        and count_detections(matches(count_of_images=0), 0.5).recall is None
    )


# --- in use ---------------------------------------------------------------------------------------
def test_each_class_is_shown_from_its_own_score_and_what_was_asked_for_holds_for_all():
    card = Card("small", "", "detect", NAMES, 64, threshold=0.5, thresholds={"gun": 0.3})
    assert thresholds.limits(card) == {"gun": 0.3, "sword": 0.5}
    assert thresholds.limits(card, 0.7) == {"gun": 0.7, "sword": 0.7}
    raw = RawDetections(np.tile(np.float32([0, 0, 9, 9]), (4, 1)), np.float32([0.4, 0.4, 0.2, 0.6]),
                        np.array([0, 1, 0, 1]), None)  # fmt: skip
    detections = postprocess(raw, ResizeTransform((64, 64), (64, 64), 1.0, 1.0), NAMES, np.array([0.3, 0.5]))
    assert (
        detections.labels == ["gun", "sword"]
        and detections.scores is not None
        and detections.scores.tolist() == pytest.approx([0.4, 0.6])
    )


def test_a_model_says_which_score_of_which_class_is_in_use():
    card = Card("small", "", "detect", NAMES, 64, thresholds={"gun": 0.3}, thresholds_chosen_on="16 validation images")
    assert [str(item) for item in thresholds.of_detector(card, None)] == [
        "gun: threshold 0.3, the operating point chosen on 16 validation images",
        "every other class: threshold 0.5, the model's own",
    ]
    assert [str(item) for item in thresholds.of_detector(card, 0.6)] == ["objects: threshold 0.6, as asked"]
    both = msgspec.structs.replace(card, thresholds={"gun": 0.3, "sword": 0.25})
    assert sentences(thresholds.issues(thresholds.of_detector(both, None))) == (
        "thresholds gun 0.3, sword 0.25: the operating points chosen on 16 validation images",
    )
    many = tuple(f"class {number}" for number in range(40))
    card = msgspec.structs.replace(card, classes=many, thresholds=dict.fromkeys(many, 0.25))
    assert sentences(thresholds.issues(thresholds.of_detector(card, None))) == (
        "40 classes: a threshold for each, 0.25 to 0.25 (16 validation images)",
    )


def test_a_card_with_thresholds_that_cannot_be_is_refused(tmp_path: Path):
    for wrong in ({"cat": 0.5}, {"gun": 1.5}, {"gun": -0.1}):
        write_card(Card("small", "mobilenet_v3_large", "detect", NAMES, 64, thresholds=wrong), tmp_path)
        with pytest.raises(WeightsError, match="out of range"):
            read_card(tmp_path)


def test_the_thresholds_of_a_run_go_into_its_card(tmp_path: Path):
    folder = model_folder(tmp_path / "best")
    data = party(tmp_path / "images", 3)
    told = choose_class_thresholds(folder, data)
    card = read_card(folder)
    assert str(told) == f"thresholds by 3 validation images: balloon {card.thresholds['balloon']:.3f}"
    assert card.thresholds_chosen_on == "3 validation images, for the best F1"
    assert load(folder).limits == card.thresholds and load(folder, InferenceOptions(threshold=0.9)).limits == {
        "balloon": 0.9
    }
    assert choose_class_thresholds(folder, data.where(lambda record: False)) is None
