"""What an evaluation found out: COCO's figures, per class and per photo, ready for tables, plots and JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from maskwright.evaluation import coco
from maskwright.evaluation.confusion import confusion
from maskwright.evaluation.matching import Matches, PhotoScore

KINDS = ("box", "mask")
Interval = tuple[float, float]

# COCO's twelve: name -> (precision?, IoU, area, limit), in the order everybody prints them
TWELVE = {
    "AP": (True, None, coco.ALL, coco.HUNDRED),
    "AP50": (True, 0, coco.ALL, coco.HUNDRED),
    "AP75": (True, 5, coco.ALL, coco.HUNDRED),
    "APs": (True, None, coco.SMALL, coco.HUNDRED),
    "APm": (True, None, coco.MEDIUM, coco.HUNDRED),
    "APl": (True, None, coco.LARGE, coco.HUNDRED),
    "AR1": (False, None, coco.ALL, coco.ONE),
    "AR10": (False, None, coco.ALL, coco.TEN),
    "AR100": (False, None, coco.ALL, coco.HUNDRED),
    "ARs": (False, None, coco.SMALL, coco.HUNDRED),
    "ARm": (False, None, coco.MEDIUM, coco.HUNDRED),
    "ARl": (False, None, coco.LARGE, coco.HUNDRED),
}


@dataclass(frozen=True, slots=True)
class ClassFigures:
    """One class. AP, AP50 and AR100 are None where there was nothing of it to find.

    truths, found   how many there were (crowds left out), how many were found at any score
    threshold, f1   the score from which to keep finds for the best F1 at IoU 0.5; None where no find hits
    """

    name: str
    truths: int
    found: int
    AP: float | None
    AP50: float | None
    AR100: float | None
    threshold: float | None
    f1: float | None


@dataclass(frozen=True, slots=True, eq=False)
class KindFigures:
    """The figures of boxes, or of masks; shares 0..1, None where there is nothing to measure.

    AP..ARl    COCO's twelve: over IoU 0.50:0.95, at 0.50, at 0.75, for small, medium, large objects; then recall with
               1, 10, 100 finds a photo and class, and for small, medium, large
    intervals  95 % bootstrap over photos of "AP", "AP50", "AP75", "AR100", "AP <class>", "AP50 <class>";
               {} unless asked for, None where it does not exist
    matches    curves, thresholds and photo scores, at IoU 0.5
    """

    kind: str
    AP: float | None
    AP50: float | None
    AP75: float | None
    APs: float | None
    APm: float | None
    APl: float | None
    AR1: float | None
    AR10: float | None
    AR100: float | None
    ARs: float | None
    ARm: float | None
    ARl: float | None
    classes: tuple[ClassFigures, ...]
    intervals: dict[str, Interval | None]
    matches: Matches = field(repr=False)

    def facts(self) -> dict[str, Any]:
        """Ready for JSON; no matches."""
        return {
            **{name: getattr(self, name) for name in TWELVE},
            "classes": [asdict(each) for each in self.classes],
            "intervals": {name: None if pair is None else list(pair) for name, pair in self.intervals.items()},
        }

    def coco_lines(self) -> list[str]:
        """COCO's twelve lines, in the layout people know, with n/a where the reference prints -1."""
        lines = []
        for name, (precise, iou, area, limit) in TWELVE.items():
            what = "Average Precision  (AP)" if precise else "Average Recall     (AR)"
            span = "0.50:0.95" if iou is None else f"{coco.IOUS[iou]:0.2f}"
            size = ("all", "small", "medium", "large")[area]
            lines.append(f" {what} @[ IoU={span:<9} | area={size:>6s} | maxDets={(1, 10, 100)[limit]:>3d} ] = "
                         f"{as_text(getattr(self, name))}")  # fmt: skip
        return lines

    def rows(self) -> list[dict[str, Any]]:
        """A table: one row a class, then "all". Intervals are (low, high) or None; nothing is rounded."""

        def row(name: str, suffix: str, truths: int, found: int, each: ClassFigures | KindFigures) -> dict[str, Any]:
            return {
                "class": name, "truths": truths, "found": found,
                "AP": each.AP, "AP interval": self.intervals.get("AP" + suffix),
                "AP50": each.AP50, "AP50 interval": self.intervals.get("AP50" + suffix), "AR100": each.AR100,
                "threshold": getattr(each, "threshold", None), "f1": getattr(each, "f1", None),
            }  # fmt: skip

        rows = [row(each.name, f" {each.name}", each.truths, each.found, each) for each in self.classes]
        total = [sum(each.truths for each in self.classes), sum(each.found for each in self.classes)]
        return [*rows, row("all", "", total[0], total[1], self)]

    def confusion(self, threshold: float | Mapping[str, float] | None = None) -> tuple[tuple[str, ...], np.ndarray]:
        """Class names and "background", and how often which was taken for which (see confusion.py)."""
        return confusion(self.matches, threshold)

    def thresholds(self) -> dict[str, float | None]:
        """The best threshold of each class, by name."""
        return {each.name: each.threshold for each in self.classes}


@dataclass(frozen=True, slots=True, eq=False)
class Figures:
    """All figures of one evaluation; `figures.mask.AP`, `figures.box.AP50`.

    names        classes judged
    photos       how many;  photo_names: what they are called, in order ("0", "1" .. where nobody said)
    truths       objects there were to find, crowds left out;  found: objects found, at any score
    strangers    finds of classes the truth does not know: not judged
    box, mask    None where it could not be judged (or was not asked for); reasons[kind] says why
    """

    names: tuple[str, ...]
    photos: int
    photo_names: tuple[str, ...]
    truths: int
    found: int
    strangers: int
    box: KindFigures | None
    mask: KindFigures | None
    reasons: dict[str, str]

    @property
    def best_kind(self) -> KindFigures | None:
        """Masks where they were judged, else boxes."""
        return self.mask or self.box

    def kind(self, name: str) -> KindFigures | None:
        """By name: "box" or "mask"."""
        return {"box": self.box, "mask": self.mask}[name]

    def coco_lines(self, kind: str | None = None) -> list[str]:
        """Twelve lines of that kind (default: masks, else boxes); [] where it was not judged."""
        chosen = self.best_kind if kind is None else self.kind(kind)
        return chosen.coco_lines() if chosen else []

    def worst_photos(
        self,
        n: int | None = None,
        kind: str | None = None,
        threshold: float | Mapping[str, float] | None = None,
        best: bool = False,
    ) -> list[tuple[str, PhotoScore]]:
        """(photo name, its score at IoU 0.5), lowest F1 first and more mistakes first; `best=True` from the other end.

        threshold  keep finds with at least this score; None: each class's own best
        """
        chosen = self.best_kind if kind is None else self.kind(kind)
        scores = chosen.matches.photo_scores(threshold) if chosen else []
        ordered = sorted(scores, key=lambda each: (each.f1, -len(each.false) - len(each.missed)), reverse=best)
        return [(self.photo_names[each.photo], each) for each in ordered[:n]]

    def facts(self) -> dict[str, Any]:
        """Ready for JSON."""
        plain = {name: getattr(self, name) for name in ("photos", "truths", "found", "strangers", "reasons")}
        kinds = {name: judged.facts() if (judged := self.kind(name)) else None for name in KINDS}
        return {**plain, "reasons": dict(self.reasons), "names": list(self.names), **kinds}


def as_text(value: float | None) -> str:
    """0.512, or n/a."""
    return "n/a" if value is None else f"{value:0.3f}"
