"""A classifier's temperature: fitted at the end of training on the validation images, and stored in its card."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from maskwright.evaluation.calibration import Temperature, fit_temperature
from maskwright.issues import Issue, Kind
from maskwright.prediction.image_classifier import ImageClassifier
from maskwright.prediction.loading import load
from maskwright.prediction.options import InferenceOptions
from maskwright.tasks.classification.validation import ground_truth_of
from maskwright.types import Dataset
from maskwright.weights.card import read_card, write_card

MIN_ANSWERS = 5  # of each kind, right and wrong
TEMPERATURE_FITTED = Kind(
    "temperature_fitted",
    "info",
    "temperature {temperature:.2f}, by {count} validation images ({wrong} wrong answers): their loss {before:.2f} -> "
    "{after:.2f}",
)
TEMPERATURE_UNDECIDED = Kind(
    "temperature_undecided",
    "info",
    "temperature left at 1: too few answers to tell it by {count} validation images ({wrong} wrong answers)",
)


def calibrate(model: Path, val: Dataset, device: str = "auto", precision: str = "auto") -> Issue | None:
    """Fit the temperature of a model folder and write it into the card; None without validation images.

    It stays 1 with fewer than five wrong (or five right) answers among the validation images: the wrong answers tell
    how overconfident a network is, and where there are two or three of them one image more or less would change every
    score. It also stays 1 where no value within the limits of the fit is best.

    >>> str(calibrate(Path("runs/rust/best"), val))
    'temperature 1.83, by 60 validation images (9 wrong answers): their loss 0.52 -> 0.41'
    """
    if not len(val):
        return None
    classifier = load(model, InferenceOptions(device=device, precision=precision))
    assert isinstance(classifier, ImageClassifier)
    classifier.temperature, classifier.points = 1.0, {}  # the network's own scores, also where it was calibrated before
    images = (classifier.open(record.image) for record in val)
    scores = np.stack([image_labels.scores for _, image_labels in classifier.batches(images, batch=8)])
    ground_truth, multi_label = ground_truth_of(val), classifier.card.multi_label
    fit = fit_temperature(scores, ground_truth, multi_label=multi_label, from_scores=True)
    wrong = _wrong(scores, ground_truth, multi_label)
    about: dict[str, Any] = {"count": len(val), "wrong": int(wrong.sum())}
    if not enough(wrong, fit):
        return TEMPERATURE_UNDECIDED(**about)
    temperature = round(fit.value, 4)
    write_card(msgspec.structs.replace(read_card(model), temperature=temperature), model)
    return TEMPERATURE_FITTED(temperature=temperature, before=fit.before, after=fit.after, **about)


def enough(wrong: np.ndarray, fit: Temperature) -> bool:
    """There are answers enough to believe the fit; wrong: n bool."""
    return not fit.bounded and MIN_ANSWERS <= int(wrong.sum()) <= len(wrong) - MIN_ANSWERS


def _wrong(scores: np.ndarray, ground_truth: np.ndarray, multi_label: bool) -> np.ndarray:
    """n bool, one per answer: an image, or with several labels each yes and no of each image."""
    if multi_label:
        return ((scores >= 0.5) != ground_truth).ravel()
    return ~ground_truth[np.arange(len(ground_truth)), scores.argmax(axis=1)]
