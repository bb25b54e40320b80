"""The operating point of a classifier: the score threshold of one class."""

from __future__ import annotations

import msgspec

from maskwright.errors import DatasetError, RecipeError
from maskwright.evaluation.operating_point import Aim, OperatingPoint
from maskwright.evaluation.operating_point import choose as choose_point
from maskwright.prediction.image_classifier import ImageClassifier
from maskwright.tasks.base import EvaluationOptions
from maskwright.tasks.classification.evaluation import evaluate
from maskwright.types import Dataset
from maskwright.weights import card as cards
from maskwright.weights.card import Card

LACKS = ("no", "non", "not", "un", "without")  # norust, not_rust, unripe: the absence of what is looked for


def class_of(card: Card, name: str | None) -> str:
    """The class a threshold is for: of rust and norust it is rust."""
    if name is not None:
        return name
    if len(card.classes) == 2 and not card.multi_label:
        for one, other in (card.classes, card.classes[::-1]):
            if one.casefold().replace("_", "").replace(" ", "") in {lack + other.casefold() for lack in LACKS}:
                return other
    raise RecipeError(
        "a threshold is chosen for one class",
        field="class",
        expected="the class that must be found",
        got="none named",
        fix=" or ".join(f"--class {name}" for name in card.classes[:4]),
    )


def check_images(trained: int, images: int, file: str) -> None:
    """Training images are refused: a classifier with a small head may score each of them 1.00."""
    if trained:
        raise DatasetError(
            "a classifier's threshold is not chosen on its training images",
            file=file,
            expected="images that are new to the model",
            got=f"{trained} of {images} it was trained on",
            fix="name the data it was trained on (the images it held back are taken), or other images with --split all",
        )


def choose(
    classifier: ImageClassifier, data: Dataset, aim: Aim, name: str, options: EvaluationOptions
) -> tuple[OperatingPoint, Dataset]:
    """By the scores of one class; images of one group count together."""
    evaluation = evaluate(classifier, data, options)
    for issue in evaluation.issues:
        options.log(issue)
    metrics = evaluation.metrics
    index = metrics.names.index(name)
    scores, ground_truth = metrics.scores[:, index], metrics.ground_truth[:, index]
    return choose_point(scores, ground_truth, aim, name=name, groups=metrics.groups), evaluation.data


def with_threshold(card: Card, point: OperatingPoint, images: int, split: str) -> Card:
    """Beside those of other classes where an image may show several; else in place of the one before."""
    chosen_on = f"{images} images ({split})"
    new = cards.CardOperatingPoint(point.name, point.threshold, chosen_on, tuple(point.sentences()), point.aim.words)
    others = [other for other in card.operating_points if card.multi_label and other.name != point.name]
    return msgspec.structs.replace(card, operating_points=(*others, new))
