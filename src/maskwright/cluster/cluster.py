"""The cluster that `--ray` names, and how items are worked on there: a handful at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from maskwright.cluster.connection import connected
from maskwright.cluster.workers import Needs, Work, Workers
from maskwright.issues import Log
from maskwright.progress import Progress

ITEMS_A_PIECE = 32
Item = TypeVar("Item")
Made = TypeVar("Made", covariant=True)


@dataclass(frozen=True)
class Cluster:
    """A cluster to work on.

    address  "local", "auto", HOST:PORT or ray://HOST:PORT (see cluster.connection)
    cores    of each worker: as many are started as there is room for
    gpus     of each worker
    """

    address: str
    cores: int = 1
    gpus: int = 0

    def results(
        self, work: Work[list[Item], Made], items: Sequence[Item], log: Log
    ) -> Iterator[tuple[int, list[Item], Made]]:
        """Every handful of the items, with its number and what came of it, as they are done."""
        pieces = (list(items[start : start + ITEMS_A_PIECE]) for start in range(0, len(items), ITEMS_A_PIECE))
        with connected(self.address) as ray:
            yield from Workers(ray, work, Needs(self.cores, self.gpus), log).results(pieces)

    def in_order(
        self, work: Work[list[Item], list[Made]], items: Sequence[Item], log: Log, progress: Progress, label: str
    ) -> list[Made]:
        """What came of each item, in their order; `progress` counts them."""
        made: dict[int, list[Made]] = {}

        def done() -> Iterator[Item]:
            for number, piece, results in self.results(work, items, log):
                made[number] = results
                yield from piece

        for _ in progress(done(), total=len(items), label=label, unit="images"):
            pass
        return [result for number in sorted(made) for result in made[number]]
