"""Images for the page: as they are where a browser can show them, otherwise decoded; thumbnails."""

from __future__ import annotations

import io
from functools import lru_cache
from pathlib import Path

from PIL import Image as PilImage
from PIL import ImageOps

from maskwright.errors import ImageError
from maskwright.files import open_file
from maskwright.images.decode import decode, is_deep
from maskwright.types import Window

SHOWN = {b"\xff\xd8\xff": "image/jpeg", b"\x89PNG": "image/png", b"BM": "image/bmp", b"RIFF": "image/webp"}
THUMBNAIL = (160, 120)  # pixels, at most


def for_browser(path: Path, window: Window | None) -> tuple[bytes, str, Window | None]:
    """The image, its media type and the window that was used.

    Gray of more than 8 bits goes through the window, or one of its own; nothing else has one.
    """
    if window is None and not is_deep(path):
        with open_file(path) as stream:
            data = stream.read()
        for magic, kind in SHOWN.items():
            if data.startswith(magic):
                return data, kind, None
    decoded = decode(path, window=window)
    written = io.BytesIO()
    PilImage.fromarray(decoded.pixels).save(written, "PNG", compress_level=1)
    return written.getvalue(), "image/png", decoded.window


@lru_cache(maxsize=2000)
def thumbnail(path: Path, stamp: int) -> bytes:
    """A small JPEG. `stamp`: when the image was last changed, so that another one is not taken for it."""
    try:
        with open_file(path) as stream, PilImage.open(stream, formats=["JPEG"]) as image:
            image.draft("RGB", (THUMBNAIL[0] * 2, THUMBNAIL[1] * 2))  # decodes an eighth of the pixels
            small = ImageOps.exif_transpose(image.convert("RGB"))
    except Exception:  # another kind, or damaged: then the error is the decoder's
        small = PilImage.fromarray(decode(path).pixels)
    small.thumbnail(THUMBNAIL)
    written = io.BytesIO()
    small.save(written, "JPEG", quality=80)
    return written.getvalue()


def stamp(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError as error:
        raise ImageError("this image is gone", file=path.name) from error
