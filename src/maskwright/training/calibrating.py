"""A classifier's temperature: fitted once at the end of training, on the validation images, and kept in its card."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np

from maskwright.evaluation.calibration import Temperature, fit_temperature
from maskwright.prediction.options import InferenceOptions
from maskwright.prediction.predictor import Classifier, load
from maskwright.training.classification_validation import target
from maskwright.types import Dataset
from maskwright.weights.card import read_card, write_card

LEAST = 5  # answers of each kind, right and wrong


def calibrate(model: Path, val: Dataset, device: str = "auto", precision: str = "auto") -> str | None:
    """Fit the temperature of a model folder, keep it in the card, and say so; None without validation images.

    It stays 1 with fewer than five wrong (or five right) answers among the validation images: it is the wrong answers
    that say how far too sure a network is, and where there are two or three of them one image more or less would
    change every score that the model ever gives. It also stays 1 where no value within the limits of the fit is best.

    >>> calibrate(Path("runs/rust/best"), val)
    'temperature 1.83, by 60 validation images (9 wrong answers): their loss 0.52 -> 0.41'
    """
    if not len(val):
        return None
    find = load(model, InferenceOptions(device=device, precision=precision))
    assert isinstance(find, Classifier)
    find.temperature, find.points = 1.0, {}  # what the network itself says, also where it was calibrated before
    predictions = [
        image_labels for _, image_labels in find.batches((find.open(record.image) for record in val), batch=8)
    ]
    scores, real = np.stack([image_labels.scores for image_labels in predictions]), target(val)
    made = fit_temperature(scores, real, multi_label=find.card.multi_label, from_scores=True)
    wrong = _wrong(scores, real, find.card.multi_label)
    about = f"by {len(val)} validation images ({int(wrong.sum())} wrong answers)"
    if not enough(wrong, made):
        return f"temperature left at 1: too little to tell it {about}"
    fitted = round(made.value, 4)
    write_card(msgspec.structs.replace(read_card(model), temperature=fitted), model)
    return f"temperature {fitted:.2f}, {about}: their loss {made.before:.2f} -> {made.after:.2f}"


def enough(wrong: np.ndarray, made: Temperature) -> bool:
    """There are answers enough to believe the fit; wrong: n bool."""
    return not made.bounded and LEAST <= int(wrong.sum()) <= len(wrong) - LEAST


def _wrong(scores: np.ndarray, real: np.ndarray, multi_label: bool) -> np.ndarray:
    """n bool of each answer: an image, or with several labels each yes and no of each image."""
    if multi_label:
        return ((scores >= 0.5) != real).ravel()
    return ~real[np.arange(len(real)), scores.argmax(axis=1)]
