"""What a classifier says of a whole image, written in the image's corner."""

from __future__ import annotations

import math

import numpy as np
from PIL import Image as PilImage
from PIL import ImageDraw

from maskwright.drawing.colors import Color, color_of, ink_on
from maskwright.drawing.lettering import readable, shorten
from maskwright.types.image import Image
from maskwright.types.image_labels import ImageLabels

GRAY: Color = (96, 96, 96)


def draw(
    image: Image | np.ndarray, image_labels: ImageLabels, *, shown_in: tuple[int, int] | None = None
) -> np.ndarray:
    """Each predicted class with its score on a plate of the class's color, below each other at the top left; returns a
    new image, H×W×3 uint8.

    shown_in  (width, height) that the picture will be reduced to: the letters are sized to be legible there

    Where several classes are possible and none is predicted, the best one stands there in brackets, on gray.

    >>> draw(image, ImageLabels.of(np.array([0.03, 0.97]), ("norust", "rust")))
    """
    pil_image = PilImage.fromarray(np.array(image.pixels if isinstance(image, Image) else image, np.uint8))  # a copy
    size = round(min(max(11.0, math.sqrt(pil_image.width * pil_image.height) / 24), 96))
    if shown_in is not None:
        size = max(round(24 / min(shown_in[0] / pil_image.width, shown_in[1] / pil_image.height, 2.0)), 6)
    height = round(size * 1.4)
    pen = ImageDraw.Draw(pil_image)
    for row, (text, color) in enumerate(_plates(image_labels)):
        text, font = readable(text, size)
        text = shorten(text, font, pil_image.width - size)
        top = row * height
        pen.rectangle((0, top, math.ceil(font.getlength(text) + size * 0.8) - 1, top + height - 1), fill=color)
        pen.text((size * 0.4, top + height / 2), text, fill=ink_on(color), font=font, anchor="lm")
    return np.asarray(pil_image)


def _plates(image_labels: ImageLabels) -> list[tuple[str, Color]]:
    names, scores = image_labels.names, image_labels.scores
    if image_labels.chosen or not names:
        return [(f"{names[index]} {scores[index]:.2f}", color_of(index)) for index in image_labels.chosen]
    best = int(np.argmax(scores))
    return [(f"none ({names[best]} {scores[best]:.2f})", GRAY)]
