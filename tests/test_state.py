"""What is saved to go on from, and what is refused of it before anything is taken up."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from tiny_runs import TINY, TinyNetwork, party, trainer

from maskwright.errors import WeightsError
from maskwright.training.recipe import Stage

PLAN = msgspec.structs.replace(TINY, ema=0.9, stages=(Stage("heads", 1, 1e-2), Stage("all", 1, 1e-2)))
STATE = "last/state.safetensors"
BIG = "backbone.0.weight"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "party"
    party(folder)
    return folder


@pytest.fixture(scope="module")
def saved(data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """(tensors, facts) of a whole run's state."""
    folder = tmp_path_factory.mktemp("runs") / "run"
    trainer(data, folder, PLAN).run()
    with safe_open(folder / STATE, "pt") as opened:
        tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118 - not a dict
        return tensors, json.loads(opened.metadata()["facts"])


def resumed(data: Path, folder: Path, tensors: dict[str, torch.Tensor], facts: Any, **more: Any) -> Any:
    (folder / "last").mkdir(parents=True)
    save_file(tensors, folder / STATE, {"facts": json.dumps(facts)})
    run = trainer(data, folder, more.pop("recipe", PLAN), **more)
    run.resume()
    return run


def test_a_state_as_it_was_saved_is_taken_up(data: Path, tmp_path: Path, saved: Any) -> None:
    assert resumed(data, tmp_path, *saved).position.epoch == 2


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *((name, value) for name in ("epoch", "step", "stage", "step_in_epoch", "steps_in_stage", "best_epoch")
          for value in ("x", None, 1.5, [], -7, 10**30)),
        *((name, value) for name in ("seconds", "lr", "best") for value in ("z", None, [], -7, 1e300, float("nan"))),
        *(("history", value) for value in (None, "x", 3, [1], [{}, {}], [{"epoch": "x"}] * 2, {})),
        *(("sums", value) for value in (None, [], "x", {"loss": "x"}, {"loss": float("inf")}, {"loss": None})),
        ("epoch", 1), ("epoch", 0), ("step", 0), ("step", 3), ("stage", 7), ("stage", -1),
    ],
)  # fmt: skip
def test_facts_of_other_kinds_or_that_contradict_each_other_are_refused(
    data: Path, tmp_path: Path, saved: Any, field: str, value: Any
) -> None:
    tensors, facts = saved
    with pytest.raises(WeightsError, match="does not fit its recipe") as caught:
        resumed(data, tmp_path, tensors, {**facts, field: value})
    assert caught.value.parts["file"] == str(tmp_path / STATE) and len(str(caught.value)) < 1000


@pytest.mark.parametrize("facts", [None, 3, "x", [], {}, {"epoch": 1}])
def test_facts_that_are_none_are_refused(data: Path, tmp_path: Path, saved: Any, facts: Any) -> None:
    with pytest.raises(WeightsError, match="does not fit its recipe"):
        resumed(data, tmp_path, saved[0], facts)


def test_a_fact_left_out_or_added_is_refused(data: Path, tmp_path: Path, saved: Any) -> None:
    tensors, facts = saved
    for number, changed in enumerate(({**facts, "more": 1}, {key: facts[key] for key in facts if key != "epoch"})):
        with pytest.raises(WeightsError, match="does not fit its recipe"):
            resumed(data, tmp_path / str(number), tensors, changed)


@pytest.mark.parametrize("facts", ["[" * 100_000, "9" * 5000, "{", ""], ids=["deep", "digits", "open", "empty"])
def test_facts_that_are_no_json_are_refused(data: Path, tmp_path: Path, saved: Any, facts: str) -> None:
    (tmp_path / "last").mkdir()
    save_file(saved[0], tmp_path / STATE, {"facts": facts})
    with pytest.raises(WeightsError, match="cannot be read"):
        trainer(data, tmp_path, PLAN).resume()


def first(tensors: dict[str, torch.Tensor], end: str) -> str:
    return next(name for name in sorted(tensors) if name.endswith(end))


