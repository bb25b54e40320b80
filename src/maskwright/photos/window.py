"""Grey windows: which grey values become black and which white, for 16-bit photos and X-rays."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from maskwright.errors import InputError
from maskwright.types.photo import Photo, Window


def find_window(pixels: np.ndarray, percent: tuple[float, float] = (0.5, 99.5)) -> Window:
    """The window that leaves `percent` of the grey values outside: below its low end and above its high one.

    pixels   any shape, integers or floats; values that are not finite are not counted
    percent  two numbers, 0..100, the first smaller

    Where nearly all pixels are equal (a small bright part on black) that would be no window at all:
    then the smallest and the greatest value are taken, and for a photo of one value a window of width 1.

    >>> find_window(np.arange(1001))
    Window(low=5.0, high=995.0)
    """
    values = pixels.reshape(-1)
    if np.issubdtype(values.dtype, np.floating):
        values = values[np.isfinite(values)]
    if not len(values):
        return Window(0.0, 1.0)
    low, high = (float(value) for value in _percentiles(values, percent))
    if low == high:
        low, high = float(values.min()), float(values.max())
    return Window(low, high if high > low else low + 1.0)


def _percentiles(values: np.ndarray, percent: tuple[float, float]) -> tuple[float, float]:
    """The values of which `percent` are smaller; by counting where there are few possible values (much faster)."""
    if values.dtype not in (np.uint8, np.uint16):
        low, high = np.percentile(values, percent, method="nearest")
        return low, high
    below = np.bincount(values).cumsum()
    ranks = np.rint(np.array(percent) / 100 * (len(values) - 1))
    low, high = np.searchsorted(below, ranks, side="right")
    return low, high


def apply(pixels: np.ndarray, window: Window) -> np.ndarray:
    """Grey values -> uint8 of the same shape: low and below -> 0, high and above -> 255, evenly between.

    What is not a number becomes 0.

    >>> apply(np.array([900, 1000, 1500, 2000, 9000], np.uint16), Window(1000, 2000))
    array([  0,   0, 128, 255, 255], dtype=uint8)
    """
    if not window.high > window.low:
        raise InputError(
            "this grey window holds no grey values",
            field="window",
            wanted="two numbers, the low end smaller than the high end",
            got=f"{window.low:g}, {window.high:g}",
            fix="exchange them, or leave the window out: one is found for each photo",
        )
    if pixels.dtype in (np.uint8, np.uint16):  # few possible values: scale those, and look each pixel up
        return _scale(np.arange(np.iinfo(pixels.dtype).max + 1), window)[pixels]
    return _scale(pixels, window)


def _scale(values: np.ndarray, window: Window) -> np.ndarray:
    share = (values.astype(np.float64) - window.low) / (window.high - window.low)
    return np.floor(np.clip(np.nan_to_num(share, nan=0.0), 0.0, 1.0) * 255 + 0.5).astype(np.uint8)


def stretch(photo: Photo, percent: tuple[float, float] = (0.5, 99.5)) -> Photo:
    """An 8-bit photo of narrow range (an X-ray saved as JPEG) spread over all of 0..255; colours keep their balance."""
    window = find_window(photo.pixels, percent)
    return replace(photo, pixels=apply(photo.pixels, window), window=window)
