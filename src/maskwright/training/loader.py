"""Batches for training: which images in which order; augmented views are prepared ahead by threads.

Everything random about a sample comes from (seed, epoch, index in the epoch), so neither the number of threads and
processes nor an interruption changes what is trained on.
"""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
import torch

from maskwright.errors import RecipeError
from maskwright.models.base import Targets
from maskwright.training.distributed import ALONE, Processes
from maskwright.training.feature_cache import FeatureCache, Key
from maskwright.transforms.augment import NO_AUGMENTATION, Augment, Sample, view
from maskwright.transforms.training_images import TrainingImage, load
from maskwright.types import Dataset, Record, Window

Prepared = TypeVar("Prepared")
MAX_STEPS = 200  # an epoch shows all tiles of large images once, but has no more steps, so that validation comes soon
MEMORY = 1_500_000_000  # bytes of decoded images kept; beyond that images are decoded anew each time


@dataclass(frozen=True)
class Batch:
    """network inputs B×H×W×3 uint8; of each image its Targets, name, and index in the epoch."""

    network_inputs: np.ndarray
    targets: list[Targets]
    names: list[str]
    indices: list[int]

    def parts(self, count: int) -> list[Batch]:
        """As many batches, equally large."""
        fields = [_split(values, count) for values in vars(self).values()]
        return [Batch(*part) for part in zip(*fields, strict=True)]


@dataclass(frozen=True)
class CachedBatch:
    """A batch of numbered views: its keys, a batch of one for each of them that the cache does not hold, and the index
    of each view in the epoch."""

    keys: list[Key]
    missing: dict[Key, Batch]
    indices: list[int]

    def parts(self, count: int) -> list[CachedBatch]:
        """As many batches, equally large."""
        pairs = zip(_split(self.keys, count), _split(self.indices, count), strict=True)
        return [CachedBatch(keys, self.missing, indices) for keys, indices in pairs]


def _split(values: Any, count: int) -> list[Any]:
    """The values, a list or array, in `count` parts of one length."""
    length = len(values) // count
    return [values[start : start + length] for start in range(0, len(values), length)]


@dataclass(frozen=True)
class ViewOptions:
    """How an image becomes a network input in training.

    size     long side of the network input, pixels
    tile     side in image pixels of the part of a larger image shown at once; 0: whole images
    window   gray window (low, high) of images of more than 8 bits; None: ordinary images
    """

    size: int
    augment: Augment = NO_AUGMENTATION
    tile: int = 0
    window: tuple[float, float] | None = None


@dataclass(frozen=True)
class StepShare:
    """What this process computes of each step.

    batches    of a step, one after the other (Recipe.accumulate)
    processes  that share the images of each batch
    """

    batches: int = 1
    processes: Processes = ALONE

    @property
    def alone(self) -> StepShare:
        """The same of a process that computes on its own."""
        return replace(self, processes=ALONE)

    def positions(self, batch: int) -> np.ndarray:
        """Which of the images of a step, counted from 0; batch after batch, as many of each.

        >>> StepShare(2, Processes(rank=1, count=2)).positions(4)
        array([1, 3, 5, 7])
        """
        starts = range(0, self.batches * batch, batch)
        return np.concatenate([self.processes.share(range(start, start + batch)) for start in starts])


WHOLE_STEP = StepShare()


def check_share(batch: int, count: int) -> None:
    """RecipeError where a process would have no image of a batch."""
    if batch < count:
        raise RecipeError(
            "every process needs an image of each batch",
            field="batch",
            expected=f"at least {count}, the number of processes: it is what all of them compute at once",
            got=batch,
        )


def input_size(data: Dataset, size: int, tile: int = 0) -> tuple[int, int]:
    """(height, width) of training network inputs: long side `size`, shape as the typical image's (or tile's), sides
    multiples of 64. A classifier's is a square."""
    if any(record.labels is not None for record in data):
        return (size, size)
    sizes = np.array([record.size for record in data])
    shown = np.minimum(sizes, tile) if tile else sizes
    aspect = float(np.clip(np.median(shown[:, 0] / shown[:, 1]), 0.5, 2.0))
    height, width = (size, size / aspect) if aspect > 1 else (size * aspect, size)
    return max(round(height / 64) * 64, 64), max(round(width / 64) * 64, 64)


