"""How far an unfinished video is: a small file beside its part file, from which `resume` goes on."""

from __future__ import annotations

import hashlib
from dataclasses import is_dataclass
from pathlib import Path
from typing import Any

import msgspec

from maskwright import files
from maskwright.api.jobs import Job, model_job
from maskwright.errors import RecipeError
from maskwright.prediction.detector import Detector
from maskwright.video.frame_files import frame_files
from maskwright.video.read import Video

VERSION = 1
KEPT = 2  # states; the part file may not yet hold all frames of the last one
ENDS = 1 << 20  # bytes of the source, at its begin and at its end, by which it is known again


class SegmentEnd(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """After a whole segment.

    part      name of the part file;  table  bytes of the lines that belong to its first `frames` frames
    summary   see api.video_output.Summary
    stages    see api.video_frames.FrameStages.state
    """

    part: str
    frames: int
    table: int
    summary: dict[str, Any]
    stages: dict[str, Any]


class State(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """job  what is computed, see `job_of`;  positions  the latest last"""

    job: Job
    positions: list[SegmentEnd]
    version: int = VERSION

    def write(self, file: Path) -> None:
        with files.writing(file) as temporary:
            temporary.write_bytes(msgspec.json.encode(self))


def read_state(file: Path) -> State | None:
    """None where there is none; RecipeError where it is damaged."""
    try:
        with files.open_file(file) as stream:
            state = msgspec.json.decode(stream.read(), type=State)
        if state.version != VERSION:
            raise ValueError(f"version {state.version}")
        return state
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise RecipeError(
            "this does not say how far the video is", file=file, got=error, fix="begin anew: leave --resume out"
        ) from error


def job_of(video: Video, predictor: Detector, drawn: object, **settings: Any) -> Job:
    """What a run computes, {name: text}: the source, the model, and how it is used."""
    known = drawn if drawn is None or is_dataclass(drawn) else getattr(drawn, "__qualname__", type(drawn).__name__)
    settings |= {"drawn": known, "timing": video.timing}
    return {"source": _content_of(video.path), **model_job(predictor, **settings)}


def _content_of(path: Path) -> str:
    """Bytes and a hash of both ends of a file; of a folder of frames their names and bytes; of an address, itself."""
    if path.is_dir():
        known = "".join(f"{file.name} {file.stat().st_size}\n" for file in frame_files(path))
        return hashlib.sha256(known.encode("utf-8", "surrogateescape")).hexdigest()[:16]
    try:
        length = path.stat().st_size
        with files.open_file(path) as stream:
            made = hashlib.sha256(stream.read(ENDS))
            stream.seek(max(0, length - ENDS))
            made.update(stream.read(ENDS))
    except OSError:
        return str(path)
    return f"{length} bytes, {made.hexdigest()[:16]}"
