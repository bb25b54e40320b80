"""Supervisely's bitmaps: base64, zlib, PNG. What is too large is refused before it is unpacked and decoded.

Source  supervisely's SDK, geometry/bitmap.py: base64_2_data takes alpha where there is one, else what is not 0
"""

from __future__ import annotations

import base64
import binascii
import io
import warnings
import zlib
from typing import Any

import numpy as np
from PIL import Image

_PNG = b"\x89PNG\r\n\x1a\n"
_SMALLEST = 1 << 16  # bytes that any PNG may have: its palette and remarks need some


def decode(data: Any, most: tuple[int, int]) -> np.ndarray | str:
    """h×w bool of a bitmap of at most (height, width); what is wrong with it, in a few words.

    >>> decode("eJw=", (30, 40))
    'half of a packed file'
    """
    if not isinstance(data, str):
        return f"{type(data).__name__}, no text"
    try:
        packed = base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        return "no base64"
    limit = max(0, 5 * most[0] * most[1]) + _SMALLEST
    unpacker = zlib.decompressobj()
    try:
        png = unpacker.decompress(packed, limit)
    except zlib.error:
        return "no zlib"
    if unpacker.unconsumed_tail:
        return f"more than {limit:,} bytes"
    if not unpacker.eof:
        return "half of a packed file"
    if not png.startswith(_PNG) or len(png) < 24:
        return "no PNG"
    width, height = int.from_bytes(png[16:20], "big"), int.from_bytes(png[20:24], "big")
    if not (0 < height <= most[0] and 0 < width <= most[1]):
        return f"a PNG of {width} x {height}"
    try:
        return _drawn(png)
    except Exception as error:  # a broken file can make Pillow raise nearly anything
        return f"a broken PNG ({error})"


def _drawn(png: bytes) -> np.ndarray:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # remarks on odd metadata
        with Image.open(io.BytesIO(png), formats=("PNG",)) as picture:
            if picture.mode == "P" and "transparency" in picture.info:
                pixels = np.asarray(picture.convert("RGBA"))[..., 3]
            elif picture.mode in ("RGBA", "LA"):
                pixels = np.asarray(picture)[..., -1]
            else:
                pixels = np.asarray(picture)
                pixels = pixels.any(-1) if pixels.ndim == 3 else pixels
    return pixels != 0


def encode(drawn: np.ndarray) -> str:
    """The inverse of `decode`: h×w bool as a PNG with alpha, packed and in base64."""
    pixels = np.zeros((*drawn.shape, 4), np.uint8)
    pixels[drawn] = 255
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return base64.b64encode(zlib.compress(stream.getvalue())).decode()
