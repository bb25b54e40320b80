"""Training in several processes, started by torchrun: who does what, and what they tell each other.

    torchrun --nproc-per-node 4 -m maskwright train party/

Every process reads the data, has the whole network, and computes its share of the images of each step. Losses,
gradients and the statistics of batch norms are added up over all of them, so that each takes the same step: the one
that a single process with the same recipe takes. The first one alone writes the run's folder.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from maskwright.errors import RecipeError, TrainingError

Item = TypeVar("Item")
PATIENCE = timedelta(minutes=30)  # that one process waits for another before it gives up


@dataclass(frozen=True)
class Processes:
    """The processes of a training; one that is alone exchanges nothing.

    rank   the number of this one, from 0;  count  of all of them
    """

    rank: int = 0
    count: int = 1

    @property
    def leads(self) -> bool:
        """This one writes, logs, and decides what the others follow."""
        return self.rank == 0

    def share(self, items: Sequence[Item]) -> Sequence[Item]:
        """What this process computes of something that all have: every `count`-th, from its own number on."""
        return items[self.rank :: self.count]

    def gather(self, mine: Any) -> list[Any]:
        """What each process has, in the order of their numbers: any object that pickles."""
        if self.count == 1:
            return [mine]
        everyone: list[Any] = [None] * self.count
        with _others_there():
            torch.distributed.all_gather_object(everyone, mine)
        return everyone

    def gather_shares(self, mine: Sequence[Item]) -> list[Item]:
        """The results of everything, in the order it had before `share`."""
        shares = self.gather(list(mine))
        return [shares[index % self.count][index // self.count] for index in range(sum(map(len, shares)))]

    def of_leader(self, mine: Item) -> Item:
        """What the first process has."""
        return self.gather(mine)[0]

    def sum(self, numbers: Tensor) -> Tensor:
        """Their sum over all processes."""
        if self.count == 1:
            return numbers
        total = numbers.clone()
        with _others_there():
            torch.distributed.all_reduce(total)
        return total

    def agree(self, seconds: float, asked: bool) -> tuple[float, bool]:
        """The time of the slowest process; whether any of them was asked to stop."""
        if self.count == 1:
            return seconds, asked
        highest = torch.tensor([seconds, float(asked)], dtype=torch.float64)
        with _others_there():
            torch.distributed.all_reduce(highest, torch.distributed.ReduceOp.MAX)
        return float(highest[0]), bool(highest[1])

    def add_gradients(self, network: nn.Module) -> None:
        """Every gradient becomes its sum over all processes: in one exchange, as one long vector."""
        if self.count == 1:
            return
        trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
        # A parameter that no process has a gradient of keeps none: an optimizer passes it over.
        reached = torch.tensor([float(parameter.grad is not None) for parameter in trained])
        parts = [torch.zeros_like(item) if item.grad is None else item.grad for item in trained]
        vector = torch.cat([part.reshape(-1) for part in [*parts, reached.to(parts[0])]])
        *sums, reached = self.sum(vector).split([*(part.numel() for part in parts), len(trained)])
        for parameter, total, number in zip(trained, sums, reached.tolist(), strict=True):
            # Laid out in memory as the parameter is: the fused optimizer goes through both side by side.
            parameter.grad = torch.empty_like(parameter).copy_(total.view_as(parameter)) if number else None

    def average_statistics(self, network: nn.Module) -> None:
        """The running statistics of batch norms in training, of which each process has seen its own images."""
        norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d) and module.training]
        if self.count == 1 or not norms:
            return
        buffers = [buffer for norm in norms for buffer in norm.buffers() if buffer.is_floating_point()]
        vector = self.sum(torch.cat(buffers)) / self.count
        for buffer, mean in zip(buffers, vector.split([len(buffer) for buffer in buffers]), strict=True):
            buffer.copy_(mean)

    def check_same(self, facts: Mapping[str, Any], file: object) -> None:
        """RecipeError in every process where one has other facts than the first. facts  {what it is: value or hash}"""
        everyone = self.gather(dict(facts))
        for rank, theirs in enumerate(everyone):
            for name, value in everyone[0].items():
                if theirs.get(name) != value:
                    raise RecipeError(
                        "the processes of this training were not started alike",
                        file=file,
                        field=name,
                        expected=f"{_short(value)}, as in process 0",
                        got=f"{_short(theirs.get(name))} in process {rank}",
                        fix="give every process the same command, data and version of maskwright",
                    )


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 60 else f"one that hashes to {hashlib.sha256(text.encode()).hexdigest()[:12]}"


ALONE = Processes()


def launched() -> Processes:
    """What torchrun has told this process in its environment; ALONE without it. Nothing is connected yet."""
    try:
        return Processes(int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"]))
    except (KeyError, ValueError):
        return ALONE


def refuse(what: str) -> None:
    """RecipeError where `what`, a command that runs in one process, was started by torchrun."""
    if launched().count > 1:
        raise RecipeError(
            f"{what} runs in one process",
            field="torchrun",
            expected="the command without torchrun",
            got=f"{launched().count} processes",
        )


@contextlib.contextmanager
def connected(device: str) -> Iterator[Processes]:
    """Inside, the processes that torchrun has started reach each other: over NCCL on GPUs, one for each process, over
    gloo on CPUs. device  as in a recipe"""
    processes = launched()
    if processes.count == 1:
        yield ALONE
        return
    on_gpus = device in ("auto", "cuda") and torch.cuda.is_available()
    if on_gpus:
        own = int(os.environ.get("LOCAL_RANK", 0))
        if own >= torch.cuda.device_count():
            raise RecipeError(
                "every process needs a GPU of its own",
                field="--nproc-per-node",
                expected=f"at most {torch.cuda.device_count()}, or --device cpu",
                got=f"process {own + 1} on this machine",
            )
        torch.cuda.set_device(own)
    with _others_there():
        torch.distributed.init_process_group("cpu:gloo,cuda:nccl" if on_gpus else "gloo", timeout=PATIENCE)
    try:
        yield processes
    finally:
        torch.distributed.destroy_process_group()


@contextlib.contextmanager
def _others_there() -> Iterator[None]:
    """An exchange that fails means that another process has ended, or hangs."""
    try:
        yield
    except RuntimeError as error:
        raise TrainingError(
            "another process of this training has ended, or is no longer reached",
            got=str(error).strip().splitlines()[0],
            fix="see what it reported; then go on from the last saved state with the same torchrun command and "
            "--resume RUN",
        ) from error
