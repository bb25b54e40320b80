"""The operating point of a detector: one score threshold for all classes, or one for each class."""

from __future__ import annotations

import msgspec

from maskwright.errors import DatasetError
from maskwright.evaluation.operating_point import Aim, OperatingPoint, of_detections
from maskwright.issues import Kind, Log
from maskwright.prediction.detector import Detector
from maskwright.tasks.base import EvaluationOptions
from maskwright.tasks.detection.evaluation import evaluate
from maskwright.tasks.images import image_groups
from maskwright.types import Dataset
from maskwright.weights.card import Card

THRESHOLD_CHOSEN_ON_TRAINING_IMAGES = Kind(
    "threshold_chosen_on_training_images",
    "warning",
    "{trained} of these {count} images were used to train the model: on others it will detect less, "
    "and the threshold promises too much",
)


def check_images(trained: int, images: int, log: Log) -> None:
    if trained:
        log(THRESHOLD_CHOSEN_ON_TRAINING_IMAGES(trained=trained, count=images))


def choose(
    detector: Detector, data: Dataset, aim: Aim, name: str | None, options: EvaluationOptions
) -> tuple[OperatingPoint, Dataset]:
    """By masks where both sides have them, else by boxes, at IoU 0.5; and the images it was chosen on."""
    evaluation = evaluate(detector, data, options)
    kind = evaluation.metrics.best_kind
    if kind is None or (name is not None and name not in kind.matches.names):
        raise DatasetError(f'no image shows "{name}"', file=data.name, got=", ".join(data.names))
    return of_detections(kind.matches, aim, name, image_groups(evaluation.data)), evaluation.data


def with_threshold(card: Card, point: OperatingPoint, name: str | None, images: int, split: str) -> Card:
    """One for `name` alone, where there are other classes too; else one for all, in place of what was chosen before."""
    facts = {key: value for key, value in point.facts().items() if value is not None}
    facts |= {"images": images, "chosen_on": split}
    if name is not None and len(card.classes) > 1:
        points = {**card.metrics.get("operating_points", {}), name: facts}
        thresholds = card.thresholds | {name: point.threshold}
        return msgspec.structs.replace(card, thresholds=thresholds, metrics=card.metrics | {"operating_points": points})
    metrics = {key: value for key, value in card.metrics.items() if key != "operating_points"}
    return msgspec.structs.replace(
        card,
        threshold=point.threshold,
        thresholds={},
        thresholds_chosen_on="",
        metrics=metrics | {"operating_point": facts},
    )
