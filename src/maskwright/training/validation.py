"""The figures of a network in training: loss and AP on the validation photos, which go the way of photos in use."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from maskwright.engines.torch_engine import TorchEngine
from maskwright.evaluation.class_thresholds import choose_for_classes
from maskwright.evaluation.detection import evaluate
from maskwright.models.verbs import training_mode
from maskwright.prediction.predictor import Predictor
from maskwright.samples.augment import NOTHING, view
from maskwright.samples.training_photos import load
from maskwright.training import classifying
from maskwright.training.loader import Loader, collate
from maskwright.training.objective import Objective
from maskwright.types import Dataset

FIGURES = ("box_AP", "box_AP50", "mask_AP", "mask_AP50", "accuracy", "AUC")


def validate(
    data: Dataset, judge: TorchEngine, objective: Objective, loader: Loader, still: bool = False
) -> dict[str, Any]:
    """{"val_loss", "box_AP", "box_AP50", "mask_AP", "mask_AP50", "threshold"}; a figure nobody can know is left out.

    threshold  the score from which finds of any class are worth showing (see evaluation.class_thresholds)
    still      the backbone has stood still from the start: a classifier's kept features serve
    A classifier's figures are those of classifying.py.
    """
    if not len(data):
        return {}
    if judge.card.task == "classify":
        return classifying.validate(data, judge, objective, loader, still)
    row: dict[str, Any] = {"val_loss": round(_loss(data, judge, objective, loader), 5)}
    find = Predictor(judge, threshold=0.0, size=loader.size)
    photos = (find.open(record.photo) for record in data)
    every = [instances for _, instances in find.batches(photos, batch=loader.batch)]
    found = [record.judged(instances) for record, instances in zip(data, every, strict=True)]
    truth = [record.instances for record in data if record.instances is not None]
    figures = evaluate(truth, found, [record.size for record in data], names=data.names)
    for kind, judged in (("box", figures.box), ("mask", figures.mask)):
        if judged is not None and judged.AP is not None and judged.AP50 is not None:
            row |= {f"{kind}_AP": round(judged.AP, 5), f"{kind}_AP50": round(judged.AP50, 5)}
    chosen = figures.best_kind
    if chosen is not None and chosen.matches.truth_counts.any():
        row["threshold"] = choose_for_classes(chosen.matches)[0]
    return row


def merit(row: dict[str, Any]) -> float:
    """By which the best epoch is chosen, the higher the better: mask AP, else box AP, else a classifier's loss
    (accuracy and AUC of a few photos often stand still while it still tells epochs apart)."""
    if "accuracy" in row:
        return float(np.exp(-row["val_loss"]))
    return row.get("mask_AP", row.get("box_AP")) or 0.0


def _loss(data: Dataset, judge: TorchEngine, objective: Objective, loader: Loader) -> float:
    """The mean training loss on unvaried photos, with a fixed choice of anchors and proposals."""
    totals = []
    training_mode(judge.network, live_norms=False)
    with torch.no_grad():
        for place, record in enumerate(data):
            photo = load(record, loader.size, loader.window, loader.tile)
            batch = collate([view(photo, loader.canvas, NOTHING, np.random.default_rng(0))])
            totals.append(sum(float(value) for value in objective(judge.network, batch, place).values()))
    judge.network.eval()
    return float(np.mean(totals))
