"""Evaluate: a model against annotated images, with intervals."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic

from maskwright import interop
from maskwright.api.cluster_work import predicted_on
from maskwright.api.data import data_name, relative, same_spelling
from maskwright.api.figures import Plotted, evaluation_figure, metric_rows
from maskwright.api.reading import dataset_of
from maskwright.cluster.cluster import Cluster
from maskwright.errors import DatasetError, RecipeError
from maskwright.evaluation.comparing import Comparison
from maskwright.issues import Issue, Issues, Kind, Log
from maskwright.prediction import threshold_origins as thresholds
from maskwright.prediction.loading import load, load_unless_loaded
from maskwright.prediction.options import AS_TRAINED, InferenceOptions
from maskwright.prediction.predictor import Predictor
from maskwright.prediction.threshold_origins import Threshold
from maskwright.progress import Progress
from maskwright.reporting import reporting
from maskwright.tasks.base import Evaluation, EvaluationOptions, Metrics, ReportContext
from maskwright.tasks.registry import find_task
from maskwright.text import counted
from maskwright.training.run_folder import RunFolder
from maskwright.types import Dataset
from maskwright.weights.card import Card, read_card
from maskwright.weights.image_hashes import image_hash, unpack
from maskwright.weights.sources import model_folder

if TYPE_CHECKING:
    from matplotlib.figure import Figure

EVALUATING_ON = Kind("evaluating_on", "info", "evaluating on {count:image} ({split})")
EVALUATED_ON_TRAINING_IMAGES = Kind(
    "evaluated_on_training_images",
    "warning",
    "{count} of these {total} images was used to train {model}: the metrics measure memorization",
    "{count} of these {total} images were used to train {model}: the metrics measure memorization",
    fix="evaluate on images that the model was not trained on",
)
EVALUATED_ON_SELECTION_IMAGES = Kind(
    "evaluated_on_selection_images",
    "warning",
    "{count} of these {total} images chose the epoch that was kept[ in {model}]: the metrics are optimistic; {fix}",
    fix="evaluate by images that nobody looked at (a test folder), or by `maskwright cross-validate`",
)
EVALUATED_ON_THRESHOLD_IMAGES = Kind(
    "evaluated_on_threshold_images",
    "warning",
    "such images chose the operating point too: what it does here, it was chosen for",
)


@dataclass(frozen=True, repr=False)
class Evaluated(Plotted, Generic[Metrics]):
    """An evaluation and its circumstances; it can be shown as a figure, and is a table in a notebook.

    evaluation  metrics, images and predictions (tasks.base.Evaluation)
    model       its name in the report;  split  which images these are
    thresholds  the score thresholds of the model; the AP of a detector counts detections of every score
    trained, chose  how many of the images the model was trained on, and how many chose its best epoch
    against     the comparison with another model on the same images
    issues      what the metrics cannot say
    """

    evaluation: Evaluation[Metrics]
    model: str
    split: str
    thresholds: tuple[Threshold, ...] = ()
    trained: int = 0
    chose: int = 0
    against: Comparison | None = None
    issues: tuple[Issue, ...] = ()

    def __repr__(self) -> str:
        return f"Evaluated({self.model} on {self.data.name}, {counted(len(self.data), 'image')} ({self.split}))"

    @property
    def metrics(self) -> Metrics:
        return self.evaluation.metrics

    @property
    def data(self) -> Dataset:
        return self.evaluation.data

    @property
    def predictions(self) -> list[Any]:
        return self.evaluation.predictions

    def plot(self) -> Figure:
        """Precision over recall (of a classifier the ROC curve) and the confusion matrix, as a matplotlib Figure."""
        metrics: Any = self.metrics
        return evaluation_figure(metrics)

    def to_pandas(self) -> Any:
        """A DataFrame with one row per class, and one for all (of a classifier the averages)."""
        metrics: Any = self.metrics
        return interop.frame(metric_rows(metrics))

    def facts(self) -> dict[str, Any]:
        metrics: Any = self.metrics
        return {
            "model": self.model,
            "data": self.data.name,
            "split": self.split,
            "images_seen": {"trained_on": self.trained, "chose_the_epoch": self.chose},
            "thresholds": [threshold.facts() for threshold in self.thresholds],
            **self.evaluation.facts,
            **metrics.facts(),
            **({} if self.against is None else {"against": self.against.facts()}),
        }


def evaluate(
    model: str | Path | Predictor[Any],
    data: str | Path | Dataset,
    *,
    split: str | None = None,
    against: str | Path | Predictor[Any] | None = None,
    bootstrap: int = 1000,
    seed: int = 0,
    out: str | Path | None = None,
    allow_faulty: bool = False,
    class_attribute: str | None = None,
    connected_components: bool = False,
    annotations: str | None = None,
    follow_links: bool = False,
    cluster: Cluster | None = None,
    options: InferenceOptions = AS_TRAINED,
    verbose: bool | None = None,
    progress: Progress | None = None,
    log: Log | None = None,
) -> Evaluated[Any]:
    """Evaluate a model by COCO's metrics, each with a 95 % interval over images; a classifier by accuracy, AUC and
    more.

    split  which part of the data: test where there is one, else val, else what the run held back, else everything
    against  another model of the same kind: whether one is better on these images, by McNemar's test of classifiers, by
             the paired bootstrap of AP of detectors
    out    a folder for evaluation.json, evaluation.html and coco_results.json (with the data's own COCO ids where they
           have some; else with coco_images.json, which says what the numbers mean)
    cluster  a Ray cluster whose workers predict the images, by the model's path; None: this process does
    verbose  True prints progress and issues; None: in a notebook. progress, log: reporting of your own

    >>> maskwright.evaluate("runs/party", "party/").metrics.mask.AP50
    0.71
    >>> maskwright.evaluate("runs/rust", "rust/").metrics.accuracy
    0.97
    """
    progress, log = reporting(verbose, progress, log)
    whole = dataset_of(
        data,
        allow_faulty=allow_faulty,
        class_attribute=class_attribute,
        connected_components=connected_components,
        annotations=annotations,
        follow_links=follow_links,
    )
    predictor = load_unless_loaded(model, options, progress)
    task = find_task(predictor.card.task)
    part, which = _part(task.prepare_evaluation(whole), split, model, data)
    part = part.usable()
    _check_usable(part, which, predictor.card, data_name(data))
    if not allow_faulty:
        same_spelling(predictor.card.classes, part, data)
    log(EVALUATING_ON(count=len(part), split=which))
    other = None if against is None else _other(predictor, against, options)
    for issue in thresholds.issues(predictor.thresholds):
        log(replace(issue, wording=issue.wording + task.threshold_note))
    evaluating = EvaluationOptions(bootstrap, seed, progress, log)
    if cluster is not None:
        evaluating = replace(evaluating, predict=predicted_on(cluster, options, log))
    evaluation = task.evaluate(predictor, part, evaluating)
    trained, chose = seen(evaluation.data, model)
    issues = [*_issues(trained, chose, len(evaluation.data), "this model")]
    if chose and predictor.card.operating_points:
        issues.append(EVALUATED_ON_THRESHOLD_IMAGES())
    issues += evaluation.issues
    comparison = None
    if other is not None:
        names = _label(model, "the first"), _label(against, "the second")
        second = task.evaluate(other, evaluation.data, EvaluationOptions(0, 0, progress, Issues()))
        comparison = task.compare(evaluation, second, names)
        issues += _issues(*seen(evaluation.data, against), len(evaluation.data), names[1])
    label = _label(model, predictor.card.model)
    evaluated: Evaluated[Any] = Evaluated(
        evaluation, label, which, predictor.thresholds, trained, chose, comparison, tuple(issues)
    )
    if out is not None:
        context = ReportContext(evaluated.facts(), which, issues, comparison)
        task.write_report(evaluation, predictor, Path(out), context)
    for issue in issues:
        log(issue)
    return evaluated


def _check_usable(part: Dataset, which: str, card: Card, file: str) -> None:
    if not len(part):
        raise DatasetError(
            "there is nothing to evaluate the model by", file=file, expected="labeled images", got=f"0 in {which}"
        )
    if not set(card.classes) & set(part.names):
        raise DatasetError(
            "the model knows none of the classes in these data",
            file=file,
            expected=", ".join(card.classes),
            got=", ".join(part.names) or "no class: nothing is drawn on these images",
        )


def _issues(trained: int, chose: int, images: int, model: str) -> list[Issue]:
    issues = []
    if trained:
        issues.append(EVALUATED_ON_TRAINING_IMAGES(count=trained, total=images, model=model))
    if chose:
        other = "" if model == "this model" else model
        issues.append(EVALUATED_ON_SELECTION_IMAGES(count=chose, total=images, model=other))
    return issues


def _other(
    predictor: Predictor[Any], against: str | Path | Predictor[Any], options: InferenceOptions
) -> Predictor[Any]:
    """The model to compare with, where both can be compared."""
    where = InferenceOptions(device=options.device, precision=options.precision, engine=options.engine)
    other = against if isinstance(against, Predictor) else load(against, where)
    if predictor.card.kind.objects != other.card.kind.objects:
        raise RecipeError(
            "a classifier and a model that finds objects cannot be compared",
            field="against",
            expected=predictor.card.task,
            got=other.card.task,
        )
    return other


def _label(model: object, otherwise: str) -> str:
    return str(model) if isinstance(model, (str, Path)) else otherwise


def _part(whole: Dataset, split: str | None, model: object, data: object) -> tuple[Dataset, str]:
    parts = whole.splits()
    if split is not None and split != "all":
        held = held_back(whole, model, data, split) if split in ("val", "test") and split not in parts else None
        if held is not None:
            return held, f"held back by the run ({split})"
        if split not in parts:
            raise DatasetError(
                f"these data have no {split} images",
                file=whole.name,
                expected=split,
                got=", ".join(parts) or "no splits",
            )
        return parts[split], split
    if split == "all":
        return whole, "all"
    for name in ("test", "val"):
        if name in parts:
            return parts[name], name
    held = held_back(whole, model, data, "test", "val")
    return (held, "held back by the run") if held else (whole, "all")


def held_back(whole: Dataset, model: object, data: object, *parts: str) -> Dataset | None:
    """The images that the model's own run put into the first of these parts that it had, where it ran on these very
    data: it did not learn from them."""
    facts = _facts(model)
    if not isinstance(data, (str, Path)) or facts is None or facts["data"] != str(Path(data).resolve()):
        return None
    held = next((set(names) for part in parts if (names := facts["images"].get(part))), set())
    return whole.where(lambda record: relative(record.image, Path(data)) in held) if held else None


def _facts(model: object) -> dict[str, Any] | None:
    """run.json of the run that made the model; None where it is no run's, or its data were in memory."""
    if not isinstance(model, (str, Path)):
        return None
    run = RunFolder(model_folder(model).parent)
    facts = run.facts() if (run.path / "run.json").is_file() else {"data": None}
    return facts if facts["data"] else None