def changed(end: str, change: Callable[[torch.Tensor], torch.Tensor]) -> Callable[[dict[str, torch.Tensor]], Any]:
    def make(tensors: dict[str, torch.Tensor]) -> tuple[str, dict[str, torch.Tensor]]:
        name = first(tensors, end)
        return name, {**tensors, name: change(tensors[name])}

    return make


def without(beginning: str) -> Callable[[dict[str, torch.Tensor]], Any]:
    def make(tensors: dict[str, torch.Tensor]) -> tuple[str, dict[str, torch.Tensor]]:
        return beginning, {name: value for name, value in tensors.items() if not name.startswith(beginning)}

    return make


@pytest.mark.parametrize(
    "spoil",
    [
        *(changed(f"{BIG}/{what}", change) for what in ("exp_avg", "exp_avg_sq", "step") for change in (
            lambda tensor: torch.full((3,), 1.0),
            lambda tensor: tensor.reshape(-1).repeat(7),
            lambda tensor: tensor.to(torch.int64),
            lambda tensor: tensor.double(),
            lambda tensor: torch.full_like(tensor, float("nan")),
            lambda tensor: torch.full_like(tensor, float("inf")),
        )),
        changed(f"{BIG}/exp_avg_sq", lambda tensor: tensor - 1),
        changed(f"{BIG}/step", lambda tensor: tensor - 9),
        changed(f"{BIG}/step", lambda tensor: tensor + 9),
        changed(f"network/{BIG}", lambda tensor: tensor[:1].clone()),
        changed(f"network/{BIG}", lambda tensor: tensor.half()),
        changed(f"network/{BIG}", lambda tensor: torch.full_like(tensor, float("nan"))),
        changed(f"averaged/{BIG}", lambda tensor: tensor.new_zeros(0)),
        *map(without, ("network/", "averaged/", "optimizer/", f"network/{BIG}", f"averaged/{BIG}",
                       f"optimizer/{BIG}/exp_avg_sq", f"optimizer/{BIG}/step")),
        *(lambda tensors, name=name: (name, {**tensors, name: torch.ones(2)}) for name in (
            "network/more", "more", "optimizer/", "optimizer/none/step", f"optimizer/{BIG}", f"optimizer/{BIG}/more",
            f"optimizer/{BIG}/step/more",
        )),
    ],
)  # fmt: skip
def test_tensors_of_another_shape_or_kind_never_reach_network_or_optimizer(
    data: Path, tmp_path: Path, saved: Any, spoil: Callable[[dict[str, torch.Tensor]], Any]
) -> None:
    tensors, facts = saved
    name, spoilt = spoil(tensors)
    (tmp_path / "last").mkdir()
    save_file(
        {key: value.contiguous() for key, value in spoilt.items()}, tmp_path / STATE, {"facts": json.dumps(facts)}
    )
    run = trainer(data, tmp_path, PLAN)
    before = {key: value.clone() for key, value in run.network.state_dict().items()}
    with pytest.raises(WeightsError, match="does not fit its recipe") as caught:
        run.resume()
    assert caught.value.parts["field"].startswith(name.rstrip("/"))
    assert not run.optimizer.state and run.position.step == 0
    assert all(torch.equal(value, before[key]) for key, value in run.network.state_dict().items())


def test_a_state_without_averages_is_one_of_a_recipe_without_them(data: Path, tmp_path: Path) -> None:
    plain = msgspec.structs.replace(PLAN, ema=0.0, optimizer="rmsprop")
    trainer(data, tmp_path / "run", plain).run()
    again = trainer(data, tmp_path / "run", plain)
    again.resume()
    assert again.ended and again.optimizer.state
    with pytest.raises(WeightsError, match="does not fit its recipe"):
        trainer(data, tmp_path / "run", msgspec.structs.replace(plain, optimizer="adamw")).resume()
    with pytest.raises(WeightsError, match="does not fit its recipe"):
        trainer(data, tmp_path / "run", msgspec.structs.replace(plain, ema=0.9)).resume()


def test_a_state_before_the_first_step_is_taken_up(data: Path, tmp_path: Path) -> None:
    trainer(data, tmp_path / "run", PLAN, network=TinyNetwork()).save()
    again = trainer(data, tmp_path / "run", PLAN)
    again.resume()
    assert again.position.step == 0
