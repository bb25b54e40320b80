"""The page of two models, one after the other: what the classifier picked out, and what the detector found there."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from maskwright import files
from maskwright.errors import MaskwrightError
from maskwright.jobs.results import Prediction
from maskwright.pictures import outlines
from maskwright.pictures.sheet import fit
from maskwright.prediction.screening import Screening
from maskwright.report import page, sections
from maskwright.types import Photo

CELL, SMALL = (560, 420), (280, 210)  # (width, height) of a picture at most
MOST = 48  # pictures of a kind: the page must open in a browser


class Page:
    """Gathers a small picture of each photo while they pass by, and writes screening.html at the end."""

    def __init__(self) -> None:
        self.done: list[Prediction] = []
        self._looked: list[sections.Picture] = []
        self._spared: list[tuple[float, sections.Picture]] = []

    def add(self, photo: Photo, made: Prediction) -> None:
        self.done.append(made)
        screened = made.screened
        assert screened is not None
        caption = f"{Path(made.photo).name}: {screened.name} {screened.score:.2f}"
        if not screened.looked:
            self._spared.append((screened.score, sections.Picture(fit(photo.pixels, SMALL), caption)))
            self._spared = sorted(self._spared, key=lambda each: -each[0])[:MOST]
        elif len(self._looked) < MOST:
            counts = ", ".join(f"{count} {name}" for name, count in made.counts().items()) or "nothing found"
            drawn = outlines.draw(photo, made.instances, shown_in=CELL)
            self._looked.append(sections.Picture(fit(np.asarray(drawn), CELL), f"{caption}; {counts}"))

    def write(self, out: Path, find: Screening, failed: Sequence[MaskwrightError]) -> Path:
        files.write_text(out / "screening.html", page.render("Screening", self._sections(find, failed)))
        return out / "screening.html"

    def _sections(self, find: Screening, failed: Sequence[MaskwrightError]) -> list[sections.Section]:
        every = [each.screened for each in self.done if each.screened is not None]
        looked = [each for each in every if each.looked]
        empty = sum(not len(each.instances) for each in self.done if each.screened is not None and each.screened.looked)
        made: list[sections.Section] = []
        if failed:
            made.append(sections.Warnings([str(error) for error in failed], heading="Photos that could not be read"))
        made.append(
            sections.Facts(
                "What was done",
                {
                    "photos": len(every),
                    f"called {find.name}": len(looked),
                    "photos the detector was spared": len(every) - len(looked),
                    "objects found": sum(len(each.instances) for each in self.done),
                    f"called {find.name}, and nothing found": empty,
                    "decided by": decided_by(find),
                    "classifier": f"{find.screen.card.model} ({', '.join(find.screen.card.classes)})",
                    "detector": f"{find.then.card.model} ({', '.join(find.then.card.classes)})",
                },
            )
        )
        made.append(
            sections.Scores(
                f"Scores for {find.name}",
                ("passed on", [each.score for each in looked]),
                ("left alone", [each.score for each in every if not each.looked]),
                threshold_of(find),
            )
        )
        made.append(sections.Gallery("Passed on to the detector", self._looked, note=_most(len(looked))))
        made.append(
            sections.Gallery(
                "Left alone",
                [picture for _, picture in self._spared],
                note="the most doubtful first" + _most(len(every) - len(looked), "; "),
            )
        )
        rows = [
            (each.photo, each.called, round(each.screened.score, 3), each.screened.looked, len(each.instances))
            for each in self.done
            if each.screened is not None
        ]
        made.append(sections.Table("Photo by photo", ["photo", "verdict", "score", "looked at", "objects"], rows))
        return made


def threshold_of(find: Screening) -> float | None:
    """The score from which on a photo is passed on; None where the best of several classes decides."""
    if find.threshold is not None:
        return find.threshold
    if find.name in find.screen.points or find.screen.card.multi_label:
        return find.screen.points.get(find.name, find.screen.threshold)
    return 0.5 if len(find.screen.card.classes) == 2 and not find.screen.points else None


def decided_by(find: Screening) -> str:
    """The rules, in words."""
    told = "; ".join(str(each) for each in find.thresholds)
    if find.threshold is None and not find.screen.thresholds:
        return f"the best class, for no operating point was chosen (`maskwright threshold`); {told}"
    return told


def _most(count: int, before: str = "") -> str:
    return f"{before}{MOST} of {count}" if count > MOST else ""
