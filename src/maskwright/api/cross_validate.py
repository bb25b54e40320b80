"""k-fold cross-validation: every image is evaluated once, by a model that never saw it or its near-duplicates."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic

from maskwright import interop
from maskwright.api.data import data_name, one_name_a_class
from maskwright.api.evaluate import Evaluated, evaluate, seen
from maskwright.api.figures import Plotted, evaluation_figure, metric_rows
from maskwright.api.reading import dataset_of
from maskwright.api.start import newest
from maskwright.api.train import train
from maskwright.curate.split import k_fold
from maskwright.curate.unreadable import readable
from maskwright.errors import DatasetError
from maskwright.issues import Issues, Kind, Log
from maskwright.models import registry
from maskwright.prediction.loading import load
from maskwright.prediction.options import InferenceOptions
from maskwright.progress import Progress
from maskwright.reporting import reporting
from maskwright.tasks.base import EvaluationOptions, Metrics, Task
from maskwright.tasks.registry import find_task
from maskwright.training import distributed
from maskwright.training.recipe import Recipe
from maskwright.training.recipe_io import read_recipe
from maskwright.training.run_folder import RunFolder
from maskwright.types import Dataset

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FOLD_STARTED = Kind(
    "fold_started", "info", "fold {number} of {folds}: {train:image} to train on, {held_back} to evaluate by"
)
START_KNOWS_IMAGES = Kind(
    "start_knows_images",
    "warning",
    "{count} of these {total} images was a training image of the initial weights: the metrics are optimistic",
    "{count} of these {total} images were training images of the initial weights: the metrics are optimistic",
)


@dataclass(frozen=True, repr=False)
class CrossValidated(Plotted, Generic[Metrics]):
    """pooled   metrics over all images, each evaluated by the fold that held it back; these are what `plot` shows
    folds    the metrics of each fold;  folders  its run
    """

    pooled: Metrics
    folds: list[Metrics]
    folders: list[Path]

    def __repr__(self) -> str:
        pooled: Any = self.pooled
        return f"CrossValidated({len(self.folds)} folds, {pooled.images} images)"

    def plot(self) -> Figure:
        """The figure of `Evaluated.plot`, of all images."""
        pooled: Any = self.pooled
        return evaluation_figure(pooled)

    def to_pandas(self) -> Any:
        """A DataFrame with the metrics of each fold ("1", "2", ...) and of all images ("pooled"), class by class."""
        names = [*map(str, range(1, len(self.folds) + 1)), "pooled"]
        several: list[Any] = [*self.folds, self.pooled]
        return interop.frame(
            [
                {"fold": name, **row}
                for name, metrics in zip(names, several, strict=True)
                for row in metric_rows(metrics)
            ]
        )


def cross_validate(
    data: str | Path | Dataset,
    *,
    k: int = 3,
    repeats: int = 1,
    seed: int = 0,
    bootstrap: int = 1000,
    out: str | Path = "runs",
    name: str | None = None,
    class_attribute: str | None = None,
    connected_components: bool = False,
    annotations: str | None = None,
    follow_links: bool = False,
    verbose: bool | None = None,
    progress: Progress | None = None,
    log: Log | None = None,
    **options: Any,
) -> CrossValidated[Any]:
    """Train and evaluate k times; `options` as for train (a time_budget counts for each fold).

    No fold chooses a checkpoint: the last weights are evaluated, so nothing of a held-back image reaches its evaluate.
    Splits that the data name are set aside; groups and near-duplicates stay together.

    verbose  True prints progress and issues; None: in a notebook. progress, log: reporting of your own

    >>> maskwright.cross_validate("party/", k=3, time_budget="10m").pooled.mask.intervals["AP50"]
    (0.61, 0.79)
    >>> maskwright.cross_validate("rust/", task="classify", k=5).pooled.auc
    0.99
    """
    distributed.refuse("cross-validation")
    progress, log = reporting(verbose, progress, log)
    faulty = bool(options.get("allow_faulty"))
    whole = dataset_of(
        data,
        allow_faulty=faulty,
        class_attribute=class_attribute,
        connected_components=connected_components,
        annotations=annotations,
        follow_links=follow_links,
    )
    task = find_task(_task(options))
    usable, left_out = readable(task.prepare(whole).usable(), None, progress)
    if left_out is not None:
        log(left_out.within(whole.name))
    if not faulty:
        one_name_a_class(usable, data)
    usable, rule = task.fold_rule(usable, progress)
    fewer = "fewer folds (--k), or label images that are no copies and of no common group"
    folds = _evaluable(k_fold(usable, k, repeats, seed, rule, progress, fewer), task, data)
    for issue in task.data_issues(usable):
        log(issue)
    options |= _started_from(usable, options.get("weights") or _recipe(options).weights, Path(out), log)
    name = name or f"{whole.name}-folds"
    parts: list[tuple[Dataset, list[Any]]] = []
    metrics: list[Any] = []
    folders: list[Path] = []
    for number, (kept, held_back) in enumerate(folds, 1):
        log(FOLD_STARTED(number=number, folds=k * repeats, train=len(kept), held_back=len(held_back)))
        trained = train(
            replace(whole, records=kept.records, issues=()),
            out=out, name=f"{name}-{number}", seed=seed, validate=False, progress=progress, log=log, **options,
        )  # fmt: skip
        evaluated = _evaluate_last(trained.folder, held_back, progress)
        parts.append((evaluated.data, evaluated.predictions))
        metrics.append(evaluated.metrics)
        folders.append(trained.folder)
    return CrossValidated(task.pool(parts, EvaluationOptions(bootstrap, seed, log=log)), metrics, folders)


def _evaluate_last(run: Path, data: Dataset, progress: Progress) -> Evaluated[Any]:
    plan = RunFolder(run).recipe()
    predictor = load(run / "last", InferenceOptions(device=plan.device, precision=plan.precision))
    return evaluate(predictor, data, split="all", bootstrap=0, progress=progress, log=Issues())


def _started_from(data: Dataset, weights: Any, runs: Path, log: Log) -> dict[str, Any]:
    """Weights that are the same for every fold: a fold that started from the one before would know its images."""
    if weights in ("last", "best"):
        weights = newest(weights, runs)
    if weights is None or not Path(weights).is_dir():
        return {}
    if trained_on := sum(seen(data, weights)):
        log(START_KNOWS_IMAGES(count=trained_on, total=len(data)))
    return {"weights": weights}


def _evaluable(
    folds: list[tuple[Dataset, Dataset]], task: Task, data: str | Path | Dataset
) -> list[tuple[Dataset, Dataset]]:
    """Images that have boxes and no outlines are trained on; no mask is evaluated on them."""
    folds = [(train, task.evaluable(held_back)) for train, held_back in folds]
    if empty := sum(not len(held_back) for _, held_back in folds):
        raise DatasetError(
            "too few images with outlines",
            file=data_name(data),
            expected="one or more in every fold, to evaluate masks by",
            got=f"{empty} of {len(folds)} folds without",
            fix="fewer folds (--k), more outlines, or --task detect",
        )
    return folds


def _task(options: dict[str, Any]) -> str:
    """The task of the options, else of the recipe, else of the model."""
    if options.get("recipe") is not None and not options.get("task"):
        return _recipe(options).task
    return options.get("task") or registry.task_of(options.get("model") or "small")


def _recipe(options: dict[str, Any]) -> Recipe:
    base = options.get("recipe") or Recipe()
    return base if isinstance(base, Recipe) else read_recipe(Path(base))
