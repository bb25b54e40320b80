"""Task: what training, evaluation, cross-validation and reports ask of segmentation, detection and classification."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from maskwright.issues import Log
from maskwright.progress import Progress
from maskwright.training.task import TrainingTask
from maskwright.types import Dataset


class Task(TrainingTask, Protocol):
    """name  as in a card or recipe"""

    name: str

    def calibrate(self, model: Path, val: Dataset, device: str, precision: str, progress: Progress, log: Log) -> None:
        """At the end of a training: choose on the validation images what the card of `model` keeps."""
        ...
