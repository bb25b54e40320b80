"""From which score on each class is shown, chosen on few photos so that it holds on others.

The score with the best F1 on eight photos is a matter of luck: one false find more or less moves it far. So it is
chosen many times, on photos drawn with replacement, each time on a curve that was smoothed over neighbouring scores;
the mean of these choices is taken, and drawn towards the threshold of all classes together, and that towards an
ordinary one, the more the fewer objects there were.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from maskwright.evaluation.intervals import draws
from maskwright.evaluation.matching import Matches

ORDINARY = 0.5
DRAWS = 200
LEVELS = np.linspace(-3.0, 3.0, 121)  # log-odds: scores of 0.05 to 0.95
WIDTH = 0.4  # log-odds over which a curve is smoothed
WEIGHT = 10.0  # objects that the wider choice counts for, against those of a class


@dataclass(frozen=True, slots=True)
class ClassThreshold:
    """The score from which finds of a class are shown.

    objects  how many of the class there were, by which it was chosen
    """

    name: str
    threshold: float
    objects: int


def choose_for_classes(
    matches: Matches, groups: Sequence[Hashable] | None = None, seed: int = 0
) -> tuple[float, tuple[ClassThreshold, ...]]:
    """The threshold of all classes together, and that of each class; 0..1, three decimals.

    groups  one a photo, for photos that hang together

    Finds count as hits at IoU 0.5. A class without objects, or of which nothing is found, takes the common threshold.
    """
    times = draws(matches.photos, DRAWS, seed, groups)
    everything = np.ones(len(matches.names), bool)
    ordinary = float(np.log(ORDINARY / (1 - ORDINARY)))
    common = _towards(_chosen(matches, everything, times), _objects(matches, everything), ordinary)
    made = []
    for index, name in enumerate(matches.names):
        own = np.arange(len(matches.names)) == index
        count = _objects(matches, own)
        score = _score(_towards(_chosen(matches, own, times), count, common))
        made.append(ClassThreshold(name, round(score, 3), count))
    return round(_score(common), 3), tuple(made)


@dataclass(frozen=True, slots=True)
class Shown:
    """What a model shows at its thresholds, at IoU 0.5: right finds, false ones, and objects that it misses."""

    hits: int
    false: int
    missed: int

    @property
    def recall(self) -> float | None:
        """None where there was nothing to find."""
        return self.hits / (self.hits + self.missed) if self.hits + self.missed else None

    @property
    def f1(self) -> float | None:
        total = 2 * self.hits + self.false + self.missed
        return 2 * self.hits / total if total else None

    def facts(self) -> dict[str, float | int | None]:
        return {"hits": self.hits, "false": self.false, "missed": self.missed, "recall": self.recall, "F1": self.f1}

    def __str__(self) -> str:
        text = f"shown at its threshold: {self.hits} of {self.hits + self.missed} objects, {self.false} false"
        return text + ("" if self.f1 is None else f"; F1 {self.f1:.3f}")


def shown_at(matches: Matches, threshold: float | Mapping[str, float], name: str | None = None) -> Shown:
    """Of all classes together, or of one."""
    classes = np.array([name in (None, each) for each in matches.names], bool)
    kept = matches.kept(threshold) & ~matches.ignored[0] & classes[matches.found_class]
    hits = int(np.count_nonzero(kept & matches.hit[0]))
    return Shown(hits, int(np.count_nonzero(kept)) - hits, _objects(matches, classes) - hits)


def _objects(matches: Matches, classes: np.ndarray) -> int:
    return int(np.count_nonzero(matches.truth_counts & classes[matches.truth_class]))


def _towards(own: float | None, objects: int, wider: float) -> float:
    """The mean of two log-odds, by the objects they rest on."""
    return wider if own is None else (own * objects + wider * WEIGHT) / (objects + WEIGHT)


def _score(logit: float) -> float:
    return float(1 / (1 + np.exp(-logit)))


def _chosen(matches: Matches, classes: np.ndarray, times: np.ndarray) -> float | None:
    """Mean over the draws of the log-odds with the best smoothed F1; None where nothing was hit."""
    found = classes[matches.found_class] & ~matches.ignored[0]
    truth = matches.truth_counts & classes[matches.truth_class]
    hit = matches.hit[0][found]
    if not hit.any():
        return None
    score = np.clip(matches.found_score[found], 1e-6, 1 - 1e-6)
    kept = _above(np.log(score / (1 - score)))  # finds×levels, 0..1: how far each is kept at each level
    photo = matches.found_photo[found]
    count = matches.photos
    hits, all_found = np.zeros((count, len(LEVELS))), np.zeros((count, len(LEVELS)))
    np.add.at(all_found, photo, kept)
    np.add.at(hits, photo[hit], kept[hit])
    objects = np.bincount(matches.truth_photo[truth], minlength=count)
    total = times @ all_found + (times @ objects)[:, None]
    f1 = np.divide(2 * (times @ hits), total, out=np.zeros_like(total), where=total > 0)
    best = f1.max(axis=1)
    said = best > 0
    return float(LEVELS[f1[said].argmax(axis=1)].mean()) if said.any() else None


def _above(logits: np.ndarray) -> np.ndarray:
    """n×levels float64 0..1: a step at each score, softened over WIDTH."""
    return 1 / (1 + np.exp(-(logits[:, None] - LEVELS) / (WIDTH / 2)))
