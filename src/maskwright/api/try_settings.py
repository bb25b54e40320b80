"""Try settings: a handful of short runs on one split, each with its interval, before the long run is begun."""

from __future__ import annotations

import itertools
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from maskwright import files
from maskwright.api.evaluate import evaluate
from maskwright.api.train import Trained, recipe_of, train
from maskwright.errors import RecipeError, TrainingError
from maskwright.evaluation.classification_metrics import ClassificationMetrics
from maskwright.issues import Issues, Kind, Log
from maskwright.prediction.options import InferenceOptions
from maskwright.progress import Progress, duration
from maskwright.reporting import reporting
from maskwright.training import distributed
from maskwright.training.run_folder import RunFolder

MOST_RUNS = 12
BUDGET = 180.0  # seconds of each run, where nothing else is asked for
RECORD = "tried.json"
EQUAL = ("epochs", "seed", "task", "time_budget")  # the same for all runs, or nothing could be compared
READING = ("allow_faulty", "class_attribute", "connected_components", "annotations", "follow_links")

TRYING_SETTINGS = Kind(
    "trying_settings", "info", "{count:run} of {each} each{together}, one after the other, in {folder}"
)
TRYING_STARTED = Kind("trying_started", "info", "run {number} of {count}: {settings}")
SETTINGS_TRIED = Kind("settings_tried", "info", "{settings}: {metrics}")
SETTINGS_FAILED = Kind("settings_failed", "warning", "{settings}: {error}")
TRYING_STOPPED = Kind("trying_stopped", "info", "{done} of {count:run} finished and kept: the same command goes on")

Interval = tuple[float, float] | None


@dataclass(frozen=True)
class Try:
    """One run.

    settings   what was tried in it;  run  its folder
    metrics    of its best epoch on the validation images, the one it is ranked by first; {} where training failed
    intervals  of the same names: 95 %, over images
    """

    settings: dict[str, Any]
    run: Path
    metrics: dict[str, float | None] = field(default_factory=dict)
    intervals: dict[str, Interval] = field(default_factory=dict)
    images: int = 0
    epochs: int = 0
    seconds: float = 0.0

    def rank(self) -> tuple[float, ...]:
        return tuple(-1.0 if value is None else value for value in self.metrics.values())


@dataclass(frozen=True)
class Tried:
    """All runs, the best first; `folder` holds them."""

    folder: Path
    runs: tuple[Try, ...]

    @property
    def best(self) -> Try | None:
        """None where every run failed."""
        return self.runs[0] if self.runs and self.runs[0].metrics else None

    def close(self) -> bool:
        """Whether the second best is within the interval of the best: then the order may be chance."""
        if self.best is None or len(self.runs) < 2 or not self.runs[1].metrics:
            return False
        name = next(iter(self.best.metrics))
        interval, second = self.best.intervals.get(name), self.runs[1].metrics[name]
        return interval is not None and second is not None and second >= interval[0]

    def to_dict(self) -> dict[str, Any]:
        return {"folder": self.folder, "runs": [asdict(item) for item in self.runs]}


def try_settings(
    data: str | Path,
    settings: Mapping[str, Sequence[Any]],
    *,
    out: str | Path = "runs",
    name: str | None = None,
    bootstrap: int = 1000,
    verbose: bool | None = None,
    progress: Progress | None = None,
    log: Log | None = None,
    **options: Any,
) -> Tried:
    """Train once with every combination of `settings`, equally long and on the same split, and compare the runs.

    settings  name of a training option -> its values: {"lr": (1e-3, 3e-4), "size": (448, 640)} gives four runs
    options   as for `train`, the same for all; a time_budget (or epochs) counts for each run: three minutes by default
    out, name  the runs are in `out`/`name`-try; without a name that of the data is taken
    verbose   True prints the progress; None: in a notebook. progress, log: reporting of your own

    After Ctrl-C the same call goes on: runs that are finished are kept, the one that was stopped is resumed. The
    validation images chose the epoch of each run and the winner, so its metric is a little optimistic.

    >>> tried = maskwright.try_settings("party/", {"lr": (1e-3, 3e-4)}, time_budget="2m")
    >>> tried.best.settings
    {'lr': 0.0003}
    """
    distributed.refuse("trying settings")
    progress, log = reporting(verbose, progress, log)
    tries = combinations(settings)
    options = {key: value for key, value in options.items() if value is not None}
    if not {"time_budget", "epochs"} & set(options) and options.get("recipe") is None:
        options["time_budget"] = BUDGET
    plans = [recipe_of(options.get("recipe"), {**_without_recipe(options), **chosen}, Issues()) for chosen in tries]
    folder, done = _folder(Path(out), name or _name_of(Path(data)), data, tries, options)
    log(TRYING_SETTINGS(count=len(tries), folder=str(folder), **_budget(plans[0].time_budget, plans[0].epochs, tries)))
    for number, chosen in enumerate(tries[len(done) :], len(done) + 1):
        log(TRYING_STARTED(number=number, count=len(tries), settings=in_words(chosen)))
        try:
            done.append(_tried(data, chosen, folder, options, bootstrap, progress, log))
        except KeyboardInterrupt:
            log(TRYING_STOPPED(done=len(done), count=len(tries)))
            raise
        _record(folder, data, tries, options, done)
    return Tried(folder, tuple(sorted(done, key=Try.rank, reverse=True)))


