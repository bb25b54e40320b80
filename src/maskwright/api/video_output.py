"""What a video becomes: a new video, and a table with a line a frame."""

from __future__ import annotations

import json
from collections import deque
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TextIO

from maskwright import files, interop
from maskwright.api.video_frames import Processed
from maskwright.video.read import Video
from maskwright.video.tracks import UNTRACKED
from maskwright.video.write import Writer


class VideoOutput:
    """The new video and its table of frames, each only if asked for; nothing is left of either where something fails.

    The files are begun with the first frame: only then is it known that there is something to write, and how large.
    """

    def __init__(self, video: Video, file: Path, lines: bool) -> None:
        self._video, self._file, self._lines = video, file, lines
        self._stack = ExitStack()
        self._writer: Writer | None = None
        self._table: TextIO | None = None
        self.frames = 0

    def __enter__(self) -> VideoOutput:
        self._stack.__enter__()
        return self

    def __exit__(self, *error: Any) -> bool | None:
        return self._stack.__exit__(*error)

    def add(self, done: Processed) -> None:
        if not self.frames and self._lines:  # before the video: what closes last goes, too, where closing it fails
            table = self._stack.enter_context(files.writing(self._file.with_suffix(".jsonl")))
            self._table = self._stack.enter_context(table.open("w", encoding="utf-8"))
        if done.picture is None:
            deque(self._video.take_sound(), maxlen=0)  # nobody writes it
        else:
            if self._writer is None:
                temporary = self._stack.enter_context(files.writing(self._file))
                self._writer = self._stack.enter_context(Writer(temporary, self._video, done.picture.shape[:2]))
            self._writer.add(done.picture, done.frame)
        if self._table is not None:
            self._table.write(json.dumps(_line(self._video, self.frames, done), ensure_ascii=False) + "\n")
        self.frames += 1

    @property
    def silent_because(self) -> str:
        """Why the new video has no sound; "" where it has, or there is none to have."""
        return "" if self._writer is None else self._writer.silent_because or ""


def _line(video: Video, number: int, done: Processed) -> dict[str, Any]:
    rows = interop.to_rows(done.detections)
    if done.ids is not None:
        tracks = [None if track == UNTRACKED else track for track in done.ids]
        rows = [{**row, "track": track} for row, track in zip(rows, tracks, strict=True)]
    height, width = done.frame.pixels.shape[:2]
    return {
        "file": str(video.path),
        "frame": number,
        "seconds": round(done.frame.seconds, 4),
        "image": {"width": width, "height": height},
        "counts": done.detections.counts(),
        "detections": rows,
    }
