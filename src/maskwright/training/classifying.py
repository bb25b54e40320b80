"""The figures of a classifier in training, on validation photos that go the way of photos in use."""

from __future__ import annotations

from typing import Any

import numpy as np

from maskwright.engines.torch_engine import TorchEngine
from maskwright.evaluation import classification
from maskwright.prediction.predictor import Classifier
from maskwright.types import Dataset

LEAST = 1e-6  # a score below it costs no more


def validate(data: Dataset, judge: TorchEngine, size: int, batch: int) -> dict[str, Any]:
    """{"val_loss", "accuracy", "AUC"}; an area that nobody can know (one class only) is left out.

    val_loss  mean surprise at the truth: of its class a photo, with several labels of each yes and no
    """
    find = Classifier(judge, size=size)
    photos = (find.open(record.photo) for record in data)
    scores = np.stack([verdict.scores for _, verdict in find.batches(photos, batch=batch)])
    real = truth(data)
    figures = classification.evaluate(real, scores, data.names, multi_label=judge.card.multi_label, bootstrap=0)
    row = {"val_loss": loss(real, scores, judge.card.multi_label), "accuracy": figures.accuracy, "AUC": figures.auc}
    return {name: round(value, 5) for name, value in row.items() if value is not None}


def truth(data: Dataset) -> np.ndarray:
    """n×C bool: what the photos show."""
    table = np.zeros((len(data), len(data.names)), bool)
    for row, record in zip(table, data, strict=True):
        row[list(record.labels or ())] = True
    return table


def loss(real: np.ndarray, scores: np.ndarray, multi_label: bool) -> float:
    sure = np.log(np.maximum(np.where(real, scores, 1 - scores), LEAST))
    return -float(sure.mean() if multi_label else sure[real].mean())
