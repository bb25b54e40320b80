"""The metrics of a network in training: loss and AP on the validation images, which go the way of images in use."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from maskwright.engines.torch_engine import TorchEngine
from maskwright.evaluation.class_thresholds import choose_for_classes
from maskwright.evaluation.detection import evaluate
from maskwright.models.base import training_mode
from maskwright.prediction.predictor import Predictor
from maskwright.training import classification_validation
from maskwright.training.loader import Loader, collate
from maskwright.training.objective import Objective
from maskwright.transforms.augment import NOTHING, view
from maskwright.transforms.training_images import load
from maskwright.types import Dataset

METRICS = ("box_AP", "box_AP50", "mask_AP", "mask_AP50", "accuracy", "AUC")


def validate(
    data: Dataset, engine: TorchEngine, objective: Objective, loader: Loader, still: bool = False
) -> dict[str, Any]:
    """{"val_loss", "box_AP", "box_AP50", "mask_AP", "mask_AP50", "threshold"}; a figure nobody can know is left out.

    threshold  the score from which detections of any class are worth showing (see evaluation.class_thresholds)
    still      the backbone has stood still from the start: a classifier's kept features serve
    A classifier's metrics are those of classifying.py.
    """
    if not len(data):
        return {}
    if engine.card.task == "classify":
        return classification_validation.validate(data, engine, objective, loader, still)
    row: dict[str, Any] = {"val_loss": round(_loss(data, engine, objective, loader), 5)}
    find = Predictor(engine, threshold=0.0, size=loader.size)
    images = (find.open(record.image) for record in data)
    every = [instances for _, instances in find.batches(images, batch=loader.batch)]
    detections = [record.evaluated(instances) for record, instances in zip(data, every, strict=True)]
    target = [record.instances for record in data if record.instances is not None]
    metrics = evaluate(target, detections, [record.size for record in data], names=data.names)
    for kind, evaluated in (("box", metrics.box), ("mask", metrics.mask)):
        if evaluated is not None and evaluated.AP is not None and evaluated.AP50 is not None:
            row |= {f"{kind}_AP": round(evaluated.AP, 5), f"{kind}_AP50": round(evaluated.AP50, 5)}
    chosen = metrics.best_kind
    if chosen is not None and chosen.matches.ground_truth_counted.any():
        row["threshold"] = choose_for_classes(chosen.matches)[0]
    return row


def selection_metric(row: dict[str, Any]) -> float:
    """By which the best epoch is chosen, the higher the better: mask AP, else box AP, else a classifier's loss
    (accuracy and AUC of a few images often stand still while it still tells epochs apart)."""
    if "accuracy" in row:
        return float(np.exp(-row["val_loss"]))
    return row.get("mask_AP", row.get("box_AP")) or 0.0


def _loss(data: Dataset, engine: TorchEngine, objective: Objective, loader: Loader) -> float:
    """The mean training loss on unvaried images, with a fixed choice of anchors and proposals."""
    totals = []
    training_mode(engine.network, train_bn=False)
    with torch.no_grad():
        for index, record in enumerate(data):
            image = load(record, loader.size, loader.window, loader.tile)
            batch = collate([view(image, loader.network_input, NOTHING, np.random.default_rng(0))])
            totals.append(sum(float(value) for value in objective(engine.network, batch, index).values()))
    engine.network.eval()
    return float(np.mean(totals))
