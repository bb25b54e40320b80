"""What a TIFF says of itself beside its pixels: the value of no data, and what it is where it cannot be read."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import logging
from typing import Any, BinaryIO

import numpy as np
from PIL import Image, TiffImagePlugin

BITS, COMPRESSION, PHOTOMETRIC, BANDS, PLANES, EXTRA, FORMAT, NO_DATA = 258, 259, 262, 277, 284, 338, 339, 42113
"""Tags of TIFF 6.0, and GDAL's."""

_NUMBERS = {
    1: "whole numbers",
    2: "signed whole numbers",
    3: "floating point",
    5: "complex numbers",
    6: "complex numbers",
}
READ = "1, 3 or 4 bands of 8 or 16 bits; or gray of 32 bits, whole numbers or floating point"


def no_data(image: Image.Image, dtype: np.dtype) -> np.generic | None:
    """The value that stands for "nothing was measured here", as it occurs in pixels of this type; None without one."""
    if not isinstance(image, TiffImagePlugin.TiffImageFile):
        return None
    with contextlib.suppress(ValueError, TypeError, OverflowError):
        value = float(str(image.tag_v2.get(NO_DATA)).strip(" \0"))
        if dtype.kind == "f":
            return dtype.type(value)
        if value == int(value) and np.iinfo(dtype).min <= value <= np.iinfo(dtype).max:
            return dtype.type(int(value))
    return None


def is_unknown_kind(error: SyntaxError) -> bool:
    """Pillow can read the file's table, and has no way for what it says."""
    return any(words in str(error) for words in ("unknown pixel mode", "samples per pixel"))


def kind_of(stream: BinaryIO) -> str | None:
    """ "5 bands of 16 bits, whole numbers", where the file's own table can be read."""
    try:
        stream.seek(0)
        tags: Any = TiffImagePlugin.ImageFileDirectory_v2(head := stream.read(8))
        if head[2:3] == b"+" or head[3:4] == b"+":  # BigTIFF: its first table is named by the next 8 bytes
            tags = TiffImagePlugin.ImageFileDirectory_v2(head + stream.read(8))
        stream.seek(tags.next)
        tags.load(stream)
        bits, bands = tags.get(BITS, (1,)), tags.get(BANDS, 1)
        numbers = _NUMBERS.get(tags.get(FORMAT, (1,))[0], "numbers of an unknown kind")
        apart = ", one band after the other" if bands > 1 and tags.get(PLANES, 1) == 2 else ""
        return f"{bands} band{'s' * (bands > 1)} of {bits[0]} bits, {numbers}{apart}"
    except Exception:  # a broken file can make Pillow raise nearly anything
        return None


@functools.cache
def hush() -> None:
    """Keep libtiff and Pillow's log from writing remarks of their own on stderr: what is wrong, an error says.

    Where Pillow's libtiff cannot be reached from outside (Windows) it goes on.
    """
    logging.getLogger("PIL").addHandler(logging.NullHandler())  # or what nobody listens to goes to stderr
    with contextlib.suppress(OSError, AttributeError):
        library = ctypes.CDLL(Image.core.__file__)
        for setter in (library.TIFFSetErrorHandler, library.TIFFSetWarningHandler):
            setter.argtypes, setter.restype = [ctypes.c_void_p], ctypes.c_void_p
            setter(None)
