"""Where an image becomes a result: open it, preprocess it, run the engine, postprocess what it returns."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np

from maskwright.engines.protocol import Engine
from maskwright.images import sources
from maskwright.images.sources import Origin, Source
from maskwright.issues import Issue
from maskwright.prediction.results import ImageSource
from maskwright.prediction.threshold_origins import Threshold, issues
from maskwright.progress import Progress, silent
from maskwright.transforms.preprocess import covered
from maskwright.types import Image, ResizeTransform, Window
from maskwright.types.task_kind import TaskKind
from maskwright.weights.card import Card

Result = TypeVar("Result")
FittedImage = tuple[Image, np.ndarray, ResizeTransform]
"""An image, its network input (H×W×3 uint8) and how the one became the other."""


class Predictor(ABC, Generic[Result]):
    """A model, ready for images. `load` returns a `Detector` or an `ImageClassifier`.

    threshold  the score threshold of classes without one of their own;  asked  the one that the options gave
    warnings   what should be known before the first image
    path       the file or folder that the model was loaded from; None for one that was not
    """

    def __init__(self, engine: Engine, threshold: float | None = None, size: int | None = None) -> None:
        self.engine = engine
        self.card: Card = engine.card
        self.threshold = self.card.threshold if threshold is None else threshold
        self.asked = threshold
        self.size = size or self.card.size
        self.warnings: tuple[Issue, ...] = ()
        self.path: Path | None = None
        self.window = None if self.card.window is None else Window(*self.card.window)

    @property
    def kind(self) -> TaskKind:
        """Whether it detects objects, with or without masks, or classifies images."""
        return self.card.kind

    @property
    @abstractmethod
    def thresholds(self) -> tuple[Threshold, ...]:
        """The score thresholds, and where each comes from; each reads as a sentence.

        >>> print(*maskwright.load("balloons", InferenceOptions(threshold=0.5)).thresholds)
        objects: threshold 0.5, as asked
        """

    @abstractmethod
    def postprocess(self, raw: Any, transform: ResizeTransform) -> Result:
        """The result of one image from what the engine returned for it."""

    @abstractmethod
    def fields(self, result: Result) -> dict[str, Any]:
        """A result as fields of an `api.results.Prediction`: its instances, and what a classifier predicts."""

    def introduction(self) -> list[Issue]:
        """What to report before the first image: what the model is not made for, and its score thresholds."""
        return [*self.warnings, *issues(self.thresholds)]

    def open(self, source: Source | Origin) -> Image:
        """The image as this model needs it: one of more than 8 bits through the gray window of the training images."""
        return sources.open_source(source if isinstance(source, Source) else sources.only(source), self.window)

    def look(self, source: Source | Origin, progress: Progress = silent) -> tuple[Image, Result]:
        """The image as it was opened, and the result; `progress` watches the tiles of a large one."""
        return next(self.batches([self.open(source)], progress=progress))

    @abstractmethod
    def __call__(self, source: Source | Origin) -> Result:
        """The result of one image, which knows the image: it can be drawn, shown and saved."""

    def look_and_keep(self, source: Source | Origin) -> tuple[Result, ImageSource]:
        """The result, and how its image is opened again."""
        source = source if isinstance(source, Source) else sources.only(source)
        image, result = self.look(source)
        return result, ImageSource(sources.reopenable(source, image), self.window)

    def batches(
        self, images: Iterable[Image], batch: int = 4, progress: Progress = silent
    ) -> Iterator[tuple[Image, Result]]:
        """The results of many images, in order; neighbors of one network input shape are predicted together."""
        for image, raw, transform in self.run(map(self.fitted, images), batch):
            yield image, self.postprocess(raw, transform)

    def fitted(self, image: Image) -> FittedImage:
        """The image made ready for `run`: resized, which may be done in another thread."""
        return image, *self.engine.fit(image, self.size)

    def run(self, fitted: Iterable[FittedImage], batch: int = 4) -> Iterator[tuple[Image, Any, ResizeTransform]]:
        """What the engine gives for many fitted images, in order, each still to be postprocessed."""
        waiting: list[FittedImage] = []
        for item in fitted:
            if waiting and (len(waiting) == batch or waiting[0][1].shape != item[1].shape):
                yield from self._run(waiting)
                waiting = []
            waiting.append(item)
        yield from self._run(waiting)

    def _run(self, batch: Sequence[FittedImage]) -> Iterator[tuple[Image, Any, ResizeTransform]]:
        if not batch:
            return
        raw_results = self.engine.run(
            [network_input for _, network_input, _ in batch], [covered(transform) for _, _, transform in batch]
        )
        for (image, _, transform), raw in zip(batch, raw_results, strict=True):
            yield image, raw, transform
