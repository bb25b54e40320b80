"""The score threshold of each class: chosen on the validation images at the end of a training, stored in the card."""

from __future__ import annotations

from pathlib import Path

import msgspec

from maskwright.evaluation.class_thresholds import choose_for_classes
from maskwright.issues import Issue, Kind
from maskwright.prediction.detector import Detector
from maskwright.prediction.loading import load
from maskwright.prediction.options import InferenceOptions
from maskwright.progress import Progress, silent
from maskwright.tasks.base import EvaluationOptions
from maskwright.tasks.detection.evaluation import evaluate
from maskwright.tasks.images import image_groups
from maskwright.types import Dataset
from maskwright.weights.card import read_card, write_card

THRESHOLDS_CHOSEN = Kind(
    "thresholds_chosen",
    "info",
    "thresholds by {count} validation image: {thresholds:6}",
    "thresholds by {count} validation images: {thresholds:6}",
)


def choose_class_thresholds(
    model: Path, val: Dataset, device: str = "auto", precision: str = "auto", progress: Progress = silent
) -> Issue | None:
    """Choose them for the best F1 and write them into the card of a model folder; None without validation objects.

    >>> print(choose_class_thresholds(Path("runs/weapons/best"), val))
    thresholds by 16 validation images: gun 0.421, sword 0.553
    """
    if not len(val):
        return None
    detector = load(model, InferenceOptions(device=device, precision=precision))
    assert isinstance(detector, Detector)
    evaluation = evaluate(detector, val, EvaluationOptions(bootstrap=0, progress=progress, log=lambda issue: None))
    kind = evaluation.metrics.best_kind
    if kind is None or not kind.matches.ground_truth_counted.any():
        return None
    common, by_class = choose_for_classes(kind.matches, image_groups(evaluation.data))
    images = len(evaluation.data)
    chosen = {item.name: item.threshold for item in by_class if item.name in detector.card.classes}
    card = msgspec.structs.replace(
        read_card(model),
        threshold=common,
        thresholds=chosen,
        thresholds_chosen_on=f"{images} validation images, for the best F1",
    )
    write_card(card, model)
    thresholds = [f"{name} {score:.3f}" for name, score in chosen.items()]
    return THRESHOLDS_CHOSEN(count=images, thresholds=thresholds)
