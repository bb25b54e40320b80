"""ImageClassifier: a model that classifies whole images."""

from __future__ import annotations

from typing import Any

import numpy as np

from maskwright.engines.protocol import Engine, Explaining
from maskwright.errors import RecipeError, WeightsError
from maskwright.evaluation.calibration import logits_of, scores_of
from maskwright.images.sources import Origin, Source
from maskwright.prediction import threshold_origins as thresholds
from maskwright.prediction.predictor import Predictor
from maskwright.prediction.results import ImageClassification, on_image
from maskwright.transforms.preprocess import covered
from maskwright.types import ImageLabels, Instances, ResizeTransform


class ImageClassifier(Predictor[ImageLabels]):
    """
    >>> maskwright.load("runs/rust")("bridge.jpg")
    ImageLabels(rust 0.97)

    points       {class: its score threshold} of the operating points in the card; a threshold of the options takes
                 their place
    temperature  what the logits are divided by, from the card
    """

    def __init__(
        self, engine: Engine, threshold: float | None = None, size: int | None = None, tile: int | None = None
    ) -> None:
        super().__init__(engine, threshold, size)
        if tile:
            raise RecipeError(
                "a classifier takes whole images", field="tile", expected="a model that detects objects", got=tile
            )
        if threshold is not None and not (self.card.multi_label or self.card.operating_points):
            raise WeightsError(
                "this classifier predicts the best class of an image, so a threshold decides nothing",
                field="threshold",
                expected="a model with an operating point",
                got=threshold,
                fix="`maskwright threshold MODEL DATA --class NAME --f1` chooses one and keeps it in the model",
            )
        self.temperature = self.card.temperature
        self.points = {
            point.name: point.threshold if threshold is None else threshold for point in self.card.operating_points
        }

    @property
    def thresholds(self) -> tuple[thresholds.Threshold, ...]:
        """() where the best class is predicted."""
        return thresholds.of_classifier(self.card, self.points, self.threshold, self.asked is not None)

    def __call__(self, source: Source | Origin) -> ImageClassification:
        """The labels of one image, which know the image: `labels.show()`."""
        image_labels, image = self.look_and_keep(source)
        return on_image(image_labels, ImageClassification, image)

    def postprocess(self, raw: Any, transform: ResizeTransform) -> ImageLabels:
        scores, multi_label = np.asarray(raw), self.card.multi_label
        if self.temperature != 1:
            scores = scores_of(logits_of(scores[None], multi_label) / self.temperature, multi_label)[0]
        return ImageLabels.of(scores, self.card.classes, multi_label, self.threshold, self.points)

    def fields(self, result: ImageLabels) -> dict[str, Any]:
        return {"instances": Instances.empty(result.names), "image_labels": result}

    def saliency(self, source: Origin, name: str, against: bool = False) -> np.ndarray | None:
        """What of an image spoke for a class (or against it): h×w float32 0..1 that covers the whole image.

        None where the engine cannot tell.
        """
        if not isinstance(self.engine, Explaining):
            return None
        network_input, transform = self.engine.fit(self.open(source), self.size)
        index = self.card.classes.index(name)
        saliency = self.engine.saliency(network_input, covered(transform), index, against)
        return saliency if saliency.size > 1 else None  # another package's network may give one number for all
