"""Color of 16 bits a channel (PNG, TIFF), of which Pillow gives the upper 8 only: read twice, once for each half.

Pillow's decoders are told by a "raw mode" how samples lie in the file. "RGB;16B" takes the first byte of two, "RGB;16L"
the second one; so each file is decoded once as it says, and once as if its bytes were exchanged.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator

import numpy as np
from PIL import Image, ImageFile, TiffImagePlugin

from maskwright.images import strips, tiff
from maskwright.images import window as gray
from maskwright.types.image import Window

_RAW = re.compile(r"(RGB|RGBA|RGBa|RGBX|LA);16([BLN])")
_SECOND = {"B": "L", "L": "B", "N": "B" if sys.byteorder == "little" else "L"}

Strips = Iterator[tuple[slice, np.ndarray, np.ndarray | None]]  # rows, samples (h×w×3 or h×w uint16), alpha (uint8)


def is_deep(image: Image.Image) -> bool:
    """An image in color, or gray with transparency, of 16 bits a channel; opened, and not yet loaded."""
    return isinstance(image, ImageFile.ImageFile) and (_raw(image) is not None or apart(image))


def apart(image: Image.Image) -> bool:
    """A TIFF of 16-bit color whose bands lie one after the other, which this way does not read."""
    if not isinstance(image, TiffImagePlugin.TiffImageFile) or image.mode not in ("RGB", "RGBA"):
        return False
    return image.tag_v2.get(tiff.PLANES) == 2 and 16 in image.tag_v2.get(tiff.BITS, ())


def read(
    image: ImageFile.ImageFile,
    again: Callable[[], ImageFile.ImageFile],
    load: Callable[[ImageFile.ImageFile], None],
    turn: Callable[[], int],
    window: Window | None,
) -> tuple[np.ndarray, Window]:
    """H×W×3 uint8, upright, and the window that was used: one for all channels, so that colors keep their balance.

    again  opens the same file once more
    load   decodes; turn  EXIF's orientation that is then still to be undone

    What is transparent, or no data, does not count for the window. Four bands without a word on the fourth are three
    colors and something else (infrared, say), no transparency.
    """
    raw = _raw(image)
    assert raw is not None
    kind, order = raw
    if kind == "LA":  # 4 bytes a pixel: both halves of both channels at once
        _set_raw(image, "RGBA")
        load(image)
        upright, lying = strips.frame(image, turn())
    else:
        low = again()
        _set_raw(low, f"{_straight(kind)};16{_SECOND[order]}")
        load(low)
        upright, lying = strips.frame(low, turn())
        for rows, part in strips.of(low):
            lying[rows] = np.asarray(part)[..., :3]
        del low  # (closing it would close the file)
        _set_raw(image, f"{_straight(kind)};16{order}")
        load(image)
    nothing = tiff.no_data(image, np.dtype(np.uint16))
    seen = kind in ("LA", "RGBA", "RGBa") and not _unnamed(image)

    def samples() -> Strips:
        for rows, part in strips.of(image):
            values = np.asarray(part)
            if kind == "LA":
                yield rows, values[..., 0].astype(np.uint16) << 8 | values[..., 1], values[..., 2]
            else:
                both = values[..., :3].astype(np.uint16) << 8 | lying[rows]
                yield rows, both, values[..., 3] if seen else _keyed(image, both)

    window = window or gray.window_of(lambda: (_counted(*sample, nothing) for sample in samples()))
    for rows, values, alpha in samples():
        shown = gray.apply(values, window)
        if nothing is not None:
            shown[values == nothing] = 0
        shown = shown if shown.ndim == 3 else shown[..., None]
        lying[rows] = shown if alpha is None else _over_white(shown, alpha[..., None], kind == "RGBa")
    return upright, window


def _counted(_: slice, values: np.ndarray, alpha: np.ndarray | None, nothing: np.generic | None) -> np.ndarray:
    visible = values if alpha is None else values[alpha > 0]
    return visible.reshape(-1) if nothing is None else visible[visible != nothing]


def _over_white(shown: np.ndarray, alpha: np.ndarray, multiplied: bool) -> np.ndarray:
    """8-bit values over white; `multiplied` are those that hold their alpha already."""
    part = alpha.astype(np.uint32)
    above = shown * np.uint32(255) if multiplied else shown * part
    return np.minimum((above + (255 - part) * 255 + 127) // 255, 255).astype(np.uint8)


def _keyed(image: Image.Image, values: np.ndarray) -> np.ndarray | None:
    """PNG may name one color that is transparent."""
    key = image.info.get("transparency")
    if not isinstance(key, tuple) or len(key) != 3:
        return None
    return np.where((values == np.array(key, np.uint16)).all(axis=2), 0, 255).astype(np.uint8)


def _unnamed(image: Image.Image) -> bool:
    return isinstance(image, TiffImagePlugin.TiffImageFile) and tiff.EXTRA not in image.tag_v2


def _straight(kind: str) -> str:
    """Multiplied colors are taken as they lie: Pillow would divide each half by alpha."""
    return "RGBA" if kind == "RGBa" else kind


def _raw(image: ImageFile.ImageFile) -> tuple[str, str] | None:
    if image.mode not in ("RGB", "RGBA") or not image.tile:
        return None
    found = {item.args if isinstance(item.args, str) else (item.args or ("",))[0] for item in image.tile}
    named = _RAW.fullmatch(str(found.pop())) if len(found) == 1 else None
    return None if named is None else (named[1], named[2])


def _set_raw(image: ImageFile.ImageFile, raw: str) -> None:
    image.tile = [
        item._replace(args=raw if isinstance(item.args, str) else (raw, *(item.args or ())[1:])) for item in image.tile
    ]
