"""Classification of whole images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from maskwright.curate.check import conflicts
from maskwright.curate.duplicates import Duplicates
from maskwright.curate.split import Rule
from maskwright.engines.torch_engine import TorchEngine
from maskwright.evaluation.classification_metrics import ClassificationMetrics
from maskwright.evaluation.comparing import McNemar, mcnemar
from maskwright.evaluation.operating_point import Aim, OperatingPoint
from maskwright.issues import Issue, Log
from maskwright.models.classification.classifier import Classifier
from maskwright.prediction.image_classifier import ImageClassifier
from maskwright.progress import Progress
from maskwright.report.sections import Gallery, Section
from maskwright.tasks.base import Evaluation, EvaluationOptions, ReportContext, Task, TrainingReport
from maskwright.tasks.classification import calibration, evaluation, report, thresholds, validation
from maskwright.tasks.classification import data as data_of
from maskwright.text import counted
from maskwright.training.loader import Loader
from maskwright.training.step import Objective
from maskwright.types import Dataset, ImageLabels
from maskwright.weights.card import Card


class ClassificationTask(Task[ImageClassifier, ClassificationMetrics]):
    """The class of an image, or its labels where it may have several."""

    name = "classify"
    metrics = ("accuracy", "AUC")
    threshold_note = ""
    training_report = TrainingReport(
        metrics={"accuracy": "accuracy", "AUC": "AUC"},
        chosen_by="chosen by the lowest validation loss",
        curves="Validation images, accuracy and AUC",
        axis="",
        pictures="predictions of the best model",
    )

    # --- data ---------------------------------------------------------------------------------------------------------
    def prepare(self, data: Dataset) -> Dataset:
        return data_of.prepare(data)

    def prepare_evaluation(self, data: Dataset) -> Dataset:
        return data_of.prepare(data)

    def check_training(self, train: Dataset, file: str) -> None:
        pass

    def label_conflicts(self, data: Dataset, duplicates: Duplicates) -> tuple[Issue, ...]:
        return tuple(conflicts(data, duplicates))

    def evaluable(self, data: Dataset) -> Dataset:
        return data

    def card_facts(self, parts: Mapping[str, Dataset]) -> dict[str, Any]:
        return {"multi_label": any(data_of.is_multi_label(part) for part in parts.values())}

    def fold_rule(self, data: Dataset, progress: Progress) -> tuple[Dataset, Rule]:
        """Known by their group, near-duplicates count together in the intervals too."""
        return data_of.group_duplicates(data, progress), lambda record: None

    def data_issues(self, data: Dataset) -> tuple[Issue, ...]:
        return ()

    # --- training -----------------------------------------------------------------------------------------------------
    def initialize(self, network: Classifier, train: Dataset) -> None:
        network.weigh(list(train.class_counts().values()), len(train))

    def advice(self, train: Dataset, size: int, tile: int) -> Issue | None:
        return None

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

    def calibrate(self, model: Path, val: Dataset, device: str, precision: str, progress: Progress) -> Issue | None:
        """The temperature of its scores."""
        return calibration.calibrate(model, val, device, precision)

    def examples(self, predictor: ImageClassifier, data: Dataset, heading: str, note: str) -> Section:
        pictures = [report.picture(predictor, record, data.names) for record in data]
        wrong = sum(picture.wrong for picture in pictures)
        framed = f"; framed: {counted(wrong, 'mistake')}" if wrong else ""
        return Gallery(heading, pictures, note + framed)

    # --- evaluation ---------------------------------------------------------------------------------------------------
    def evaluate(
        self, predictor: ImageClassifier, data: Dataset, options: EvaluationOptions
    ) -> Evaluation[ClassificationMetrics]:
        return evaluation.evaluate(predictor, data, options)

    def pool(
        self, parts: Sequence[tuple[Dataset, Sequence[ImageLabels]]], options: EvaluationOptions
    ) -> ClassificationMetrics:
        return evaluation.pool(parts, options)

    def compare(
        self,
        first: Evaluation[ClassificationMetrics],
        second: Evaluation[ClassificationMetrics],
        names: tuple[str, str],
    ) -> McNemar:
        return mcnemar(first.metrics.correct, second.metrics.correct, names)

    def write_report(
        self,
        evaluation: Evaluation[ClassificationMetrics],
        predictor: ImageClassifier,
        out: Path,
        context: ReportContext,
    ) -> None:
        report.write_report(evaluation, predictor, out, context)

    # --- thresholds ---------------------------------------------------------------------------------------------------
    def threshold_class(self, card: Card, name: str | None) -> str | None:
        return thresholds.class_of(card, name)

    def check_threshold_images(self, trained: int, images: int, file: str, log: Log) -> None:
        thresholds.check_images(trained, images, file)

    def choose_threshold(
        self, predictor: ImageClassifier, data: Dataset, aim: Aim, name: str | None, options: EvaluationOptions
    ) -> tuple[OperatingPoint, Dataset]:
        return thresholds.choose(predictor, data, aim, thresholds.class_of(predictor.card, name), options)

    def with_threshold(self, card: Card, point: OperatingPoint, name: str | None, images: int, split: str) -> Card:
        return thresholds.with_threshold(card, point, images, split)


CLASSIFY = ClassificationTask()
