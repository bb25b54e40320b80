"""MLflow and Weights & Biases, with stand-ins for both: what a run tells them, and that it survives them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from tiny_runs import TINY, party, trainer

from maskwright.errors import MissingExtra
from maskwright.issues import Issues
from maskwright.training.callbacks import Callback
from maskwright.training.experiment_logs import EPOCH_NOT_LOGGED, MlflowCallback, WandbCallback, numbers, settings


class Mlflow(ModuleType):
    """Remembers what it is told."""

    def __init__(self) -> None:
        super().__init__("mlflow")
        self.told: list[tuple[Any, ...]] = []
        self.active: Any = None

    def active_run(self) -> Any:
        return self.active

    def set_experiment(self, name: str) -> None:
        self.told.append(("experiment", name))

    def start_run(self, run_id: str | None, run_name: str | None) -> Any:
        self.told.append(("start", run_id, run_name))
        self.active = SimpleNamespace(info=SimpleNamespace(run_id=run_id or "abc"))
        return self.active

    def log_params(self, params: dict[str, Any], run_id: str) -> None:
        self.told.append(("params", params["stages.1.layers"], run_id))

    def log_metrics(self, metrics: dict[str, float], step: int, run_id: str) -> None:
        assert all(isinstance(value, float) for value in metrics.values()) and "loss" in metrics
        self.told.append(("metrics", step, run_id))

    def end_run(self, status: str = "FINISHED") -> None:
        self.told.append(("end", status))
        self.active = None


class Wandb(ModuleType):
    """The same for wandb."""

    def __init__(self) -> None:
        super().__init__("wandb")
        self.told: list[tuple[Any, ...]] = []
        self.run: Any = None

    def init(self, **asked: Any) -> Any:
        self.told.append(("init", asked["project"], asked["name"], asked["id"], asked["config"]["stages.1.layers"]))
        return SimpleNamespace(
            id=asked["id"] or "xyz",
            log=lambda metrics, step: self.told.append(("metrics", step)),
            finish=lambda exit_code=0: self.told.append(("finish", exit_code)),
        )


class Fails(Callback):
    def on_epoch_end(self, trainer, row):
        if row["epoch"] == 1:
            raise KeyboardInterrupt


@pytest.fixture
def mlflow(monkeypatch: pytest.MonkeyPatch) -> Mlflow:
    monkeypatch.setitem(sys.modules, "mlflow", module := Mlflow())
    return module


@pytest.fixture
def wandb(monkeypatch: pytest.MonkeyPatch) -> Wandb:
    monkeypatch.setitem(sys.modules, "wandb", module := Wandb())
    return module


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "party"
    party(folder)
    return folder


def test_mlflow_gets_the_recipe_and_each_epoch(data, tmp_path, mlflow):
    trainer(data, tmp_path / "run", callbacks=[MlflowCallback("balloons")]).run()
    assert mlflow.told == [
        ("experiment", "balloons"), ("start", None, "run"), ("params", "all", "abc"),
        ("metrics", 1, "abc"), ("metrics", 2, "abc"), ("end", "FINISHED"),
    ]  # fmt: skip


def test_a_run_of_ones_own_in_mlflow_is_used_and_left_open(data, tmp_path, mlflow):
    mlflow.active = SimpleNamespace(info=SimpleNamespace(run_id="mine"))
    trainer(data, tmp_path / "run", callbacks=[MlflowCallback()]).run()
    assert mlflow.told == [("params", "all", "mine"), ("metrics", 1, "mine"), ("metrics", 2, "mine")]


def test_a_resumed_run_continues_its_entry(data, tmp_path, mlflow, wandb):
    both = [MlflowCallback(), WandbCallback("p")]
    with pytest.raises(KeyboardInterrupt):
        trainer(data, tmp_path / "run", callbacks=[*both, Fails()]).run()
    assert (mlflow.told[-1], wandb.told[-1]) == (("end", "FAILED"), ("finish", 1))
    mlflow.told.clear()
    wandb.told.clear()
    run = trainer(data, tmp_path / "run", callbacks=[MlflowCallback(), WandbCallback("p")])
    run.save()
    run.run()
    assert mlflow.told[0] == ("start", "abc", None) and mlflow.told[1][0] == "metrics", "the recipe is there already"
    assert wandb.told[0] == ("init", "p", "run", "xyz", "all")


def test_wandb_gets_the_recipe_and_each_epoch(data, tmp_path, wandb):
    trainer(data, tmp_path / "run", callbacks=[WandbCallback()]).run()
    assert wandb.told == [
        ("init", "maskwright", "run", None, "all"), ("metrics", 1), ("metrics", 2), ("finish", 0),
    ]  # fmt: skip


def test_a_server_out_of_reach_does_not_end_the_training(data, tmp_path, mlflow, monkeypatch):
    def refuse(*_: Any, **__: Any) -> None:
        raise ConnectionError("no route to host")

    monkeypatch.setattr(mlflow, "log_metrics", refuse)
    issues = Issues()
    at = trainer(data, tmp_path / "run", callbacks=[MlflowCallback()], log=issues).run()
    assert at.epoch == 2
    assert [issue.sentence for issue in EPOCH_NOT_LOGGED.among(issues)] == [
        f"epoch {epoch} could not be logged to MLflow: ConnectionError: no route to host" for epoch in (1, 2)
    ]


@pytest.mark.parametrize(("kind", "package"), [(MlflowCallback, "mlflow"), (WandbCallback, "wandb")])
def test_without_the_package_its_extra_is_named_before_anything_is_trained(monkeypatch, kind, package):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtra, match=f"{package} is not installed") as caught:
        kind()
    assert f"[{package}]" in caught.value.parts["fix"]


def test_neither_is_imported_unless_it_is_used():
    code = "import sys, maskwright; maskwright.WandbCallback; print({'mlflow', 'wandb'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout == "set()\n", done.stderr


def test_names_and_values_are_such_that_both_accept_them():
    assert all(character.isalnum() or character in "_." for name in settings(TINY) for character in name)
    assert numbers({"epoch": 3, "lr": 1e-3, "loss": float("nan"), "note": "x", "step": 7}) == {"lr": 1e-3, "step": 7.0}
