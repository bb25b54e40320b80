"""A classifier evaluated: scores of whole images against their labels, as metrics and as a page."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from maskwright import files
from maskwright.api.data import names_of
from maskwright.api.unreadable import Opened
from maskwright.errors import DatasetError
from maskwright.evaluation import classification
from maskwright.evaluation.classification_metrics import ClassificationMetrics, Misclassification
from maskwright.evaluation.comparing import McNemar, mcnemar
from maskwright.prediction.predictor import Classifier
from maskwright.progress import Progress, silent
from maskwright.report import page
from maskwright.report.classification_sections import misclassified, sections_of
from maskwright.report.sections import Text
from maskwright.types import Dataset, ImageLabels
from maskwright.weights.card import Card


@dataclass(frozen=True)
class Evaluated:
    """metrics, the images they are about, and the prediction on each.

    warnings  about images that could not be read
    """

    metrics: ClassificationMetrics
    data: Dataset
    detections: list[ImageLabels]
    warnings: tuple[str, ...] = ()


def evaluate(find: Classifier, data: Dataset, bootstrap: int, seed: int, progress: Progress = silent) -> Evaluated:
    """Every image looked at once. The classes are the model's: an image of a class it does not know is an error."""
    unknown_classes = [name for name, count in data.class_counts().items() if count and name not in find.card.classes]
    if unknown_classes:
        raise DatasetError(
            "these images show classes that the model was not trained on",
            file=data.name,
            expected=", ".join(find.card.classes),
            got=", ".join(unknown_classes),
            fix="name them the same way, or train on them",
        )
    opened = Opened(find, data)
    images = progress(opened, total=len(data), label="looking at images", unit="images")
    detections = [image_labels for _, image_labels in find.batches(images, batch=8)]
    data = opened.data
    metrics = metrics_of([(data, detections)], find.card.classes, find.card.multi_label, bootstrap, seed)
    return Evaluated(metrics, data, detections, tuple(map(str, opened.issues)))


def metrics_of(
    parts: Sequence[tuple[Dataset, Sequence[ImageLabels]]],
    names: tuple[str, ...],
    multi_label: bool,
    bootstrap: int,
    seed: int,
) -> ClassificationMetrics:
    """One evaluation of all images of all parts; images of one group, and one image evaluated twice, count together."""
    records = [record for data, _ in parts for record in data]
    predictions = [image_labels for _, detections in parts for image_labels in detections]
    ground_truth = np.zeros((len(records), len(names)), bool)
    predicted = np.zeros_like(ground_truth)
    images = [(data, record) for data, _ in parts for record in data]
    for row, ((data, record), image_labels) in enumerate(zip(images, predictions, strict=True)):
        ground_truth[row, [names.index(data.names[label]) for label in record.labels or ()]] = True
        predicted[row, list(image_labels.chosen)] = True
    return classification.evaluate(
        ground_truth,
        np.stack([image_labels.scores for image_labels in predictions]),
        names,
        multi_label=multi_label,
        predicted=predicted,
        bootstrap=bootstrap,
        seed=seed,
        groups=[record.group or str(record.image) for record in records],
        image_names=[name for data, _ in parts for name in names_of(data)],
    )


def compared(
    first: ClassificationMetrics, other: Classifier, data: Dataset, names: tuple[str, str], progress: Progress = silent
) -> McNemar:
    """Another model on the same images: which of the two is right where they disagree."""
    second = evaluate(other, data, bootstrap=0, seed=0, progress=progress).metrics
    return mcnemar(first.correct, second.correct, names)


def in_use(card: Card) -> dict[str, Any]:
    """How scores became answers, for JSON: chosen on validation images, and part of the model."""
    return {"operating_points": msgspec.to_builtins(card.operating_points), "temperature": card.temperature}


# --- the page -----------------------------------------------------------------------------------------
def write(
    metrics: ClassificationMetrics,
    facts: dict[str, Any],
    data: Dataset,
    out: Path,
    find: Classifier,
    warnings: Sequence[str] = (),
    against: McNemar | None = None,
) -> None:
    """evaluation.json, scores.csv and evaluation.html in the folder `out`."""
    files.write_text(out / "evaluation.json", json.dumps(facts, indent=2, ensure_ascii=False) + "\n")
    files.write_text(out / "scores.csv", metrics.scores_csv())

    def saliency(mistake: Misclassification) -> np.ndarray | None:
        """What spoke for the answer given; where that was "not rust", what spoke against rust."""
        image, said = find.open(data.records[mistake.image].image), mistake.predicted
        return (
            find.saliency(image, said)
            if said in metrics.names
            else find.saliency(image, mistake.ground_truth, against=True)
        )

    parts = sections_of(metrics, find.card.operating_points, warnings, find.card.temperature)
    behind_metrics = 1 + bool(warnings or metrics.remarks)
    if find.thresholds:
        parts.insert(behind_metrics, Text("From which score on", [str(threshold) for threshold in find.thresholds]))
    if against is not None:
        parts.insert(behind_metrics, Text("Against another model", [against.sentence()]))
    parts.append(misclassified(metrics, lambda place: find.open(data.records[place].image).pixels, saliency))
    files.write_text(out / "evaluation.html", page.render(data.name, parts, f"evaluation of {facts['model']}"))
