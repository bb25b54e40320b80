"""Gray windows: which gray values become black and which white, for 16-bit images and X-rays."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

import numpy as np

from maskwright.errors import InputError
from maskwright.types.image import Image, Window

CHUNK = 1 << 20  # values that are worked on at a time


def find_window(pixels: np.ndarray, percent: tuple[float, float] = (0.5, 99.5)) -> Window:
    """The window that leaves `percent` of the gray values outside: below its low end and above its high one.

    pixels   any shape, integers or floats; values that are not finite are not counted
    percent  two numbers, 0..100, the first smaller

    Where nearly all pixels are equal (a small bright part on black) that would be no window at all:
    then the smallest and the greatest value are taken, and for an image of one value a window of width 1.

    >>> find_window(np.arange(1001))
    Window(low=5.0, high=995.0)
    """
    flat = pixels.reshape(-1)
    return window_of(lambda: (flat[start : start + CHUNK] for start in range(0, len(flat), CHUNK)), percent)


def window_of(parts: Callable[[], Iterable[np.ndarray]], percent: tuple[float, float] = (0.5, 99.5)) -> Window:
    """The same of pixels that come in parts (flat arrays of one type), as often as they are asked for."""
    found = _percentiles(parts, percent)
    if found is None:
        return Window(0.0, 1.0)
    low, high = found
    if low == high:
        low, high = _percentiles(parts, (0, 100)) or found
    return Window(low, high if high > low else low + 1.0)


def _percentiles(parts: Callable[[], Iterable[np.ndarray]], percent: tuple[float, float]) -> tuple[float, float] | None:
    """The values of which `percent` are smaller, None where nothing is counted; never all values at once.

    By counting: first the upper 16 bits of a number that is ordered as the values are, then the lower ones of those
    that share the upper bits sought.
    """
    above = np.zeros(65536, np.int64)
    for values in parts():
        if values.dtype not in _ORDERED:
            return _sorted(parts, percent)
        above += np.bincount(_ordered(_finite(values)) >> 16, minlength=65536)
    below = above.cumsum()
    if not (number := int(below[-1])):
        return None
    ranks = np.rint(np.array(percent) / 100 * (number - 1)).astype(np.int64)
    upper = np.searchsorted(below, ranks, side="right")
    inside = {int(item): np.zeros(65536, np.int64) for item in upper}
    dtype = np.dtype(np.uint8)
    for values in parts():
        dtype, keys = values.dtype, _ordered(_finite(values))
        for item, counts in inside.items():
            counts += np.bincount(keys[keys >> 16 == item] & 0xFFFF, minlength=65536)
    ends = []
    for rank, item in zip(ranks, upper, strict=True):
        before = below[item] - above[item]
        lower = np.searchsorted(inside[int(item)].cumsum(), rank - before, side="right")
        ends.append(_value(int(item) << 16 | int(lower), dtype))
    return ends[0], ends[1]


def _sorted(parts: Callable[[], Iterable[np.ndarray]], percent: tuple[float, float]) -> tuple[float, float] | None:
    values = _finite(np.concatenate(list(parts())))
    if not len(values):
        return None
    low, high = np.percentile(values, percent, method="nearest")
    return float(low), float(high)


def _finite(values: np.ndarray) -> np.ndarray:
    return values[np.isfinite(values)] if values.dtype.kind == "f" else values


_ORDERED = tuple(np.dtype(item) for item in ("u1", "u2", "u4", "i1", "i2", "i4", "f4"))


def _ordered(values: np.ndarray) -> np.ndarray:
    """uint32 of the order of the values (of a type in _ORDERED)."""
    if values.dtype.kind == "f":
        bits = np.ascontiguousarray(values).view(np.uint32)
        return np.where(bits >> 31, ~bits, bits | np.uint32(1 << 31))
    if values.dtype.kind == "i":
        return (values.astype(np.int64) + (1 << 31)).astype(np.uint32)
    return values.astype(np.uint32)


def _value(key: int, dtype: np.dtype) -> float:
    """The way back."""
    if dtype.kind == "f":
        bits = key & 0x7FFFFFFF if key >> 31 else ~key & 0xFFFFFFFF
        return float(np.array([bits], np.uint32).view(np.float32)[0])
    return float(key - (1 << 31)) if dtype.kind == "i" else float(key)


def apply(pixels: np.ndarray, window: Window) -> np.ndarray:
    """Gray values -> uint8 of the same shape: low and below -> 0, high and above -> 255, evenly between.

    What is not a number becomes 0.

    >>> apply(np.array([900, 1000, 1500, 2000, 9000], np.uint16), Window(1000, 2000))
    array([  0,   0, 128, 255, 255], dtype=uint8)
    """
    if not window.high > window.low:
        raise InputError(
            "this gray window holds no gray values",
            field="window",
            expected="two numbers, the low end smaller than the high end",
            got=f"{window.low:g}, {window.high:g}",
            fix="exchange them, or leave the window out: one is found for each image",
        )
    table = None
    if pixels.dtype in (np.uint8, np.uint16):  # few possible values: scale those, and look each pixel up
        table = _scale(np.arange(np.iinfo(pixels.dtype).max + 1), window)
    shown, flat = np.empty(pixels.size, np.uint8), pixels.reshape(-1)
    for start in range(0, pixels.size, CHUNK):  # so that wide numbers are made of a part only
        part = flat[start : start + CHUNK]
        shown[start : start + CHUNK] = _scale(part, window) if table is None else table[part]
    return shown.reshape(pixels.shape)


def _scale(values: np.ndarray, window: Window) -> np.ndarray:
    fraction = (values.astype(np.float64) - window.low) / (window.high - window.low)
    return np.floor(np.clip(np.nan_to_num(fraction, nan=0.0), 0.0, 1.0) * 255 + 0.5).astype(np.uint8)


def stretch(image: Image, percent: tuple[float, float] = (0.5, 99.5)) -> Image:
    """An 8-bit image of narrow range (an X-ray saved as JPEG) spread over all of 0..255; colors keep their balance."""
    window = find_window(image.pixels, percent)
    return replace(image, pixels=apply(image.pixels, window), window=window)