class Loader:
    """The training images of a run. `epoch(n)` yields the images of each step of epoch n, from a given step on; of
    several processes each yields its own.

    batch  images that are computed at once, by all processes together
    """

    def __init__(
        self,
        data: Dataset,
        views: ViewOptions,
        batch: int,
        min_steps: int = 1,
        seed: int = 0,
        workers: int = 0,
        share: StepShare = WHOLE_STEP,
    ) -> None:
        self.data, self.views, self.batch, self.seed, self.workers = data, views, batch, seed, workers
        self.share, self.images_a_step, tile = share, batch * share.batches, views.tile
        self.network_input = input_size(data, views.size, tile)
        tiles = sum(math.prod(-(-side // tile) for side in record.size) for record in data) if tile else 0
        images = self.images_a_step
        self.steps = max(min_steps, -(-len(data) // images), min(-(-tiles // images), MAX_STEPS))
        self.window = None if views.window is None else Window(*views.window)
        self._images: dict[int, TrainingImage] = {}
        self._bytes = 0
        self._lock = threading.Lock()

    def epoch(self, number: int, start: int = 0) -> Iterator[Batch]:
        """A new view of every image, in every epoch."""
        return self._ahead(start, self._order(number), lambda rows, indices: self._batch(number, rows, indices))

    def cached_epoch(self, number: int, start: int, views: int, cache: FeatureCache) -> Iterator[CachedBatch]:
        """The same images in the same order, in one of `views` views each: epoch n shows view n modulo `views`."""
        return self._ahead(
            start,
            self._order(number),
            lambda rows, indices: self._cached_batch(rows, indices, number % views, cache),
        )

    def unaugmented(self, record: Record) -> Batch:
        """A batch of one image as it is, for the loss on validation images."""
        image = load(record, self.views.size, self.window, self.views.tile)
        return collate([view(image, self.network_input, NO_AUGMENTATION, np.random.default_rng(0))], [0])

    def names(self, batch: Batch | CachedBatch) -> list[str]:
        """The images of a batch, for messages."""
        if isinstance(batch, Batch):
            return batch.names
        return [str(self.data.records[row].image) for row, _ in batch.keys]

    def _ahead(
        self, start: int, order: np.ndarray, prepare: Callable[[np.ndarray, list[int]], Prepared]
    ) -> Iterator[Prepared]:
        positions = self.share.positions(self.batch)  # in each step
        indices = [step * self.images_a_step + positions for step in range(start, self.steps)]
        jobs = [(order[row], row.tolist()) for row in indices]
        if not self.workers:
            yield from (prepare(*job) for job in jobs)
            return
        with ThreadPoolExecutor(self.workers, "maskwright-loader") as pool:
            ahead: deque[Future[Prepared]] = deque()
            try:
                for job in jobs:
                    ahead.append(pool.submit(prepare, *job))
                    if len(ahead) > self.workers + 1:
                        yield ahead.popleft().result()
                while ahead:
                    yield ahead.popleft().result()
            finally:
                for future in ahead:
                    future.cancel()

    def _order(self, number: int) -> np.ndarray:
        """Every image once before any comes again, shuffled anew each round."""
        samples = self.steps * self.images_a_step
        random = np.random.default_rng([self.seed, number, 1])
        rounds = [random.permutation(len(self.data)) for _ in range(-(-samples // len(self.data)))]
        return np.concatenate(rounds)[:samples]

    def _batch(self, number: int, rows: np.ndarray, indices: list[int]) -> Batch:
        samples = zip(rows.tolist(), indices, strict=True)
        return collate([self._sample(row, [self.seed, number, 2, index]) for row, index in samples], indices)

    def _cached_batch(self, rows: np.ndarray, indices: list[int], number: int, cache: FeatureCache) -> CachedBatch:
        keys = [(row, number) for row in rows.tolist()]
        missing = [key for key in dict.fromkeys(keys) if cache.get(key) is None]
        singles = {key: collate([self._sample(key[0], [self.seed, *key, 3])], [0]) for key in missing}
        return CachedBatch(keys, singles, indices)

    def _sample(self, row: int, seed: list[int]) -> Sample:
        random, augment = np.random.default_rng(seed), self.views.augment
        donor = self._image(int(random.integers(len(self.data)))) if augment.copy_paste else None
        return view(self._image(row), self.network_input, augment, random, donor)

    def _image(self, row: int) -> TrainingImage:
        image = self._images.get(row)
        if image is None:
            image = load(self.data.records[row], self.views.size, self.window, self.views.tile)
            with self._lock:
                size = image.pixels.nbytes + sum(cutout.mask.nbytes for cutout in image.cutouts)
                if row not in self._images and self._bytes + size <= MEMORY:
                    self._images[row] = image
                    self._bytes += size
        return image


def collate(samples: list[Sample], indices: list[int]) -> Batch:
    """indices  of the samples in the epoch"""
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
    names = [sample.name for sample in samples]
    return Batch(np.stack([sample.network_input for sample in samples]), targets, names, indices)
