"""Video: the objects of every frame are detected and drawn into a new video."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from maskwright import files, interop
from maskwright.api.predict import class_indices_of, of_classes
from maskwright.drawing import outlines
from maskwright.drawing.colors import color_of
from maskwright.errors import MaskwrightError, OutputError
from maskwright.issues import Issue, Kind, Log, as_json
from maskwright.prediction.detector import Detector, require_detector
from maskwright.prediction.loading import load_unless_loaded
from maskwright.prediction.options import AS_TRAINED, InferenceOptions
from maskwright.prediction.predictor import Predictor
from maskwright.progress import Progress
from maskwright.reporting import reporting
from maskwright.types import Instances
from maskwright.video.read import Frame, Video
from maskwright.video.tracks import UNTRACKED, Tracker
from maskwright.video.write import CONTAINERS, Writer

FRAMES_DAMAGED = Kind(
    "frames_damaged", "warning", "{count} damaged frame passed over", "{count} damaged frames passed over"
)
VIDEO_CUT_OFF = Kind("video_cut_off", "warning", "the video cannot be read beyond {seconds:.1f} seconds: {reason}")
VIDEO_WITHOUT_SOUND = Kind(
    "video_without_sound", "warning", "without sound: {reason}; {fix}", fix="another --out may take it (.mkv, .mov)"
)
VIDEO_STOPPED = Kind("video_stopped", "info", "stopped at {seconds:.1f} seconds: {file} plays up to there")
VIDEO_NOT_READ = Kind("video_not_read", "error", "{error}")
VIDEO_WRITTEN = Kind("video_written", "info", "video in {file}[, a line a frame in {lines}]")

Drawing = Callable[[np.ndarray, Instances], np.ndarray]
"""Makes the new frame from the pixels (H×W×3 uint8) and the objects of a frame."""

Ids = list[int] | None  # of each object of a frame; None where nothing is followed

SCREEN = (1280, 1280)  # how large a video is shown at most, upright or not: its letters are made for that


@dataclass(frozen=True)
class VideoResult:
    """What came of a video.

    video, file  the one that was read, and the one written
    frames       that were written, of `expected` (None where the video does not say)
    most         {class: objects on the frame that shows most of it}
    lines        the table of frames, where it was asked for
    tracks       {class: how many different objects were followed}; None where no identities were asked for
    issues       what a viewer should know: sound left out, a file that ends in the middle
    """

    video: Path
    file: Path
    frames: int
    expected: int | None
    seconds: float
    most: dict[str, int]
    lines: Path | None = None
    issues: tuple[Issue, ...] = ()
    tracks: dict[str, int] | None = None

    def to_dict(self) -> dict[str, Any]:
        return {
            "video": str(self.video),
            "file": str(self.file),
            "frames": self.frames,
            "seconds": round(self.seconds, 3),
            "most": self.most,
            "tracks": self.tracks,
            "lines": None if self.lines is None else str(self.lines),
            "issues": [as_json(issue) for issue in self.issues],
        }


@dataclass(frozen=True)
class VideoResults:
    """Several videos, and the errors of those that could not be read."""

    videos: list[VideoResult]
    failed: list[MaskwrightError] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        return {
            "videos": [video.to_dict() for video in self.videos],
            "failed": [error.facts() for error in self.failed],
        }


def outlined(pixels: np.ndarray, detections: Instances) -> np.ndarray:
    """Outlines in the color of the class, letters of one size: by object they would change from frame to frame."""
    return outlines.draw(
        pixels, detections, colors=[color_of(int(class_index)) for class_index in detections.classes], shown_in=SCREEN
    )


def predict_video(
    model: str | Path | Predictor,
    source: str | Path,
    *,
    out: str | Path = "videos",
    drawn: Drawing | None = None,
    lines: bool = False,
    track: bool = False,
    classes: Sequence[str] | None = None,
    options: InferenceOptions = AS_TRAINED,
    verbose: bool | None = None,
    progress: Progress | None = None,
    log: Log | None = None,
) -> VideoResult:
    """Draw the objects of every frame; the new video keeps the times of the frames, their number and the sound.

    source  a video of any kind that FFmpeg reads, or the address of one
    out     a folder, where the video gets the source's name and .mp4; or a file that ends in .mp4, .mov or .mkv
    drawn   makes the new frame of the old one and its objects; None: outlines and labels
    lines   VIDEO.jsonl beside it: a line a frame, with its time and its objects
    track   follow objects from frame to frame: each has an identity (`track` in the lines), by which it is colored
    verbose  True prints progress and issues; None: in a notebook. progress, log: reporting of your own
    Ctrl-C ends the video where it is, so that it can be played up to there, and goes on as KeyboardInterrupt.

    >>> maskwright.predict_video("balloons", "party.mp4", out="drawn").most
    {'balloon': 7}
    """
    progress, log = reporting(verbose, progress, log)
    predictor = require_detector(load_unless_loaded(model, options, progress))
    class_indices = class_indices_of(predictor, classes)
    file = targets([source], Path(out))[0]
    for issue in predictor.introduction():
        log(issue)
    most: Counter[str] = Counter()
    identities: dict[str, set[int]] = {}
    seconds, stopped = 0.0, False
    with Video(source) as video, _Output(video, file, lines) as output:
        follow = _Following(predictor, class_indices, video) if track else _Detecting(predictor, class_indices)
        try:
            for frame in progress(video, total=video.expected, label="predicting", unit="frames"):
                detections, ids = follow(frame)
                output.add(_drawn(frame.pixels, detections, ids, drawn), frame, detections, ids)
                for name, identity in zip(detections.labels, ids or (), strict=False):
                    identities.setdefault(name, set()).add(identity)
                for name, count in detections.counts().items():
                    most[name] = max(most[name], count)
                seconds = frame.seconds
        except KeyboardInterrupt:
            if not output.frames:
                raise
            stopped = True
        issues = tuple(_issues(video, output.silent_because, seconds))
    for issue in [VIDEO_STOPPED(seconds=seconds, file=str(file))] if stopped else issues:
        log(issue)
    if stopped:
        raise KeyboardInterrupt
    table = file.with_suffix(".jsonl") if lines else None
    followed = {name: len(several - {UNTRACKED}) for name, several in identities.items()} if track else None
    return VideoResult(Path(source), file, output.frames, video.expected, seconds, dict(most), table, issues, followed)


def predict_videos(
    model: str | Path | Predictor,
    sources: Sequence[str | Path],
    *,
    out: str | Path = "videos",
    drawn: Drawing | None = None,
    lines: bool = False,
    track: bool = False,
    classes: Sequence[str] | None = None,
    options: InferenceOptions = AS_TRAINED,
    verbose: bool | None = None,
    progress: Progress | None = None,
    log: Log | None = None,
) -> VideoResults:
    """`predict_video` for several videos, one after the other; of one alone the error is raised, of several it is put
    into `failed` and logged, and the others go on."""
    progress, log = reporting(verbose, progress, log)
    files = targets(sources, Path(out))
    predictor = load_unless_loaded(model, options, progress)
    results = VideoResults([])
    for source, file in zip(sources, files, strict=True):
        try:
            result = predict_video(
                predictor, source, out=file, drawn=drawn, lines=lines, track=track, classes=classes,
                progress=progress, log=log,
            )  # fmt: skip
        except MaskwrightError as error:
            if len(sources) == 1:
                raise
            results.failed.append(error)
            log(VIDEO_NOT_READ(error=error))
        else:
            results.videos.append(result)
            log(VIDEO_WRITTEN(file=str(file), lines=str(result.lines or "")))
    return results


def targets(sources: Sequence[str | Path], out: Path) -> list[Path]:
    """Where the videos go, each by a name of its own; never onto one of those that are read."""
    if out.suffix.lower() in CONTAINERS:
        if len(sources) > 1:
            raise OutputError("several videos need a folder", field="--out", expected="a folder", got=out)
        written = [out]
    else:
        taken: set[str] = set()
        written = []
        for source in sources:
            stem = next(stem for stem in files.numbered(Path(source).stem, 230) if stem.casefold() not in taken)
            taken.add(stem.casefold())
            written.append(out / f"{stem}.mp4")
    read = {str(Path(source).resolve()).casefold() for source in sources}
    for file in written:
        if str(file.resolve()).casefold() in read:
            raise OutputError("the video would replace one that is read", file=file, fix="name another --out")
    return written


# --- frame by frame ---------------------------------------------------------------------------------------------------
class _Detecting:
    """The objects of each frame by itself."""

    def __init__(self, predictor: Detector, class_indices: np.ndarray) -> None:
        self._predictor, self._class_indices = predictor, class_indices

    def __call__(self, frame: Frame) -> tuple[Instances, Ids]:
        return of_classes(self._predictor(frame.pixels), self._class_indices), None


class _Following:
    """The objects of each frame with their identities.

    What is detected less surely than the model's threshold demands is shown only where it goes on with a track.
    """

    def __init__(self, predictor: Detector, class_indices: np.ndarray, video: Video) -> None:
        self._class_indices = class_indices
        self._tracker = Tracker(interval=float(1 / video.rate) if video.rate else 1 / 30)
        self._limits = np.array([predictor.limits[name] for name in predictor.card.classes])
        low = min(self._tracker.config.low, float(self._limits.min()))
        self._predictor = Detector(predictor.engine, low, predictor.size, predictor.tile)

    def __call__(self, frame: Frame) -> tuple[Instances, Ids]:
        detections = of_classes(self._predictor(frame.pixels), self._class_indices)
        scores = np.zeros(0) if detections.scores is None else detections.scores
        sure = scores >= self._limits[detections.classes]
        ids = self._tracker.update(detections, frame.seconds, sure)
        shown = sure | (ids != UNTRACKED)
        return detections[shown], ids[shown].tolist()


def _drawn(pixels: np.ndarray, detections: Instances, ids: Ids, drawn: Drawing | None) -> np.ndarray:
    if drawn is not None:
        return drawn(pixels, detections)
    if ids is None:
        return outlined(pixels, detections)
    labels = [f"{name} {identity}" for name, identity in zip(detections.labels, ids, strict=True)]
    colors = [color_of(identity) for identity in ids]
    return outlines.draw(pixels, detections, colors=colors, labels=labels, shown_in=SCREEN)


def _issues(video: Video, silent_because: str, seconds: float) -> Iterator[Issue]:
    if video.damaged:
        yield FRAMES_DAMAGED(count=video.damaged)
    if video.broken_off:
        yield VIDEO_CUT_OFF(seconds=seconds, reason=str(video.broken_off))
    if silent_because:
        yield VIDEO_WITHOUT_SOUND(reason=silent_because)


# --- writing ----------------------------------------------------------------------------------------------------------
class _Output:
    """The new video and its table of frames; nothing is left of either where something fails.

    The files are begun with the first frame: only then is it known that there is something to write, and how large.
    """

    def __init__(self, video: Video, file: Path, lines: bool) -> None:
        self._video, self._file, self._lines = video, file, lines
        self._stack = ExitStack()
        self._writer: Writer | None = None
        self._table: TextIO | None = None
        self.frames = 0

    def __enter__(self) -> _Output:
        self._stack.__enter__()
        return self

    def __exit__(self, *error: Any) -> bool | None:
        return self._stack.__exit__(*error)

    def add(self, picture: np.ndarray, frame: Frame, detections: Instances, ids: Ids) -> None:
        if self._writer is None:
            self._begin(picture.shape[:2])
        assert self._writer is not None
        self._writer.add(picture, frame)
        if self._table is not None:
            self._table.write(
                json.dumps(_line(self._video, self.frames, frame, detections, ids), ensure_ascii=False) + "\n"
            )
        self.frames += 1

    def _begin(self, size: tuple[int, int]) -> None:
        if self._lines:  # before the video: what closes last goes, too, where closing the video fails
            table = self._stack.enter_context(files.writing(self._file.with_suffix(".jsonl")))
            self._table = self._stack.enter_context(table.open("w", encoding="utf-8"))
        temporary = self._stack.enter_context(files.writing(self._file))
        self._writer = self._stack.enter_context(Writer(temporary, self._video, size))

    @property
    def silent_because(self) -> str:
        """Why the new video has no sound; "" where it has, or there is none to have."""
        return "" if self._writer is None else self._writer.silent_because or ""


def _line(video: Video, number: int, frame: Frame, detections: Instances, ids: Ids) -> dict[str, Any]:
    rows = interop.to_rows(detections)
    if ids is not None:
        rows = [{**row, "track": None if track == UNTRACKED else track} for row, track in zip(rows, ids, strict=True)]
    height, width = frame.pixels.shape[:2]
    return {
        "file": str(video.path),
        "frame": number,
        "seconds": round(frame.seconds, 4),
        "image": {"width": width, "height": height},
        "counts": detections.counts(),
        "detections": rows,
    }
