"""The labels of a dataset that a trained model doubts, the surest first."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from maskwright.curate import doubts
from maskwright.issues import Issue
from maskwright.prediction.loading import load_unless_loaded
from maskwright.prediction.options import InferenceOptions
from maskwright.prediction.predictor import Predictor
from maskwright.progress import Progress, silent
from maskwright.tasks.images import OpenedImages
from maskwright.types import Dataset

LOWEST = 0.05  # score from which detections count: the network's own lowest


def doubted(dataset: Dataset, model: str | Path | Predictor, progress: Progress = silent) -> tuple[Issue, ...]:
    """Issues of `curate.doubts` about all labeled images, ranked. Images that cannot be read are left out."""
    options = InferenceOptions(threshold=LOWEST) if isinstance(model, str | Path) else InferenceOptions()
    predictor = load_unless_loaded(model, options, progress)
    opened = OpenedImages(predictor, dataset.usable())
    found: list[Any] = [result for _, result in progress(predictor.batches(iter(opened)), total=len(dataset.usable()),
                                              label="asking the model", unit="images")]  # fmt: skip
    told: list[Issue] = []
    for record, result in zip(opened.data, found, strict=True):
        told += doubts.of_objects(record, result) if predictor.kind.objects else (
            doubts.of_image(record, dataset.names, result))  # fmt: skip
    return doubts.ranked(told)
