"""Video: the objects of every frame are detected and drawn into a new video."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from maskwright import files
from maskwright.api.predict import class_indices_of
from maskwright.api.video_frames import Drawing, FrameStages
from maskwright.api.video_output import VideoOutput
from maskwright.errors import MaskwrightError, OutputError
from maskwright.issues import Issue, Kind, Log, as_json
from maskwright.prediction.detector import require_detector
from maskwright.prediction.loading import load_unless_loaded
from maskwright.prediction.options import AS_TRAINED, InferenceOptions
from maskwright.prediction.predictor import Predictor
from maskwright.progress import Progress
from maskwright.reporting import reporting
from maskwright.video.pipeline import overlapped
from maskwright.video.read import Video
from maskwright.video.tracks import UNTRACKED
from maskwright.video.write import CONTAINERS

FRAMES_DAMAGED = Kind(
    "frames_damaged", "warning", "{count} damaged frame passed over", "{count} damaged frames passed over"
)
VIDEO_CUT_OFF = Kind("video_cut_off", "warning", "the video cannot be read beyond {seconds:.1f} seconds: {reason}")
VIDEO_WITHOUT_SOUND = Kind(
    "video_without_sound", "warning", "without sound: {reason}; {fix}", fix="another --out may take it (.mkv, .mov)"
)
VIDEO_STOPPED = Kind("video_stopped", "info", "stopped at {seconds:.1f} seconds[: {file} plays up to there]")
VIDEO_NOT_READ = Kind("video_not_read", "error", "{error}")
VIDEO_WRITTEN = Kind("video_written", "info", "video in {file}[, a line a frame in {lines}]")
LINES_WRITTEN = Kind("lines_written", "info", "a line a frame in {lines}")


@dataclass(frozen=True)
class VideoResult:
    """What came of a video.

    video, file  the one that was read, and the one written; None where nothing was drawn
    frames       that were written, of `expected` (None where the video does not say)
    most         {class: objects on the frame that shows most of it}
    lines        the table of frames, where it was asked for
    tracks       {class: how many different objects were followed}; None where no identities were asked for
    issues       what a viewer should know: sound left out, a file that ends in the middle
    """

    video: Path
    file: Path | None
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
            "file": None if self.file is None else str(self.file),
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


def predict_video(
    model: str | Path | Predictor,
    source: str | Path,
    *,
    out: str | Path = "videos",
    drawn: Drawing | None = None,
    lines: bool = False,
    pictures: bool = True,
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
    drawn   makes the new frame of the old one and its objects; None: outlines and labels. Called in another thread,
            frame by frame in order
    lines   VIDEO.jsonl beside it: a line a frame, with its time and its objects
    pictures  False draws nothing and writes no video: the objects are counted, and written as lines where asked for
    track   follow objects from frame to frame: each has an identity (`track` in the lines), by which it is colored
    verbose  True prints progress and issues; None: in a notebook. progress, log: reporting of your own
    Reading, predicting, drawing and writing run at the same time; a few frames are in memory, however long the video.
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
    with Video(source) as video, VideoOutput(video, file, lines) as output:
        stages = FrameStages(predictor, class_indices, video, track, drawn, pictures)
        try:
            with overlapped(video, stages.detect, stages.draw) as processed:
                for done in progress(processed, total=video.expected, label="predicting", unit="frames"):
                    output.add(done)
                    detections = done.detections
                    for name, identity in zip(detections.labels, done.ids or (), strict=False):
                        identities.setdefault(name, set()).add(identity)
                    for name, count in detections.counts().items():
                        most[name] = max(most[name], count)
                    seconds = done.frame.seconds
        except KeyboardInterrupt:
            if not output.frames:
                raise
            stopped = True
        issues = tuple(_issues(video, output.silent_because, seconds))
    for issue in [VIDEO_STOPPED(seconds=seconds, file=str(file) if pictures else "")] if stopped else issues:
        log(issue)
    if stopped:
        raise KeyboardInterrupt
    table = file.with_suffix(".jsonl") if lines else None
    followed = {name: len(several - {UNTRACKED}) for name, several in identities.items()} if track else None
    made = file if pictures else None
    return VideoResult(Path(source), made, output.frames, video.expected, seconds, dict(most), table, issues, followed)


def predict_videos(
    model: str | Path | Predictor,
    sources: Sequence[str | Path],
    *,
    out: str | Path = "videos",
    drawn: Drawing | None = None,
    lines: bool = False,
    pictures: bool = True,
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
                predictor, source, out=file, drawn=drawn, lines=lines, pictures=pictures, track=track, classes=classes,
                progress=progress, log=log,
            )  # fmt: skip
        except MaskwrightError as error:
            if len(sources) == 1:
                raise
            results.failed.append(error)
            log(VIDEO_NOT_READ(error=error))
        else:
            results.videos.append(result)
            if pictures:
                log(VIDEO_WRITTEN(file=str(file), lines=str(result.lines or "")))
            elif result.lines is not None:
                log(LINES_WRITTEN(lines=str(result.lines)))
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


def _issues(video: Video, silent_because: str, seconds: float) -> Iterator[Issue]:
    if video.damaged:
        yield FRAMES_DAMAGED(count=video.damaged)
    if video.broken_off:
        yield VIDEO_CUT_OFF(seconds=seconds, reason=str(video.broken_off))
    if silent_because:
        yield VIDEO_WITHOUT_SOUND(reason=silent_because)
