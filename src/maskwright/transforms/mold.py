"""matterport's way of making an image fit its network (utils.resize_image): four modes, with the image in the
middle."""

from __future__ import annotations

import random
from typing import NamedTuple

import numpy as np

from maskwright.geometry.bilinear import resize

Window = tuple[int, int, int, int]
Padding = list[tuple[int, int]]


class Molded(NamedTuple):
    """A resized image and how it came to be.

    image    H×W×C, of the image's dtype
    window   (y1, x1, y2, x2) of the image in it
    scale    by which both sides grew
    padding  [(top, bottom), (left, right), (0, 0)], zeros
    crop     (y, x, height, width) of the piece that was kept, in mode "crop" only
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

    min_dim    the short side is enlarged to this; nothing is made smaller for it
    max_dim    in mode "square" the long side is at most this
    min_scale  enlarge at least so many times, whatever min_dim says
    mode       "square": padded to max_dim × max_dim; "pad64": padded to multiples of 64;
               "crop": a random min_dim × min_dim piece (Python's `random`); "none": left alone
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
    image = enlarged(image, scale)
    height, width = image.shape[:2]
    if mode == "square":
        assert max_dim, 'mode "square" needs max_dim'
        padding = [_halves(max_dim - height), _halves(max_dim - width), (0, 0)]
    elif mode == "pad64":
        assert min_dim and min_dim % 64 == 0, f'mode "pad64" needs a min_dim that 64 divides, not {min_dim}'
        padding = [_halves(-height % 64), _halves(-width % 64), (0, 0)]
    elif mode == "crop":
        assert min_dim, 'mode "crop" needs min_dim'
        y, x = random.randint(0, height - min_dim), random.randint(0, width - min_dim)
        piece = image[y : y + min_dim, x : x + min_dim]
        return Molded(piece, (0, 0, min_dim, min_dim), scale, none, (y, x, min_dim, min_dim))
    else:
        raise ValueError(f'no resizing mode "{mode}": there are "square", "pad64", "crop" and "none"')
    top, left = padding[0][0], padding[1][0]
    return Molded(np.pad(image, padding[: image.ndim]), (top, left, top + height, left + width), scale, padding)


def enlarged(image: np.ndarray, scale: float) -> np.ndarray:
    """Both sides times `scale`; gray levels are cut to whole ones, not rounded."""
    if scale == 1:
        return image
    size = round(image.shape[0] * scale), round(image.shape[1] * scale)
    values = image if image.dtype.kind == "f" else image.astype(np.float64)
    return resize(values, size).astype(image.dtype)


def _halves(rest: int) -> tuple[int, int]:
    return rest // 2, rest - rest // 2
