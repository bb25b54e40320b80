"""The metrics of a classifier in training, on validation images that go the way of images in use."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from maskwright.engines.torch_engine import TorchEngine
from maskwright.evaluation import classification
from maskwright.models.base import Targets
from maskwright.prediction.predictor import Classifier
from maskwright.training.feature_cache import together
from maskwright.training.loader import Batch, KnownViews, Loader
from maskwright.training.objective import Objective
from maskwright.types import Dataset

LEAST = 1e-6  # a score below it costs no more


def validate(
    data: Dataset, engine: TorchEngine, objective: Objective, loader: Loader, still: bool = False
) -> dict[str, Any]:
    """{"val_loss", "accuracy", "AUC"}; an area that nobody can know (one class only) is left out.

    val_loss  mean surprise at the ground truth: of its class an image, with several labels of each yes and no
    still     the backbone stands still: its features of these images are kept from epoch to epoch
    """
    scores = _kept(data, engine, objective, loader) if still else _scores(data, engine, loader)
    real, several = target(data), engine.card.multi_label
    metrics = classification.evaluate(real, scores, data.names, multi_label=several, bootstrap=0)
    row = {"val_loss": loss(real, scores, several), "accuracy": metrics.accuracy, "AUC": metrics.auc}
    return {name: round(value, 5) for name, value in row.items() if value is not None}


def _scores(data: Dataset, engine: TorchEngine, loader: Loader) -> np.ndarray:
    find = Classifier(engine, size=loader.size)
    images = (find.open(record.image) for record in data)
    return np.stack([image_labels.scores for _, image_labels in find.batches(images, batch=loader.batch)])


def _kept(data: Dataset, engine: TorchEngine, objective: Objective, loader: Loader) -> np.ndarray:
    """The same scores, each image opened and shown to the backbone once in the run."""
    find, scores = Classifier(engine, size=loader.size), []
    engine.network.eval()
    with torch.no_grad(), engine.autocast():
        for index, record in enumerate(data):
            key = (-1 - index, 0)  # beside the training images, whose rows count from 0
            fresh = {}
            if objective.cache.get(key) is None:
                network_input, _ = engine.fit(find.open(record.image), loader.size)
                nothing = Targets(torch.zeros(0, 4), torch.zeros(0, dtype=torch.long), None, torch.zeros(0, 4))
                fresh[key] = Batch(network_input[None], [nothing], [str(record.image)])
            maps = together(objective.views(engine.network, KnownViews([key], fresh)))
            scores.append(engine.network.scores_of(maps)[0].float().cpu().numpy())  # type: ignore[operator]
    return np.stack(scores)


def target(data: Dataset) -> np.ndarray:
    """n×C bool: what the images show."""
    table = np.zeros((len(data), len(data.names)), bool)
    for row, record in zip(table, data, strict=True):
        row[list(record.labels or ())] = True
    return table


def loss(real: np.ndarray, scores: np.ndarray, multi_label: bool) -> float:
    sure = np.log(np.maximum(np.where(real, scores, 1 - scores), LEAST))
    return -float(sure.mean() if multi_label else sure[real].mean())
