"""Film: a model looks at every frame of a film, and what it sees is drawn into a new one."""

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
from maskwright.errors import OutputError, WeightsError
from maskwright.jobs.data import Say
from maskwright.jobs.predict import class_rows
from maskwright.pictures import outlines
from maskwright.pictures.colours import colour_of
from maskwright.prediction.predictor import Classifier, Predictor, load
from maskwright.progress import Progress, silent
from maskwright.types import Instances
from maskwright.video.read import Film, Frame
from maskwright.video.write import Writer

Drawing = Callable[[np.ndarray, Instances], np.ndarray]


@dataclass(frozen=True)
class Filmed:
    """What came of a film.

    film, file   the one looked at, and the one written
    frames       that were written, of `expected` (None where the film does not say)
    most         {class: objects on the frame that shows most of it}
    lines        the table of frames, where it was asked for
    remarks      what a viewer should know: sound left out, a file that ends in the middle, a stop
    """

    film: Path
    file: Path
    frames: int
    expected: int | None
    seconds: float
    most: dict[str, int]
    lines: Path | None = None
    stopped: bool = False
    remarks: list[str] = field(default_factory=list)

    def facts(self) -> dict[str, Any]:
        return {
            "film": str(self.film),
            "file": str(self.file),
            "frames": self.frames,
            "seconds": round(self.seconds, 3),
            "most": self.most,
            "lines": None if self.lines is None else str(self.lines),
            "stopped": self.stopped,
            "remarks": self.remarks,
        }


def outlined(pixels: np.ndarray, found: Instances) -> np.ndarray:
    """Outlines in the colour of the class: by object they would change from frame to frame."""
    return outlines.draw(pixels, found, colours=[colour_of(int(place)) for place in found.classes])


def film(
    model: str | Path | Predictor,
    source: str | Path,
    *,
    out: str | Path = "films",
    drawn: Drawing = outlined,
    lines: bool = False,
    threshold: float | None = None,
    classes: Sequence[str] | None = None,
    size: int | None = None,
    device: str = "auto",
    precision: str = "auto",
    names: Sequence[str] | None = None,
    progress: Progress = silent,
    say: Say = lambda line: None,
) -> Filmed:
    """Draw the objects of every frame; the new film keeps the times of the frames, their number and the sound.

    source  a film of any kind that FFmpeg reads, or the address of one
    out     a folder, where the film gets the source's name and .mp4; or a file that ends in .mp4, .mov or .mkv
    drawn   makes the new frame of the old one and its objects; such as maskwright.pictures.splash.splash
    lines   FILM.jsonl beside it: a line a frame, with its time and its objects
    Ctrl-C ends the film where it is: what was written can be played.

    >>> maskwright.film("balloons", "party.mp4", out="drawn").most
    {'balloon': 7}
    """
    find = (
        model
        if isinstance(model, Predictor)
        else load(model, threshold=threshold, size=size, device=device, precision=precision, names=names)
    )
    if isinstance(find, Classifier):
        raise WeightsError(
            "this model says what a whole photo shows, and finds no objects",
            field="task",
            wanted="segment or detect",
            got="classify",
            fix="name a model that finds objects: `maskwright models` lists them",
        )
    wanted = class_rows(find.card.classes, classes)
    file = _target(source, Path(out))
    table = file.with_suffix(".jsonl") if lines else None
    for each in find.thresholds:
        say(str(each))
    most: Counter[str] = Counter()
    done, seconds, stopped = 0, 0.0, False
    remarks: list[str] = []
    with Film(source) as opened, ExitStack() as stack:
        written: Writer | None = None
        told = None
        frames = progress(opened, total=opened.expected, label="looking", unit="frames")
        try:
            for frame in frames:
                found = find(frame.pixels)
                found = found[np.isin(found.classes, wanted)]
                picture = drawn(frame.pixels, found)
                if written is None:  # only now is it known that there is something to write
                    temporary = stack.enter_context(files.writing(file))
                    written = stack.enter_context(Writer(temporary, opened, picture.shape[:2]))
                    if table is not None:
                        told = stack.enter_context(
                            stack.enter_context(files.writing(table)).open("w", encoding="utf-8")
                        )
                written.add(picture, frame)
                if told is not None:
                    told.write(json.dumps(_line(done, frame, found), ensure_ascii=False) + "\n")
                for name, count in found.counts().items():
                    most[name] = max(most[name], count)
                done, seconds = done + 1, frame.seconds
        except KeyboardInterrupt:
            if written is None:
                raise
            stopped = True
            remarks.append(f"stopped at {seconds:.1f} seconds")
        assert written is not None  # a film without frames is an error of Film's
        if opened.broken_off:
            remarks.append(f"the film cannot be read beyond {seconds:.1f} seconds: {opened.broken_off}")
        if written.silent_because:
            remarks.append(f"without sound: {written.silent_because}")
    for remark in remarks:
        say(remark)
    return Filmed(Path(source), file, done, opened.expected, seconds, dict(most), table, stopped, remarks)


def _target(source: str | Path, out: Path) -> Path:
    """Where the film goes; never onto the one that is read."""
    file = out if out.suffix.lower() in (".mp4", ".mov", ".mkv") else out / f"{Path(source).stem}.mp4"
    if file.resolve() == Path(source).resolve():
        raise OutputError("the film would replace the one it is made from", file=file, fix="name another --out")
    return file


def _line(number: int, frame: Frame, found: Instances) -> dict[str, Any]:
    return {
        "frame": number,
        "seconds": round(frame.seconds, 4),
        "counts": found.counts(),
        "objects": interop.to_rows(found),
    }
