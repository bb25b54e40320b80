"""Instance segmentation and detection with boxes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from maskwright.engines.torch_engine import TorchEngine
from maskwright.issues import Log
from maskwright.progress import Progress
from maskwright.tasks.base import Task
from maskwright.tasks.detection import validation
from maskwright.training.loader import Loader
from maskwright.training.step import Objective
from maskwright.types import Dataset


class DetectionTask(Task):
    """The objects of an image: boxes, and masks for segmentation."""

    metrics = ("box_AP", "box_AP50", "mask_AP", "mask_AP50")

    def __init__(self, name: str) -> None:
        self.name = name

    # --- training -----------------------------------------------------------------------------------------------------
    def validate(
        self, data: Dataset, engine: TorchEngine, objective: Objective, loader: Loader, cache_features: bool
    ) -> dict[str, Any]:
        return validation.validate(data, engine, objective, loader)

    def selection_metric(self, row: dict[str, Any]) -> float:
        """Mask AP, else box AP."""
        return row.get("mask_AP", row.get("box_AP")) or 0.0

    def above_chance(self, row: dict[str, Any]) -> bool:
        return max(row.get("mask_AP50", 0.0), row.get("box_AP50", 0.0)) > 0.02

    def summary(self, row: dict[str, Any]) -> str:
        kinds = [kind for kind in ("mask", "box") if f"{kind}_AP" in row]
        return "  ".join(f"{kind} AP {row[f'{kind}_AP']:.3f} AP50 {row[f'{kind}_AP50']:.3f}" for kind in kinds)

    def calibrate(self, model: Path, val: Dataset, device: str, precision: str, progress: Progress, log: Log) -> None:
        """The score threshold of each class."""
        raise NotImplementedError


SEGMENT, DETECT = DetectionTask("segment"), DetectionTask("detect")
