"""matterport's resizing of images (utils.resize_image): four modes, with the image centered."""

from __future__ import annotations

import random
from typing import NamedTuple

import numpy as np

from maskwright.geometry.bilinear import resize

Window = tuple[int, int, int, int]
Padding = list[tuple[int, int]]


class Molded(NamedTuple):
    """A resized image and its transformation.

    image    H×W×C, dtype of the input
    window   (y1, x1, y2, x2) of the original image in it
    scale    factor of both sides
    padding  [(top, bottom), (left, right), (0, 0)], filled with zeros
    crop     (y, x, height, width) of the part that is kept, in mode "crop" only
    """

    image: np.ndarray
    window: Window
    scale: float
    padding: Padding
    crop: Window | None = None


def mold(
    image: np.ndarray, min_dim: int | None, max_dim: int | None, min_scale: float | None = None, mode: str = "square"
) -> Molded:
    """Resize an image H×W×C.

    min_dim    the short side is enlarged to this, never reduced
    max_dim    in mode "square" the long side is at most this
    min_scale  lower limit of the scale, even if min_dim gives a smaller one
    mode       "square": padded to max_dim × max_dim; "pad64": padded to multiples of 64; "crop": a random
               min_dim × min_dim crop (Python's `random`); "none": unchanged
    """
    height, width = image.shape[:2]
    none = [(0, 0), (0, 0), (0, 0)]
    if mode == "none":
        return Molded(image, (0, 0, height, width), 1, none)
    scale: float = 1
    if min_dim:
        scale = max(1, min_dim / min(height, width))
    if min_scale and scale < min_scale:
        scale = min_scale
    if max_dim and mode == "square" and round(max(height, width) * scale) > max_dim:
        scale = max_dim / max(height, width)
    image = scaled(image, scale)
    height, width = image.shape[:2]
    if mode == "square":
        assert max_dim, 'mode "square" needs max_dim'
        padding = [_halves(max_dim - height), _halves(max_dim - width), (0, 0)]
    elif mode == "pad64":
        assert min_dim and min_dim % 64 == 0, f'mode "pad64" needs a min_dim that is a multiple of 64, not {min_dim}'
        padding = [_halves(-height % 64), _halves(-width % 64), (0, 0)]
    elif mode == "crop":
        assert min_dim, 'mode "crop" needs min_dim'
        y, x = random.randint(0, height - min_dim), random.randint(0, width - min_dim)
        cropped = image[y : y + min_dim, x : x + min_dim]
        return Molded(cropped, (0, 0, min_dim, min_dim), scale, none, (y, x, min_dim, min_dim))
    else:
        raise ValueError(f'unknown resizing mode "{mode}"; expected "square", "pad64", "crop" or "none"')
    top, left = padding[0][0], padding[1][0]
    return Molded(np.pad(image, padding[: image.ndim]), (top, left, top + height, left + width), scale, padding)


def scaled(image: np.ndarray, scale: float) -> np.ndarray:
    """Resize both sides by `scale`; integer dtypes are truncated, not rounded."""
    if scale == 1:
        return image
    size = round(image.shape[0] * scale), round(image.shape[1] * scale)
    values = image if image.dtype.kind == "f" else image.astype(np.float64)
    return resize(values, size).astype(image.dtype)


def _halves(rest: int) -> tuple[int, int]:
    return rest // 2, rest - rest // 2
