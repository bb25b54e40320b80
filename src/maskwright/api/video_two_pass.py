"""Two passes over a video: objects are detected and followed, then drawn by identities that are joined over gaps."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from maskwright import files, interop
from maskwright.api.jobs import Job
from maskwright.api.json_lines import whole_lines
from maskwright.api.video_frames import FrameStages, Ids, Prepared
from maskwright.api.video_output import VideoOutput, Wanted, video_output
from maskwright.prediction.detector import Detector
from maskwright.types import Instances
from maskwright.video.joining import Joining
from maskwright.video.read import Frame, Video
from maskwright.video.timing import Timing
from maskwright.video.tracks import UNTRACKED


@dataclass(frozen=True)
class FirstPass:
    """What the second pass draws: a line a frame, in a file whose name says of which run it is.

    file  the video that there will be
    """

    predictor: Detector
    class_indices: np.ndarray
    source: str | Path
    timing: Timing
    file: Path
    job: Job

    @property
    def lines(self) -> Path:
        mark = hashlib.sha256(msgspec.json.encode(self.job)).hexdigest()[:8]
        return self.file.with_name(f"{files.shortened(self.file.stem, 200)}.pass1-{mark}.jsonl")

    def run(self, process: Callable[[Video, FrameStages, VideoOutput], None], resume: bool) -> None:
        """Detect and follow; with `resume` only what an earlier run has not done."""
        if resume and self.lines.exists():
            return
        with Video(self.source, self.timing) as video:
            stages = FrameStages(self.predictor, self.class_indices, video, True, None, pictures=False)
            wanted = Wanted(pictures=False, lines=True)
            with video_output(video, self.lines.with_suffix(".mp4"), wanted, self.job, resume) as output:
                process(video, stages, output)
        if output.stopped:
            self.lines.unlink(missing_ok=True)
            raise KeyboardInterrupt


class RecordedStages(FrameStages):
    """The stages of the second pass: objects come from the lines of the first, their identities are joined."""

    def __init__(self, first: FirstPass, *stages: Any) -> None:
        """stages  as of FrameStages"""
        super().__init__(*stages)
        self._lines, self._names = first.lines, first.predictor.card.classes
        self._ids: deque[list[int]] = deque()  # of the frames between the two stages
        self._joining = Joining()
        for line in _frames(self._lines):
            detections = self._detections(line)
            self._joining.add(_recorded_ids(line), detections.labels, detections.boxes, line["source_seconds"])
        self._identities = self._joining.joined()

    def prepare(self, frames: Iterable[Frame]) -> Iterator[Prepared]:
        """Each frame as it is: no network looks at it again."""
        for frame in frames:
            yield frame, None

    def detect(self, prepared: Iterable[Prepared]) -> Iterator[tuple[Frame, Callable[[], Instances]]]:
        """Each frame with its objects."""
        lines = enumerate(_frames(self._lines))
        for frame, _ in prepared:
            number, line = next(item for item in lines if item[1]["seconds"] == round(frame.seconds, 4))
            begun = self._joining.begun
            ids = [begun.get((number, row), identity) if identity == UNTRACKED else identity
                   for row, identity in enumerate(_recorded_ids(line))]  # fmt: skip
            self._ids.append([self._identities.get(identity, UNTRACKED) for identity in ids])
            yield frame, partial(self._detections, line)

    def _detections(self, line: dict[str, Any]) -> Instances:
        return interop.from_rows(
            line["detections"], self._names, (line["image"]["height"], line["image"]["width"]), file=self._lines
        )

    def _followed(self, detections: Instances, frame: Frame) -> tuple[Instances, Ids]:
        return detections, self._ids.popleft()


def _frames(lines: Path) -> Iterator[dict[str, Any]]:
    for line in whole_lines(lines):
        facts = msgspec.json.decode(line)
        yield {"source_seconds": facts["seconds"], **facts}


def _recorded_ids(line: dict[str, Any]) -> list[int]:
    return [UNTRACKED if row["track"] is None else row["track"] for row in line["detections"]]
