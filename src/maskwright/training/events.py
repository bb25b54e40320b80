"""TensorBoard's event file, written without TensorBoard: records around small protocol buffers.

The layout follows tensorflow/core/util/event.proto; framing and fields are those of `tfrecord_io.py`.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Mapping
from pathlib import Path

from maskwright import files
from maskwright.tfrecord_io import FIXED32, FIXED64, field, frame, varint


def _event(step: int, moment: float, values: Mapping[str, float]) -> bytes:
    summary = b"".join(
        field(1, field(1, name.encode()) + varint(2 << 3 | FIXED32) + struct.pack("<f", value))
        for name, value in values.items()
    )
    return varint(1 << 3 | FIXED64) + struct.pack("<d", moment) + varint(2 << 3) + varint(step) + field(5, summary)


def write_events(history: list[dict[str, float]], folder: Path, began: float | None = None) -> Path:
    """All epochs of a run as one event file for TensorBoard; written anew, so that a resumed run has one curve."""
    if began is None:
        began = time.time() - (history[-1].get("seconds", 0.0) if history else 0.0)
    file = folder / "events.out.tfevents.maskwright"
    version = varint(1 << 3 | FIXED64) + struct.pack("<d", began) + field(3, b"brain.Event:2")
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
