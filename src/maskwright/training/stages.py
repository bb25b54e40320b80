"""Stages of a run: which layers are trained now, and whether the features of a frozen backbone are cached."""

from __future__ import annotations

from collections.abc import Iterator

from maskwright.issues import Kind, Log
from maskwright.models.base import Network, choose_layers, stands_still
from maskwright.training.feature_cache import FeatureCache
from maskwright.training.loader import Batch, CachedBatch, Loader
from maskwright.training.recipe import Recipe
from maskwright.training.schedule import Schedule
from maskwright.training.state import Position

STAGE_STARTED = Kind("stage_started", "info", "training {layers}: {tensors:tensor}, {parameters:parameter}")


class Stages:
    """Freezes and unfreezes the network's layers as the run goes from stage to stage."""

    def __init__(self, network: Network, recipe: Recipe, schedule: Schedule, cache: FeatureCache, log: Log) -> None:
        self.network, self.recipe, self.schedule, self.cache, self.log = network, recipe, schedule, cache, log

    @property
    def caches_features(self) -> bool:
        """The backbone is frozen, and images come in a few views."""
        return bool(self.recipe.cached_views) and stands_still(self.network)

    def enter(self, position: Position) -> bool:
        """Go to the stage of this position; whether it has just begun."""
        index, stage = self.schedule.stage(self.schedule.fraction(position.step, position.seconds))
        if index == position.stage:
            return False
        position.stage, position.steps_in_stage = index, 0
        self.train(stage.layers)
        if not stands_still(self.network):
            self.cache.clear()  # they are features of a backbone that changes now
        return True

    def batches(self, loader: Loader, position: Position) -> Iterator[Batch] | Iterator[CachedBatch]:
        """The rest of the epoch: new views of the images, or the few of a stage that caches features."""
        self.enter(position)
        if self.caches_features:
            views = self.recipe.cached_views
            return loader.cached_epoch(position.epoch, position.step_in_epoch, views, self.cache)
        return loader.epoch(position.epoch, position.step_in_epoch)

    def restore(self, position: Position) -> None:
        """The layers of a resumed run's stage."""
        if position.stage >= 0:
            self.train(self.recipe.stages[position.stage].layers)

    def train(self, layers: str) -> None:
        """Make these layers trainable, and no others."""
        chosen = choose_layers(self.network, layers)
        count = sum(parameter.numel() for parameter in self.network.parameters() if parameter.requires_grad)
        self.log(STAGE_STARTED(layers=layers, tensors=len(chosen), parameters=count))
        for parameter in self.network.parameters():
            if not parameter.requires_grad:
                parameter.grad = None
