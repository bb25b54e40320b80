"""How long a run will take, from a trial step that changes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from maskwright.models.base import choose_layers, training_mode
from maskwright.training.step import backward

if TYPE_CHECKING:
    from maskwright.training.trainer import Trainer


def seconds_left(trainer: Trainer) -> float:
    """Of training; what validation takes is not counted."""
    recipe = trainer.recipe
    if recipe.time_budget:
        return recipe.time_budget - trainer.position.seconds
    steps = trainer.schedule.total_steps - trainer.position.step
    if recipe.cached_views and recipe.heads_only:
        steps = min(steps, recipe.cached_views * trainer.loader.steps)  # later ones take the features from the cache
    return seconds_per_step(trainer) * steps


def seconds_per_step(trainer: Trainer) -> float:
    """Two forward and backward passes, of which the second one counts.

    Where features are cached it is one pass, on the run's first batch: the features serve the run.
    """
    network, recipe, loader, epoch = trainer.network, trainer.recipe, trainer.loader, trainer.position.epoch
    requires_grad = {name: parameter.requires_grad for name, parameter in network.named_parameters()}
    buffers = {name: value.clone() for name, value in network.named_buffers()}
    choose_layers(network, recipe.stages[-1].layers)
    training_mode(network, recipe.train_bn)
    # Cached features must be those of the final backbone: not where a stage, now or later, changes it.
    cached = trainer.stages.caches_features and recipe.heads_only
    batches = loader.cached_epoch(epoch, 0, recipe.cached_views, trainer.cache) if cached else loader.epoch(epoch)
    batch, seconds = next(iter(batches)), 0.0
    for _ in range(1 if cached else 2):
        began = trainer.clock()
        backward(trainer.objective, network, batch, 0, loader.share.alone)
        seconds = trainer.clock() - began
    trainer.optimizer.zero_grad(set_to_none=True)
    for name, value in network.named_buffers():
        value.copy_(buffers[name])
    for name, parameter in network.named_parameters():
        parameter.requires_grad_(requires_grad[name])
    return seconds
