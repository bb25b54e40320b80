"""From which score on something is said, and where that number comes from: one sentence, the same for every model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from maskwright.weights.card import Card

ASKED, CHOSEN, OWN = "asked", "operating point", "model"
WORDS = {ASKED: "as asked", CHOSEN: "the operating point", OWN: "the model's own"}


@dataclass(frozen=True, slots=True)
class Threshold:
    """One number, and whose it is.

    name    the class; or "objects", "every class", "every other class"
    score   0..1: what scores as much is said
    source  asked, operating point (`maskwright threshold` chose it and the card keeps it) or model (the card alone)
    chosen  of an operating point: on which photos, and for what; "" where the card does not say

    >>> str(Threshold("rust", 0.31, "operating point", "42 photos (val) for recall at least 0.99"))
    'rust: yes from 0.31, the operating point chosen on 42 photos (val) for recall at least 0.99'
    """

    name: str
    score: float
    source: str
    chosen: str = ""

    def __str__(self) -> str:
        return f"{self.name}: yes from {self.score:.4g}, {WORDS[self.source]}" + (
            f" chosen on {self.chosen}" if self.chosen else ""
        )

    def facts(self) -> dict[str, Any]:
        told = {"name": self.name, "threshold": self.score, "from": self.source}
        return told | {"chosen on": self.chosen} if self.chosen else told


def of_detector(card: Card, asked: float | None) -> tuple[Threshold, ...]:
    """One, for the objects of all classes."""
    if asked is not None:
        return (Threshold("objects", asked, ASKED),)
    kept = card.figures.get("operating_point")
    if not isinstance(kept, dict) or kept.get("threshold") != card.threshold:  # the card was edited, or says nothing
        return (Threshold("objects", card.threshold, OWN),)
    aim = _for(kept.get("aim", "")) + (f" of {kept['class']}" if kept.get("class") else "")
    return (
        Threshold("objects", card.threshold, CHOSEN, f"{kept.get('photos')} photos ({kept.get('chosen_on')}){aim}"),
    )


def of_classifier(card: Card, points: Mapping[str, float], threshold: float, asked: bool) -> tuple[Threshold, ...]:
    """One for each class with a point, and one for the others where a photo may show several; () where only the best
    class is said.

    points, threshold  as they are in use: the card's, or what was asked for
    """
    kept = {point.name: point for point in card.operating_points}
    made = []
    for name, score in points.items():
        point = kept.get(name)
        known = not asked and point is not None and point.threshold == score and point.chosen_on
        chosen = f"{point.chosen_on}{_for(point.aim)}" if known and point else ""
        made.append(Threshold(name, score, ASKED if asked else CHOSEN, chosen))
    if card.multi_label and set(points) < set(card.classes):
        made.append(Threshold("every other class" if made else "every class", threshold, ASKED if asked else OWN))
    return tuple(made)


def _for(aim: object) -> str:
    return f" for {aim}" if aim else ""
