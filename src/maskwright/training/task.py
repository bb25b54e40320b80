"""What the training loop asks of a task; the whole protocol is in tasks/base.py."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from maskwright.types import Dataset

if TYPE_CHECKING:  # what only predicts needs no torch
    from maskwright.engines.torch_engine import TorchEngine
    from maskwright.training.loader import Loader
    from maskwright.training.step import Objective


class TrainingTask(Protocol):
    """metrics  the validation metrics that a card keeps: columns of results.csv"""

    metrics: tuple[str, ...]

    def validate(
        self, data: Dataset, engine: TorchEngine, objective: Objective, loader: Loader, cache_features: bool
    ) -> dict[str, Any]:
        """{"val_loss": ..., and as many of `metrics` as these images allow}.

        cache_features  the backbone is frozen: what it computed of these images may be cached from epoch to epoch
        """
        ...

    def selection_metric(self, row: dict[str, Any]) -> float:
        """The best epoch is the one where it is highest; 0..1, 0 where nothing is right."""
        ...

    def above_chance(self, row: dict[str, Any]) -> bool:
        """The metrics show that something was learned."""
        ...

    def summary(self, row: dict[str, Any]) -> str:
        """The metrics in a line."""
        ...
