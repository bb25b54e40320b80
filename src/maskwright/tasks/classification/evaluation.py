"""A classifier evaluated: scores of whole images against their labels."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np

from maskwright.errors import DatasetError
from maskwright.evaluation import classification
from maskwright.evaluation.classification_metrics import ClassificationMetrics
from maskwright.prediction.image_classifier import ImageClassifier
from maskwright.tasks.base import Evaluation, EvaluationOptions
from maskwright.tasks.classification.data import is_multi_label
from maskwright.tasks.images import image_groups, image_names
from maskwright.types import Dataset, ImageLabels
from maskwright.weights.card import Card


def evaluate(
    classifier: ImageClassifier, data: Dataset, options: EvaluationOptions
) -> Evaluation[ClassificationMetrics]:
    """Predict each image once. An image of a class that the model does not know is an error."""
    card = classifier.card
    unknown = [name for name, count in data.class_counts().items() if count and name not in card.classes]
    if unknown:
        raise DatasetError(
            "these images show classes that the model was not trained on",
            file=data.name,
            expected=", ".join(card.classes),
            got=", ".join(unknown),
            fix="name them the same way, or train on them",
        )
    predicted = options.predict(classifier, data, options.progress)
    data, predictions = predicted.data, predicted.results
    metrics = _metrics([(data, predictions)], card.classes, card.multi_label, options)
    points = msgspec.to_builtins(card.operating_points)
    facts = {"operating_points": points, "temperature": card.temperature}
    return Evaluation(metrics, data, predictions, facts, _notes(card), predicted.issues)


def pool(parts: Sequence[tuple[Dataset, Sequence[ImageLabels]]], options: EvaluationOptions) -> ClassificationMetrics:
    """One evaluation of all images of all parts; images of one group, and one image evaluated twice, count together."""
    names = parts[0][1][0].names
    return _metrics(parts, names, any(is_multi_label(data) for data, _ in parts), options)


def _metrics(
    parts: Sequence[tuple[Dataset, Sequence[ImageLabels]]],
    names: tuple[str, ...],
    multi_label: bool,
    options: EvaluationOptions,
) -> ClassificationMetrics:
    predictions = [image_labels for _, part in parts for image_labels in part]
    records = [(data, record) for data, _ in parts for record in data]
    ground_truth = np.zeros((len(records), len(names)), bool)
    predicted = np.zeros_like(ground_truth)
    for row, ((data, record), image_labels) in enumerate(zip(records, predictions, strict=True)):
        ground_truth[row, [names.index(data.names[label]) for label in record.labels or ()]] = True
        predicted[row, list(image_labels.chosen)] = True
    metrics = classification.evaluate(
        ground_truth,
        np.stack([image_labels.scores for image_labels in predictions]),
        names,
        multi_label=multi_label,
        predicted=predicted,
        bootstrap=options.bootstrap,
        seed=options.seed,
        groups=[group for data, _ in parts for group in image_groups(data)],
        image_names=[name for data, _ in parts for name in image_names(data)],
    )
    for issue in metrics.issues:
        options.log(issue)
    return metrics


def _notes(card: Card) -> tuple[str, ...]:
    """How scores became labels: chosen on validation images, and part of the model."""
    notes = []
    for point in card.operating_points:
        notes += [f"operating point of {point.name}:", *(f"  {sentence}" for sentence in point.summary)]
    if card.temperature != 1:
        notes.append(f"scores at temperature {card.temperature:.2f}, fitted when it was trained")
    return tuple(notes)
