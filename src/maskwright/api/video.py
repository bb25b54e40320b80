"""Video: the objects of every frame are detected and drawn into a new video."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from maskwright import files
from maskwright.api.predict import class_indices_of
from maskwright.api.video_frames import Drawing, FrameStages
from maskwright.api.video_output import VideoOutput, Wanted, video_output
from maskwright.api.video_state import job_of
from maskwright.api.video_two_pass import FirstPass, RecordedStages
from maskwright.errors import MaskwrightError, OutputError, RecipeError
from maskwright.issues import Issue, Kind, Log, as_json
from maskwright.prediction.detector import require_detector
from maskwright.prediction.loading import load_unless_loaded
from maskwright.prediction.options import AS_TRAINED, InferenceOptions
from maskwright.prediction.predictor import Predictor
from maskwright.progress import Progress
from maskwright.reporting import reporting
from maskwright.video.counting import Counting, CountLine, Zone
from maskwright.video.pipeline import overlapped
from maskwright.video.read import Video
from maskwright.video.timing import AS_RECORDED, Timing
from maskwright.video.write import CONTAINERS

FRAMES_DAMAGED = Kind(
    "frames_damaged", "warning", "{count} damaged frame passed over", "{count} damaged frames passed over"
)
VIDEO_CUT_OFF = Kind("video_cut_off", "warning", "the video cannot be read beyond {seconds:.1f} seconds: {reason}")
VIDEO_WITHOUT_SOUND = Kind(
    "video_without_sound", "warning", "without sound: {reason}; {fix}", fix="another --out may take it (.mkv, .mov)"
)
VIDEO_STOPPED = Kind(
    "video_stopped", "info", "stopped at {seconds:.1f} seconds[: {file} plays up to there][; {resume} goes on]"
)
VIDEO_PART_KEPT = Kind(
    "video_part_kept", "info", "{file} plays up to {seconds:.1f} seconds; --resume goes on from there"
)
VIDEO_RESUMED = Kind("video_resumed", "info", "going on after frame {frames} ({seconds:.1f} seconds)")
VIDEO_BEGUN_ANEW = Kind("video_begun_anew", "info", "an unfinished {file} is replaced: --resume would have gone on")
VIDEO_BITS_REDUCED = Kind("video_bits_reduced", "warning", "the video has {bits} bits a color, the new one 8")
FRAMES_RESIZED = Kind(
    "frames_resized", "warning", "{count} frame of another size was fitted to the size of the first",
    "{count} frames of another size were fitted to the size of the first",
)  # fmt: skip
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
    counts       of lines and zones in the end, see maskwright.video.counting
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
    counts: dict[str, Any] = field(default_factory=dict)
    tracks: dict[str, int] | None = None

    def to_dict(self) -> dict[str, Any]:
        return {
            "video": str(self.video),
            "file": None if self.file is None else str(self.file),
            "frames": self.frames,
            "seconds": round(self.seconds, 3),
            "most": self.most,
            "tracks": self.tracks,
            **self.counts,
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
    two_pass: bool = False,
    save_tracks: bool = False,
    frames: str | Path | None = None,
    counting: Sequence[CountLine | Zone] = (),
    timing: Timing = AS_RECORDED,
    resume: bool = False,
    classes: Sequence[str] | None = None,
    options: InferenceOptions = AS_TRAINED,
    verbose: bool | None = None,
    progress: Progress | None = None,
    log: Log | None = None,
) -> VideoResult:
    """Draw the objects of every frame; the new video keeps the times of the frames, their number and the sound.

    source  a video of any kind that FFmpeg reads, or the address of one; or a folder of frames, image files in the
            order of their numbers, `timing.fps` or 25 of them a second
    out     a folder, where the video gets the source's name and .mp4; or a file that ends in .mp4, .mov, .mkv or .gif
    drawn   makes the new frame of the old one and its objects, in another thread; None: outlines and labels
    lines   VIDEO.jsonl beside it: a line a frame, with its time and its objects
    pictures  False draws nothing and writes no video: the objects are counted, and written as lines where asked for
    track   follow objects from frame to frame: each has an identity (`track` in the lines), by which it is colored
    two_pass  with `track`: first detect and follow, then join identities over gaps of up to four seconds, and draw
    save_tracks  VIDEO.tracks.csv, a row a track; VIDEO.mot.txt, MOT Challenge's format; VIDEO.tracks.html, a page
    frames  a folder for the drawn frames, 000000.jpg and on
    counting  lines and zones (maskwright.video.counting), drawn and in the lines; this and save_tracks need `track`
    timing  which frames are taken, and when they are shown (maskwright.video.timing)
    resume  go on where a run that was broken off had been; where nothing is left of one, from the first frame
    verbose  True prints progress and issues; None: in a notebook. progress, log: reporting of your own
    All stages run at the same time, with a few frames in memory. Ctrl-C ends the video where it is, so that it can be
    played up to there, and goes on as KeyboardInterrupt.

    >>> maskwright.predict_video("balloons", "party.mp4", out="drawn").most
    {'balloon': 7}
    """
    progress, log = reporting(verbose, progress, log)
    counted = counting_of(counting, track, save_tracks or two_pass)
    wanted = Wanted(pictures, lines, save_tracks, _own_folder(frames, source))
    predictor = require_detector(load_unless_loaded(model, options, progress))
    class_indices, file = class_indices_of(predictor, classes), targets([source], Path(out))[0]
    _log_all(predictor.introduction(), log)
    with Video(source, timing) as video:
        settings = {"classes": classes, "track": track, "two_pass": two_pass, "wanted": wanted, "counting": counting}
        job = job_of(video, predictor, drawn, **settings)
        process = partial(_process, progress=progress, log=log)
        parts = (predictor, class_indices, video, track and not two_pass, drawn, pictures, counted)
        first = FirstPass(predictor, class_indices, source, timing, file, job) if two_pass else None
        if first is not None:
            first.run(process, resume)
        stages = FrameStages(*parts) if first is None else RecordedStages(first, *parts)
        with video_output(video, file, wanted, job, resume) as output:
            process(video, stages, output)
    if first is not None and not output.stopped:
        first.lines.unlink()
    return video_result(video, output, log)


def video_result(video: Video, output: VideoOutput, log: Log) -> VideoResult:
    """What came of a video that is written; after Ctrl-C that goes on as KeyboardInterrupt."""
    summary = output.summary
    if output.stopped:
        resumable = "--resume" if output.kept else ""
        log(VIDEO_STOPPED(seconds=summary.seconds, file=str(output.made or ""), resume=resumable))
        raise KeyboardInterrupt
    issues = tuple(_issues(video, output.silent_because, summary.seconds))
    _log_all(issues, log)
    return VideoResult(
        video.path, output.made, summary.frames, video.expected, summary.seconds, dict(summary.most),
        lines=output.lines, issues=issues, counts=summary.counts, tracks=summary.tracks if summary.followed else None,
    )  # fmt: skip


def counting_of(shapes: Sequence[CountLine | Zone], track: bool, save_tracks: bool) -> Counting | None:
    """For the stages of a video; None where there is nothing to count. RecipeError without identities."""
    if (save_tracks or shapes) and not track:
        raise RecipeError("without identities there is nothing to count", field="track", expected="True", got="False")
    lines = [shape for shape in shapes if isinstance(shape, CountLine)]
    zones = [shape for shape in shapes if isinstance(shape, Zone)]
    return Counting(lines, zones) if shapes else None


def _own_folder(frames: str | Path | None, source: str | Path) -> Path | None:
    """For the drawn frames; not that of the frames that are read."""
    if frames is not None and Path(frames).resolve() == Path(source).resolve():
        raise OutputError("the frames themselves lie here", file=frames, fix="name another folder for the drawn ones")
    return None if frames is None else Path(frames)


def _log_all(issues: Iterable[Issue], log: Log) -> None:
    for issue in issues:
        log(issue)


def _begin(output: VideoOutput, stages: FrameStages, log: Log) -> None:
    """Go on where an earlier run was broken off, if that is wanted."""
    if output.begun is not None:
        stages.restore(output.begun.stages)
        log(VIDEO_RESUMED(frames=output.summary.frames, seconds=output.summary.seconds))
    elif output.unfinished is not None:
        log(VIDEO_BEGUN_ANEW(file=str(output.unfinished)))


def _process(video: Video, stages: FrameStages, output: VideoOutput, *, progress: Progress, log: Log) -> None:
    """All frames, up to Ctrl-C."""
    _begin(output, stages, log)
    left = None if video.expected is None else max(0, video.expected - output.summary.frames)
    try:
        with overlapped(stages.prepare(video), stages.detect, stages.draw) as processed:
            for done in progress(processed, total=left, label="predicting", unit="frames"):
                output.add(done)
    except KeyboardInterrupt:
        if not output.summary.frames:
            raise
        output.stopped = True
    except BaseException:
        if output.kept:
            log(VIDEO_PART_KEPT(file=str(output.kept), seconds=output.summary.seconds))
        raise


def predict_videos(
    model: str | Path | Predictor,
    sources: Sequence[str | Path],
    *,
    out: str | Path = "videos",
    options: InferenceOptions = AS_TRAINED,
    verbose: bool | None = None,
    progress: Progress | None = None,
    log: Log | None = None,
    **settings: Any,
) -> VideoResults:
    """`predict_video` for several videos, one after the other, with its other `settings`; of one alone the error is
    raised, of several it is put into `failed` and logged, and the others go on."""
    progress, log = reporting(verbose, progress, log)
    files = targets(sources, Path(out))
    if settings.get("frames") is not None and len(sources) > 1:
        raise OutputError("the frames of one video go into a folder", field="--frames", expected="one video",
                          got=f"{len(sources)} videos")  # fmt: skip
    predictor = load_unless_loaded(model, options, progress)
    results = VideoResults([])
    for source, file in zip(sources, files, strict=True):
        try:
            result = predict_video(predictor, source, out=file, progress=progress, log=log, **settings)
        except MaskwrightError as error:
            if len(sources) == 1:
                raise
            results.failed.append(error)
            log(VIDEO_NOT_READ(error=error))
        else:
            results.videos.append(result)
            if result.file is not None:
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
    if video.resized:
        yield FRAMES_RESIZED(count=video.resized)
    if video.bits > 8:
        yield VIDEO_BITS_REDUCED(bits=video.bits)
    if silent_because:
        yield VIDEO_WITHOUT_SOUND(reason=silent_because)
