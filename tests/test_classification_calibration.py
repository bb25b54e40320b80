"""The temperature fitted at the end of a classifier's training: kept where the images can tell it, else 1."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from maskwright.evaluation.calibration import Temperature, logits_of, scores_of
from maskwright.prediction.image_classifier import ImageClassifier
from maskwright.tasks.classification import calibration
from maskwright.tasks.classification.calibration import calibrate, enough
from maskwright.types import Dataset, Image, ImageLabels, Record
from maskwright.weights import card as cards
from maskwright.weights.card import Card, read_card, write_card

NAMES = ("norust", "rust")


def made(folder: Path, monkeypatch: pytest.MonkeyPatch, rust: np.ndarray, **facts) -> Path:  # type: ignore[no-untyped-def]
    """A model that gives these scores, image for image."""
    write_card(Card("small", "none", "classify", NAMES, 32, **facts), folder)

    class Says(ImageClassifier):
        def __init__(self, card: Card) -> None:
            self.card, self.temperature, self.points = card, card.temperature, {}

        def open(self, source) -> Image:  # type: ignore[no-untyped-def]
            return Image(np.zeros((2, 2, 3), np.uint8))

        def batches(self, images, batch: int = 4):  # type: ignore[no-untyped-def]
            for image, item in zip(images, rust, strict=True):
                raw = scores_of(logits_of(np.array([[1 - item, item]])) / self.temperature)[0]
                yield image, ImageLabels.of(raw, NAMES)

    monkeypatch.setattr(calibration, "load", lambda folder, *_, **__: Says(read_card(folder)))
    return folder


def images(rust: np.ndarray) -> Dataset:
    return Dataset("rust", NAMES, tuple(Record(Path(f"{n}.jpg"), (2, 2), None, labels=(int(item),))
                                        for n, item in enumerate(rust)))  # fmt: skip


def too_sure(count: int, wrong: int) -> tuple[np.ndarray, np.ndarray]:
    """(scores for rust, ground truth): 0.98 or 0.02 every time, and wrong that often."""
    ground_truth = np.arange(count) % 2 == 0
    said = ground_truth ^ (np.arange(count) < wrong)
    return np.where(said, 0.98, 0.02), ground_truth


def test_without_validation_images_nothing_is_said(tmp_path):
    assert calibrate(tmp_path, images(np.zeros(0))) is None


def test_a_model_that_is_too_sure_grows_modest(tmp_path, monkeypatch):
    scores, ground_truth = too_sure(40, 8)
    model = made(tmp_path, monkeypatch, scores)
    told = calibrate(model, images(ground_truth))
    temperature = read_card(model).temperature
    assert temperature == pytest.approx(logits_of(np.array([[0.98]]), True)[0, 0] / np.log(4), rel=1e-3)  # 0.8 is right
    assert told is not None and str(told).startswith(f"temperature {temperature:.2f}, by 40 validation images (8 wrong")


def test_a_second_time_it_finds_the_same(tmp_path, monkeypatch):
    scores, ground_truth = too_sure(40, 8)
    model = made(tmp_path, monkeypatch, scores, operating_points=(cards.CardOperatingPoint("rust", 0.4),))
    calibrate(model, images(ground_truth))
    first = read_card(model)
    calibrate(model, images(ground_truth))
    assert read_card(model) == first and first.operating_points[0].threshold == 0.4


@pytest.mark.parametrize("wrong", [0, 4, 36, 40])
def test_a_handful_of_answers_decides_nothing(tmp_path, monkeypatch, wrong):
    scores, ground_truth = too_sure(40, wrong)
    model = made(tmp_path, monkeypatch, scores)
    told = calibrate(model, images(ground_truth))
    assert told is not None and told.code == "temperature_undecided" and told.values["wrong"] == wrong
    assert read_card(model).temperature == 1.0


def test_a_fit_that_ran_into_its_limit_is_not_believed():
    assert not enough(np.arange(40) < 10, Temperature(20.0, 1.0, 0.9, bounded=True))
    assert enough(np.arange(40) < 10, Temperature(2.0, 1.0, 0.9, bounded=False))
