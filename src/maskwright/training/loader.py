"""Batches for training: which photos in which order, views made ahead by threads.

Everything random about a sample comes from (seed, epoch, place in the epoch), so neither threads nor a stop and a
resume change what is learnt from.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch

from maskwright.models.targets import Truth
from maskwright.samples.augment import Augment, Sample, view
from maskwright.samples.training_photos import TrainingPhoto, load
from maskwright.types import Dataset, Window

MEMORY = 1_500_000_000  # bytes of decoded photos kept; beyond that photos are decoded anew each time


@dataclass(frozen=True)
class Batch:
    """canvases B×H×W×3 uint8, one Truth a photo, the photos' names."""

    canvases: np.ndarray
    truths: list[Truth]
    names: list[str]


def canvas_size(data: Dataset, size: int) -> tuple[int, int]:
    """(height, width) of training canvases: long side `size`, shape as the typical photo's, sides multiples of 64.

    A classifier's is a square."""
    if any(record.labels is not None for record in data):
        return (size, size)
    shares = np.array([record.size[0] / record.size[1] for record in data])
    share = float(np.clip(np.median(shares), 0.5, 2.0))
    height, width = (size, size / share) if share > 1 else (size * share, size)
    return tuple(max(round(side / 64) * 64, 64) for side in (height, width))  # type: ignore[return-value]


class Loader:
    """The training photos of a run. `epoch(n)` yields the batches of epoch n from a given step on."""

    def __init__(
        self,
        data: Dataset,
        size: int,
        batch: int,
        steps: int,
        augment: Augment,
        seed: int,
        workers: int,
        window: tuple[float, float] | None = None,
    ) -> None:
        self.data, self.size, self.batch, self.augment, self.seed = data, size, batch, augment, seed
        self.canvas = canvas_size(data, size)
        self.steps = max(steps, -(-len(data) // batch))
        self.window = None if window is None else Window(*window)
        self.workers = workers
        self._kept: dict[int, TrainingPhoto] = {}
        self._bytes = 0
        self._lock = threading.Lock()

    def epoch(self, number: int, start: int = 0) -> Iterator[Batch]:
        order = self._order(number)
        rows = [order[step * self.batch : (step + 1) * self.batch] for step in range(self.steps)][start:]
        places = [[(start + i) * self.batch + j for j in range(len(row))] for i, row in enumerate(rows)]
        jobs = zip(rows, places, strict=True)
        if not self.workers:
            yield from (self._batch(number, row, place) for row, place in jobs)
            return
        with ThreadPoolExecutor(self.workers, "maskwright-loader") as pool:
            ahead: deque[Future[Batch]] = deque()
            try:
                for row, place in jobs:
                    ahead.append(pool.submit(self._batch, number, row, place))
                    if len(ahead) > self.workers + 1:
                        yield ahead.popleft().result()
                while ahead:
                    yield ahead.popleft().result()
            finally:
                for future in ahead:
                    future.cancel()

    def _order(self, number: int) -> np.ndarray:
        """Every photo once before any comes again, shuffled anew each round."""
        wanted, rounds = self.steps * self.batch, []
        random = np.random.default_rng([self.seed, number, 1])
        while sum(map(len, rounds)) < wanted:
            rounds.append(random.permutation(len(self.data)))
        return np.concatenate(rounds)[:wanted]

    def _batch(self, number: int, rows: np.ndarray, places: list[int]) -> Batch:
        samples = []
        for row, place in zip(rows, places, strict=True):
            random = np.random.default_rng([self.seed, number, 2, place])
            donor = self._photo(int(random.integers(len(self.data)))) if self.augment.paste else None
            samples.append(view(self._photo(int(row)), self.canvas, self.augment, random, donor))
        return collate(samples)

    def _photo(self, row: int) -> TrainingPhoto:
        kept = self._kept.get(row)
        if kept is None:
            kept = load(self.data.records[row], self.size, self.window)
            with self._lock:
                size = kept.pixels.nbytes + sum(cutout.mask.nbytes for cutout in kept.cutouts)
                if row not in self._kept and self._bytes + size <= MEMORY:
                    self._kept[row] = kept
                    self._bytes += size
        return kept


def collate(samples: list[Sample]) -> Batch:
    truths = [
        Truth(
            torch.from_numpy(each.boxes),
            torch.from_numpy(each.classes),
            None if each.patches is None else torch.from_numpy(each.patches).float() / 255,
            torch.from_numpy(each.crowd),
        )
        for each in samples
    ]
    return Batch(np.stack([each.canvas for each in samples]), truths, [each.name for each in samples])
