"""From which score on something is said, and where that number comes from: one sentence, the same for every model."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from maskwright.issues import Issue, Kind
from maskwright.weights.card import Card

SCORE_THRESHOLD = Kind("score_threshold", "info", "{name}: threshold {score:.4g}, {origin}[ chosen on {chosen}]")
SCORE_THRESHOLDS_ALIKE = Kind("score_thresholds_alike", "info", "thresholds {scores}: {origin}[ chosen on {chosen}]")
SCORE_THRESHOLDS = Kind(
    "score_thresholds", "info", "{count} classes: a threshold for each, {min:.4g} to {max:.4g}[ ({chosen})]"
)

ASKED, CHOSEN, OWN = "asked", "operating point", "model"
SHOWN = 8  # thresholds that are reported one by one
WORDS = {ASKED: "as asked", CHOSEN: "the operating point", OWN: "the model's own"}


@dataclass(frozen=True, slots=True)
class Threshold:
    """One number, and whose it is.

    name    the class; or "objects", "every class", "every other class"
    score   0..1: what scores as much is said
    source  asked, operating point (`maskwright threshold` chose it and the card keeps it) or model (the card alone)
    chosen  of an operating point: on which images, and for what; "" where the card does not say

    >>> str(Threshold("rust", 0.31, "operating point", "42 images (val) for recall at least 0.99"))
    'rust: threshold 0.31, the operating point chosen on 42 images (val) for recall at least 0.99'
    """

    name: str
    score: float
    source: str
    chosen: str = ""

    def __str__(self) -> str:
        return str(self.issue())

    def issue(self) -> Issue:
        return SCORE_THRESHOLD(name=self.name, score=self.score, origin=WORDS[self.source], chosen=self.chosen)

    def facts(self) -> dict[str, Any]:
        told = {"name": self.name, "threshold": self.score, "from": self.source}
        return told | {"chosen_on": self.chosen} if self.chosen else told


def limits(card: Card, asked: float | None = None) -> dict[str, float]:
    """{class: the score from which its objects are shown}; `asked` holds for all."""
    if asked is not None:
        return dict.fromkeys(card.classes, asked)
    return {name: card.thresholds.get(name, card.threshold) for name in card.classes}


def of_detector(card: Card, asked: float | None) -> tuple[Threshold, ...]:
    """One for the objects of all classes; or one for each class that has its own, and one for the others."""
    if asked is not None:
        return (Threshold("objects", asked, ASKED),)
    if card.thresholds:
        own = [_of_class(card, name) for name in card.classes if name in card.thresholds]
        others = [] if len(own) == len(card.classes) else [Threshold("every other class", card.threshold, OWN)]
        return (*own, *others)
    chosen = _chosen(card.metrics.get("operating_point"), card.threshold)
    return (Threshold("objects", card.threshold, CHOSEN if chosen else OWN, chosen),)


def _of_class(card: Card, name: str) -> Threshold:
    """What `maskwright threshold --class` chose, else what the training did."""
    score = card.thresholds[name]
    points = card.metrics.get("operating_points")
    asked = _chosen(points.get(name), score) if isinstance(points, dict) else ""
    chosen = asked or card.thresholds_chosen_on
    return Threshold(name, score, CHOSEN if chosen else OWN, chosen)


def _chosen(kept: Any, score: float) -> str:
    """By which images, and for what; "" where the card was edited since, or says nothing."""
    if not isinstance(kept, dict) or kept.get("threshold") != score:
        return ""
    aim = _for(kept.get("aim", "")) + (f" of {kept['class']}" if kept.get("class") else "")
    return f"{kept.get('images')} images ({kept.get('chosen_on')}){aim}"


def of_classifier(card: Card, points: Mapping[str, float], threshold: float, asked: bool) -> tuple[Threshold, ...]:
    """One for each class with a point, and one for the others where an image may show several; () where only the best
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


def issues(thresholds: Sequence[Threshold]) -> list[Issue]:
    """One for each threshold, or for those of one origin together; one for all where there are very many."""
    if len(thresholds) <= SHOWN:
        origins = itertools.groupby(thresholds, key=lambda threshold: (threshold.source, threshold.chosen))
        return [_together(list(group)) for _, group in origins]
    scores = [threshold.score for threshold in thresholds]
    return [SCORE_THRESHOLDS(count=len(scores), min=min(scores), max=max(scores), chosen=thresholds[0].chosen)]


def _together(thresholds: Sequence[Threshold]) -> Issue:
    """Those of one origin."""
    first, *others = thresholds
    if not others:
        return first.issue()
    scores = [f"{threshold.name} {threshold.score:.4g}" for threshold in thresholds]
    origin = {CHOSEN: "the operating points"}.get(first.source, WORDS[first.source])
    return SCORE_THRESHOLDS_ALIKE(scores=scores, origin=origin, chosen=first.chosen)


def _for(aim: object) -> str:
    return f" for {aim}" if aim else ""
