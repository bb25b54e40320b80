"""Instance segmentation, and detection with boxes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from maskwright.curate.duplicates import Duplicates
from maskwright.curate.split import Rule
from maskwright.engines.torch_engine import TorchEngine
from maskwright.evaluation.comparing import PairedAP, compare_detectors
from maskwright.evaluation.detection_metrics import DetectionMetrics
from maskwright.evaluation.operating_point import Aim, OperatingPoint
from maskwright.issues import Issue, Log
from maskwright.prediction.detector import Detector
from maskwright.progress import Progress
from maskwright.report.sections import Section
from maskwright.tasks.base import Evaluation, EvaluationOptions, ReportContext, Task, TrainingReport
from maskwright.tasks.detection import class_thresholds, evaluation, images, report, scale, thresholds, validation
from maskwright.tasks.detection import data as data_of
from maskwright.training.loader import Loader
from maskwright.training.step import Objective
from maskwright.types import Dataset, Instances
from maskwright.types.task_kind import TASK_KINDS, TaskKind
from maskwright.weights.card import Card


class DetectionTask(Task[Detector, DetectionMetrics]):
    """The objects of an image: boxes, and masks for segmentation."""

    metrics = ("box_AP", "box_AP50", "mask_AP", "mask_AP50")
    threshold_note = " (AP counts every score)"
    training_report = TrainingReport(
        metrics={"mask AP": "mask_AP", "mask AP50": "mask_AP50", "box AP": "box_AP", "box AP50": "box_AP50"},
        chosen_by="no interval: this metric chose the epoch",
        curves="Average precision on the validation images",
        axis="AP",
        pictures="detections of the best model",
    )

    def __init__(self, kind: TaskKind) -> None:
        self.name, self.kind = kind.name, kind

    # --- data ---------------------------------------------------------------------------------------------------------
    def prepare(self, data: Dataset) -> Dataset:
        return data_of.prepare(data, self.kind)

    def prepare_evaluation(self, data: Dataset) -> Dataset:
        return data

    def check_training(self, train: Dataset, file: str) -> None:
        if self.kind.masks:
            data_of.check_outlines(train, file)

    def label_conflicts(self, data: Dataset, duplicates: Duplicates) -> tuple[Issue, ...]:
        return ()

    def evaluable(self, data: Dataset) -> Dataset:
        return data_of.with_outlines(data) if self.kind.masks else data

    def card_facts(self, parts: Mapping[str, Dataset]) -> dict[str, Any]:
        return {}

    def fold_rule(self, data: Dataset, progress: Progress) -> tuple[Dataset, Rule]:
        return data, "near-duplicate"

    def data_issues(self, data: Dataset) -> tuple[Issue, ...]:
        return evaluation.data_issues(data)

    # --- training -----------------------------------------------------------------------------------------------------
    def initialize(self, network: Any, train: Dataset) -> None:
        pass

    def advice(self, train: Dataset, size: int, tile: int) -> Issue | None:
        return None if tile else scale.advice(train, size)

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

    def calibrate(self, model: Path, val: Dataset, device: str, precision: str, progress: Progress) -> Issue | None:
        """The score threshold of each class."""
        return class_thresholds.choose_class_thresholds(model, val, device, precision, progress)

    def examples(self, predictor: Detector, data: Dataset, heading: str, note: str) -> Section:
        compared = evaluation.evaluate(predictor, data, EvaluationOptions(bootstrap=0, log=lambda issue: None))
        return images.compared_images(compared, predictor, heading, note, order="best")

    # --- evaluation ---------------------------------------------------------------------------------------------------
    def evaluate(self, predictor: Detector, data: Dataset, options: EvaluationOptions) -> Evaluation[DetectionMetrics]:
        return evaluation.evaluate(predictor, data, options)

    def pool(
        self, parts: Sequence[tuple[Dataset, Sequence[Instances]]], options: EvaluationOptions
    ) -> DetectionMetrics:
        return evaluation.pool(parts, options)

    def compare(
        self, first: Evaluation[DetectionMetrics], second: Evaluation[DetectionMetrics], names: tuple[str, str]
    ) -> PairedAP:
        return compare_detectors(first.metrics, second.metrics, names)

    def write_report(
        self, evaluation: Evaluation[DetectionMetrics], predictor: Detector, out: Path, context: ReportContext
    ) -> None:
        report.write_report(evaluation, predictor, out, context)

    # --- thresholds ---------------------------------------------------------------------------------------------------
    def threshold_class(self, card: Card, name: str | None) -> str | None:
        return name

    def check_threshold_images(self, trained: int, images: int, file: str, log: Log) -> None:
        thresholds.check_images(trained, images, log)

    def choose_threshold(
        self, predictor: Detector, data: Dataset, aim: Aim, name: str | None, options: EvaluationOptions
    ) -> tuple[OperatingPoint, Dataset]:
        return thresholds.choose(predictor, data, aim, name, options)

    def with_threshold(self, card: Card, point: OperatingPoint, name: str | None, images: int, split: str) -> Card:
        return thresholds.with_threshold(card, point, name, images, split)


SEGMENT, DETECT = DetectionTask(TASK_KINDS["segment"]), DetectionTask(TASK_KINDS["detect"])
