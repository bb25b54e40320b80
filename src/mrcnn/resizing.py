"""Resizing of images (bilinear as in scikit-image) and masks (nearest as in SciPy), without these libraries."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from maskwright.geometry import bilinear
from maskwright.transforms.mold import mold, scaled


def resize(
    image: np.ndarray,
    output_shape: Sequence[int],
    order: int = 1,
    mode: str = "constant",
    cval: float = 0,
    clip: bool = True,
    preserve_range: bool = False,
    anti_aliasing: bool = False,
    anti_aliasing_sigma: float | None = None,
) -> np.ndarray:
    """Resize an image H×W or H×W×C to `output_shape` = (height, width); float.

    Integers are divided by their type's largest value unless `preserve_range`. Only the settings that the original
    uses are there: order 1, mode "constant", cval 0, no anti-aliasing.
    """
    if (order, mode, cval, bool(anti_aliasing)) != (1, "constant", 0, False):
        raise NotImplementedError('resize knows order=1, mode="constant", cval=0 and anti_aliasing=False only')
    if image.dtype.kind != "f":
        top = 1 if preserve_range or image.dtype == bool else np.iinfo(image.dtype).max
        image = image.astype(np.float64) / top
    height, width = (int(side) for side in output_shape[:2])
    return bilinear.resize(image, (height, width), clip)


def resize_image(
    image: np.ndarray,
    min_dim: int | None = None,
    max_dim: int | None = None,
    min_scale: float | None = None,
    mode: str = "square",
    padding: bool | None = None,
) -> Any:
    """(image, window, scale, padding, crop): the image as the network takes it.

    min_dim    the short side is enlarged to this; nothing is made smaller for it
    max_dim    in mode "square" the long side is at most this
    min_scale  enlarge at least so many times, whatever min_dim says
    mode       "square": padded to max_dim × max_dim; "pad64": padded to multiples of 64;
               "crop": a random min_dim × min_dim piece; "none": left alone

    window   (y1, x1, y2, x2) of the image in the result
    padding  [(top, bottom), (left, right), (0, 0)]
    crop     (y, x, height, width) of the piece, in mode "crop" only

    Versions 1 and 2.0 had `padding` instead of `mode`: with it, the answer is their (image, window, scale, padding).
    """
    if padding is not None:
        return _resize_as_version_2(image, min_dim, max_dim, padding)
    return tuple(mold(image, min_dim, max_dim, min_scale, mode))


def _resize_as_version_2(image: np.ndarray, min_dim: int | None, max_dim: int | None, padding: bool) -> Any:
    if padding:
        return resize_image(image, min_dim, max_dim)[:4]
    height, width = image.shape[:2]
    scale: Any = max(1, min_dim / min(height, width)) if min_dim else 1
    if max_dim and round(max(height, width) * scale) > max_dim:
        scale = max_dim / max(height, width)
    image = scaled(image, scale)
    return image, (0, 0, *image.shape[:2]), scale, [(0, 0), (0, 0), (0, 0)]


def resize_mask(
    mask: np.ndarray, scale: float, padding: Sequence[Sequence[int]], crop: Sequence[int] | None = None
) -> np.ndarray:
    """Resize masks H×W×n like resize_image did the image: nearest neighbor, then padded or cropped."""
    rows, columns = nearest(mask.shape[0], scale), nearest(mask.shape[1], scale)
    resized = mask[np.maximum(rows, 0)][:, np.maximum(columns, 0)]
    resized[rows < 0] = 0
    resized[:, columns < 0] = 0
    if crop is not None:
        y, x, height, width = crop
        return resized[y : y + height, x : x + width]
    return np.pad(resized, [tuple(int(side) for side in pair) for pair in padding])


def nearest(size: int, scale: float) -> np.ndarray:
    """SciPy's `zoom` of order 0 along one side: the cell of each sample, -1 where rounding puts it past the end.

    The first and the last sample lie on the first and the last cell.
    """
    new = round(size * scale)
    step = (size - 1) / (new - 1) if new > 1 else 1.0
    at = np.arange(new) * step
    return np.where(at > size - 1, -1, np.floor(at + 0.5).astype(np.int64))
