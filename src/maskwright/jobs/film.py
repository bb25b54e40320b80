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
from maskwright.errors import OutputError
from maskwright.jobs.data import Say
from maskwright.jobs.predict import class_rows, refuse_classifier
from maskwright.pictures import outlines
from maskwright.pictures.colours import colour_of
from maskwright.prediction.predictor import Predictor, load
from maskwright.progress import Progress, silent
from maskwright.types import Instances
from maskwright.video.read import Film, Frame
from maskwright.video.write import CONTAINERS, Writer

Drawing = Callable[[np.ndarray, Instances], np.ndarray]


@dataclass(frozen=True)
class Filmed:
    """What came of a film.

    film, file   the one looked at, and the one written
    frames       that were written, of `expected` (None where the film does not say)
    most         {class: objects on the frame that shows most of it}
    lines        the table of frames, where it was asked for
    remarks      what a viewer should know: sound left out, a file that ends in the middle
    """

    film: Path
    file: Path
    frames: int
    expected: int | None
    seconds: float
    most: dict[str, int]
    lines: Path | None = None
    remarks: list[str] = field(default_factory=list)

    def facts(self) -> dict[str, Any]:
        return {
            "film": str(self.film),
            "file": str(self.file),
            "frames": self.frames,
            "seconds": round(self.seconds, 3),
            "most": self.most,
            "lines": None if self.lines is None else str(self.lines),
            "remarks": self.remarks,
        }


SCREEN = (1280, 1280)  # how large a film is shown at most, upright or not: its letters are made for that


def outlined(pixels: np.ndarray, found: Instances) -> np.ndarray:
    """Outlines in the colour of the class, letters of one size: by object they would change from frame to frame."""
    return outlines.draw(pixels, found, colours=[colour_of(int(place)) for place in found.classes], shown_in=SCREEN)


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
    tile: int | None = None,
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
    Ctrl-C ends the film where it is, so that it can be played up to there, and goes on as KeyboardInterrupt.

    >>> maskwright.film("balloons", "party.mp4", out="drawn").most
    {'balloon': 7}
    """
    find = (
        model
        if isinstance(model, Predictor)
        else load(
            model,
            threshold=threshold,
            size=size,
            tile=tile,
            device=device,
            precision=precision,
            names=names,
            progress=progress,
        )
    )
    refuse_classifier(find)
    wanted = class_rows(find.card.classes, classes)
    file = targets([source], Path(out))[0]
    for line in find.introduction():
        say(line)
    most: Counter[str] = Counter()
    done, seconds, stopped = 0, 0.0, False
    with Film(source) as opened, ExitStack() as stack:
        written = told = None
        try:
            for frame in progress(opened, total=opened.expected, label="looking", unit="frames"):
                found = find(frame.pixels)
                found = found[np.isin(found.classes, wanted)]
                picture = drawn(frame.pixels, found)
                if written is None:  # only now is it known that there is something to write
                    if lines:  # before the film: what closes last goes, too, where closing the film fails
                        table = stack.enter_context(files.writing(file.with_suffix(".jsonl")))
                        told = stack.enter_context(table.open("w", encoding="utf-8"))
                    temporary = stack.enter_context(files.writing(file))
                    written = stack.enter_context(Writer(temporary, opened, picture.shape[:2]))
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
        assert written is not None  # a film without frames is an error of Film's
        remarks = _remarks(opened, written, seconds)
    if stopped:
        say(f"stopped at {seconds:.1f} seconds: {file} plays up to there")
        raise KeyboardInterrupt
    for remark in remarks:
        say(remark)
    told_in = file.with_suffix(".jsonl") if lines else None
    return Filmed(Path(source), file, done, opened.expected, seconds, dict(most), told_in, remarks)


def targets(sources: Sequence[str | Path], out: Path) -> list[Path]:
    """Where the films go, each by a name of its own; never onto one of those that are read."""
    if out.suffix.lower() in CONTAINERS:
        if len(sources) > 1:
            raise OutputError("several films need a folder", field="--out", wanted="a folder", got=out)
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
            raise OutputError("the film would replace one that is read", file=file, fix="name another --out")
    return made


def _remarks(opened: Film, written: Writer, seconds: float) -> list[str]:
    told = []
    if opened.damaged:
        told.append(f"{opened.damaged} damaged frame{'s' * (opened.damaged > 1)} passed over")
    if opened.broken_off:
        told.append(f"the film cannot be read beyond {seconds:.1f} seconds: {opened.broken_off}")
    if written.silent_because:
        told.append(f"without sound: {written.silent_because}; another --out may take it (.mkv, .mov)")
    return told


def _line(number: int, frame: Frame, found: Instances) -> dict[str, Any]:
    return {
        "frame": number,
        "seconds": round(frame.seconds, 4),
        "counts": found.counts(),
        "objects": interop.to_rows(found),
    }
