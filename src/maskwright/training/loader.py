"""Batches for training: which images in which order, views made ahead by threads.

Everything random about a sample comes from (seed, epoch, place in the epoch), so neither threads nor a stop and a
resume change what is learned from.
"""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch

from maskwright.models.base import Targets
from maskwright.training.feature_cache import FeatureCache, Key
from maskwright.transforms.augment import Augment, Sample, view
from maskwright.transforms.training_images import TrainingImage, load
from maskwright.types import Dataset, Window

Made = TypeVar("Made")
MOST_STEPS = 200  # an epoch shows all tiles of large images once, but no more: nobody waits an hour for a validation
MEMORY = 1_500_000_000  # bytes of decoded images kept; beyond that images are decoded anew each time


@dataclass(frozen=True)
class Batch:
    """network inputs B×H×W×3 uint8, one Targets an image, the images' names."""

    network_inputs: np.ndarray
    targets: list[Targets]
    names: list[str]


@dataclass(frozen=True)
class KnownViews:
    """A batch of numbered views: its keys, and a batch of one for each of them that the cache did not hold."""

    keys: list[Key]
    fresh: dict[Key, Batch]


def input_size(data: Dataset, size: int, tile: int = 0) -> tuple[int, int]:
    """(height, width) of training network inputs: long side `size`, shape as the typical image's (or tile's), sides
    multiples
    of 64. A classifier's is a square."""
    if any(record.labels is not None for record in data):
        return (size, size)
    sizes = np.array([record.size for record in data])
    shown = np.minimum(sizes, tile) if tile else sizes
    fractions = shown[:, 0] / shown[:, 1]
    fraction = float(np.clip(np.median(fractions), 0.5, 2.0))
    height, width = (size, size / fraction) if fraction > 1 else (size * fraction, size)
    return tuple(max(round(side / 64) * 64, 64) for side in (height, width))  # type: ignore[return-value]


class Loader:
    """The training images of a run. `epoch(n)` yields the batches of epoch n from a given step on."""

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
        tile: int = 0,
    ) -> None:
        self.data, self.size, self.batch, self.augment, self.seed = data, size, batch, augment, seed
        self.tile, self.network_input = tile, input_size(data, size, tile)
        parts = sum(math.prod(-(-side // tile) for side in record.size) for record in data) if tile else 0
        self.steps = max(steps, -(-len(data) // batch), min(-(-parts // batch), MOST_STEPS))
        self.window = None if window is None else Window(*window)
        self.workers = workers
        self._kept: dict[int, TrainingImage] = {}
        self._bytes = 0
        self._lock = threading.Lock()

    def epoch(self, number: int, start: int = 0) -> Iterator[Batch]:
        """Views that were never seen before: of every image, every time."""
        return self._ahead(start, self._order(number), lambda row, place: self._batch(number, row, place))

    def known_views(self, number: int, start: int, views: int, cache: FeatureCache) -> Iterator[KnownViews]:
        """The same images in the same order, each in one of `views` looks: epoch n shows look n modulo `views`."""
        return self._ahead(start, self._order(number), lambda row, _: self._known(row, number % views, cache))

    def _ahead(self, start: int, order: np.ndarray, make: Callable[[np.ndarray, list[int]], Made]) -> Iterator[Made]:
        rows = [order[step * self.batch : (step + 1) * self.batch] for step in range(self.steps)][start:]
        places = [[(start + i) * self.batch + j for j in range(len(row))] for i, row in enumerate(rows)]
        jobs = zip(rows, places, strict=True)
        if not self.workers:
            yield from (make(row, index) for row, index in jobs)
            return
        with ThreadPoolExecutor(self.workers, "maskwright-loader") as pool:
            ahead: deque[Future[Made]] = deque()
            try:
                for row, index in jobs:
                    ahead.append(pool.submit(make, row, index))
                    if len(ahead) > self.workers + 1:
                        yield ahead.popleft().result()
                while ahead:
                    yield ahead.popleft().result()
            finally:
                for future in ahead:
                    future.cancel()

    def _order(self, number: int) -> np.ndarray:
        """Every image once before any comes again, shuffled anew each round."""
        expected = self.steps * self.batch
        random = np.random.default_rng([self.seed, number, 1])
        rounds = [random.permutation(len(self.data)) for _ in range(-(-expected // len(self.data)))]
        return np.concatenate(rounds)[:expected]

    def _batch(self, number: int, rows: np.ndarray, places: list[int]) -> Batch:
        each = zip(rows.tolist(), places, strict=True)
        return collate([self._sample(row, [self.seed, number, 2, index]) for row, index in each])

    def _known(self, rows: np.ndarray, look: int, cache: FeatureCache) -> KnownViews:
        keys = [(row, look) for row in rows.tolist()]
        missing = [key for key in dict.fromkeys(keys) if cache.get(key) is None]
        return KnownViews(keys, {key: collate([self._sample(key[0], [self.seed, *key, 3])]) for key in missing})

    def names(self, batch: Batch | KnownViews) -> list[str]:
        """Which images a batch shows, for messages."""
        if isinstance(batch, Batch):
            return batch.names
        return [str(self.data.records[row].image) for row, _ in batch.keys]

    def _sample(self, row: int, seed: list[int]) -> Sample:
        random = np.random.default_rng(seed)
        donor = self._image(int(random.integers(len(self.data)))) if self.augment.copy_paste else None
        return view(self._image(row), self.network_input, self.augment, random, donor)

    def _image(self, row: int) -> TrainingImage:
        kept = self._kept.get(row)
        if kept is None:
            kept = load(self.data.records[row], self.size, self.window, self.tile)
            with self._lock:
                size = kept.pixels.nbytes + sum(cutout.mask.nbytes for cutout in kept.cutouts)
                if row not in self._kept and self._bytes + size <= MEMORY:
                    self._kept[row] = kept
                    self._bytes += size
        return kept


def collate(samples: list[Sample]) -> Batch:
    targets = [
        Targets(
            torch.from_numpy(sample.boxes),
            torch.from_numpy(sample.classes),
            None if sample.patches is None else torch.from_numpy(sample.patches).float() / 255,
            torch.from_numpy(sample.crowd),
            None if sample.labelled_classes is None else torch.tensor(sample.labelled_classes, dtype=torch.long),
            sample.incomplete,
        )
        for sample in samples
    ]
    return Batch(np.stack([sample.network_input for sample in samples]), targets, [sample.name for sample in samples])
