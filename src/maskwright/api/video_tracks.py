"""The tracks of a video, made of the lines of its frames: a table with a row a track, MOT Challenge's text, a page."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from maskwright import files, tables
from maskwright.api.video_tracks_page import write_tracks_page

COLUMNS = (
    "track", "class", "first_seconds", "last_seconds", "frames", "mean_score", "first_x", "first_y", "last_x", "last_y",
)  # fmt: skip


@dataclass(slots=True)
class _Row:
    name: str
    first: float
    begin: tuple[float, float]
    last: float = 0.0
    end: tuple[float, float] = (0.0, 0.0)
    frames: int = 0
    scores: float = 0.0


def track_files(file: Path) -> list[Path]:
    """Beside a video: the table of its tracks, its tracks for MOT Challenge, and their page."""
    stem = files.shortened(file.stem, 230)
    return [file.with_name(f"{stem}.{ending}") for ending in ("tracks.csv", "mot.txt", "tracks.html")]


def write_tracks(lines: Path, file: Path) -> None:
    """The three files of the video `file`, from the lines of its frames; in memory is one row a track.

    MOT Challenge: frame and identity from 1 on, left, top, width, height, score, and -1 three times.
    """
    rows: dict[int, _Row] = {}
    table, mot, page = track_files(file)
    with files.writing(mot) as temporary, temporary.open("w", encoding="utf-8") as written:
        for frame in _frames(lines):
            for found in frame["detections"]:
                if found.get("track") is None:
                    continue
                x1, y1, x2, y2 = found["box"]
                score = found.get("score") or 0.0
                written.write(f"{frame['frame'] + 1},{found['track']},{x1:.2f},{y1:.2f},{x2 - x1:.2f},{y2 - y1:.2f},"
                              f"{score:.4f},-1,-1,-1\n")  # fmt: skip
                center = (x1 + x2) / 2, (y1 + y2) / 2
                row = rows.setdefault(found["track"], _Row(found["class"], frame["seconds"], center))
                row.last, row.end, row.frames, row.scores = frame["seconds"], center, row.frames + 1, row.scores + score
    cells = [
        [track, row.name, row.first, row.last, row.frames, round(row.scores / row.frames, 4),
         *(round(number, 1) for number in (*row.begin, *row.end))]
        for track, row in sorted(rows.items())
    ]  # fmt: skip
    files.write_text(table, tables.written(COLUMNS, cells))
    write_tracks_page(_frames(lines), page, file.name)


def _frames(lines: Path) -> Iterator[dict[str, Any]]:
    with lines.open(encoding="utf-8") as stream:
        for line in stream:
            yield json.loads(line)
