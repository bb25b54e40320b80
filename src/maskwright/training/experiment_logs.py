"""Callbacks that log a run to MLflow or to Weights & Biases; each package is imported when its callback is made.

    maskwright.train("party/", callbacks=[maskwright.MlflowCallback()])

The recipe is logged before the first step, where a failure ends the run; the metrics after each epoch, where a failure
(a server that is out of reach) is reported and the training goes on. A resumed run continues its entry.
"""

from __future__ import annotations

import importlib
import math
from abc import abstractmethod
from typing import TYPE_CHECKING, Any

from maskwright import files
from maskwright.errors import MissingExtra
from maskwright.extras import how_to_install
from maskwright.issues import Kind
from maskwright.training.callbacks import Callback, Row
from maskwright.training.recipe import Recipe
from maskwright.training.recipe_io import flat, plain

if TYPE_CHECKING:
    from maskwright.training.trainer import Trainer

EPOCH_NOT_LOGGED = Kind("epoch_not_logged", "warning", "epoch {epoch} could not be logged to {service}: {reason}")


class ExperimentLog(Callback):
    """What both have in common. package  its name, of the extra too;  service  its name for people"""

    package: str
    service: str

    def __init__(self) -> None:
        try:
            self._module: Any = importlib.import_module(self.package)
        except ImportError as error:
            fix = how_to_install(f"maskwright[{self.package}]")
            raise MissingExtra(f"{self.package} is not installed", fix=fix) from error

    @abstractmethod
    def log(self, metrics: dict[str, float], epoch: int) -> None:
        """The metrics of one epoch."""

    def on_epoch_end(self, trainer: Trainer, row: Row) -> None:
        try:
            self.log(numbers(row), row["epoch"])
        except Exception as error:  # of any kind: it is another program's, and hours of training are at stake
            reason = f"{type(error).__name__}: {error}"
            trainer.log(EPOCH_NOT_LOGGED(epoch=row["epoch"], service=self.service, reason=reason))

    def _known(self, trainer: Trainer) -> str | None:
        """The identity of the entry that an earlier part of this run made."""
        file = trainer.folder.path / f"{self.package}_run.txt"
        return file.read_text("utf-8").strip() if file.is_file() else None

    def _remember(self, trainer: Trainer, identity: str) -> None:
        files.write_text(trainer.folder.path / f"{self.package}_run.txt", f"{identity}\n")


class MlflowCallback(ExperimentLog):
    """Log the recipe and the metrics of each epoch to MLflow: into its active run, else into one named as the run is.

    experiment  its name; None: the current one. Where it is logged to is MLflow's own setting, such as
                MLFLOW_TRACKING_URI
    """

    package, service = "mlflow", "MLflow"

    def __init__(self, experiment: str | None = None) -> None:
        super().__init__()
        self.experiment = experiment
        self._identity, self._own = "", False

    def on_train_begin(self, trainer: Trainer) -> None:
        mlflow, known = self._module, self._known(trainer)
        active = mlflow.active_run()
        self._own = active is None
        if self._own:
            if self.experiment is not None:
                mlflow.set_experiment(self.experiment)
            active = mlflow.start_run(run_id=known, run_name=None if known else trainer.folder.path.name)
        self._identity = active.info.run_id
        if self._identity != known:  # what was logged cannot change, and a resumed run says "bf16" where it said "auto"
            mlflow.log_params(settings(trainer.recipe), run_id=self._identity)
            self._remember(trainer, self._identity)

    def log(self, metrics: dict[str, float], epoch: int) -> None:
        self._module.log_metrics(metrics, step=epoch, run_id=self._identity)

    def on_train_end(self, trainer: Trainer) -> None:
        if self._own:
            self._module.end_run()

    def on_train_failed(self, trainer: Trainer) -> None:
        if self._own:
            self._module.end_run("FAILED")


class WandbCallback(ExperimentLog):
    """Log the recipe and the metrics of each epoch to Weights & Biases: into its active run, else into one of the name
    of the run. `wandb login` comes first, or WANDB_MODE=offline.

    project  its name
    """

    package, service = "wandb", "Weights & Biases"

    def __init__(self, project: str = "maskwright") -> None:
        super().__init__()
        self.project = project
        self._run: Any = None
        self._own = False

    def on_train_begin(self, trainer: Trainer) -> None:
        self._run, self._own = self._module.run, self._module.run is None
        recipe = settings(trainer.recipe)
        if self._own:
            self._run = self._module.init(
                project=self.project, name=trainer.folder.path.name, id=self._known(trainer), resume="allow",
                dir=str(trainer.folder.path), config=recipe,
            )  # fmt: skip
            self._remember(trainer, self._run.id)
        else:
            self._run.config.update(recipe, allow_val_change=True)

    def log(self, metrics: dict[str, float], epoch: int) -> None:
        self._run.log(metrics, step=epoch)

    def on_train_end(self, trainer: Trainer) -> None:
        if self._own:
            self._run.finish()

    def on_train_failed(self, trainer: Trainer) -> None:
        if self._own and self._run is not None:
            self._run.finish(exit_code=1)


EXPERIMENT_LOGS = {"mlflow": MlflowCallback, "wandb": WandbCallback}


def settings(recipe: Recipe) -> dict[str, Any]:
    """The values of a recipe by names that both accept.

    >>> settings(Recipe())["stages.1.layers"]
    'heads'
    """
    return {name.replace("[", ".").replace("]", ""): value for name, value in flat(plain(recipe)).items()}


def numbers(row: Row) -> dict[str, float]:
    """The finite numbers of a row."""
    return {
        name: float(value)
        for name, value in row.items()
        if isinstance(value, (int, float)) and math.isfinite(value) and name != "epoch"
    }
