"""TensorBoard's event file, written without TensorBoard: records with masked CRC-32C around small protocol buffers.

The layout follows tensorflow/core/util/event.proto and the TFRecord framing: length, its checksum, data, its checksum.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Mapping
from pathlib import Path

from maskwright import files


def _table() -> list[int]:
    rows = []
    for byte in range(256):
        value = byte
        for _ in range(8):
            value = (value >> 1) ^ 0x82F63B78 if value & 1 else value >> 1
        rows.append(value)
    return rows


TABLE = _table()


def crc32c(data: bytes) -> int:
    """The Castagnoli checksum.

    >>> hex(crc32c(b"123456789"))
    '0xe3069283'
    """
    value = 0xFFFFFFFF
    for byte in data:
        value = TABLE[(value ^ byte) & 0xFF] ^ (value >> 8)
    return value ^ 0xFFFFFFFF


def masked(data: bytes) -> bytes:
    value = crc32c(data)
    return struct.pack("<I", (((value >> 15) | (value << 17)) + 0xA282EAD8) & 0xFFFFFFFF)


def frame(data: bytes) -> bytes:
    """One record of a TFRecord file."""
    length = struct.pack("<Q", len(data))
    return length + masked(length) + data + masked(data)


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def _field(number: int, data: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def _event(step: int, moment: float, values: Mapping[str, float]) -> bytes:
    summary = b"".join(
        _field(1, _field(1, name.encode()) + _varint(2 << 3 | 5) + struct.pack("<f", value))
        for name, value in values.items()
    )
    return _varint(1 << 3 | 1) + struct.pack("<d", moment) + _varint(2 << 3) + _varint(step) + _field(5, summary)


def write_events(history: list[dict[str, float]], folder: Path, began: float | None = None) -> Path:
    """All epochs of a run as one event file for TensorBoard; written anew, so that a resumed run has one curve."""
    began = time.time() if began is None else began
    file = folder / "events.out.tfevents.maskwright"
    version = _varint(1 << 3 | 1) + struct.pack("<d", began) + _field(3, b"brain.Event:2")
    with files.writing(file) as temporary, temporary.open("wb") as opened:
        opened.write(frame(version))
        for row in history:
            values = {
                _tag(name): float(value) for name, value in row.items() if name not in ("epoch", "step", "seconds")
            }
            opened.write(frame(_event(int(row["step"]), began + row.get("seconds", 0.0), values)))
    return file


def _tag(name: str) -> str:
    """loss_mask -> loss/mask: TensorBoard groups by what stands before the slash."""
    for group in ("loss", "val", "box", "mask"):
        if name.startswith(f"{group}_"):
            return f"{group}/{name[len(group) + 1 :]}"
    return name
