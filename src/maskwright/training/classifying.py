"""The figures of a classifier in training, on validation photos that go the way of photos in use."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from maskwright.engines.torch_engine import TorchEngine
from maskwright.evaluation import classification
from maskwright.models.targets import Truth
from maskwright.prediction.predictor import Classifier
from maskwright.training.feature_cache import together
from maskwright.training.loader import Batch, KnownViews, Loader
from maskwright.training.objective import Objective
from maskwright.types import Dataset

LEAST = 1e-6  # a score below it costs no more


def validate(
    data: Dataset, judge: TorchEngine, objective: Objective, loader: Loader, still: bool = False
) -> dict[str, Any]:
    """{"val_loss", "accuracy", "AUC"}; an area that nobody can know (one class only) is left out.

    val_loss  mean surprise at the truth: of its class a photo, with several labels of each yes and no
    still     the backbone stands still: its features of these photos are kept from epoch to epoch
    """
    scores = _kept(data, judge, objective, loader) if still else _scores(data, judge, loader)
    real, several = truth(data), judge.card.multi_label
    figures = classification.evaluate(real, scores, data.names, multi_label=several, bootstrap=0)
    row = {"val_loss": loss(real, scores, several), "accuracy": figures.accuracy, "AUC": figures.auc}
    return {name: round(value, 5) for name, value in row.items() if value is not None}


def _scores(data: Dataset, judge: TorchEngine, loader: Loader) -> np.ndarray:
    find = Classifier(judge, size=loader.size)
    photos = (find.open(record.photo) for record in data)
    return np.stack([verdict.scores for _, verdict in find.batches(photos, batch=loader.batch)])


def _kept(data: Dataset, judge: TorchEngine, objective: Objective, loader: Loader) -> np.ndarray:
    """The same scores, each photo opened and shown to the backbone once in the run."""
    find, scores = Classifier(judge, size=loader.size), []
    judge.network.eval()
    with torch.no_grad(), judge.autocast():
        for place, record in enumerate(data):
            key = (-1 - place, 0)  # beside the training photos, whose rows count from 0
            fresh = {}
            if objective.cache.get(key) is None:
                canvas, _ = judge.fit(find.open(record.photo), loader.size)
                nothing = Truth(torch.zeros(0, 4), torch.zeros(0, dtype=torch.long), None, torch.zeros(0, 4))
                fresh[key] = Batch(canvas[None], [nothing], [str(record.photo)])
            maps = together(objective.views(judge.network, KnownViews([key], fresh)))
            scores.append(judge.network.scores_of(maps)[0].float().cpu().numpy())  # type: ignore[operator]
    return np.stack(scores)


def truth(data: Dataset) -> np.ndarray:
    """n×C bool: what the photos show."""
    table = np.zeros((len(data), len(data.names)), bool)
    for row, record in zip(table, data, strict=True):
        row[list(record.labels or ())] = True
    return table


def loss(real: np.ndarray, scores: np.ndarray, multi_label: bool) -> float:
    sure = np.log(np.maximum(np.where(real, scores, 1 - scores), LEAST))
    return -float(sure.mean() if multi_label else sure[real].mean())