def seen(part: Dataset, model: object) -> tuple[int, int]:
    """How many of these images the model was trained on, and how many chose its best epoch: by the files that its own
    run names, and by the hashes in its card, which know an image in any folder and under any name."""
    card = model.card if isinstance(model, Predictor) else _card(model)
    trained, chose = (
        {*files, *unpack(hashes)}
        for files, hashes in zip(
            _files_of_run(model),
            ("", "") if card is None else (card.training_images, card.validation_images),
            strict=True,
        )
    )
    hashed = card is not None and (card.training_images or card.validation_images)
    images = [{file, image_hash(file)} if hashed else {file} for file in (record.image.resolve() for record in part)]
    return sum(bool(image & trained) for image in images), sum(bool(image & chose) for image in images)


def _card(model: object) -> Card | None:
    folder = model_folder(str(model)) if isinstance(model, (str, Path)) else None
    return read_card(folder) if folder is not None and folder.is_dir() else None


def _files_of_run(model: object) -> tuple[set[Path], set[Path]]:
    """The images that the model's own run names: those it trained on, and those that chose its best epoch."""
    facts = _facts(model)
    if facts is None:
        return set(), set()
    root = Path(facts["data"])
    root = root.parent if root.is_file() else root
    seen = {which: {(root / name).resolve() for name in names} for which, names in facts["images"].items()}
    best = model_folder(str(model)).name == "best"
    return seen.get("train", set()), seen.get("val", set()) if best else set()
