"""Several processes started as torchrun starts them: the run of one process, whatever their number."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from tiny_runs import party

from maskwright.errors import RecipeError
from maskwright.training import distributed
from maskwright.training.distributed import ALONE, Processes
from maskwright.training.loader import StepShare, check_share
from maskwright.training.recipe import Recipe, Stage
from maskwright.training.recipe_io import write_recipe
from maskwright.training.run_folder import RunFolder

pytestmark = pytest.mark.skipif(
    not torch.distributed.is_available() or sys.platform == "win32", reason="this torch cannot connect processes"
)
LONG = 300  # seconds; it takes ten, but a loaded machine must not make a test fail
STEPS = """
import sys
import torch
from maskwright.api.train import train
from maskwright.training import trainer as training_loop

training_loop.SAVE_EVERY = 0.0  # a state after each step
torch.set_num_threads(1)

def progress(items, total=None, label="", unit="", limit=None):
    for item in items:
        yield item
        if label.startswith("epoch"):
            print("step", flush=True)

data, recipe, out, name = sys.argv[1:]
train(data, recipe=recipe, out=out, name=name, progress=progress)
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "party"
    party(folder)
    return folder


def write(path: Path, **changes: Any) -> Path:
    """A recipe whose batch norms are frozen and whose weights barely move, so that rounding does not grow."""
    plan = {
        "weights": "none", "precision": "fp32", "device": "cpu", "size": 64, "batch": 4, "steps_per_epoch": 2,
        "workers": 1, "ema": 0.9, "train_bn": False, "stages": (Stage("heads", 1, 1e-4), Stage("all", 1, 1e-4)),
    }  # fmt: skip
    write_recipe(Recipe(**{**plan, **changes}), path)
    return path


