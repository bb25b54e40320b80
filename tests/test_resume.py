"""A run that is stopped, however, goes on to the very numbers it would have come to: bit by bit, on a CPU."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch
from reported import Lines
from safetensors.torch import load_file
from tiny_runs import TINY, party, trainer

from maskwright import formats
from maskwright.api.train import train
from maskwright.errors import DatasetError, RecipeError, WeightsError
from maskwright.training import trainer as training_loop
from maskwright.training.estimate import seconds_per_step
from maskwright.training.interrupts import deferred
from maskwright.training.recipe import Recipe, Stage
from maskwright.training.recipe_io import changed, plain, read_recipe, write_recipe
from maskwright.training.run_folder import RunFolder

PLAN = msgspec.structs.replace(
    TINY, ema=0.9, workers=1, steps_per_epoch=4, stages=(Stage("heads", 1, 1e-2), Stage("all", 2, 1e-2))
)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "party"
    party(folder)
    return folder


@pytest.fixture
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def facts(run: Path) -> dict[str, Any]:
    """Everything a run came to, but for the seconds it took."""
    _, position = RunFolder(run).load_state()
    for item in (position, *position["history"]):
        del item["seconds"]
    return position


def same(one: torch.Tensor, other: torch.Tensor) -> bool:
    """But for rounding: a state that was lost shows in the third digit."""
    return one.shape == other.shape and torch.allclose(one.double(), other.double(), rtol=1e-3, atol=1e-5)


def assert_same(one: Path, two: Path, why: str = "") -> None:
    assert facts(one) == facts(two), why
    for file in ("best/weights.safetensors", "last/weights.safetensors", "last/state.safetensors"):
        mine, theirs = load_file(one / file), load_file(two / file)
        assert mine.keys() == theirs.keys(), why
        different = [name for name in mine if not same(mine[name], theirs[name])]
        assert not different, f"{file}: {different[:3]} {why}"


class Stopped(Exception):
    pass


def stop_after(steps: int, done: list[int]):  # type: ignore[no-untyped-def]
    """A progress that breaks off when so many steps are done."""

    def progress(items, total=None, label="", unit="", limit=None):  # type: ignore[no-untyped-def]
        for item in items:
            if done[0] == steps:
                raise Stopped
            yield item
            done[0] += 1

    return progress


# --- in one process, at every step ------------------------------------------------------------------
@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("every", [0.0, 1e9], ids=["saved after each step", "saved after each epoch"])
def test_stopped_at_any_step_and_resumed_it_ends_the_same(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, every: float
) -> None:
    monkeypatch.setattr(training_loop, "SAVE_EVERY", every)
    whole = trainer(data, tmp_path / "whole", PLAN)
    total = whole.run().step
    for stop in range(total):
        folder = tmp_path / f"stopped_{stop}"
        with pytest.raises(Stopped):
            trainer(data, folder, PLAN, progress=stop_after(stop, [0])).run()
        again = trainer(data, folder, PLAN)
        again.resume()
        assert again.position.step == (stop if not every else stop // 4 * 4)
        seconds_per_step(again)  # as `train --resume` does; also where only the end of the epoch is left
        again.run()
        assert_same(tmp_path / "whole", folder, f"stopped after step {stop}")


@pytest.mark.usefixtures("one_thread")
def test_stopped_again_and_again_it_ends_the_same(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training_loop, "SAVE_EVERY", 0.0)
    trainer(data, tmp_path / "whole", PLAN).run()
    stops = 0
    while stops < 20:
        run = trainer(data, tmp_path / "often", PLAN, progress=stop_after(1, [0]))
        if stops:
            run.resume()
        try:
            run.run()
            break
        except Stopped:
            stops += 1
    assert 9 <= stops < 20
    assert_same(tmp_path / "whole", tmp_path / "often")


@pytest.mark.usefixtures("one_thread")
def test_the_tests_above_would_notice(data: Path, tmp_path: Path) -> None:
    trainer(data, tmp_path / "one", PLAN).run()
    trainer(data, tmp_path / "two", msgspec.structs.replace(PLAN, seed=1)).run()
    with pytest.raises(AssertionError):
        assert_same(tmp_path / "one", tmp_path / "two")


# --- what a person may do between -------------------------------------------------------------------
@pytest.fixture
def stopped(data: Path, tmp_path: Path) -> tuple[Path, Path]:
    """(run, its own copy of the data): a run stopped after an epoch, as `train` would have begun it."""
    mine = tmp_path / "party"
    shutil.copytree(data, mine)
    run = trainer(mine, tmp_path / "run", msgspec.structs.replace(PLAN, stages=(Stage("all", 1, 1e-2),)))
    images = {"train": run.train, "val": run.val}
    run.folder.begin(
        PLAN,
        {
            "data": str(mine.resolve()),
            "images": {name: [f"{name}/{item.image.name}" for item in part] for name, part in images.items()},
        },
    )
    run.run()
    return tmp_path / "run", mine


@pytest.mark.parametrize("beside", [{"data": "party"}, {"recipe": "r.toml"}, {"name": "new"}, {"epochs": 3}])
def test_nothing_may_stand_beside_resume(stopped: tuple[Path, Path], beside: dict[str, Any]) -> None:
    with pytest.raises(RecipeError, match="keeps its own recipe") as caught:
        train(resume=stopped[0], **beside)
    assert caught.value.parts["field"].lower() == next(iter(beside))


def test_an_image_more_or_less_is_noticed(stopped: tuple[Path, Path]) -> None:
    run, mine = stopped
    file = mine / "train" / "via_region_data.json"
    rows = json.loads(file.read_text(encoding="utf-8"))
    rows = rows.get("_via_img_metadata", rows)
    rows.pop(next(iter(rows)))
    file.write_text(json.dumps(rows), encoding="utf-8")
    with pytest.raises(RecipeError, match="the data have changed") as caught:
        train(resume=run)
    assert caught.value.parts["field"] == "train"


def test_data_that_went_away_are_named(stopped: tuple[Path, Path]) -> None:
    run, mine = stopped
    mine.rename(mine.with_name("elsewhere"))
    with pytest.raises(DatasetError, match="party"):
        train(resume=run)


def test_data_in_memory_cannot_be_found_again(stopped: tuple[Path, Path]) -> None:
    run, _ = stopped
    (run / "run.json").write_text(json.dumps({"data": None, "images": {}}))
    with pytest.raises(RecipeError, match="data in memory"):
        train(resume=run)


def test_data_in_memory_are_handed_over_once_more(stopped: tuple[Path, Path]) -> None:
    run, mine = stopped
    whole = formats.read(mine)
    with pytest.raises(RecipeError, match="data of its own"):
        train(whole, resume=run)
    images = {name: [record.image.name for record in part] for name, part in whole.splits().items()}
    (run / "run.json").write_text(json.dumps({"data": None, "images": images}))
    with pytest.raises(WeightsError, match="does not fit its recipe"):  # the tiny network's state is none of `small`'s
        train(whole, resume=run)
    with pytest.raises(RecipeError, match="the data have changed"):
        train(whole.where(lambda record: record.image.name != images["train"][0]), resume=run)


def test_a_recipe_for_another_network_is_noticed(stopped: tuple[Path, Path]) -> None:
    """The stopped run is of the tiny network; its recipe says `small`, as if somebody had edited it."""
    with pytest.raises(WeightsError, match="does not fit"):
        train(resume=stopped[0])


def test_a_recipe_that_was_edited_since_is_refused_with_both_values(stopped: tuple[Path, Path]) -> None:
    run, _ = stopped
    file = run / "recipe.toml"
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace("size = 64", "size = 128").replace("flip = 0.5", "flip = 0.1"), encoding="utf-8")
    with pytest.raises(RecipeError) as caught:
        train(resume=run)
    assert str(caught.value) == (
        f"RecipeError: {file}: the recipe was changed since this run began\n"
        "  field     size, augment.flip\n"
        "  expected  size = 64, augment.flip = 0.5\n"
        "  got       size = 128, augment.flip = 0.1\n"
        "  fix       put that back; or start a new run from it: --recipe FILE --weights RUN/last"
    )
    file.write_text(text, encoding="utf-8")
    assert RunFolder(run).recipe() == PLAN


def test_a_line_that_was_taken_out_is_a_change_where_its_default_is_another(stopped: tuple[Path, Path]) -> None:
    run, _ = stopped
    file = run / "recipe.toml"
    file.write_text(file.read_text(encoding="utf-8").replace("size = 64\n", ""), encoding="utf-8")
    with pytest.raises(RecipeError, match="was changed since") as caught:
        RunFolder(run).recipe()
    assert caught.value.parts["got"] == "size = 512"


def test_stages_are_compared_one_by_one() -> None:
    first = PLAN.stages[0]
    fewer = msgspec.structs.replace(PLAN, stages=(msgspec.structs.replace(first, lr=0.5),))
    assert changed(plain(PLAN), fewer) == [
        ("stages[1].lr", "0.01", "0.5"),
        ("stages[2].layers", '"all"', "nothing"),
        ("stages[2].epochs", "2", "nothing"),
        ("stages[2].lr", "0.01", "nothing"),
    ]
    assert changed(plain(fewer), PLAN)[1] == ("stages[2].layers", "nothing", '"all"')
    assert changed(plain(PLAN), PLAN) == [] == changed({"size": PLAN.size}, PLAN)  # from before other fields came


def test_a_run_of_a_version_that_kept_no_recipe_goes_on(stopped: tuple[Path, Path]) -> None:
    run, _ = stopped
    kept = json.loads((run / "run.json").read_text(encoding="utf-8"))
    assert kept.pop("recipe")["size"] == 64
    (run / "run.json").write_text(json.dumps(kept), encoding="utf-8")
    (run / "recipe.toml").write_text(
        (run / "recipe.toml").read_text(encoding="utf-8").replace("size = 64", "size = 128")
    )
    assert RunFolder(run).recipe().size == 128


def test_a_folder_that_is_no_run_is_said(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "none"):
        with pytest.raises(RecipeError, match="no run to go on with"):
            train(resume=folder)


# --- a real network, a real kill --------------------------------------------------------------------
SCRIPT = """
import sys
from maskwright.api.train import train
from maskwright.training import trainer as training_loop
from maskwright.training.estimate import seconds_per_step
from maskwright.training.interrupts import deferred

