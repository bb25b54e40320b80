"""What a video becomes: a new video, and a table with a line a frame; and what a run that is broken off leaves."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections import Counter, deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from maskwright import files, interop
from maskwright.api.jobs import Job, check_same
from maskwright.api.json_lines import encoded
from maskwright.api.video_frames import Processed
from maskwright.api.video_state import KEPT, SegmentEnd, State, read_state
from maskwright.api.video_tracks import write_tracks
from maskwright.drawing.pictures import write_picture
from maskwright.errors import OutputError
from maskwright.file_lock import locked
from maskwright.video.gif import write_gif
from maskwright.video.read import Video
from maskwright.video.tracks import UNTRACKED
from maskwright.video.write import Writer, contents, finish


class Summary:
    """What is counted over all frames.

    frames, seconds  that were written; the time of the last one
    followed         objects have identities
    most             {class: objects on the frame that shows most of it}
    counts           of lines and zones
    identities       {class: the identities of its objects}
    """

    def __init__(self) -> None:
        self.frames, self.seconds, self.followed = 0, 0.0, False
        self.most: Counter[str] = Counter()
        self.counts: dict[str, Any] = {}
        self.identities: dict[str, set[int]] = {}

    def add(self, done: Processed) -> None:
        self.frames, self.seconds = self.frames + 1, done.frame.seconds
        self.followed, self.counts = done.ids is not None, done.counts
        for name, identity in zip(done.detections.labels, done.ids or (), strict=False):
            self.identities.setdefault(name, set()).add(identity)
        for name, count in done.detections.counts().items():
            self.most[name] = max(self.most[name], count)

    @property
    def tracks(self) -> dict[str, int]:
        """{class: how many different objects were followed}"""
        return {name: len(several - {UNTRACKED}) for name, several in self.identities.items()}

    def state(self) -> dict[str, Any]:
        identities = {name: sorted(several) for name, several in self.identities.items()}
        counted = {"frames": self.frames, "seconds": self.seconds, "followed": self.followed}
        return {**counted, "most": dict(self.most), "identities": identities, "counts": self.counts}

    def restore(self, state: Mapping[str, Any]) -> None:
        self.frames, self.seconds, self.followed = state["frames"], state["seconds"], state["followed"]
        self.most, self.counts = Counter(state["most"]), state["counts"]
        self.identities = {name: set(several) for name, several in state["identities"].items()}


@contextmanager
def video_output(video: Video, file: Path, wanted: Wanted, job: Job, resume: bool) -> Iterator[VideoOutput]:
    """The output for the frames of the block, complete at its end.

    Where the block fails before the end of the first segment, nothing is left, but for a full disk; later, what is
    there is kept, to be played and to go on from.
    """
    with files.folder_of(file), locked(file):
        output = VideoOutput(video, file, wanted, job, resume)
        try:
            yield output
            output.finish()
        except BaseException as error:
            output.abandon(keep=isinstance(error, OSError | OutputError))  # a full disk
            raise


@dataclass(frozen=True)
class Wanted:
    """What is written of a video: a new video, a line a frame, tables of its tracks; frames: a folder for them."""

    pictures: bool = True
    lines: bool = False
    tracks: bool = False
    frames: Path | None = None


class VideoOutput:
    """A new video and its table of frames, begun with the first frame.

    Until they are finished they are party.part.mp4, which plays up to where it is, and party.part.jsonl;
    party.part.json says after every segment how to go on.

    job      see video_state.job_of
    made, lines  the video and the table that there will be; None where it is not wanted
    begun    where an earlier run of the same job was, and this one goes on; None: at the first frame
    stopped  set where the video ends early: it is finished up to there, and can be gone on with
    """

    def __init__(self, video: Video, file: Path, wanted: Wanted, job: Job, resume: bool) -> None:
        self._video, self.file, self._job = video, file, job
        self._wanted = wanted
        self.lines = file.with_suffix(".jsonl") if wanted.lines else None
        self.made = file if wanted.pictures else None
        stem = files.shortened(file.stem, 230)
        self._gif = file.suffix.lower() == ".gif"
        suffix = ".mp4" if self._gif else file.suffix
        self._parts = [file.with_name(f"{stem}.{part}{suffix}") for part in ("part", "part2")]
        self._state_file = file.with_name(f"{stem}.part.json")
        self._table_file = file.with_name(f"{stem}.part.jsonl")
        self._new = True  # no frame has come yet
        self._writer: Writer | None = None
        self._table: BinaryIO | None = None
        self._positions: list[SegmentEnd] = []
        self.summary, self.begun, self.stopped = Summary(), None, False
        if resume and (state := read_state(self._state_file)) is not None:
            check_same(state.job, job, self._state_file)
            self.begun = self._find(state.positions)
        if self.begun is not None:
            self._positions = [self.begun]
            self.summary.restore(self.begun.summary)
            video.skip(self.begun.frames, 0 if self.made is None else contents(self._earlier).sound)

    @property
    def unfinished(self) -> Path | None:
        """The part file of an earlier run that was broken off, and that this one does not go on from."""
        return self._parts[0] if self.begun is None and self._state_file.exists() else None

    @property
    def kept(self) -> Path | None:
        """What a run that ends early leaves, to go on from; None where it is not worth it."""
        written = self._table_file if self.made is None else self._part
        return written if self._positions else None

    @property
    def silent_because(self) -> str:
        """Why the new video has no sound; "" where it has, or there is none to have."""
        if self._writer is not None and self._gif and self._video.sound is not None:
            return "a GIF has none"
        return "" if self._writer is None else self._writer.silent_because or ""

    @property
    def _earlier(self) -> Path:
        assert self.begun is not None
        return self.file.with_name(Path(self.begun.part).name)

    @property
    def _part(self) -> Path:
        """Never the one that an earlier run wrote and this one copies."""
        return self._parts[self.begun is not None and self._earlier == self._parts[0]]

    def _find(self, positions: list[SegmentEnd]) -> SegmentEnd | None:
        """The last position whose frames and lines are really on disk."""
        lines = self._table_file.stat().st_size if self._table_file.exists() else 0
        for position in reversed(positions):
            part = self.file.with_name(Path(position.part).name)
            if position.table <= lines and (self.made is None or contents(part).frames >= position.frames):
                return position
        return None

    def add(self, done: Processed) -> None:
        if self._new:
            self._begin(None if done.picture is None else done.picture.shape[:2])
        if self._writer is None or done.picture is None:
            deque(self._video.take_sound(), maxlen=0)  # nobody writes it
        else:
            self._writer.add(done.picture, done.frame)
            if self._wanted.frames is not None:
                write_picture(done.picture, self._wanted.frames / f"{self.summary.frames:06}.jpg")
        if self._table is not None:
            self._table.write(_line(self._video, self.summary.frames, done))
        self.summary.add(done)
        if done.state is not None and (self._writer is not None or self._table is not None):
            self._remember(done.state)

    def _begin(self, size: tuple[int, int] | None) -> None:
        self._new = False
        if self.begun is None:
            self._discard()
        if self._wanted.lines or self._wanted.tracks:
            self._table = self._table_file.open("wb" if self.begun is None else "r+b")
            self._table.truncate(0 if self.begun is None else self.begun.table)
            self._table.seek(0, os.SEEK_END)
        if size is not None:
            earlier = None if self.begun is None else (self._earlier, self.begun.frames)
            self._writer = Writer(self._part, self._video, size, earlier)

    def _remember(self, stages: dict[str, Any]) -> None:
        """Where this run is, after a segment."""
        table = 0
        if self._table is not None:
            self._table.flush()
            table = self._table.tell()
        position = SegmentEnd(
            part=self._part.name, frames=self.summary.frames, table=table, summary=self.summary.state(), stages=stages
        )
        self._positions = [*self._positions, position][-KEPT:]
        State(job=self._job, positions=self._positions).write(self._state_file)
        for part in self._parts:
            if part != self._part and part.name not in {position.part for position in self._positions}:
                part.unlink(missing_ok=True)

    def finish(self) -> None:
        """Part file and lines become the files that were asked for."""
        if self._new:
            if self.begun is None:
                return
            self._begin(None if self.made is None else contents(self._earlier).size)  # there was no more frame to come
        if self._writer is not None:
            self._writer.close()
            with files.writing(self.file) as temporary:
                if self._gif:
                    write_gif(self._part, temporary)
                else:
                    finish(self._part, temporary, self._video, self._writer.last)
        if self._table is not None:
            self._table.close()
        if self._wanted.tracks:
            write_tracks(self._table_file, self.file)
        if self.lines is not None:
            with files.writing(self.lines) as temporary:
                shutil.copyfile(self._table_file, temporary)
        if not (self.stopped and self._positions):
            self._discard()

    def abandon(self, keep: bool) -> None:
        """After an error: what was written is kept where one can go on from it, or where `keep` says so."""
        if self._writer is not None:
            self._writer.abandon()
        if self._table is not None:
            with contextlib.suppress(OSError):
                self._table.close()
        if not (self._new or keep or self._positions):
            self._discard()

    def _discard(self) -> None:
        for path in (*self._parts, self._state_file, self._table_file):
            path.unlink(missing_ok=True)
        for name in (self.file.name, self._state_file.name):
            files.sweep(self.file.parent, name)


def _line(video: Video, number: int, done: Processed) -> bytes:
    """A frame of the table."""
    rows = interop.to_rows(done.detections)
    if done.ids is not None:
        tracks = [None if track == UNTRACKED else track for track in done.ids]
        rows = [{**row, "track": track} for row, track in zip(rows, tracks, strict=True)]
    height, width = done.frame.pixels.shape[:2]
    facts = {
        "file": str(video.path),
        "frame": number,
        "seconds": round(done.frame.seconds, 4),
        "image": {"width": width, "height": height},
        "counts": done.detections.counts(),
        "detections": rows,
        **done.counts,
    }
    if not video.timing.plain:
        facts["source_seconds"] = round(done.frame.source_seconds, 4)
    return encoded(facts)
