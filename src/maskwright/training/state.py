"""Where a run stands, as it is saved to go on from, and what must be true of it before anything is taken from it.

A state comes from a file, and files get edited, cut, exchanged: a number of a wrong kind, or a tensor of another shape,
would train on in silence, or write past the optimizer's memory.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
import torch
from torch import Tensor, nn

from maskwright.training.recipe import Recipe

Fault = tuple[str, object, object]
"""field, wanted, got."""
ROW = ("epoch", "step", "seconds", "lr", "loss")  # what every row of the history has
MOMENTS = {  # what each optimizer keeps of a parameter beside the count of its steps; the squares are never negative
    torch.optim.AdamW: {"exp_avg": -math.inf, "exp_avg_sq": 0.0},
    torch.optim.RMSprop: {"square_avg": 0.0},
}


@dataclass
class Position:
    """Where a run stands; everything but tensors."""

    epoch: int = 0
    step_in_epoch: int = 0
    step: int = 0
    stage: int = -1
    steps_in_stage: int = 0
    lr: float = 0.0  # of the last step, before factors
    seconds: float = 0.0
    best: float = -1.0
    best_epoch: int = 0
    history: list[dict[str, int | float]] = field(default_factory=list)
    sums: dict[str, float] = field(default_factory=dict)  # losses of the epoch so far

    def count_step(self, losses: Mapping[str, float]) -> None:
        self.step, self.step_in_epoch, self.steps_in_stage = (
            self.step + 1,
            self.step_in_epoch + 1,
            self.steps_in_stage + 1,
        )
        for name, value in losses.items():
            self.sums[name] = self.sums.get(name, 0.0) + value

    def end_epoch(self, validated: Mapping[str, Any]) -> dict[str, Any]:
        """The row of the epoch, added to the history: its mean losses and what validation found."""
        means = {name: value / max(self.step_in_epoch, 1) for name, value in self.sums.items()}
        row: dict[str, Any] = {
            "epoch": self.epoch + 1,
            "step": self.step,
            "seconds": round(self.seconds, 1),
            "lr": self.lr,
        }
        row["loss"] = round(sum(means.values()), 5)
        row |= {f"loss_{name}": round(value, 5) for name, value in means.items()} | dict(validated)
        self.history.append(row)
        self.epoch, self.step_in_epoch, self.sums = self.epoch + 1, 0, {}
        return row


def position_of(facts: Any, recipe: Recipe, steps: int) -> tuple[Position, Fault | None]:
    """The position that these facts say, and what is wrong with it; steps: of an epoch."""
    names = [item.name for item in dataclasses.fields(Position)]
    if not isinstance(facts, dict) or set(facts) != set(names):
        got = ", ".join(map(str, facts))[:200] if isinstance(facts, dict) else type(facts).__name__
        return Position(), ("facts", ", ".join(names), got or "none")
    try:
        at = msgspec.convert(facts, Position)
    except (msgspec.ValidationError, RecursionError) as error:
        return Position(), ("facts", "as maskwright wrote them", error)
    return at, next(_faults(at, recipe, steps), None)


def _faults(at: Position, recipe: Recipe, steps: int) -> Iterator[Fault]:
    by_epochs = not recipe.time_budget  # by the clock an epoch may end early
    most = recipe.epochs if by_epochs else 2**40
    for name, low, high in (
        ("epoch", 0, most),
        ("step_in_epoch", 0, steps),
        ("step", 0, most * steps),
        ("stage", -1, len(recipe.stages) - 1),
        ("steps_in_stage", 0, at.step),
        ("lr", 0, 10),
        ("seconds", 0, 1e12),
        ("best", -1, 1),
        ("best_epoch", 0, at.epoch),
    ):
        if not low <= getattr(at, name) <= high:
            yield name, f"{low:g} to {high:g}", getattr(at, name)
    if by_epochs and at.step != at.epoch * steps + at.step_in_epoch:
        yield "step", f"{at.epoch * steps + at.step_in_epoch}, by the epoch and its steps", at.step
    if at.step and at.stage < 0:
        yield "stage", "0 or more", at.stage
    if len(at.history) != at.epoch:
        yield "history", f"{at.epoch} epochs", f"{len(at.history)} epochs"
    for number, row in enumerate(at.history, 1):
        if lacks := [name for name in ROW if name not in row]:
            yield f"history[{number}]", ", ".join(ROW), f"no {', '.join(lacks)}"
        elif row["epoch"] != number:
            yield f"history[{number}].epoch", number, row["epoch"]
    for name, value in at.sums.items():
        if not math.isfinite(value):
            yield f"sums.{name}", "a finite number", value


def tensor_fault(
    tensors: Mapping[str, Tensor],
    networks: Mapping[str, nn.Module],
    optimizer: torch.optim.Optimizer,
    at: Position,
) -> Fault | None:
    """What is wrong with the tensors of a state; networks: {"network": ..., "averaged": ...}."""
    expected = {
        f"{prefix}/{name}": value for prefix, net in networks.items() for name, value in net.state_dict().items()
    }
    expected |= _moments(tensors, networks["network"], optimizer)
    for name in expected.keys() | tensors.keys():
        if name not in tensors:
            return name, _shape(expected[name]), "nothing"
        if name not in expected:
            return name, "tensors of this run's network and optimizer", _shape(tensors[name])
        if (tensors[name].shape, tensors[name].dtype) != (expected[name].shape, expected[name].dtype):
            return name, _shape(expected[name]), _shape(tensors[name])
    floors = {f"/{what}": low for what, low in MOMENTS[type(optimizer)].items()}  # type: ignore[index]
    for name, value in tensors.items():
        if value.is_floating_point() and value.numel():
            low, high = (float(end) for end in torch.aminmax(value))
            floor = next(
                (low for end, low in floors.items() if name.startswith("optimizer/") and name.endswith(end)), -math.inf
            )
            if not (math.isfinite(low) and math.isfinite(high) and low >= floor):
                return name, "finite numbers" + (", none below 0" if floor == 0 else ""), f"{low:g} to {high:g}"
        if name.startswith("optimizer/") and name.endswith("/step") and not 0 <= float(value) <= at.step:
            return name, f"0 to {at.step}", float(value)
    if at.steps_in_stage and not any(name.startswith("optimizer/") for name in tensors):
        return "optimizer", f"what it kept of {at.steps_in_stage} steps", "nothing"
    return None


def _moments(tensors: Mapping[str, Tensor], network: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """What the optimizer keeps of each parameter of which the state has anything."""
    parameters, expected = dict(network.named_parameters()), {}
    for name in {name.split("/")[1] for name in tensors if name.startswith("optimizer/")} & parameters.keys():
        expected[f"optimizer/{name}/step"] = torch.zeros(())
        expected |= {f"optimizer/{name}/{what}": parameters[name] for what in MOMENTS[type(optimizer)]}  # type: ignore[index]
    return expected


def _shape(tensor: Tensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')} {tuple(tensor.shape)}"


def flatten(optimizer: torch.optim.Optimizer, names: dict[int, str]) -> dict[str, Tensor]:
    """The optimizer's tensors under "optimizer/<parameter>/<what>"."""
    detections = {}
    for parameter, state in optimizer.state.items():
        for what, value in state.items():
            detections[f"optimizer/{names[id(parameter)]}/{what}"] = torch.as_tensor(value)
    return detections


def unflatten(optimizer: torch.optim.Optimizer, parameters: dict[str, Tensor], tensors: dict[str, Tensor]) -> None:
    """Put back what `flatten` gave, once `tensor_fault` has found nothing wrong with it."""
    for key, value in tensors.items():
        if key.startswith("optimizer/"):
            _, name, what = key.split("/")
            parameter = parameters[name]
            if value.shape == parameter.shape:
                # laid out in memory as the parameter is: else the arithmetic rounds anew
                value = torch.empty_like(parameter, dtype=value.dtype).copy_(value)
            else:
                value = value.clone()  # no view of the file, which the next save replaces
            optimizer.state[parameter][what] = value