training_loop.SAVE_EVERY = 0.0

def progress(items, total=None, label="", unit="", limit=None):
    for item in items:
        yield item
        if label.startswith("epoch"):
            print("step", flush=True)

data, recipe, out, name = sys.argv[1:]
train(data, recipe=recipe, out=out, name=name, progress=progress)
"""
TWO_THREADS = {"OMP_NUM_THREADS": "2", "MKL_NUM_THREADS": "2", "OMP_WAIT_POLICY": "PASSIVE"}
LONG = 300  # seconds; it takes ten, but a loaded machine must not make a test fail


def real_recipe(path: Path) -> Path:
    stages = (Stage("heads", 1, 1e-3), Stage("all", 2, 1e-3))
    write_recipe(
        Recipe(
            weights="none", precision="fp32", size=64, batch=2, steps_per_epoch=2, workers=1, ema=0.9, stages=stages
        ),
        path,
    )
    return path


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four images to train on, one held back."""
    folder = tmp_path_factory.mktemp("few") / "party"
    party(folder, 5)
    return folder


def start(*arguments: object, **more: Any) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, *map(str, arguments)], text=True, env={**os.environ, **TWO_THREADS}, **more
    )


@pytest.fixture(scope="module")
def whole(few: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of the real network that nobody stopped; beside it the script and the recipe."""
    folder = tmp_path_factory.mktemp("runs")
    (folder / "script.py").write_text(SCRIPT)
    recipe = real_recipe(folder / "recipe.toml")
    assert start(folder / "script.py", few, recipe, folder, "whole").wait(LONG) == 0
    return folder / "whole"


@pytest.mark.slow
def test_killed_at_a_random_step_and_resumed_it_ends_the_same(few: Path, whole: Path) -> None:
    """kill -9: nothing can be tidied up. What is on disk must be enough, and whole."""
    folder, at = whole.parent, random.randrange(1, 6)
    delay = random.random() * 0.4
    why = f"killed {delay:.3f} s after step {at}"
    with start(folder / "script.py", few, folder / "recipe.toml", folder, "killed", stdout=subprocess.PIPE) as running:
        assert running.stdout is not None
        for _ in range(at):
            assert running.stdout.readline() == "step\n"
        time.sleep(delay)
        running.kill()
    resumed = start("-m", "maskwright", "train", "--resume", folder / "killed", stdout=subprocess.PIPE, cwd=folder)
    said, _ = resumed.communicate(timeout=LONG)
    assert resumed.returncode == 0 and "best epoch" in said, why
    assert_same(whole, folder / "killed", why)
    assert read_recipe(folder / "killed" / "recipe.toml") == read_recipe(whole / "recipe.toml")
    assert (folder / "killed" / "report.html").is_file()


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="Ctrl-C cannot be sent to a process there")
def test_ctrl_c_leaves_a_run_to_go_on_with(few: Path, whole: Path) -> None:
    folder = whole.parent
    halted, rest, code = folder, "", 0
    for number in range(5):  # on a busy machine the signal may come after the end: then once more
        halted = folder / f"halted-{number}"
        arguments = ("train", few, "--recipe", folder / "recipe.toml", "--out", folder, "--name", halted.name)
        with start("-m", "maskwright", *arguments, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL) as running:
            assert running.stderr is not None
            while not (line := running.stderr.readline()).startswith("epoch   1"):
                assert line, "it ended before its first epoch did"
            running.send_signal(signal.SIGINT)
            rest = running.stderr.read()
            code = running.wait(LONG)
        if code:
            break
    assert code == 130
    assert f"maskwright train --resume {halted}" in rest
    assert "Traceback" not in rest and rest.rstrip().endswith("Stopped.")
    said = Lines()
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    trained = train(resume=halted, log=said)
    torch.set_num_threads(before)
    assert any(line.startswith("resuming ") for line in said)
    assert trained.epochs == 3
    assert_same(whole, halted)


@pytest.mark.slow
def test_a_run_folder_holds_what_is_promised(few: Path, whole: Path) -> None:
    for name in ("recipe.toml", "run.json", "results.csv", "report.html", "best/card.json", "last/card.json"):
        assert (whole / name).is_file(), name
    facts = json.loads((whole / "run.json").read_text(encoding="utf-8"))
    assert facts["data"] == str(few.resolve())
    assert {name: len(images) for name, images in facts["images"].items()} == {"train": 4, "val": 1}
    assert all((few / image).is_file() for images in facts["images"].values() for image in images)


# --- Ctrl-C ------------------------------------------------------------------------------------------
def test_ctrl_c_is_answered_after_a_step_with_everything_saved(data: Path, tmp_path: Path, one_thread: None) -> None:
    """Within the first epoch, where nothing else would have saved yet; going on ends bit for bit the same."""
    whole = trainer(data, tmp_path / "whole", PLAN)
    whole.run()

    def third_step(batches: Iterable[Any], **_: Any) -> Iterator[Any]:
        for number, batch in enumerate(batches):
            if number == 2:
                signal.raise_signal(signal.SIGINT)
            yield batch

    before = signal.getsignal(signal.SIGINT)
    stopped = trainer(data, tmp_path / "stopped", PLAN)
    stopped.progress = third_step
    with pytest.raises(KeyboardInterrupt):
        stopped.run()
    assert (stopped.position.epoch, stopped.position.step) == (0, 3) and signal.getsignal(signal.SIGINT) is before
    again = trainer(data, tmp_path / "stopped", PLAN)
    again.resume()
    assert again.position.step == 3 and not again.ended
    again.run()
    assert again.ended
    for one, other in zip(whole.network.state_dict().values(), again.network.state_dict().values(), strict=True):
        assert same(one, other)


def test_a_second_ctrl_c_stops_at_once() -> None:
    with deferred() as interrupt:
        signal.raise_signal(signal.SIGINT)
        assert interrupt.asked
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
