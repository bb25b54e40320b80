"""Folds: k-fold cross-validation. Every image is evaluated once, by a model that never saw it or its
near-duplicates."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Generic

from maskwright import formats
from maskwright.api import classification_evaluation, detection_evaluation
from maskwright.api.data import Say, data_name, for_task, multi_label, one_name_a_class, outlined
from maskwright.api.evaluate import Figured, evaluate, seen
from maskwright.api.start import newest
from maskwright.api.train import train
from maskwright.api.unreadable import readable
from maskwright.curate import split as dividing
from maskwright.curate.duplicates import find_duplicates, joined
from maskwright.errors import DatasetError
from maskwright.models import registry
from maskwright.prediction.options import InferenceOptions
from maskwright.prediction.predictor import load
from maskwright.progress import Progress, silent
from maskwright.training.recipe import Recipe
from maskwright.training.recipe_io import read_recipe
from maskwright.training.run_folder import RunFolder
from maskwright.types import Dataset


@dataclass(frozen=True)
class CrossValidated(Generic[Figured]):
    """pooled: metrics over all images, each evaluated by the fold that held it back; each: the folds' own metrics."""

    pooled: Figured
    each: list[Figured]
    folders: list[Path]


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
    progress: Progress = silent,
    say: Say = lambda line: None,
    **options: Any,
) -> CrossValidated[Any]:
    """Train and evaluate k times; `options` as for train (a time_budget counts for each fold).

    No fold chooses a checkpoint: the last weights are evaluated, so nothing of a held-back image reaches its evaluate.
    Splits that the data name are set aside; groups and near-duplicates stay together.

    >>> maskwright.cross_validate("party/", k=3, time_budget=600).pooled.mask.intervals["AP50"]
    (0.61, 0.79)
    >>> maskwright.cross_validate("rust/", task="classify", k=5).pooled.auc
    0.99
    """
    faulty = bool(options.get("allow_faulty"))
    whole = (
        data
        if isinstance(data, Dataset)
        else formats.read(
            data,
            allow_faulty=faulty,
            class_attribute=class_attribute,
            connected_components=connected_components,
            annotations=annotations,
            follow_links=follow_links,
        )
    )
    task = _task(options)
    usable = for_task(whole, task).usable()
    usable, left_out = readable(usable, None, progress)
    if left_out is not None:
        say(str(left_out.within(whole.name)))
    several = task == "classify" and multi_label(usable)
    if not faulty:
        one_name_a_class(usable, data)
    name = name or f"{whole.name}-folds"
    parts: list[tuple[Dataset, list[Any]]] = []
    each: list[Any] = []
    folders: list[Path] = []
    rule: dividing.Rule = "near-duplicate"
    if task == "classify":  # known by their group, copies count together in the intervals too
        usable, rule = grouped(usable, progress), lambda record: None
    fewer = "fewer folds (--k), or label images that are no copies and of no common group"
    divided = dividing.k_fold(usable, k, repeats, seed, rule, progress, fewer)
    if task == "segment":
        divided = _evaluated_by_outlines(divided, data)
    for doubt in detection_evaluation.doubts(usable):
        say(doubt)
    options |= _started_from(usable, options.get("weights") or _recipe(options).weights, Path(out), say)
    for number, (kept, held) in enumerate(divided, 1):
        say(f"fold {number} of {k * repeats}: {len(kept)} images to train on, {len(held)} to evaluate by")
        together = replace(whole, records=kept.records, issues=())
        trained = train(
            together, out=out, name=f"{name}-{number}", seed=seed, validate=False, progress=progress, say=say, **options
        )
        plan = RunFolder(trained.folder).recipe()
        find = load(trained.folder / "last", InferenceOptions(device=plan.device, precision=plan.precision))
        evaluated = evaluate(find, held, split="all", bootstrap=0, progress=progress)
        parts.append((evaluated.data, evaluated.detections))
        each.append(evaluated.metrics)
        folders.append(trained.folder)
    if task == "classify":
        return CrossValidated(
            classification_evaluation.metrics_of(parts, usable.names, several, bootstrap, seed), each, folders
        )
    return CrossValidated(detection_evaluation.metrics_of(parts, usable.names, bootstrap, seed), each, folders)


def _started_from(data: Dataset, weights: Any, runs: Path, say: Say) -> dict[str, Any]:
    """Weights that are the same for every fold: a fold that began from the one before would know its images."""
    if weights in ("last", "best"):
        weights = newest(weights, runs)
    if weights is None or not Path(weights).is_dir():
        return {}
    if trained_on := sum(seen(data, weights)):
        say(
            f"{trained_on} of these {len(data)} images were training images of the initial weights: "
            "the metrics are optimistic"
        )
    return {"weights": weights}


def _evaluated_by_outlines(
    divided: list[tuple[Dataset, Dataset]], data: str | Path | Dataset
) -> list[tuple[Dataset, Dataset]]:
    """Images that have boxes and no outlines teach; no mask is evaluated on them."""
    evaluated = [(kept, outlined(held)) for kept, held in divided]
    if bare := sum(not len(held) for _, held in evaluated):
        raise DatasetError(
            "too few images with outlines",
            file=data_name(data),
            expected="one or more in every fold, to evaluate masks by",
            got=f"{bare} of {len(evaluated)} folds without",
            fix="fewer folds (--k), more outlines, or --task detect",
        )
    return evaluated


def _task(options: dict[str, Any]) -> str:
    """What is said, else what the recipe says, else what the model is for."""
    if options.get("recipe") is not None and not options.get("task"):
        return _recipe(options).task
    return options.get("task") or registry.task_of(options.get("model") or "small")


def _recipe(options: dict[str, Any]) -> Recipe:
    base = options.get("recipe") or Recipe()
    return base if isinstance(base, Recipe) else read_recipe(Path(base))


def grouped(data: Dataset, progress: Progress) -> Dataset:
    """The same images, near-duplicates in one group each; a group that the data name swallows what is joined to it."""
    images = [record.image for record in data]
    links = [(pair.first, pair.second) for pair in find_duplicates(images, progress=progress).pairs]
    first: dict[str, int] = {}
    links += [
        (first.setdefault(record.group, index), index) for index, record in enumerate(data) if record.group is not None
    ]
    records = list(data.records)
    for number, places in enumerate(joined(len(records), links)):
        for place in places:
            records[place] = replace(records[place], group=f"group {number}")
    return replace(data, records=tuple(records))
