"""The optimizer of a recipe, with its groups of parameters."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from maskwright.training.recipe import Recipe
from maskwright.weights.transfer import scores_classes


def make_optimizer(network: nn.Module, recipe: Recipe, on_cpu: bool) -> torch.optim.Optimizer:
    """The learning rate is 0 until the schedule sets it: `group["factor"]` times the rate of the step."""
    groups = _groups(network, recipe)
    if recipe.optimizer == "rmsprop":
        return torch.optim.RMSprop(groups, lr=0.0, alpha=0.9, eps=1e-7)
    # On a CPU the fused step is one pass over each tensor.
    return torch.optim.AdamW(groups, lr=0.0, betas=(0.9, 0.999), fused=on_cpu or None)


def _groups(network: nn.Module, recipe: Recipe) -> list[dict[str, Any]]:
    """Backbone, heads and the layer of class scores have different learning rates; norms and biases do not decay."""
    groups: dict[tuple[float, bool], list[nn.Parameter]] = {}
    for name, parameter in network.named_parameters():
        groups.setdefault((_factor(name, recipe), parameter.ndim > 1), []).append(parameter)
    return [
        {"params": parameters, "factor": factor, "weight_decay": recipe.weight_decay if decays else 0.0}
        for (factor, decays), parameters in groups.items()
    ]


def _factor(name: str, recipe: Recipe) -> float:
    if name.startswith("backbone."):
        return recipe.backbone_lr_scale
    return recipe.new_class_lr_scale if scores_classes(name) else 1.0
