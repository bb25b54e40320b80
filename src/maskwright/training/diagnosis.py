"""After the first epoch: is anything learned at all? If not, what a single batch says about it."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import nn

from maskwright.models.base import stands_still, training_mode
from maskwright.training.feature_cache import FeatureCache
from maskwright.training.loader import Batch, KnownViews, Loader
from maskwright.training.objective import Objective
from maskwright.training.recipe import Recipe

STEPS = 12
LEARNED = 0.9  # a network that works brings the loss of one batch below this fraction in a dozen steps


def diagnose(
    row: dict[str, Any], network: nn.Module, objective: Objective, loader: Loader, recipe: Recipe
) -> str | None:
    """A sentence when nothing is learned yet, None when all is well.

    row  the first epoch's metrics: any AP50 above 0.02, or AUC above 0.6, means that something is learned
    """
    if "val_loss" not in row or max(row.get("mask_AP50", 0.0), row.get("box_AP50", 0.0)) > 0.02:
        return None
    if row.get("AUC", 0.0) > 0.6:
        return None
    before, after = overfit(network, objective, loader, recipe)
    drop = f"the loss of one batch went from {before:.2f} to {after:.2f} in {STEPS} steps"
    if after < LEARNED * before:
        yet = "nothing told apart" if recipe.task == "classify" else "nothing found"
        return f"{yet} yet, but the network learns ({drop}): give it more time, or better --weights"
    better = "" if recipe.weights == "bundled" else ", or --weights bundled"
    what = "images" if recipe.task == "classify" else "outlines"
    return (
        f"nothing is learned ({drop}): look at the {what} with `maskwright show`, try a higher --lr, "
        f"more layers (--layers all){better}"
    )


def overfit(network: nn.Module, objective: Objective, loader: Loader, recipe: Recipe) -> tuple[float, float]:
    """The first and the last loss of a copy of the network trained on one batch alone; the run stays as it is."""
    network = copy.deepcopy(network)
    training_mode(network, recipe.train_bn)
    if stands_still(network):  # what its backbone makes of the batch is then computed once
        objective = Objective(objective.engine, FeatureCache())
        batch: Batch | KnownViews = next(loader.known_views(0, 0, 1, objective.cache))
    else:
        batch = next(loader.epoch(0))
    trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=recipe.stages[0].lr)
    values = []
    for _ in range(STEPS):
        loss = torch.stack(list(objective(network, batch, 0).values())).sum()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, recipe.grad_clip)
        optimizer.step()
        values.append(float(loss.detach()))
    return values[0], values[-1]
