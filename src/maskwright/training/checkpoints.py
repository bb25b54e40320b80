"""What a run saves: best/ (the model of the best epoch), last/ (the newest weights, and the state to resume from)."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import msgspec
import torch

from maskwright.errors import WeightsError
from maskwright.issues import Kind, Log
from maskwright.models.base import Network
from maskwright.training.recipe import Recipe
from maskwright.training.run_folder import RunFolder
from maskwright.training.state import Position, flatten, position_of, tensor_fault, unflatten
from maskwright.weights.card import Card

BEST_REMOVED = Kind(
    "best_removed", "warning", "{file} was removed, and epoch {removed} with it: epoch {epoch} is now the best"
)
RUN_REMOVED = Kind("run_removed", "warning", "{folder} was removed: written again, as far as the run still knows it")


class Checkpoints:
    """Saves and restores the networks, the optimizer and the position of a run in its folder.

    writes  False in all but one process of a training: these only keep count
    """

    writes = True

    def __init__(
        self,
        folder: RunFolder,
        card: Card,
        network: Network,
        averaged: Network,
        optimizer: torch.optim.Optimizer,
        metrics: tuple[str, ...],
        log: Log,
    ) -> None:
        """metrics  names of the columns of the history that a card keeps;  averaged  the network itself without EMA"""
        self.folder, self.card, self.metrics, self.log = folder, card, metrics, log
        self.averaged, self.optimizer = averaged, optimizer
        self.networks = {"network": network} | ({"averaged": averaged} if averaged is not network else {})

    @property
    def best_exists(self) -> bool:
        return self.folder.has_model("best")

    def save_best(self, position: Position, metric: float) -> None:
        """The weights as they are now become the model, with the metrics of the newest epoch."""
        if self.writes and position.best_epoch and not self.best_exists:
            file = self.folder.path / "best"
            self.log(BEST_REMOVED(file=file, removed=position.best_epoch, epoch=position.epoch))
        position.best, position.best_epoch = metric, position.epoch
        if self.writes:
            self.folder.save_model("best", self._card(position.history[-1]), self.averaged.state_dict())

    def save(self, position: Position) -> None:
        """last/: a model and the state."""
        if not self.writes:
            return
        if self.folder.mend():
            self.log(RUN_REMOVED(folder=self.folder.path))
        tensors = {
            f"{prefix}/{name}": value.clone() if prefix == "averaged" else value
            for prefix, network in self.networks.items()
            for name, value in network.state_dict().items()
        }
        names = {id(parameter): name for name, parameter in self.networks["network"].named_parameters()}
        tensors |= flatten(self.optimizer, names)
        card = self._card(position.history[-1] if position.history else {})
        card = msgspec.structs.replace(card, validation_images="")  # no validation image chose the last epoch
        self.folder.save_model("last", card, self.averaged.state_dict())
        self.folder.save_state(tensors, dataclasses.asdict(position))

    def load(self, recipe: Recipe, steps: int) -> Position:
        """Restore the saved weights, averages and optimizer; returns the position. steps  of an epoch"""
        tensors, facts = self.folder.load_state()
        position, fault = position_of(facts, recipe, steps)
        if fault := fault or tensor_fault(tensors, self.networks, self.optimizer, position):
            raise WeightsError(
                "the state of this run does not fit its recipe or its data's classes",
                file=self.folder.state,
                field=fault[0],
                expected=fault[1],
                got=fault[2],
                fix="put recipe.toml and the data back, or start a new run from it: --weights RUN/last",
            )
        for prefix, network in self.networks.items():
            network.load_state_dict({name: tensors[f"{prefix}/{name}"] for name in network.state_dict()})
        unflatten(self.optimizer, dict(self.networks["network"].named_parameters()), tensors)
        return position

    def _card(self, row: Mapping[str, Any]) -> Card:
        metrics = {key: row[key] for key in ("epoch", *self.metrics) if row.get(key) is not None}
        threshold = round(float(row.get("threshold") or self.card.threshold), 3)
        return msgspec.structs.replace(self.card, threshold=threshold, metrics={"validation": metrics})
