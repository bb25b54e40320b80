"""Cameras and streams: the objects of the newest frame, again and again, until somebody stops it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from maskwright.api.live_view import View, live_view
from maskwright.api.predict import class_indices_of
from maskwright.api.video import VideoResult, counting_of, targets, video_result
from maskwright.api.video_frames import Drawing, FrameStages
from maskwright.api.video_output import VideoOutput, Wanted, video_output
from maskwright.api.video_state import job_of
from maskwright.errors import ImageError, RecipeError
from maskwright.issues import Kind, Log, warn
from maskwright.prediction.detector import require_detector
from maskwright.prediction.loading import load_unless_loaded
from maskwright.prediction.options import AS_TRAINED, InferenceOptions
from maskwright.prediction.predictor import Predictor
from maskwright.video.counting import CountLine, Zone
from maskwright.video.live import LiveSource, LiveVideo, live_source
from maskwright.video.timing import Timing

LIVE = Kind("live", "info", "watching {source}; Ctrl-C ends it[, and finishes {file}]")
LIVE_BROKEN = Kind("live_broken", "warning", "{source} broke ({reason}): trying again")
LIVE_DROPPED = Kind(
    "live_dropped", "info", "{count} frame came while another was worked on, and was left out",
    "{count} frames came while others were worked on, and were left out",
)  # fmt: skip
LIVE_RECONNECTED = Kind("live_reconnected", "info", "connected again {count} time", "connected again {count} times")


@dataclass(frozen=True)
class LiveSettings:
    """What is done with the frames of a stream; as of `predict_video`.

    seconds  after which it ends; None: when it is stopped
    show     in a window where OpenCV has one, else on a page of this machine
    """

    seconds: float | None = None
    show: bool = False
    lines: bool = False
    pictures: bool = True
    track: bool = False
    save_tracks: bool = False
    counting: Sequence[CountLine | Zone] = ()
    classes: Sequence[str] | None = None
    drawn: Drawing | None = None


def predict_live(
    model: str | Path | Predictor[Any],
    source: str | LiveSource,
    *,
    out: str | Path = "videos",
    settings: LiveSettings = LiveSettings(),
    options: InferenceOptions = AS_TRAINED,
    log: Log = warn,
) -> VideoResult:
    """Predict on the newest frame of a camera or stream until Ctrl-C, and record what is drawn at the true times.

    source  as maskwright.video.live.live_source takes it: "0", "rtsp://...", "http://....mjpg", "screen"
    out     as in `predict_video`; a process that is killed leaves NAME.part.mp4, which plays
    Frames that come while another is worked on are left out and counted. A stream that breaks is opened again, after
    half a second, one, two, ... ten. ImageError where it cannot be opened at first.

    >>> predict_live("balloons", "0", out="door", settings=LiveSettings(seconds=60, show=True)).most
    {'balloon': 2}
    """
    live = source if isinstance(source, LiveSource) else live_source(source)
    if live is None:
        raise RecipeError("this is no camera and no stream", field="SOURCES", got=source,
                          expected="a number, screen, rtsp://..., http://... that ends in .mjpg")  # fmt: skip
    counted = counting_of(settings.counting, settings.track, settings.save_tracks)
    wanted = Wanted(settings.pictures, settings.lines, settings.save_tracks)
    predictor = require_detector(load_unless_loaded(model, options))
    class_indices, file = class_indices_of(predictor, settings.classes), targets([live.name], Path(out))[0]
    for issue in predictor.introduction():
        log(issue)

    def broken(reason: str) -> None:
        log(LIVE_BROKEN(source=live.name, reason=reason))

    with LiveVideo(live, Timing(end=settings.seconds), broken) as video:
        drawing = settings.pictures or settings.show
        stages = FrameStages(predictor, class_indices, video, settings.track, settings.drawn, drawing, counted)
        job = job_of(video, predictor, settings.drawn, classes=settings.classes)
        with video_output(video, file, wanted, job, False) as output:
            log(LIVE(source=live.name, file=str(output.made or "")))
            with live_view(video.stop, log) if settings.show else nullcontext(_nowhere) as show:
                _until_stopped(video, stages, output, show)
            if not output.summary.frames:
                raise ImageError("no frame came", file=live.name)
    return _told(video, video_result(video, output, log), log)


def _until_stopped(video: LiveVideo, stages: FrameStages, output: VideoOutput, show: View) -> None:
    try:
        for frame in video:
            for done in stages.draw(stages.detect(stages.prepare([frame]))):
                if done.picture is not None:
                    show(done.picture)
                output.add(done if output.made is not None else replace(done, picture=None))
    except KeyboardInterrupt:
        video.stop()


def _nowhere(pixels: np.ndarray) -> None:
    """Shows nothing."""


def _told(video: LiveVideo, result: VideoResult, log: Log) -> VideoResult:
    """With what was left out, and how often it broke."""
    counts = {LIVE_DROPPED: video.dropped, LIVE_RECONNECTED: video.reconnected}
    issues = tuple(kind(count=count) for kind, count in counts.items() if count)
    for issue in issues:
        log(issue)
    return replace(result, issues=(*result.issues, *issues))
