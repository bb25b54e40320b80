"""Classification of whole images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from maskwright.engines.torch_engine import TorchEngine
from maskwright.issues import Log
from maskwright.progress import Progress
from maskwright.tasks.base import Task
from maskwright.tasks.classification import calibration, validation
from maskwright.training.loader import Loader
from maskwright.training.step import Objective
from maskwright.types import Dataset


class ClassificationTask(Task):
    """The class of an image, or its labels where it may have several."""

    name = "classify"
    metrics = ("accuracy", "AUC")

    # --- training -----------------------------------------------------------------------------------------------------
    def validate(
        self, data: Dataset, engine: TorchEngine, objective: Objective, loader: Loader, cache_features: bool
    ) -> dict[str, Any]:
        return validation.validate(data, engine, objective, loader, cache_features)

    def selection_metric(self, row: dict[str, Any]) -> float:
        """The validation loss: on a few images accuracy and AUC often stand still while it still tells epochs apart."""
        return float(np.exp(-row["val_loss"])) if "val_loss" in row else 0.0

    def above_chance(self, row: dict[str, Any]) -> bool:
        return row.get("AUC", 0.0) > 0.6

    def summary(self, row: dict[str, Any]) -> str:
        return "  ".join(f"{name} {row[name]:.3f}" for name in self.metrics if name in row)

    def calibrate(self, model: Path, val: Dataset, device: str, precision: str, progress: Progress, log: Log) -> None:
        """The temperature of its scores."""
        if issue := calibration.calibrate(model, val, device, precision):
            log(issue)


CLASSIFY = ClassificationTask()
