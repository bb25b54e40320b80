"""An image worked on in strips, so that no whole frame is held twice."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from PIL import Image

PIXELS = 1 << 20  # of one strip

# EXIF's orientation -> how an upright array is seen as it lies in the file
_LAID = {
    2: lambda upright: upright[:, ::-1],
    3: lambda upright: upright[::-1, ::-1],
    4: lambda upright: upright[::-1],
    5: lambda upright: upright.swapaxes(0, 1),
    6: lambda upright: upright.swapaxes(0, 1)[::-1],
    7: lambda upright: upright[::-1, ::-1].swapaxes(0, 1),
    8: lambda upright: upright.swapaxes(0, 1)[:, ::-1],
}


def of(image: Image.Image) -> Iterator[tuple[slice, Image.Image]]:
    """(rows, that part of the image), from top to bottom."""
    width, height = image.size
    step = max(PIXELS // max(width, 1), 1)
    for top in range(0, height, step):
        bottom = min(top + step, height)
        yield slice(top, bottom), image.crop((0, top, width, bottom))


def frame(image: Image.Image, orientation: int) -> tuple[np.ndarray, np.ndarray]:
    """An empty H×W×3 uint8 for an image, upright; and the same pixels seen as the image lies."""
    width, height = image.size
    upright = np.empty((width, height, 3) if orientation >= 5 else (height, width, 3), np.uint8)
    return upright, _LAID[orientation](upright) if orientation in _LAID else upright
