"""A folder of frames as a video: its image files in the order of their numbers, each shown equally long."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

from maskwright.errors import DatasetError

ENDINGS = (".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")
OPTIONS = {"safe": "0", "protocol_whitelist": "file", "auto_convert": "0"}
"""For FFmpeg's concat demuxer: absolute paths, nothing but files."""


def frame_files(folder: Path) -> list[Path]:
    """Its images, frame_2 before frame_10; DatasetError where there are none, or of several kinds."""
    names = (path for path in folder.iterdir() if path.suffix.lower() in ENDINGS and not path.name.startswith("."))
    found = sorted((path for path in names if path.is_file()), key=_number)
    endings = sorted({path.suffix.lower() for path in found})
    if len(endings) != 1:
        raise DatasetError(
            "the frames of a video are image files of one kind", file=folder,
            expected=f"files that end in one of {' '.join(ENDINGS)}", got=" and ".join(endings) or "none",
        )  # fmt: skip
    return found


def _number(path: Path) -> tuple[list[int], str]:
    return [int(digits) for digits in re.findall(r"\d+", path.stem)], path.name


def playlist(folder: Path, rate: Fraction) -> io.BytesIO:
    """The frames as FFmpeg's concat demuxer is told of them."""
    return io.BytesIO("\n".join(_lines(frame_files(folder), rate)).encode("utf-8", "surrogateescape"))


def _lines(frames: list[Path], rate: Fraction) -> Iterator[str]:
    yield "ffconcat version 1.0"
    for number, path in enumerate(frames):
        begin, end = (round(1_000_000 * at / rate) for at in (number, number + 1))  # no error adds up
        quoted = str(path.resolve()).replace("'", "'\\''")
        yield from (f"file 'file:{quoted}'", f"option framerate {rate}", f"duration {end - begin}us")
