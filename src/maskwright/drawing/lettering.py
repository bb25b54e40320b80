"""Type on pictures: Pillow's own face for ASCII, a face of this computer for other scripts."""

from __future__ import annotations

import unicodedata
from functools import lru_cache

from PIL import ImageFont

from maskwright.escaping import harmless

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

# As Linux, macOS and Windows name them; the first one that is present is taken.
_EUROPEAN = ("DejaVuSans.ttf", "LiberationSans-Regular.ttf", "NotoSans-Regular.ttf", "Arial.ttf", "arial.ttf")
_EAST_ASIAN = ("NotoSansCJK-Regular.ttc", "wqy-microhei.ttc", "PingFang.ttc", "Hiragino Sans GB.ttc", "msyh.ttc",
               "YuGothM.ttc", "malgun.ttf", "Arial Unicode.ttf")  # fmt: skip


def readable(text: str, size: int) -> tuple[str, Font]:
    """The text and a face that can draw it, `size` pixels high.

    Pillow's own face knows ASCII only. Where this computer has no face for other letters, accents are dropped
    and what is left unknown becomes "?": better a plain label than a row of empty frames.
    """
    text = harmless(text)
    if text.isascii():
        return text, _own(size)
    eastern = any(ord(letter) >= 0x2E80 for letter in text)
    face = _face(_EAST_ASIAN if eastern else _EUROPEAN + _EAST_ASIAN, size)
    if face is not None:
        return text, face
    bare = "".join(letter for letter in unicodedata.normalize("NFKD", text) if not unicodedata.combining(letter))
    return bare.encode("ascii", "replace").decode("ascii"), _own(size)


@lru_cache(maxsize=32)
def _own(size: int) -> Font:
    return ImageFont.load_default(size=size)


@lru_cache(maxsize=32)
def _face(names: tuple[str, ...], size: int) -> Font | None:
    for name in names:
        try:
            return ImageFont.truetype(name, size)
        except OSError:
            continue
    return None


def shorten(text: str, font: Font, width: float) -> str:
    """`text`, cut in its middle so that it is at most `width` pixels wide; both ends tell most.

    >>> shorten("corroded_bridge_pier_0001.jpg", readable("", 14)[1], 120)
    'corroded...001.jpg'
    """
    if font.getlength(text) <= width:
        return text
    for kept in range(len(text) - 1, 0, -1):
        short = text[: (kept + 1) // 2] + "..." + text[len(text) - kept // 2 :]
        if font.getlength(short) <= width:
            return short
    return ""
