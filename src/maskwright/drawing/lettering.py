"""Fonts for labels: Pillow's own for ASCII, an installed font for other scripts."""

from __future__ import annotations

import unicodedata
from functools import lru_cache

from PIL import ImageFont

from maskwright.escaping import harmless

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

# File names on Linux, macOS and Windows; the first font that is installed is used.
_EUROPEAN = ("DejaVuSans.ttf", "LiberationSans-Regular.ttf", "NotoSans-Regular.ttf", "Arial.ttf", "arial.ttf")
_EAST_ASIAN = ("NotoSansCJK-Regular.ttc", "wqy-microhei.ttc", "PingFang.ttc", "Hiragino Sans GB.ttc", "msyh.ttc",
               "YuGothM.ttc", "malgun.ttf", "Arial Unicode.ttf")  # fmt: skip


def readable(text: str, size: int) -> tuple[str, Font]:
    """(text, font that can draw it, `size` pixels high).

    Pillow's own font has only ASCII. If no font for other letters is installed, accents are dropped and other
    characters become "?", instead of empty boxes.
    """
    text = harmless(text)
    if text.isascii():
        return text, _default(size)
    eastern = any(ord(letter) >= 0x2E80 for letter in text)
    font = _installed(_EAST_ASIAN if eastern else _EUROPEAN + _EAST_ASIAN, size)
    if font is not None:
        return text, font
    base = "".join(letter for letter in unicodedata.normalize("NFKD", text) if not unicodedata.combining(letter))
    return base.encode("ascii", "replace").decode("ascii"), _default(size)


@lru_cache(maxsize=32)
def _default(size: int) -> Font:
    return ImageFont.load_default(size=size)


@lru_cache(maxsize=32)
def _installed(names: tuple[str, ...], size: int) -> Font | None:
    for name in names:
        try:
            return ImageFont.truetype(name, size)
        except OSError:
            continue
    return None


def shorten(text: str, font: Font, width: float) -> str:
    """`text` shortened in the middle so that it is at most `width` pixels wide.

    >>> shorten("corroded_bridge_pier_0001.jpg", readable("", 14)[1], 120)
    'corroded...001.jpg'
    """
    if font.getlength(text) <= width:
        return text
    for length in range(len(text) - 1, 0, -1):
        shortened = text[: (length + 1) // 2] + "..." + text[len(text) - length // 2 :]
        if font.getlength(shortened) <= width:
            return shortened
    return ""
