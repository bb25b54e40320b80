"""From which score on something is said, and who says so: the same sentence for every model."""

from __future__ import annotations

import json

import msgspec
import numpy as np
import pytest
from class_images import Taster
from tiny_runs import Seer

from maskwright.api.predict import predict
from maskwright.api.watch import watch
from maskwright.issues import Issues
from maskwright.prediction import threshold_origins as thresholds
from maskwright.prediction.detector import Detector
from maskwright.prediction.image_classifier import ImageClassifier
from maskwright.prediction.predictor import Predictor
from maskwright.prediction.screening import Screening
from maskwright.prediction.threshold_origins import SCORE_THRESHOLD
from maskwright.types import Image
from maskwright.weights.card import Card, CardOperatingPoint

RED = CardOperatingPoint("red", 0.31, "42 images (val)", ("Threshold 0.31",), "recall at least 0.99")
TOLD = "red: threshold 0.31, the operating point chosen on 42 images (val) for recall at least 0.99"
KEPT = {"threshold": 0.31, "aim": "best F1", "images": 12, "chosen_on": "val"}


def words(find: Predictor | Screening) -> list[str]:
    return [str(threshold) for threshold in find.thresholds]


def classifier(asked: float | None = None, **card: object) -> ImageClassifier:
    return ImageClassifier(Taster(**card), asked)  # type: ignore[arg-type]


def detector(**card: object) -> Card:
    return msgspec.structs.replace(Seer().card, **card)


# --- of classifiers -----------------------------------------------------------------------------
def test_where_the_best_class_is_said_no_score_decides():
    assert classifier().thresholds == ()


def test_an_operating_point_names_its_images_and_its_aim():
    assert words(classifier(operating_points=(RED,))) == [TOLD]


def test_a_card_from_before_does_not_know_the_aim():
    old = CardOperatingPoint("red", 0.31, "42 images (val)")
    assert words(classifier(operating_points=(old,))) == [
        "red: threshold 0.31, the operating point chosen on 42 images (val)"
    ]


def test_what_is_asked_for_goes_first():
    assert words(classifier(0.8, operating_points=(RED,))) == ["red: threshold 0.8, as asked"]


def test_with_several_labels_the_other_classes_are_told_too():
    assert words(classifier(multi_label=True)) == ["every class: threshold 0.5, the model's own"]
    assert words(classifier(multi_label=True, operating_points=(RED,))) == [
        TOLD, "every other class: threshold 0.5, the model's own"
    ]  # fmt: skip
    assert words(classifier(0.8, multi_label=True)) == ["every class: threshold 0.8, as asked"]


# --- of detectors -------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("metrics", "told"),
    [
        ({}, "the model's own"),
        ({"operating_point": KEPT}, "the operating point chosen on 12 images (val) for best F1"),
        (
            {"operating_point": {**KEPT, "class": "red"}},
            "the operating point chosen on 12 images (val) for best F1 of red",
        ),
        ({"operating_point": {**KEPT, "threshold": 0.4}}, "the model's own"),  # the card was edited since
        ({"operating_point": "high"}, "the model's own"),
    ],
)
def test_a_detector_says_it_in_the_same_way(metrics, told):
    (only,) = thresholds.of_detector(detector(threshold=0.31, metrics=metrics), None)
    assert str(only) == f"objects: threshold 0.31, {told}"


def test_a_detector_too_says_what_was_asked_for():
    assert words(Detector(Seer(), 0.7)) == ["objects: threshold 0.7, as asked"]  # type: ignore[arg-type]


# --- where it is said ---------------------------------------------------------------------------
def test_predict_says_it_and_every_result_carries_it(tmp_path):
    issues = Issues()
    image = Image(np.full((48, 64, 3), (150, 50, 0), np.uint8), "a")
    find = classifier(operating_points=(RED,))
    done = predict(find, [image, image], out=tmp_path, save=("json", "jsonl"), log=issues)
    assert [str(issue) for issue in SCORE_THRESHOLD.among(issues)] == [TOLD]
    fact = {"name": "red", "threshold": 0.31, "from": "operating point",
            "chosen_on": "42 images (val) for recall at least 0.99"}  # fmt: skip
    lines = [json.loads(line) for line in (tmp_path / "predictions.jsonl").read_text().splitlines()]
    assert (
        [item["thresholds"] for item in lines]
        == [[fact], [fact]]
        == [item.facts()["thresholds"] for item in done.images]
    )
    assert "thresholds" not in predict(classifier(), image).images[0].facts()


def test_two_models_say_both():
    find = Screening(classifier(operating_points=(RED,)), Detector(Seer()))  # type: ignore[arg-type]
    own = "objects: threshold 0.5, the model's own"
    assert words(find) == [TOLD, own]
    find.threshold = 0.9
    assert words(find) == ["red: threshold 0.9, as asked", own]


def test_a_watch_writes_it_on_each_line(tmp_path):
    from PIL import Image as PilImage

    (tmp_path / "belt").mkdir()
    PilImage.new("RGB", (64, 48), (150, 50, 0)).save(tmp_path / "belt" / "a.png")
    said = next(iter(watch(classifier(operating_points=(RED,)), tmp_path / "belt", out=tmp_path / "out", every=0.01)))
    assert said.facts()["thresholds"][0]["threshold"] == 0.31
