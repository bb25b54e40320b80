"""After the first epoch: is anything learnt at all? If not, what a single batch says about it."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import torch

from maskwright.models.verbs import training_mode

if TYPE_CHECKING:
    from maskwright.training.loop import Trainer

STEPS = 12
LEARNT = 0.9  # a network that works brings the loss of one batch below this share in a dozen steps


def diagnose(trainer: Trainer, row: dict[str, Any]) -> str | None:
    """A sentence when nothing is learnt yet, None when all is well.

    row  the first epoch's figures: any AP50 above 0.02 means that something is learnt
    """
    if max(row.get("mask_AP50", 0.0), row.get("box_AP50", 0.0)) > 0.02 or not len(trainer.val):
        return None
    before, after = overfit(trainer)
    drop = f"the loss of one batch went from {before:.2f} to {after:.2f} in {STEPS} steps"
    if after < LEARNT * before:
        return f"nothing found yet, but the network learns ({drop}): give it more time, or better --weights"
    better = "" if trainer.recipe.weights == "bundled" else ", or --weights bundled"
    return (
        f"nothing is learnt ({drop}): look at the outlines with `maskwright show`, try a higher --lr, "
        f"more layers (--layers all){better}"
    )


def overfit(trainer: Trainer) -> tuple[float, float]:
    """The first and the last loss of a copy of the network trained on one batch alone; the run stays as it is."""
    network = copy.deepcopy(trainer.network)
    training_mode(network, trainer.recipe.live_norms)
    batch = next(trainer.loader.epoch(0))
    trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=trainer.recipe.stages[0].rate)
    values = []
    for _ in range(STEPS):
        loss = torch.stack(list(trainer.losses(network, batch, 0).values())).sum()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, trainer.recipe.clip)
        optimizer.step()
        values.append(float(loss.detach()))
    return values[0], values[-1]
