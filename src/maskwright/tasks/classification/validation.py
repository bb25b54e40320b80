"""The metrics of a classifier in training, on the validation images, predicted as in use."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from maskwright.engines.torch_engine import TorchEngine
from maskwright.evaluation import classification
from maskwright.models.base import Targets
from maskwright.prediction.image_classifier import ImageClassifier
from maskwright.training.feature_cache import collate_features
from maskwright.training.loader import Batch, CachedBatch, Loader
from maskwright.training.step import Objective
from maskwright.types import Dataset

MIN_SCORE = 1e-6  # a lower score of the right class costs no more


def validate(
    data: Dataset, engine: TorchEngine, objective: Objective, loader: Loader, cache_features: bool = False
) -> dict[str, Any]:
    """{"val_loss", "accuracy", "AUC"}; the AUC is left out where it is undefined (one class only).

    val_loss  mean negative log likelihood: of the right class of each image, or of each label's yes and no
    """
    scores = _cached_scores(data, engine, objective, loader) if cache_features else _scores(data, engine, loader)
    ground_truth, multi_label = ground_truth_of(data), engine.card.multi_label
    metrics = classification.evaluate(ground_truth, scores, data.names, multi_label=multi_label, bootstrap=0)
    loss = negative_log_likelihood(ground_truth, scores, multi_label)
    row = {"val_loss": loss, "accuracy": metrics.accuracy, "AUC": metrics.auc}
    return {name: round(value, 5) for name, value in row.items() if value is not None}


def _scores(data: Dataset, engine: TorchEngine, loader: Loader) -> np.ndarray:
    classifier = ImageClassifier(engine, size=loader.views.size)
    images = (classifier.open(record.image) for record in loader.share.processes.share(data.records))
    scores = [image_labels.scores for _, image_labels in classifier.batches(images, batch=loader.batch)]
    return np.stack(loader.share.processes.gather_shares(scores))


def _cached_scores(data: Dataset, engine: TorchEngine, objective: Objective, loader: Loader) -> np.ndarray:
    """The same scores; each image is opened, and passes the backbone, once in the run."""
    classifier, scores = ImageClassifier(engine, size=loader.views.size), []
    engine.network.eval()
    with torch.no_grad(), engine.autocast():
        for index, record in loader.share.processes.share(list(enumerate(data))):
            key = (-1 - index, 0)  # beside the training images, whose rows count from 0
            missing = {}
            if objective.cache.get(key) is None:
                network_input, _ = engine.fit(classifier.open(record.image), loader.views.size)
                no_targets = Targets(torch.zeros(0, 4), torch.zeros(0, dtype=torch.long), None, torch.zeros(0, 4))
                missing[key] = Batch(network_input[None], [no_targets], [str(record.image)], [0])
            features = collate_features(objective.views(engine.network, CachedBatch([key], missing, [0])))
            scores.append(engine.network.scores_of(features)[0].float().cpu().numpy())
    return np.stack(loader.share.processes.gather_shares(scores))


def ground_truth_of(data: Dataset) -> np.ndarray:
    """n×C bool: the labels of the images."""
    table = np.zeros((len(data), len(data.names)), bool)
    for row, record in zip(table, data, strict=True):
        row[list(record.labels or ())] = True
    return table


def negative_log_likelihood(ground_truth: np.ndarray, scores: np.ndarray, multi_label: bool) -> float:
    logs = np.log(np.maximum(np.where(ground_truth, scores, 1 - scores), MIN_SCORE))
    return -float(logs.mean() if multi_label else logs[ground_truth].mean())
