"""The page of two models, one after the other: what the classifier picked out, and what the detector found there."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from maskwright import files
from maskwright.api.results import Prediction
from maskwright.drawing.sheet import fit
from maskwright.errors import MaskwrightError
from maskwright.prediction.screening import Screening
from maskwright.report import page, sections
from maskwright.report.viewer import Compared, viewer
from maskwright.text import counted
from maskwright.types import Image

CELL, SMALL = (1000, 800), (560, 420)  # (width, height) of a picture at most
MOST = 48  # pictures of a kind: the page must open in a browser


class Page:
    """Gathers a small picture of each image while they pass by, and writes screening.html at the end."""

    def __init__(self) -> None:
        self.done: list[Prediction] = []
        self._looked: list[Compared] = []
        self._spared: list[tuple[float, sections.Picture]] = []

    def add(self, image: Image, made: Prediction) -> None:
        self.done.append(made)
        screened = made.screened
        assert screened is not None
        caption = f"{Path(made.image).name}: {screened.name} {screened.score:.2f}"
        if not screened.looked:
            self._spared.append((screened.score, sections.Picture(fit(image.pixels, SMALL), caption)))
            self._spared = sorted(self._spared, key=lambda item: -item[0])[:MOST]
        elif len(self._looked) < MOST:
            self._looked.append(Compared(caption, fit(image.pixels, CELL), image.size, made.instances))

    def write(self, out: Path, find: Screening, failed: Sequence[MaskwrightError]) -> Path:
        title = f"Screening for {find.name}"
        about = f"{counted(len(self.done), 'image')}; classifier {find.screen.card.model}, "
        about += f"detector {find.then.card.model}"
        files.write_text(out / "screening.html", page.render(title, self._sections(find, failed), about))
        return out / "screening.html"

    def _sections(self, find: Screening, failed: Sequence[MaskwrightError]) -> list[sections.Section]:
        every = [item.screened for item in self.done if item.screened is not None]
        looked = [item for item in every if item.looked]
        empty = sum(not len(item.instances) for item in self.done if item.screened is not None and item.screened.looked)
        made: list[sections.Section] = []
        if failed:
            made.append(sections.Warnings([str(error) for error in failed], heading="Images that could not be read"))
        made.append(
            sections.Facts(
                "What was done",
                {
                    "images": len(every),
                    f"called {find.name}": len(looked),
                    "images the detector was spared": len(every) - len(looked),
                    "objects found": sum(len(item.instances) for item in self.done),
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
                ("passed on", [item.score for item in looked]),
                ("left alone", [item.score for item in every if not item.looked]),
                threshold_of(find),
            )
        )
        limits = dict(find.then.limits)
        lowest = min(limits.values(), default=0.0)
        made.append(
            viewer("Passed on to the detector", self._looked, MOST, limits, _most(len(looked)), "name", floor=lowest)
        )
        made.append(
            sections.Gallery(
                "Left alone",
                [picture for _, picture in self._spared],
                note="the most doubtful first" + _most(len(every) - len(looked), "; "),
            )
        )
        rows = [
            (item.image, item.called, round(item.screened.score, 3), item.screened.looked, len(item.instances))
            for item in self.done
            if item.screened is not None
        ]
        made.append(sections.Table("Image by image", ["image", "label", "score", "looked at", "objects"], rows))
        return made


def threshold_of(find: Screening) -> float | None:
    """The score from which on an image is passed on; None where the best of several classes decides."""
    if find.threshold is not None:
        return find.threshold
    if find.name in find.screen.points or find.screen.card.multi_label:
        return find.screen.points.get(find.name, find.screen.threshold)
    return 0.5 if len(find.screen.card.classes) == 2 and not find.screen.points else None


def decided_by(find: Screening) -> str:
    """The rules, in words."""
    told = "; ".join(str(threshold) for threshold in find.thresholds)
    if find.threshold is None and not find.screen.thresholds:
        return f"the best class, for no operating point was chosen (`maskwright threshold`); {told}"
    return told


def _most(count: int, before: str = "") -> str:
    return f"{before}{MOST} of {count}" if count > MOST else ""
