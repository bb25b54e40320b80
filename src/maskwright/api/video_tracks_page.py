"""The page of a video's tracks: when each object was in sight, how many there were, what was counted."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from maskwright import files
from maskwright.report import page, sections
from maskwright.text import counted

MOST = 150  # rows of the timeline
POINTS = 300  # of a curve
BIN = 0.2  # seconds, the finest times that are kept
APART = 0.5  # seconds out of sight from which a bar is interrupted


@dataclass(slots=True)
class _Seen:
    name: str
    hue: int
    spans: list[tuple[float, float]]
    frames: int = 0
    scores: float = 0.0


@dataclass(slots=True)
class _Curves:
    """{name: {bin: the highest value in it}}"""

    levels: dict[str, dict[int, float]] = field(default_factory=lambda: defaultdict(dict))
    last: int = 0

    def add(self, seconds: float, values: Mapping[str, float]) -> None:
        self.last = int(seconds / BIN)
        for name, value in values.items():
            levels = self.levels[name]
            levels[self.last] = max(levels.get(self.last, 0.0), float(value))

    def series(self) -> list[sections.Series]:
        step = max(1, -(-(self.last + 1) // POINTS))
        bins = range(0, self.last + 1, step)
        return [
            sections.Series(name, [start * BIN for start in bins],
                            [max(levels.get(start + more, 0.0) for more in range(step)) for start in bins])
            for name, levels in self.levels.items()
        ]  # fmt: skip


def write_tracks_page(frames: Iterable[Mapping[str, Any]], file: Path, video: str) -> Path:
    """Of the lines of all frames; in memory is a row a track, and a number every fifth of a second."""
    seen: dict[int, _Seen] = {}
    in_sight, lines, zones = _Curves(), _Curves(), _Curves()
    end = 0.0
    for frame in frames:
        end = seconds = frame["seconds"]
        present = [row for row in frame["detections"] if row.get("track") is not None]
        in_sight.add(seconds, Counter(row["class"] for row in present))
        lines.add(seconds, dict(_crossed(frame)))
        zones.add(seconds, dict(_inside(frame)))
        for row in present:
            _extend(seen, row, seconds)
    made: list[sections.Section] = [
        sections.Facts("Tracks", {"tracks": Counter(track.name for track in seen.values()), "seconds": round(end, 2)}),
        sections.Timeline("In sight", _rows(seen), end, note=_most(len(seen))),
        sections.Lines("Objects at a time", in_sight.series(), "seconds", "objects with an identity"),
    ]
    if zones.levels:
        made.append(sections.Lines("In the zones", zones.series(), "seconds", "objects"))
    if lines.levels:
        made.append(sections.Lines("Across the lines", lines.series(), "seconds", "crossings so far"))
    columns = ["track", "class", "from", "to", "frames", "mean score"]
    table = [(str(identity), track.name, round(track.spans[0][0], 2), round(track.spans[-1][1], 2), track.frames,
              round(track.scores / track.frames, 3)) for identity, track in sorted(seen.items())]  # fmt: skip
    made.append(sections.Table("Track by track", columns, table))
    files.write_text(file, page.render(f"Tracks in {video}", made, counted(len(seen), "track")))
    return file


def _extend(seen: dict[int, _Seen], row: Mapping[str, Any], seconds: float) -> None:
    track = seen.setdefault(row["track"], _Seen(row["class"], row["track"], [(seconds, seconds)]))
    begin, end = track.spans[-1]
    if seconds - end > APART:
        track.spans.append((seconds, seconds))
    else:
        track.spans[-1] = (begin, seconds)
    track.frames, track.scores = track.frames + 1, track.scores + (row.get("score") or 0.0)


def _rows(seen: Mapping[int, _Seen]) -> list[sections.TimelineRow]:
    """The tracks that were in sight longest, in the order in which they came."""
    longest = sorted(seen, key=lambda identity: -seen[identity].frames)[:MOST]
    rows = []
    for identity in sorted(longest, key=lambda identity: seen[identity].spans[0]):
        track = seen[identity]
        begin, end = track.spans[0][0], track.spans[-1][1]
        note = f"{track.name} {identity}: {begin:.2f} to {end:.2f} seconds, {counted(track.frames, 'frame')}"
        rows.append(sections.TimelineRow(f"{track.name} {identity}", track.spans, track.hue, note))
    return rows


def _most(count: int) -> str:
    return f"the {MOST} that were in sight longest, of {count}" if count > MOST else ""


def _inside(frame: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    for number, zone in enumerate(frame.get("zones", ()), start=1):
        yield f"zone {number}", sum(zone["inside"].values())


def _crossed(frame: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    for number, line in enumerate(frame.get("count_lines", ()), start=1):
        yield f"line {number} →", sum(line["left_to_right"].values())
        yield f"line {number} ←", sum(line["right_to_left"].values())
