"""What a JPEG's markers say: how many scans it has, and whether it lacks no more than its last two bytes.

    FFD8  segments (FF, kind, length, content)  FFDA scan header, compressed pixels  [segments, scans ...]  FFD9

In compressed pixels FF is followed by 00 or a restart mark (D0 to D7). Layout as in ITU-T T.81, annex B.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from io import BytesIO

import numpy as np
from PIL import JpegImagePlugin

from maskwright.images import strips

MOST_SCANS = 100
"""Programs write about ten; each takes the time of a whole image, however few bytes it has."""

BEGINNING, END = b"\xff\xd8\xff", b"\xff\xd9"
_MARK = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_COEFFICIENTS = 64  # of a block of 8 × 8 pixels


@dataclass
class Layout:
    """scans  that begin in the file
    ended     the mark of the end is there
    refined   component -> which of its 64 coefficients have come in full
    """

    scans: int = 0
    ended: bool = False
    refined: dict[int, set[int]] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        """Every coefficient of every component has been begun; a progressive image sends them bit by bit."""
        return bool(self.refined) and all(len(item) == _COEFFICIENTS for item in self.refined.values())


def layout(data: bytes) -> Layout:
    """Walks the markers of a JPEG; what is behind its end (a phone's video, a second image) is not looked at."""
    found, position = Layout(), 2
    while (mark := _MARK.search(data, position)) is not None:
        kind, position = mark[0][1], mark.end()
        if kind == 0xD9:
            found.ended = True
            return found
        if kind == 0x01:  # stands alone
            continue
        content = data[position + 2 : position + int.from_bytes(data[position : position + 2], "big")]
        position += 2 + len(content)
        if kind in (0xC0, 0xC1, 0xC2, 0xC3, 0xC9, 0xCA, 0xCB):
            found.refined = {item: set() for item in content[6::3]}
        elif kind == 0xDA and content:
            found.scans += 1
            first, last, bits = content[-3], content[-2], content[-1]
            for component in content[1 : 1 + 2 * content[0] : 2]:
                if bits & 15 == 0:  # its lowest bit comes with this scan
                    found.refined.setdefault(component, set()).update(range(first, min(last, 63) + 1))
    return found


def completed(data: bytes) -> bytes | None:
    """The data of a JPEG that lacks only its end, with one; None where pixels are missing.

    Whatever is put behind pixels that are all there changes none of them; where some are missing it becomes pixels.
    """
    data = data.removesuffix(b"\xff")  # half of the end
    found = layout(data)
    if found.ended or not found.complete:
        return None
    fillers = (b"\x55" * 512, b"\xaa" * 512, b"\x00" * 512)
    try:
        as_it_is = _pixel_sum(data + END)
        return data + END if all(_pixel_sum(data + filler + END) == as_it_is for filler in fillers) else None
    except Exception:  # broken elsewhere too; Pillow may raise nearly anything
        return None


def _pixel_sum(data: bytes) -> bytes:
    with JpegImagePlugin.JpegImageFile(BytesIO(data)) as image:
        image.load()
        total = hashlib.blake2b()
        for _, strip in strips.of(image):
            total.update(np.asarray(strip).tobytes())
    return total.digest()
