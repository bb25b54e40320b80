"""Hostile photo files: each function writes one and returns its path."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_by_hand(width: int, height: int, rows: bytes, *behind: bytes, depth: int = 8, colour: int = 0) -> bytes:
    """A PNG of these header values and raw rows, true or not; `behind` are chunks after the pixels."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    pixels = _chunk(b"IDAT", zlib.compress(rows, 9))
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + pixels + b"".join(behind) + _chunk(b"IEND", b"")


def exif_behind_the_pixels(folder: Path, orientation: int) -> Path:
    """A sound 6×4 PNG whose EXIF stands where some programs write it: at the end."""
    exif = b"MM\0*" + struct.pack(">IHHHIHHI", 8, 1, 274, 3, 1, orientation, 0, 0)
    path = folder / f"late_{orientation}.png"
    path.write_bytes(png_by_hand(6, 4, bytes(7 * 4), _chunk(b"eXIf", exif)))
    return path


def bomb(folder: Path, side: int = 60_000) -> Path:
    """A few kilobytes that say they are 3,600 megapixels."""
    path = folder / "bomb.png"
    path.write_bytes(png_by_hand(side, side, bytes(1000), depth=1))
    return path


def wide(folder: Path, width: int = 30_000, height: int = 20) -> Path:
    """30,000 pixels wide: sound, only unusual."""
    path = folder / "wide.png"
    row = b"\0" + bytes(width // 2) + b"\xff" * (width - width // 2)
    path.write_bytes(png_by_hand(width, height, row * height))
    return path


def one_pixel(folder: Path, ending: str = ".png") -> Path:
    path = folder / f"one{ending}"
    Image.new("RGB", (1, 1), (255, 0, 0)).save(path)
    return path


def truncated(folder: Path, ending: str = ".jpg", share: float = 0.5) -> Path:
    """The first part of a sound photo of noise."""
    whole = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (200, 300, 3), np.uint8)
    path = folder / f"truncated{ending}"
    Image.fromarray(noise).save(whole, format=Image.registered_extensions()[ending])
    data = whole.getvalue()
    path.write_bytes(data[: int(len(data) * share)])
    return path


def text_named_jpg(folder: Path) -> Path:
    path = folder / "notes.jpg"
    path.write_text("Dear colleague,\nthe photos are on the other disk.\n", encoding="utf-8")
    return path


def empty(folder: Path) -> Path:
    path = folder / "empty.jpg"
    path.write_bytes(b"")
    return path


def only_a_header(folder: Path) -> Path:
    """Begins like a JPEG; behind it is noise."""
    path = folder / "fake.jpg"
    path.write_bytes(b"\xff\xd8\xff\xe0" + np.random.default_rng(1).bytes(500))
    return path


def heic(folder: Path) -> Path:
    path = folder / "phone.jpg"
    path.write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(100))
    return path


def tiff_of_loops(folder: Path) -> Path:
    """A TIFF whose directory points at itself and whose tags point behind the end of the file."""
    tags = [(256, 4, 1, 9), (257, 4, 1, 9), (258, 3, 60000, 4_000_000), (273, 4, 70000, 4_000_000_000), (262, 3, 1, 1)]
    body = b"".join(struct.pack("<HHII", *tag) for tag in tags)
    path = folder / "loops.tif"
    path.write_bytes(b"II*\0" + struct.pack("<IH", 8, len(tags)) + body + struct.pack("<I", 8))
    return path


def broken_exif(folder: Path) -> Path:
    """A sound photo whose EXIF is nonsense that begins like EXIF."""
    path = folder / "exif.jpg"
    nonsense = b"Exif\0\0II*\0" + struct.pack("<IH", 8, 40000) + b"\x12\x01\x03\0\xff\xff\xff\xff" * 30
    Image.new("RGB", (8, 4)).save(path, exif=nonsense)
    return path


def all_refused(folder: Path) -> list[Path]:
    """Those that must end in a PhotoError, nothing else."""
    cut = [truncated(folder, ending) for ending in (".jpg", ".png", ".webp", ".bmp", ".tif")]
    return [
        *cut, bomb(folder), text_named_jpg(folder), empty(folder), only_a_header(folder), heic(folder),
        tiff_of_loops(folder),
    ]  # fmt: skip
