"""Train: annotated images in, a run folder with a model out."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from maskwright import __version__
from maskwright.api import matterport, training_report
from maskwright.api.class_thresholds import keep_class_thresholds
from maskwright.api.data import Say, common_window, multi_label, open_data, relative
from maskwright.api.start import check_weights, hashes_of_start, start_weights
from maskwright.engines import hardware
from maskwright.errors import RecipeError
from maskwright.models import registry
from maskwright.models.base import choose_layers
from maskwright.progress import Progress, silent
from maskwright.training import scale
from maskwright.training.calibrating import calibrate
from maskwright.training.contents import check_unchanged, contents
from maskwright.training.loop import Trainer
from maskwright.training.recipe import Recipe, from_options, read_recipe
from maskwright.training.run_folder import RunFolder
from maskwright.types import Dataset
from maskwright.weights.card import Card
from maskwright.weights.image_hashes import packed, unpacked


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
    on_epoch: Callable[[dict[str, Any]], None] | None = None,
    **options: Any,
) -> Trained:
    """Train on annotated images; the model with the best validation figure is kept.

    data      a folder or annotation file of any format we read, or a Dataset
    recipe    a TOML file or a Recipe; `options` (model=, weights=, epochs=, lr=, ... as on the command line) go on top
    resume    a run's folder: goes on where it stopped, with its own recipe and data (those of a run on data in memory
              are handed over once more)
    validate  False trains on everything not named val or test; the last weights are then the model

    >>> trained = maskwright.train("party/", epochs=10)
    >>> trained.metrics["mask_AP50"]
    0.71
    """
    if resume is not None:
        given = data if isinstance(data, Dataset) else None
        beside = {"DATA": None if given is not None else data, "recipe": recipe, "name": name, **options}
        named = {option for option, value in beside.items() if value is not None}
        return _resume(Path(resume), given, progress, say, on_epoch, named)
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
        say=say,
        progress=progress,
    )
    folder = RunFolder.create(Path(out), name, parts["train"].name)
    held, started_on = contents(parts), hashes_of_start(plan, parts["train"].names, Path(out))
    trainer = _trainer(plan, parts, folder, progress, say, on_epoch, held, started_on)
    say(
        start_weights(
            trainer.network, plan.weights, plan.model, trainer.card.backbone, parts["train"].names, Path(out), progress
        )
    )
    trainer.averaged.load_state_dict(trainer.network.state_dict())
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


def _resume(
    path: Path, given: Dataset | None, progress: Progress, say: Say, on_epoch: Callable | None, also: set[str]
) -> Trained:
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
        say=say,
        progress=progress,
    )
    check_unchanged(parts, _names(parts, root), facts, named or folder.path)
    held = facts["contents"] or contents(parts)
    trainer = _trainer(plan, parts, folder, progress, say, on_epoch, held, facts["started_on"])
    trainer.resume()
    if trainer.ended:
        say(f"this run has come to its end; to train longer: maskwright train DATA --weights {folder.path / 'last'}")
    else:
        say(
            f"going on with {folder.path} at epoch {trainer.at.epoch + 1}, step {trainer.at.step}, "
            f"after {_minutes(trainer.at.seconds)}"
        )
    return _run(trainer, parts, say, progress)


def _trainer(
    plan: Recipe,
    parts: dict[str, Dataset],
    folder: RunFolder,
    progress: Progress,
    say: Say,
    on_epoch: Callable | None,
    held: dict[str, dict[str, str]],
    started_on: str,
) -> Trainer:
    """held  hashes of the images (training/contents.py);  started_on  those that the start has been trained on"""
    import torch

    torch.manual_seed(plan.seed)
    network_row = registry.find(plan.model, plan.task)
    backbone = plan.backbone or network_row.backbones[0]
    names = parts["train"].names
    several = plan.task == "classify" and any(multi_label(part) for part in parts.values())
    network = registry.build(plan.task, plan.model, backbone, len(names), plan.size, several)
    if plan.task == "classify":
        network.weigh(list(parts["train"].class_counts().values()), len(parts["train"]))
    card = Card(
        plan.model,
        backbone,
        plan.task,
        names,
        plan.size,
        trained_on=f"{parts['train'].name}: {len(parts['train'])} images",
        training_images=packed([*unpacked(held["train"]["images"]), *unpacked(started_on)]),
        validation_images=packed(unpacked(held["val"]["images"])),
        started_from=plan.weights,
        maskwright=__version__,
        window=common_window(parts["train"]),
        tile=plan.tile,
        multi_label=several,
        mean=network_row.mean,
        std=network_row.std,
    )
    callbacks = [_teller(say)] + ([on_epoch] if on_epoch else [])
    return Trainer(
        plan, network, card, parts["train"], parts["val"], folder, progress=progress, say=say, on_epoch=callbacks
    )


def _run(trainer: Trainer, parts: dict[str, Dataset], say: Say, progress: Progress) -> Trained:
    plan = trainer.recipe
    counts = ", ".join(f"{len(part)} {which}" for which, part in parts.items())
    if not trainer.ended:
        say(
            f"{plan.model} on {hardware.describe(trainer.engine.device, trainer.engine.precision)}; images: {counts}; "
            f"network input {trainer.loader.network_input[1]}x{trainer.loader.network_input[0]}; {_expected(trainer)}"
        )
        if plan.task != "classify" and not plan.tile and (told := scale.advice(parts["train"], plan.size)):
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
    if plan.task == "classify" and (told := calibrate(folder / "best", parts["val"], plan.device, plan.precision)):
        say(told)
    if plan.task != "classify":
        told = keep_class_thresholds(folder / "best", parts["val"], plan.device, plan.precision, progress)
        if told:
            say(told)
    training_report.write(folder, trainer, parts)
    at = trainer.at
    best = at.history[at.best_epoch - 1] if at.history else {}
    metrics = {key: value for key, value in best.items() if key.startswith(("box_", "mask_", "accuracy", "AUC"))}
    return Trained(folder, folder / "best", at.epoch, at.best_epoch, at.seconds, metrics)


def _expected(trainer: Trainer) -> str:
    """How long it will take: the budget, or a trial step times the steps to come."""
    if trainer.recipe.time_budget:
        left = _minutes(trainer.recipe.time_budget - trainer.at.seconds)
        return f"{left} of training to go, and then the time of the last validation and the report"
    steps = costly = trainer.schedule.total_steps - trainer.at.step
    if trainer.recipe.cached_views and all(stage.layers == "heads" for stage in trainer.recipe.stages):
        costly = min(steps, trainer.recipe.cached_views * trainer.loader.steps)  # then the backbone's work is kept
    expected = _minutes(trainer.seconds_per_step() * costly)
    return f"about {expected} for {trainer.recipe.epochs} epochs of {trainer.loader.steps} steps"


def _minutes(seconds: float) -> str:
    return f"{max(seconds, 0):.0f} seconds" if seconds < 100 else f"{seconds / 60:.0f} minutes"


def _teller(say: Say) -> Callable[[dict[str, Any]], None]:
    began = time.monotonic()

    def tell(row: dict[str, Any]) -> None:
        kinds = [
            f"{kind} AP {row[f'{kind}_AP']:.3f} AP50 {row[f'{kind}_AP50']:.3f}"
            for kind in ("mask", "box")
            if f"{kind}_AP" in row
        ]
        kinds += [f"{name} {row[name]:.3f}" for name in ("accuracy", "AUC") if name in row]
        loss = f"loss {row['loss']:.3f}" + (f", validation {row['val_loss']:.3f}" if "val_loss" in row else "")
        say(f"epoch {row['epoch']:>3}  {loss}  {'  '.join(kinds)}  ({_minutes(time.monotonic() - began)})")

    return tell
