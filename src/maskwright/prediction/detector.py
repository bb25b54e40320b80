"""Detector: a model that detects the objects of an image, with or without masks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, cast

import numpy as np

from maskwright.engines.protocol import Engine
from maskwright.errors import WeightsError
from maskwright.images.sources import Origin, Source
from maskwright.prediction import threshold_origins as thresholds
from maskwright.prediction import tiles
from maskwright.prediction.predictor import Predictor
from maskwright.prediction.results import ImageDetections, on_image
from maskwright.progress import Progress, silent
from maskwright.transforms.postprocess import postprocess
from maskwright.types import Image, Instances, ResizeTransform


class Detector(Predictor[Instances]):
    """
    >>> maskwright.load("balloons")("party.jpg").counts()
    {'balloon': 7}

    limits  {class: its score threshold}: the card's, or the one that the options gave for all
    tile    side in image pixels of the tiles that larger images are divided into; 0: whole images
    """

    def __init__(
        self, engine: Engine, threshold: float | None = None, size: int | None = None, tile: int | None = None
    ) -> None:
        super().__init__(engine, threshold, size)
        self.limits = thresholds.limits(self.card, threshold)
        self.tile = tiles.checked(self.card.tile if tile is None else tile)

    @property
    def thresholds(self) -> tuple[thresholds.Threshold, ...]:
        return thresholds.of_detector(self.card, self.asked)

    def __call__(self, source: Source | Origin) -> ImageDetections:
        """The objects of one image, which know the image: `detections.show()`."""
        instances, image = self.look_and_keep(source)
        return on_image(instances, ImageDetections, image)

    def postprocess(self, raw: Any, transform: ResizeTransform) -> Instances:
        limits = np.array([self.limits[name] for name in self.card.classes])
        return postprocess(raw, transform, self.card.classes, limits)

    def fields(self, result: Instances) -> dict[str, Any]:
        return {"instances": result}

    def batches(
        self, images: Iterable[Image], batch: int = 4, progress: Progress = silent
    ) -> Iterator[tuple[Image, Instances]]:
        """The objects of many images, in order; the tiles of a large image are batches of their own."""
        if not self.tile:
            yield from super().batches(images, batch, progress)
            return
        for image in images:
            # A model that was trained on whole images knows how the large objects in them look.
            parts = tiles.cut(image.size, self.tile, whole=not self.card.tile)
            tile_images = progress(tiles.images(image, parts), total=len(parts), label="tiles", unit="tiles")
            detections = [instances for _, instances in super().batches(tile_images, batch)]
            yield image, tiles.join(detections, parts, image.size)


def require_detector(predictor: Predictor[Any]) -> Detector:
    """The same model where it detects objects; WeightsError where it is a classifier."""
    if not predictor.kind.objects:
        raise WeightsError(
            "this model classifies whole images and detects no objects",
            field="task",
            expected="segment or detect",
            got=predictor.kind.name,
            fix="name a model that detects objects: `maskwright models` lists them",
        )
    return cast(Detector, predictor)
