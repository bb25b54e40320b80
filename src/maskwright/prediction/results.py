"""What a model returns for one image: objects or labels that know their image, and so can be drawn."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, TypeVar

from PIL import Image as PilImage

from maskwright import interop
from maskwright.drawing import image_labels, outlines
from maskwright.drawing.pictures import Drawable
from maskwright.errors import ImageError
from maskwright.images.sources import Source, open_source
from maskwright.types import Image, ImageLabels, Instances, Window

Placed = TypeVar("Placed", "ImageDetections", "ImageClassification")


@dataclass(frozen=True, slots=True, eq=False)
class ImageSource:
    """How the image of a result is opened again: a file from where it lies; anything else was kept.

    window  the gray window of an image of more than 8 bits, None for its own
    """

    source: Source
    window: Window | None = None

    def __call__(self) -> Image:
        return open_source(self.source, self.window)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class ImageDetections(Instances, Drawable):
    """The objects of one image, and the image they were found on: `Instances` that can be drawn.

    source  opens the image again: `detections.source()`. A file is not kept in memory; an array that the model was
            given is, as long as the result

    >>> detections = maskwright.load("balloons")("party.jpg")
    >>> detections[detections.scores > 0.9].save("sure.jpg")
    PosixPath('sure.jpg')
    """

    source: ImageSource | None = None

    def plot(self, shown_in: tuple[int, int] | None = None) -> PilImage.Image:
        """The image with the outlines of its objects, as a Pillow image; `shown_in` as in `draw_outlines`."""
        return PilImage.fromarray(outlines.draw(opened(self.source), self, shown_in=shown_in))

    def to_pandas(self) -> Any:
        """A DataFrame with one row per object."""
        return interop.to_frame([self], ["" if self.source is None else self.source.source.name])


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class ImageClassification(ImageLabels, Drawable):
    """The labels of one image, and the image: `ImageLabels` that can be drawn. source: as in ImageDetections."""

    source: ImageSource | None = None

    def plot(self, shown_in: tuple[int, int] | None = None) -> PilImage.Image:
        """The image with its labels and scores, as a Pillow image."""
        return PilImage.fromarray(image_labels.draw(opened(self.source), self, shown_in=shown_in))

    def to_pandas(self) -> Any:
        """A DataFrame of one row: image, label, and the score of each class."""
        return interop.predictions_to_frame([self], ["" if self.source is None else self.source.source.name])


def on_image(result: Instances | ImageLabels, kind: type[Placed], source: ImageSource) -> Placed:
    """The same result, which knows its image."""
    return kind(*(getattr(result, field.name) for field in fields(result)), source=source)


def opened(source: ImageSource | None) -> Image:
    if source is None:
        raise ImageError("this result does not know its image", fix="draw it with maskwright.draw_outlines(image, ...)")
    return source()