def combinations(settings: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """Every combination of the values.

    >>> combinations({"lr": (1e-3, 3e-4), "size": (448,)})
    [{'lr': 0.001, 'size': 448}, {'lr': 0.0003, 'size': 448}]
    """
    if not settings or not all(len(values) for values in settings.values()):
        raise RecipeError("there is nothing to try", field="--try", expected="lr=1e-3,3e-4", got="no values")
    for key in settings:
        if key in EQUAL:
            raise RecipeError("this is the same for all runs", field="--try", got=key, fix=f"name it once: --{key}")
    every = [dict(zip(settings, values, strict=True)) for values in itertools.product(*settings.values())]
    if len(every) > MOST_RUNS:
        raise RecipeError(
            "too many runs", field="--try", expected=f"at most {MOST_RUNS} combinations", got=len(every),
            fix="try one setting after the other",
        )  # fmt: skip
    return every


def in_words(settings: Mapping[str, Any]) -> str:
    """ "lr 0.001, size 448"."""
    return ", ".join(f"{key} {value}" for key, value in settings.items())


# --- one run ----------------------------------------------------------------------------------------------------------
def _tried(
    data: str | Path, chosen: dict[str, Any], folder: Path, options: dict[str, Any], bootstrap: int,
    progress: Progress, log: Log,
) -> Try:  # fmt: skip
    run = folder / _file_name(chosen)
    try:
        trained = _trained(data, run, {**options, **chosen}, progress, log)
    except TrainingError as error:
        log(SETTINGS_FAILED(settings=in_words(chosen), error=error))
        return Try(chosen, run)
    evaluated = evaluate(
        trained.folder, data, split="val", bootstrap=bootstrap, progress=progress, log=Issues(),
        options=InferenceOptions(device=options.get("device", "auto"), precision=options.get("precision", "auto")),
        **{key: options[key] for key in READING if key in options},
    )  # fmt: skip
    metrics, intervals = _measured(evaluated.metrics)
    result = Try(chosen, run, metrics, intervals, evaluated.metrics.images, trained.epochs, round(trained.seconds, 1))
    log(SETTINGS_TRIED(settings=in_words(chosen), metrics=", ".join(measured(result))))
    return result


def _trained(data: str | Path, run: Path, options: dict[str, Any], progress: Progress, log: Log) -> Trained:
    if RunFolder(run).state.is_file():
        return train(resume=run, progress=progress, log=log)
    shutil.rmtree(run, ignore_errors=True)  # broken off before its first step
    return train(data, out=run.parent, name=run.name, progress=progress, log=log, **options)


def _measured(metrics: Any) -> tuple[dict[str, float | None], dict[str, Interval]]:
    """The metrics that a run is ranked by, and their intervals."""
    if isinstance(metrics, ClassificationMetrics):
        values = {"accuracy": metrics.accuracy, "AUC": metrics.auc}
        return values, {key: metrics.intervals.get(key) for key in values}
    kind = metrics.best_kind
    if kind is None:
        return {}, {}
    names = ("AP", "AP50")
    return (
        {f"{kind.kind} {key}": getattr(kind, key) for key in names},
        {f"{kind.kind} {key}": kind.intervals.get(key) for key in names},
    )


def measured(result: Try) -> list[str]:
    """ "mask AP 0.563 (0.43 to 0.70)" for each metric."""
    return [f"{key} {with_interval(value, result.intervals.get(key))}" for key, value in result.metrics.items()]


def with_interval(value: float | None, interval: Interval) -> str:
    if value is None:
        return "n/a"
    return f"{value:.3f}" + (f" ({interval[0]:.2f} to {interval[1]:.2f})" if interval else "")


# --- what is kept -----------------------------------------------------------------------------------------------------
def _folder(
    out: Path, name: str, data: str | Path, tries: list[dict[str, Any]], options: dict[str, Any]
) -> tuple[Path, list[Try]]:
    """The folder of the runs, and those that an earlier, unfinished call of the same kind has finished there."""
    folders = (out / stem for stem in files.numbered(f"{name}-try", 200))
    folder = next(folders)
    while folder.exists():
        kept = _read(folder)
        if kept and kept["asked"] == _asked(data, tries, options) and len(kept["runs"]) < len(tries):
            return folder, [Try(**{**row, "run": Path(row["run"])}) for row in kept["runs"]]
        folder = next(folders)
    _record(folder, data, tries, options, [])
    return folder, []


def _read(folder: Path) -> dict[str, Any] | None:
    try:
        return json.loads((folder / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _record(
    folder: Path, data: str | Path, tries: list[dict[str, Any]], options: dict[str, Any], done: list[Try]
) -> None:
    rows = [{**asdict(item), "run": item.run.as_posix()} for item in done]
    document = {"asked": _asked(data, tries, options), "runs": rows}
    files.write_text(folder / RECORD, json.dumps(document, indent=2) + "\n")


def _asked(data: str | Path, tries: list[dict[str, Any]], options: dict[str, Any]) -> dict[str, Any]:
    """What a call asks for, as JSON has it."""
    asked = {"data": str(Path(data).resolve()), "tries": tries, "options": options}
    return json.loads(json.dumps(asked, default=str))


def _without_recipe(options: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in options.items() if key != "recipe"}


def _file_name(chosen: Mapping[str, Any]) -> str:
    text = "_".join(f"{key}-{value}" for key, value in chosen.items())
    return files.shortened("".join(letter if letter.isalnum() or letter in "-_." else "-" for letter in text), 200)


def _name_of(data: Path) -> str:
    return (data.resolve().stem if data.is_file() else data.resolve().name) or "data"


def _budget(seconds: float, epochs: int, tries: list[dict[str, Any]]) -> dict[str, str]:
    if not seconds:
        return {"each": f"{epochs} epochs", "together": ""}
    return {"each": duration(seconds), "together": f", {duration(seconds * len(tries))} of training in all"}
