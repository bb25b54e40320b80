"""Malicious and corrupted image files: each function writes one and returns its path."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_by_hand(width: int, height: int, rows: bytes, *behind: bytes, depth: int = 8, color: int = 0) -> bytes:
    """A PNG of these header values and raw rows, true or not; `behind` are chunks after the pixels."""
    header = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0)
    pixels = _chunk(b"IDAT", zlib.compress(rows, 9))
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + pixels + b"".join(behind) + _chunk(b"IEND", b"")


def exif_behind_the_pixels(folder: Path, orientation: int) -> Path:
    """A sound 6×4 PNG whose EXIF stands where some programs write it: at the end."""
    exif = b"MM\0*" + struct.pack(">IHHHIHHI", 8, 1, 274, 3, 1, orientation, 0, 0)
    path = folder / f"late_{orientation}.png"
    path.write_bytes(png_by_hand(6, 4, bytes(7 * 4), _chunk(b"eXIf", exif)))
    return path


def bomb(folder: Path, side: int = 60_000) -> Path:
    """A few kilobytes that claim to be 3,600 megapixels."""
    path = folder / "bomb.png"
    path.write_bytes(png_by_hand(side, side, bytes(1000), depth=1))
    return path


def wide(folder: Path, width: int = 30_000, height: int = 20) -> Path:
    """30,000 pixels wide: unusual but valid."""
    path = folder / "wide.png"
    row = b"\0" + bytes(width // 2) + b"\xff" * (width - width // 2)
    path.write_bytes(png_by_hand(width, height, row * height))
    return path


def one_pixel(folder: Path, ending: str = ".png") -> Path:
    path = folder / f"one{ending}"
    Image.new("RGB", (1, 1), (255, 0, 0)).save(path)
    return path


def truncated(folder: Path, ending: str = ".jpg", fraction: float = 0.5) -> Path:
    """The first part of a valid image of noise."""
    whole = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (200, 300, 3), np.uint8)
    path = folder / f"truncated{ending}"
    Image.fromarray(noise).save(whole, format=Image.registered_extensions()[ending])
    data = whole.getvalue()
    path.write_bytes(data[: int(len(data) * fraction)])
    return path


def text_named_jpg(folder: Path) -> Path:
    path = folder / "notes.jpg"
    path.write_text("Dear colleague,\nthe images are on the other disk.\n", encoding="utf-8")
    return path


def empty(folder: Path) -> Path:
    path = folder / "empty.jpg"
    path.write_bytes(b"")
    return path


def only_a_header(folder: Path) -> Path:
    """Begins like a JPEG and continues with noise."""
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
    """A valid image whose EXIF block is corrupted."""
    path = folder / "exif.jpg"
    nonsense = b"Exif\0\0II*\0" + struct.pack("<IH", 8, 40000) + b"\x12\x01\x03\0\xff\xff\xff\xff" * 30
    Image.new("RGB", (8, 4)).save(path, exif=nonsense)
    return path


def all_refused(folder: Path) -> list[Path]:
    """The files that must raise an ImageError."""
    cut = [truncated(folder, ending) for ending in (".jpg", ".png", ".webp", ".bmp", ".tif")]
    return [
        *cut, bomb(folder), text_named_jpg(folder), empty(folder), only_a_header(folder), heic(folder),
        tiff_of_loops(folder),
    ]  # fmt: skip


def tiff_by_hand(
    samples: np.ndarray, *, packed: bool = False, big_endian: bool = False, apart: bool = False,
    extra: int | None = None, no_data: str | None = None, orientation: int = 1,
) -> bytes:  # fmt: skip
    """A TIFF of one strip (with `apart` one for each band) that holds H×W or H×W×bands samples of any numpy type.

    packed  Deflate (libtiff decodes it; what is not packed Pillow reads itself)"""
    order = ">" if big_endian else "<"
    samples = np.atleast_3d(samples)
    height, width, bands = samples.shape
    samples = samples.astype(samples.dtype.newbyteorder(order))
    planes = [samples[..., band] for band in range(bands)] if apart else [samples]
    strips = [zlib.compress(plane.tobytes()) if packed else plane.tobytes() for plane in planes]
    numbers = {"u": 1, "i": 2, "f": 3}[samples.dtype.kind]
    starts = np.cumsum([8, *map(len, strips)])[:-1].tolist()
    tags: dict[int, tuple[int, list[int] | bytes]] = {
        256: (4, [width]), 257: (4, [height]), 258: (3, [samples.dtype.itemsize * 8] * bands),
        259: (3, [8 if packed else 1]), 262: (3, [2 if bands > 2 else 1]),
        273: (4, starts), 274: (3, [orientation]), 277: (3, [bands]), 278: (4, [height]),
        279: (4, [len(strip) for strip in strips]), 284: (3, [2 if apart else 1]), 339: (3, [numbers] * bands),
    }  # fmt: skip
    if extra is not None:
        tags[338] = (3, [extra] * (bands - 3))
    if no_data is not None:
        tags[42113] = (2, no_data.encode() + b"\0")
    start = 8 + sum(map(len, strips))
    start += start % 2
    table, behind = struct.pack(f"{order}H", len(tags)), b""
    beyond = start + 2 + 12 * len(tags) + 4
    for tag, (kind, values) in sorted(tags.items()):
        data = (
            values
            if isinstance(values, bytes)
            else struct.pack(f"{order}{len(values)}{'H' if kind == 3 else 'I'}", *values)
        )
        if len(data) > 4:
            place = struct.pack(f"{order}I", beyond + len(behind))
            behind += data + b"\0" * (len(data) % 2)
        else:
            place = data.ljust(4, b"\0")
        table += struct.pack(f"{order}HHI", tag, kind, len(values)) + place
    head = (b"MM\0*" if big_endian else b"II*\0") + struct.pack(f"{order}I", start)
    return (head + b"".join(strips)).ljust(start, b"\0") + table + bytes(4) + behind


def progressive_by_hand(width: int, height: int, scans: int) -> bytes:
    """A progressive gray JPEG of nothing, a handful of bytes a scan (each is the work of a whole image)."""

    def segment(mark: int, content: bytes) -> bytes:
        return bytes([0xFF, mark]) + struct.pack(">H", len(content) + 2) + content

    def packed(bits: str) -> bytes:
        bits += "1" * (-len(bits) % 8)
        return int(bits, 2).to_bytes(len(bits) // 8, "big").replace(b"\xff", b"\xff\0")

    blocks = -(-width // 8) * -(-height // 8)
    out = b"\xff\xd8" + segment(0xDB, bytes([0]) + bytes([1] * 64))
    out += segment(0xC2, bytes([8]) + struct.pack(">HH", height, width) + bytes([1, 1, 0x11, 0]))
    out += segment(0xC4, bytes([0x00, 1] + [0] * 15 + [0])) + segment(0xC4, bytes([0x10, 1] + [0] * 15 + [0xE0]))
    out += segment(0xDA, bytes([1, 1, 0x00, 0, 0, 0])) + packed("0" * blocks)
    bits, left = "", blocks
    while left > 0:
        run = max(min(left, 32767), 16384)
        bits += "0" + format(run - 16384, "014b")
        left -= run
    return out + (segment(0xDA, bytes([1, 1, 0x00, 1, 63, 0])) + packed(bits)) * scans + b"\xff\xd9"
