"""The SGD of Keras 2.2, with which matterport's Mask R-CNN was trained."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from maskwright.models.matterport.model import MatterportMaskRCNN


class KerasSGD:
    """SGD with momentum, gradients clipped by their common norm, on the layers of a network that are selected.

    The learning rate is part of the velocity, other than in torch.optim.SGD: when it falls, what was gathered at the
    higher one goes on. Momentum and limit are the network's settings.
    """

    def __init__(self, network: MatterportMaskRCNN) -> None:
        self.network = network
        self._velocity: dict[str, Tensor] = {}

    def step(self, batch: Sequence[np.ndarray], lr: float) -> dict[str, float]:
        """One step on a batch of `data_generator`; returns the losses before it."""
        losses, grads = self.network.gradients(batch)
        self.descend(grads, lr)
        return {name: value.item() for name, value in losses.items()}

    @torch.no_grad()
    def descend(self, grads: dict[str, Tensor], lr: float) -> None:
        """v = momentum·v - lr·g; w = w + v, where g is scaled so that the norm over all stays within the limit."""
        settings = self.network.settings
        norm = torch.stack([grad.square().sum() for grad in grads.values()]).sum().sqrt()
        limit = settings.gradient_clip_norm
        scale = limit / norm if limit and norm >= limit else 1.0
        for name, weight in self.network.trained_weights().items():
            velocity = self._velocity.setdefault(name, torch.zeros_like(weight))
            velocity.mul_(settings.learning_momentum).sub_(grads[name] * scale * lr)
            weight.add_(velocity)
