"""WHERE An IMAGE BECOMES A MASK: open it, fit it on a network input, let the engine look, restore what was found."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from maskwright.engines.protocol import Engine, Explaining, open_engine
from maskwright.errors import RecipeError, WeightsError
from maskwright.evaluation.calibration import logits_of, scores_of
from maskwright.images import sources
from maskwright.images.sources import Origin, Source
from maskwright.issues import Issue, Kind
from maskwright.prediction import thresholds, tiles
from maskwright.prediction.options import AS_TRAINED, InferenceOptions
from maskwright.progress import Progress, silent
from maskwright.transforms.preprocess import covered, postprocess
from maskwright.types import Image, ImageLabels, Instances, ResizeTransform, Window
from maskwright.weights import card as cards
from maskwright.weights.sources import STARTS, bundled_names, model_file

Loaded = TypeVar("Loaded")

START_IS_NO_DETECTOR = Kind(
    "start_is_no_detector", "warning",
    "{model} is a start for training, no detector: most of its predictions are wrong ({fix})",
    fix="`balloons`, `coco` or a run of your own are models to use",
)  # fmt: skip


class Predictor:
    """A model and how to use it. Made by `load`.

    limits  {class: the score from which its objects are shown}: the card's, or for all what was asked for
    tile    side in image pixels of the tiles that larger images are looked at in; 0: images are looked at whole
    """

    def __init__(
        self, engine: Engine, threshold: float | None = None, size: int | None = None, tile: int | None = None
    ) -> None:
        self.engine = engine
        self.card: cards.Card = engine.card
        self.threshold = self.card.threshold if threshold is None else threshold
        self.asked = threshold
        self.limits = thresholds.limits(self.card, threshold)
        self.size = size or self.card.size
        self.tile = tiles.checked(self.card.tile if tile is None else tile)
        self.warnings: tuple[Issue, ...] = ()
        self.window = None if self.card.window is None else Window(*self.card.window)

    @property
    def thresholds(self) -> tuple[thresholds.Threshold, ...]:
        """From which score on something is said, and where that comes from; each reads as a sentence.

        >>> print(*maskwright.load("balloons", InferenceOptions(threshold=0.5)).thresholds)
        objects: threshold 0.5, as asked
        """
        return thresholds.of_detector(self.card, self.asked)

    def introduction(self) -> list[Issue]:
        """What to report before its first image: what it is not made for, and its score thresholds."""
        return [*self.warnings, *thresholds.issues(self.thresholds)]

    def open(self, source: Source | Origin) -> Image:
        """The image as this model wants it: deep gray through the window that the model learned with."""
        return sources.open_source(source if isinstance(source, Source) else sources.only(source), self.window)

    def look(self, source: Source | Origin, progress: Progress = silent) -> tuple[Image, Any]:
        """The image as it was looked at, and what was found; `progress` watches the tiles of a large one."""
        return next(self.batches([self.open(source)], progress=progress))

    def __call__(self, source: Source | Origin) -> Instances:
        """The objects of one image."""
        return self.look(source)[1]

    def batches(
        self, images: Iterable[Image], batch: int = 4, progress: Progress = silent
    ) -> Iterator[tuple[Image, Any]]:
        """The objects of many images, in order; neighbors of one network input shape are looked at together."""
        if not self.tile:
            yield from self._batches(images, batch)
            return
        for image in images:
            # A model that learned from whole images knows how the large things in them look.
            parts = tiles.cut(image.size, self.tile, whole=not self.card.tile)
            each = progress(tiles.images(image, parts), total=len(parts), label="tiles", unit="tiles")
            detections = [said for _, said in self._batches(each, batch)]
            yield image, tiles.join(detections, parts, image.size)

    def _batches(self, images: Iterable[Image], batch: int) -> Iterator[tuple[Image, Any]]:
        waiting: list[tuple[Image, np.ndarray, ResizeTransform]] = []
        for image in images:
            network_input, placement = self.engine.fit(image, self.size)
            if waiting and (len(waiting) == batch or waiting[0][1].shape != network_input.shape):
                yield from self._look(waiting)
                waiting = []
            waiting.append((image, network_input, placement))
        yield from self._look(waiting)

    def _look(self, waiting: Sequence[tuple[Image, np.ndarray, ResizeTransform]]) -> Iterator[tuple[Image, Any]]:
        if not waiting:
            return
        detections = self.engine.run(
            [network_input for _, network_input, _ in waiting], [covered(placement) for _, _, placement in waiting]
        )
        for (image, _, placement), raw in zip(waiting, detections, strict=True):
            yield image, self._postprocess(raw, placement)

    def _postprocess(self, raw: Any, placement: ResizeTransform) -> Any:
        return postprocess(
            raw, placement, self.card.classes, np.array([self.limits[name] for name in self.card.classes])
        )


class Classifier(Predictor):
    """A model that says what a whole image shows.

    >>> maskwright.load("runs/rust")("bridge.jpg")
    ImageLabels(rust 0.97)

    points       {class: the score from which on it is said}, from the model's card; a threshold that is asked for
                 takes their place
    temperature  what the logits are divided by, from the card
    """

    def __init__(
        self, engine: Engine, threshold: float | None = None, size: int | None = None, tile: int | None = None
    ) -> None:
        super().__init__(engine, threshold, size, 0)
        if tile:
            raise RecipeError(
                "a classifier takes whole images", field="tile", expected="a model that finds objects", got=tile
            )
        if threshold is not None and not (self.card.multi_label or self.card.operating_points):
            raise WeightsError(
                "this classifier says the best class of an image, so a threshold decides nothing",
                field="threshold",
                expected="a model that seeks one class",
                got=threshold,
                fix="`maskwright threshold MODEL DATA --class NAME --f1` chooses one and keeps it in the model",
            )
        self.temperature = self.card.temperature
        self.points = {
            point.name: point.threshold if threshold is None else threshold for point in self.card.operating_points
        }

    @property
    def thresholds(self) -> tuple[thresholds.Threshold, ...]:
        """As of any model; () where only the best class is said."""
        return thresholds.of_classifier(self.card, self.points, self.threshold, self.asked is not None)

    def __call__(self, source: Source | Origin) -> ImageLabels:  # type: ignore[override] - what is found is of another kind
        """What one image shows."""
        return super().__call__(source)  # type: ignore[return-value]

    def _postprocess(self, raw: Any, placement: ResizeTransform) -> Any:
        several = self.card.multi_label
        if self.temperature != 1:
            raw = scores_of(logits_of(np.asarray(raw)[None], several) / self.temperature, several)[0]
        return ImageLabels.of(raw, self.card.classes, several, self.threshold, self.points)

    def saliency(self, source: Origin, name: str, against: bool = False) -> np.ndarray | None:
        """What of an image spoke for a class (or against it): h×w float32 0..1 that covers the whole image.

        None where the engine cannot tell.
        """
        if not isinstance(self.engine, Explaining):
            return None
        network_input, placement = self.engine.fit(self.open(source), self.size)
        made = self.engine.saliency(network_input, covered(placement), self.card.classes.index(name), against)
        return made if made.size > 1 else None  # another package's network may give one number for the whole image


def load(
    model: str | Path = "bundled",
    options: InferenceOptions = AS_TRAINED,
    *,
    engine: str = "auto",
    progress: Progress = silent,
) -> Predictor:
    """A model ready for images: a run's folder (its best is taken), a model folder, the name of a bundled one,
    or a weight file (.h5) of matterport's Mask R-CNN, with `options.names` for its classes. A classifier gives an
    ImageLabels. Models that others published go by name too (`coco`, `mask_rcnn_r50`, `mask_rcnn_balloon.h5`, ...):
    their weights are downloaded once, `progress` watches that.

    >>> find = maskwright.load("balloons")
    >>> find("party.jpg").counts()
    {'balloon': 7}
    """
    opened = open_engine(
        model_file(model, progress), engine, options.device or "auto", options.precision or "auto", options.names
    )
    kind = Classifier if opened.card.task == "classify" else Predictor
    made = kind(opened, options.threshold, options.size, options.tile)
    if str(model) in STARTS and str(model) in bundled_names():
        made.warnings = (START_IS_NO_DETECTOR(model=str(model)),)
    return made


def load_unless_loaded(
    model: str | Path | Loaded, options: InferenceOptions = AS_TRAINED, progress: Progress = silent
) -> Predictor | Loaded:
    """The model as it is where it is loaded already: options can then no longer change it, so they are an error."""
    if isinstance(model, str | Path):
        return load(model, options, progress=progress)
    if given := options.given():
        written = ", ".join(f"{name}={value!r}" for name, value in given.items())
        raise RecipeError(
            "this model is already loaded, so these options cannot take effect",
            field=", ".join(given),
            expected="no InferenceOptions together with a loaded model",
            got=written,
            fix=f"load it with them: maskwright.load(MODEL, maskwright.InferenceOptions({written}))",
        )
    return model