def launch(count: int, *arguments: object, different: Callable[[int], dict[str, str]] | None = None, **more: Any):  # type: ignore[no-untyped-def]
    """What torchrun does: the same command in each process, and its environment."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    together = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": str(count), "OMP_NUM_THREADS": "1"}
    for rank in range(count):
        own = {"RANK": str(rank), "LOCAL_RANK": str(rank), **(different(rank) if different else {})}
        yield subprocess.Popen(
            [sys.executable, *map(str, arguments)],
            env={**os.environ, **together, **own},
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            **more,
        )


def finish(processes: list[subprocess.Popen[str]]) -> list[tuple[int, str, str]]:
    """Exit code, stdout and stderr of each."""
    ended = []
    for process in processes:
        out, err = process.communicate(timeout=LONG)
        ended.append((process.returncode, out, err))
    return ended


def train(count: int, data: Path, recipe: Path, name: str, *more: object) -> Path:
    """A run of so many processes; its folder."""
    command = ["-m", "maskwright", "train", data, "--recipe", recipe, "--out", recipe.parent, "--name", name, *more]
    processes = list(launch(count, *command)) if count > 1 else list(launch(1, *command))
    for code, _, err in finish(processes):
        assert code == 0, err
    return recipe.parent / name


def history(run: Path) -> list[dict[str, Any]]:
    rows = RunFolder(run).load_state()[1]["history"]
    return [{name: value for name, value in row.items() if name != "seconds"} for row in rows]


def assert_equal(one: Path, two: Path) -> None:
    """Bit by bit."""
    for file in ("best/weights.safetensors", "last/weights.safetensors", "last/state.safetensors"):
        mine, theirs = load_file(one / file), load_file(two / file)
        assert mine.keys() == theirs.keys()
        assert [name for name in mine if not torch.equal(mine[name], theirs[name])] == [], file
    assert history(one) == history(two)


# --- who does what --------------------------------------------------------------------------------------
def test_without_torchrun_a_process_is_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RANK", raising=False)
    assert distributed.launched() == ALONE and ALONE.leads
    with distributed.connected("auto") as processes:
        assert processes is ALONE and not torch.distributed.is_initialized()
    numbers = torch.ones(3)
    assert ALONE.sum(numbers) is numbers and ALONE.gather("mine") == ["mine"] and ALONE.agree(2.5, True) == (2.5, True)


@pytest.mark.parametrize("count", [1, 2, 3, 5])
@pytest.mark.parametrize("batches", [1, 2])
def test_each_image_of_a_step_is_computed_once_in_parts_of_one_size(count: int, batches: int) -> None:
    shares = [StepShare(batches, Processes(rank, count)).positions(5) for rank in range(count)]
    assert sorted(np.concatenate(shares)) == list(range(5 * batches))
    for share in shares:
        for number, part in enumerate(np.split(share, batches)):
            assert set(part // 5) == {number}, "a batch is computed at once by all"


def test_shares_are_put_back_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    items = list("abcdefg")
    shares = [list(Processes(rank, 3).share(items)) for rank in range(3)]
    monkeypatch.setattr(Processes, "gather", lambda self, mine: shares)
    assert Processes(1, 3).gather_shares(shares[1]) == items


def test_a_batch_has_an_image_for_each_process() -> None:
    check_share(2, 2)
    with pytest.raises(RecipeError, match="image of each batch"):
        check_share(2, 3)


def test_what_runs_in_one_process_is_refused_under_torchrun(monkeypatch: pytest.MonkeyPatch) -> None:
    distributed.refuse("cross-validation")
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(RecipeError, match="cross-validation runs in one process"):
        distributed.refuse("cross-validation")


# --- the same run ---------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def alone(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(1, data, write(tmp_path_factory.mktemp("alone") / "recipe.toml"), "one")


@pytest.mark.slow
@pytest.mark.parametrize("count", [2, 3])
def test_several_processes_have_the_losses_of_one(count: int, data: Path, alone: Path) -> None:
    """With frozen batch norms, in float32; three processes share the four images of a batch unequally."""
    together = train(count, data, alone.parent / "recipe.toml", f"of_{count}")
    for one, other in zip(history(alone), history(together), strict=True):
        assert one.keys() == other.keys()
        for name, value in one.items():
            assert other[name] == pytest.approx(value, rel=1e-5, abs=1e-5), name
    mine, theirs = (load_file(run / "last" / "weights.safetensors") for run in (alone, together))
    for name, value in mine.items():
        torch.testing.assert_close(value, theirs[name], rtol=1e-3, atol=1e-4, msg=name)
    assert sorted(path.name for path in together.iterdir()) == sorted(path.name for path in alone.iterdir())


@pytest.mark.slow
def test_running_statistics_are_those_of_all_processes(data: Path, tmp_path: Path) -> None:
    """With batch norms in training each process normalizes its own images; what they have seen is averaged."""
    recipe = write(tmp_path / "recipe.toml", train_bn=True, stages=(Stage("all", 1, 1e-4),))
    one, two = train(1, data, recipe, "one"), train(2, data, recipe, "two")
    mine, theirs = (load_file(run / "last" / "weights.safetensors") for run in (one, two))
    means = [name for name in mine if name.endswith("running_mean")]
    assert means
    for name in means:
        torch.testing.assert_close(mine[name], theirs[name], rtol=0.1, atol=0.05, msg=name)


@pytest.mark.slow
def test_a_lost_process_ends_the_others_and_resume_comes_to_the_same_end(data: Path, tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(STEPS)
    recipe = write(tmp_path / "recipe.toml", train_bn=True, stages=(Stage("heads", 1, 1e-3), Stage("all", 2, 1e-3)))
    for code, _, err in finish(list(launch(2, tmp_path / "script.py", data, recipe, tmp_path, "whole"))):
        assert code == 0, err
    first, second = launch(2, tmp_path / "script.py", data, recipe, tmp_path, "killed")
    assert first.stdout is not None
    for _ in range(3):
        assert first.stdout.readline() == "step\n"
    second.send_signal(signal.SIGKILL)
    began = time.monotonic()
    _, err = first.communicate(timeout=LONG)
    assert first.returncode == 1 and "another process of this training has ended" in err, err
    assert "--resume" in err and time.monotonic() - began < distributed.PATIENCE.total_seconds() / 2
    second.communicate()
    stopped_at = RunFolder(tmp_path / "killed").load_state()[1]["step"]
    assert 2 <= stopped_at < 6
    resumed = launch(2, "-m", "maskwright", "train", "--resume", tmp_path / "killed")
    for code, _, err in finish(list(resumed)):
        assert code == 0, err
    assert_equal(tmp_path / "whole", tmp_path / "killed")


@pytest.mark.slow
def test_processes_that_were_started_differently_are_told_in_what(data: Path, tmp_path: Path) -> None:
    """Another seed in the second process: both end, each with the field and both values."""
    script = "import os, sys; from maskwright.cli.main import main; main([*sys.argv[1:], '--seed', os.environ['SEED']])"
    recipe = write(tmp_path / "recipe.toml")
    command = ["-c", script, "train", data, "--recipe", recipe, "--out", tmp_path, "--name", "run"]
    for code, _, err in finish(list(launch(2, *command, different=lambda rank: {"SEED": str(rank)}))):
        assert code == 2 and "were not started alike" in err and "in process 1" in err, err
    assert not (tmp_path / "run").exists()
