"""Callbacks: what happens at the start of a run and after each epoch beside the training itself.

class Tell(maskwright.Callback):
    def on_epoch_end(self, trainer, row):
        print(row["epoch"], row["loss"])

maskwright.train("party/", callbacks=[Tell()])
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from maskwright.errors import OutputError
from maskwright.issues import Kind, Log, warn
from maskwright.progress import Progress, duration, silent
from maskwright.training.diagnosis import STEPS, diagnose
from maskwright.training.events import write_events

if TYPE_CHECKING:
    from maskwright.training.trainer import Trainer

EPOCH_FINISHED = Kind(
    "epoch_finished", "info", "epoch {epoch:>3}  loss {loss:.3f}[, validation {val_loss:.3f}][  {metrics}]  ({elapsed})"
)
STOPPED_EARLY = Kind(
    "stopped_early",
    "info",
    "no better validation metric for {patience:epoch}: stopped early ({fix})",
    fix="--patience 0 trains all epochs",
)
HISTORY_NOT_WRITTEN = Kind("history_not_written", "warning", "{reason}")

Row = dict[str, Any]
"""The metrics of one epoch: epoch, step, seconds, lr, loss, loss_NAME, val_loss and the task's validation metrics."""


class Callback:
    """Override what is needed. `trainer` gives access to the run: network, position, folder, log, ..."""

    def on_train_begin(self, trainer: Trainer) -> None:
        """Before the first epoch, also of a resumed run."""

    def on_epoch_end(self, trainer: Trainer, row: Row) -> None:
        """After validation; `row` is the newest of `trainer.position.history`. `trainer.stop()` ends the run."""

    def on_train_end(self, trainer: Trainer) -> None:
        """After the last epoch; not where the run was interrupted."""

    def on_train_failed(self, trainer: Trainer) -> None:
        """After Ctrl-C or an error, in place of on_train_end."""


@dataclass(frozen=True)
class Hooks:
    """What watches a run: callbacks beside the default ones, progress bars, issues; and the clock it is timed by."""

    callbacks: Sequence[Callback] = ()
    progress: Progress = silent
    log: Log = warn
    clock: Callable[[], float] = time.monotonic


class OnEpochEnd(Callback):
    """Calls a function with the metrics of each epoch."""

    def __init__(self, function: Callable[[Row], object]) -> None:
        self._function = function

    def on_epoch_end(self, trainer: Trainer, row: Row) -> None:
        self._function(row)


class History(Callback):
    """results.csv."""

    def on_epoch_end(self, trainer: Trainer, row: Row) -> None:
        with _unwritable(trainer):
            trainer.folder.write_history(trainer.position.history)


class TensorBoard(Callback):
    """The event file."""

    def on_epoch_end(self, trainer: Trainer, row: Row) -> None:
        with _unwritable(trainer):
            write_events(trainer.position.history, trainer.folder.path)


@contextlib.contextmanager
def _unwritable(trainer: Trainer) -> Iterator[None]:
    """A file that is open in another program: the state holds the history, and the next epoch writes it."""
    try:
        yield
    except OutputError as error:
        subject = error.parts.get("file", trainer.folder.path)
        trainer.log(HISTORY_NOT_WRITTEN(subject, reason=error.headline))


class Diagnosis(Callback):
    """Reports after the first epoch where nothing is learned."""

    def on_epoch_end(self, trainer: Trainer, row: Row) -> None:
        if trainer.position.epoch != 1 or "val_loss" not in row or trainer.task.above_chance(row):
            return
        if trainer.ended and trainer.position.step < STEPS:  # of a few steps nothing was to be expected
            return
        trainer.log(diagnose(trainer.network, trainer.objective, trainer.loader, trainer.recipe))


class EarlyStopping(Callback):
    """Stops a run whose validation metric has not improved for `patience` epochs."""

    def on_train_begin(self, trainer: Trainer) -> None:
        self._check(trainer)

    def on_epoch_end(self, trainer: Trainer, row: Row) -> None:
        self._check(trainer)

    def _check(self, trainer: Trainer) -> None:
        position, patience = trainer.position, trainer.recipe.patience
        if not patience or not len(trainer.val) or position.best <= 0:  # 0: nothing was right yet
            return
        last_stage = position.stage == len(trainer.recipe.stages) - 1
        waited = last_stage and position.steps_in_stage >= patience * trainer.loader.steps  # in this stage, that is
        if waited and position.epoch - position.best_epoch >= patience:
            trainer.log(STOPPED_EARLY(patience=patience))
            trainer.stop()


class EpochLog(Callback):
    """One line per epoch."""

    def on_train_begin(self, trainer: Trainer) -> None:
        self._began = trainer.clock()

    def on_epoch_end(self, trainer: Trainer, row: Row) -> None:
        elapsed = duration(trainer.clock() - self._began)
        values = {"val_loss": None, **row, "metrics": trainer.task.summary(row), "elapsed": elapsed}
        trainer.log(EPOCH_FINISHED(**values))


def default_callbacks() -> list[Callback]:
    """Those of every run, in this order; a run's own come after them."""
    return [History(), TensorBoard(), Diagnosis(), EpochLog(), EarlyStopping()]
