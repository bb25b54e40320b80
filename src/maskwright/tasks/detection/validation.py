"""The metrics of a detector in training: loss and AP on the validation images, predicted as in use."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from maskwright.engines.torch_engine import TorchEngine
from maskwright.evaluation.class_thresholds import choose_for_classes
from maskwright.evaluation.detection import evaluate
from maskwright.models.base import training_mode
from maskwright.prediction.detector import Detector
from maskwright.training.loader import Loader
from maskwright.training.step import Objective
from maskwright.types import Dataset


def validate(data: Dataset, engine: TorchEngine, objective: Objective, loader: Loader) -> dict[str, Any]:
    """{"val_loss", "box_AP", "box_AP50", "mask_AP", "mask_AP50", "threshold"}, without those that are undefined.

    threshold  the score from which detections of any class are worth showing (see evaluation.class_thresholds)
    """
    row: dict[str, Any] = {"val_loss": round(_loss(data, engine, objective, loader), 5)}
    predictor, processes = Detector(engine, threshold=0.0, size=loader.views.size), loader.share.processes
    images = (predictor.open(record.image) for record in processes.share(data.records))
    predictions = [instances for _, instances in predictor.batches(images, batch=loader.batch)]
    predictions = processes.gather_shares(predictions)
    detections = [record.of_labelled_classes(instances) for record, instances in zip(data, predictions, strict=True)]
    ground_truth = [record.instances for record in data if record.instances is not None]
    metrics = evaluate(ground_truth, detections, [record.size for record in data], names=data.names)
    for kind, evaluated in (("box", metrics.box), ("mask", metrics.mask)):
        if evaluated is not None and evaluated.AP is not None and evaluated.AP50 is not None:
            row |= {f"{kind}_AP": round(evaluated.AP, 5), f"{kind}_AP50": round(evaluated.AP50, 5)}
    best = metrics.best_kind
    if best is not None and best.matches.ground_truth_counted.any():
        row["threshold"] = choose_for_classes(best.matches)[0]
    return row


def _loss(data: Dataset, engine: TorchEngine, objective: Objective, loader: Loader) -> float:
    """The mean training loss on images without augmentation, with a fixed sample of anchors and proposals."""
    losses, processes = [], loader.share.processes
    training_mode(engine.network, train_bn=False)
    with torch.no_grad():
        for seed, record in processes.share(list(enumerate(data))):
            by_name = objective(engine.network, loader.unaugmented(record), seed)
            losses.append(sum(float(loss.mean) for loss in by_name.values()))
    engine.network.eval()
    return float(np.mean(processes.gather_shares(losses)))
