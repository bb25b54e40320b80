"""Task: what training, evaluation, cross-validation and reports ask of segmentation, detection and classification."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from maskwright.curate.duplicates import Duplicates
from maskwright.curate.split import Rule
from maskwright.evaluation.comparing import Comparison
from maskwright.evaluation.operating_point import Aim, OperatingPoint
from maskwright.issues import Issue, Log, warn
from maskwright.prediction.predictor import Predictor
from maskwright.progress import Progress, silent
from maskwright.report.sections import Section
from maskwright.tasks.images import PredictedImages, predicted_images
from maskwright.training.task import TrainingTask
from maskwright.types import Dataset
from maskwright.weights.card import Card

Metrics = TypeVar("Metrics")
AnyPredictor = TypeVar("AnyPredictor", bound=Predictor[Any], contravariant=True)


Predicting = Callable[[Predictor[Any], Dataset, Progress], PredictedImages]


@dataclass(frozen=True)
class EvaluationOptions:
    """bootstrap  resamples of the images that give the intervals; 0: no intervals;  seed  of these
    predict    how the images are predicted: in this process, or on a cluster
    """

    bootstrap: int = 1000
    seed: int = 0
    progress: Progress = silent
    log: Log = warn
    predict: Predicting = predicted_images


@dataclass(frozen=True)
class Evaluation(Generic[Metrics]):
    """The predictions of a model on annotated images, and what they are worth.

    data, predictions  the images that could be evaluated, and the result for each, in the same order
    facts              what evaluation.json has beside the metrics, such as the detections at the score thresholds
    notes              the same for people, a line each
    issues             about the images, and what the metrics cannot say
    """

    metrics: Metrics
    data: Dataset
    predictions: list[Any]
    facts: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    issues: tuple[Issue, ...] = ()


@dataclass(frozen=True)
class ReportContext:
    """What a report on an evaluation shows of its circumstances.

    facts   evaluation.json as a whole;  split  which images these are, in words
    """

    facts: Mapping[str, Any]
    split: str
    issues: Sequence[Issue] = ()
    against: Comparison | None = None


@dataclass(frozen=True)
class TrainingReport:
    """How the report of a run names things.

    metrics    {name for people: column of the history}
    chosen_by  how the best epoch was chosen
    curves     heading of the curves of these metrics;  axis  the label of their values
    pictures   what the pictures show
    """

    metrics: Mapping[str, str]
    chosen_by: str
    curves: str
    axis: str
    pictures: str


class Task(TrainingTask, Protocol[AnyPredictor, Metrics]):
    """name  as in a card or recipe;  training_report  the words of the report of a run;  threshold_note  what should
    be known of the score thresholds in an evaluation, in brackets, or \"\""""

    name: str
    training_report: TrainingReport
    threshold_note: str

    # --- data ---------------------------------------------------------------------------------------------------------
    def prepare(self, data: Dataset) -> Dataset:
        """The data as this task sees them in training: boxes without masks, labels of whole images, ..."""
        ...

    def prepare_evaluation(self, data: Dataset) -> Dataset:
        """The same for evaluation, where segmentation accepts boxes too."""
        ...

    def check_training(self, train: Dataset, file: str) -> None:
        """DatasetError where the training images lack what this task learns."""
        ...

    def label_conflicts(self, data: Dataset, duplicates: Duplicates) -> tuple[Issue, ...]:
        """Copies of one image with different labels."""
        ...

    def evaluable(self, data: Dataset) -> Dataset:
        """The images that everything can be evaluated on: of segmentation those with outlines."""
        ...

    def card_facts(self, parts: Mapping[str, Dataset]) -> dict[str, Any]:
        """Fields of the card that follow from the data of a run."""
        ...

    def fold_rule(self, data: Dataset, progress: Progress) -> tuple[Dataset, Rule]:
        """The data of a cross-validation, and the rule that keeps images of one group together."""
        ...

    def data_issues(self, data: Dataset) -> tuple[Issue, ...]:
        """What metrics on these images cannot say."""
        ...

    # --- training -----------------------------------------------------------------------------------------------------
    def initialize(self, network: Any, train: Dataset) -> None:
        """Adapt a network with fresh weights to the frequencies of the classes."""
        ...

    def advice(self, train: Dataset, size: int, tile: int) -> Issue | None:
        """Before the first step: whether another network input would show the objects better."""
        ...

    def calibrate(self, model: Path, val: Dataset, device: str, precision: str, progress: Progress) -> Issue | None:
        """After the last step: choose on the validation images what the card of `model` keeps; None where it cannot."""
        ...

    def examples(self, predictor: AnyPredictor, data: Dataset, heading: str, note: str) -> Section:
        """Results beside their ground truth on a few images, for the report of a run."""
        ...

    # --- evaluation ---------------------------------------------------------------------------------------------------
    def evaluate(self, predictor: AnyPredictor, data: Dataset, options: EvaluationOptions) -> Evaluation[Metrics]:
        """Predict each image once and compare with its annotation."""
        ...

    def pool(self, parts: Sequence[tuple[Dataset, Sequence[Any]]], options: EvaluationOptions) -> Metrics:
        """The metrics of all folds together: (images, predictions) of each, by models of the same classes."""
        ...

    def compare(self, first: Evaluation[Metrics], second: Evaluation[Metrics], names: tuple[str, str]) -> Comparison:
        """Whether one of two models is better on the same images."""
        ...

    def write_report(
        self, evaluation: Evaluation[Metrics], predictor: AnyPredictor, out: Path, context: ReportContext
    ) -> None:
        """evaluation.json, evaluation.html and a table of the predictions in the folder `out`."""
        ...

    # --- thresholds ---------------------------------------------------------------------------------------------------
    def threshold_class(self, card: Card, name: str | None) -> str | None:
        """The class that a threshold is chosen for; None: one threshold for all."""
        ...

    def check_threshold_images(self, trained: int, images: int, file: str, log: Log) -> None:
        """trained  of these images were used to train the model: an issue or an error"""
        ...

    def choose_threshold(
        self, predictor: AnyPredictor, data: Dataset, aim: Aim, name: str | None, options: EvaluationOptions
    ) -> tuple[OperatingPoint, Dataset]:
        """The operating point that serves the aim, and the images it was chosen on."""
        ...

    def with_threshold(self, card: Card, point: OperatingPoint, name: str | None, images: int, split: str) -> Card:
        """The card with that operating point."""
        ...
