"""Video: a model looks at every frame of a video, and what it sees is drawn into a new one."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from maskwright import files, interop
from maskwright.api.data import Say
from maskwright.api.predict import class_rows, refuse_classifier
from maskwright.drawing import outlines
from maskwright.drawing.colors import color_of
from maskwright.errors import OutputError
from maskwright.prediction.options import AS_TRAINED, InferenceOptions
from maskwright.prediction.predictor import Predictor, load_unless_loaded
from maskwright.progress import Progress, silent
from maskwright.types import Instances
from maskwright.video.read import Frame, Video
from maskwright.video.write import CONTAINERS, Writer

Drawing = Callable[[np.ndarray, Instances], np.ndarray]


@dataclass(frozen=True)
class VideoResult:
    """What came of a video.

    predict_video, file   the one looked at, and the one written
    frames       that were written, of `expected` (None where the video does not say)
    most         {class: objects on the frame that shows most of it}
    lines        the table of frames, where it was asked for
    remarks      what a viewer should know: sound left out, a file that ends in the middle
    """

    video: Path
    file: Path
    frames: int
    expected: int | None
    seconds: float
    most: dict[str, int]
    lines: Path | None = None
    remarks: list[str] = field(default_factory=list)

    def facts(self) -> dict[str, Any]:
        return {
            "predict_video": str(self.video),
            "file": str(self.file),
            "frames": self.frames,
            "seconds": round(self.seconds, 3),
            "most": self.most,
            "lines": None if self.lines is None else str(self.lines),
            "remarks": self.remarks,
        }


SCREEN = (1280, 1280)  # how large a video is shown at most, upright or not: its letters are made for that


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
    drawn: Drawing = outlined,
    lines: bool = False,
    classes: Sequence[str] | None = None,
    options: InferenceOptions = AS_TRAINED,
    progress: Progress = silent,
    say: Say = lambda line: None,
) -> VideoResult:
    """Draw the objects of every frame; the new video keeps the times of the frames, their number and the sound.

    source  a video of any kind that FFmpeg reads, or the address of one
    out     a folder, where the video gets the source's name and .mp4; or a file that ends in .mp4, .mov or .mkv
    drawn   makes the new frame of the old one and its objects; such as maskwright.drawing.splash.splash
    lines   VIDEO.jsonl beside it: a line a frame, with its time and its objects
    Ctrl-C ends the video where it is, so that it can be played up to there, and goes on as KeyboardInterrupt.

    >>> maskwright.predict_video("balloons", "party.mp4", out="drawn").most
    {'balloon': 7}
    """
    find = load_unless_loaded(model, options, progress)
    refuse_classifier(find)
    expected = class_rows(find.card.classes, classes)
    file = targets([source], Path(out))[0]
    for line in find.introduction():
        say(line)
    most: Counter[str] = Counter()
    done, seconds, stopped = 0, 0.0, False
    with Video(source) as opened, ExitStack() as stack:
        written = told = None
        try:
            for frame in progress(opened, total=opened.expected, label="looking", unit="frames"):
                detections = find(frame.pixels)
                detections = detections[np.isin(detections.classes, expected)]
                picture = drawn(frame.pixels, detections)
                if written is None:  # only now is it known that there is something to write
                    if lines:  # before the video: what closes last goes, too, where closing the video fails
                        table = stack.enter_context(files.writing(file.with_suffix(".jsonl")))
                        told = stack.enter_context(table.open("w", encoding="utf-8"))
                    temporary = stack.enter_context(files.writing(file))
                    written = stack.enter_context(Writer(temporary, opened, picture.shape[:2]))
                written.add(picture, frame)
                if told is not None:
                    told.write(json.dumps(_line(done, frame, detections), ensure_ascii=False) + "\n")
                for name, count in detections.counts().items():
                    most[name] = max(most[name], count)
                done, seconds = done + 1, frame.seconds
        except KeyboardInterrupt:
            if written is None:
                raise
            stopped = True
        assert written is not None  # a video without frames is an error of Video's
        remarks = _remarks(opened, written, seconds)
    if stopped:
        say(f"stopped at {seconds:.1f} seconds: {file} plays up to there")
        raise KeyboardInterrupt
    for remark in remarks:
        say(remark)
    told_in = file.with_suffix(".jsonl") if lines else None
    return VideoResult(Path(source), file, done, opened.expected, seconds, dict(most), told_in, remarks)


def targets(sources: Sequence[str | Path], out: Path) -> list[Path]:
    """Where the videos go, each by a name of its own; never onto one of those that are read."""
    if out.suffix.lower() in CONTAINERS:
        if len(sources) > 1:
            raise OutputError("several videos need a folder", field="--out", expected="a folder", got=out)
        made = [out]
    else:
        taken: Counter[str] = Counter()
        made = []
        for source in sources:
            stem = files.shortened(Path(source).stem, 230)
            taken[stem.casefold()] += 1
            number = taken[stem.casefold()]
            made.append(out / (f"{stem}.mp4" if number == 1 else f"{stem}_{number}.mp4"))
    read = {str(Path(source).resolve()).casefold() for source in sources}
    for file in made:
        if str(file.resolve()).casefold() in read:
            raise OutputError("the video would replace one that is read", file=file, fix="name another --out")
    return made


def _remarks(opened: Video, written: Writer, seconds: float) -> list[str]:
    told = []
    if opened.damaged:
        told.append(f"{opened.damaged} damaged frame{'s' * (opened.damaged > 1)} passed over")
    if opened.broken_off:
        told.append(f"the video cannot be read beyond {seconds:.1f} seconds: {opened.broken_off}")
    if written.silent_because:
        told.append(f"without sound: {written.silent_because}; another --out may take it (.mkv, .mov)")
    return told


def _line(number: int, frame: Frame, detections: Instances) -> dict[str, Any]:
    return {
        "frame": number,
        "seconds": round(frame.seconds, 4),
        "counts": detections.counts(),
        "objects": interop.to_rows(detections),
    }
