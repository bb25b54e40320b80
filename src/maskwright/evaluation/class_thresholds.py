"""From which score on each class is shown, chosen on few images so that it holds on others.

The score with the best F1 on eight images is a matter of luck: one false positive more or less moves it far. So it is
chosen many times, on images drawn with replacement, each time on a curve that was smoothed over neighboring scores;
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
    """The score from which detections of a class are shown.

    objects  how many of the class there were, by which it was chosen
    """

    name: str
    threshold: float
    objects: int


def choose_for_classes(
    matches: Matches, groups: Sequence[Hashable] | None = None, seed: int = 0
) -> tuple[float, tuple[ClassThreshold, ...]]:
    """The threshold of all classes together, and that of each class; 0..1, three decimals.

    groups  one an image, for images that hang together

    Finds count as hits at IoU 0.5. A class without objects, or of which nothing is found, takes the common threshold.
    """
    times = draws(matches.images, DRAWS, seed, groups)
    everything = np.ones(len(matches.names), bool)
    ordinary = float(np.log(ORDINARY / (1 - ORDINARY)))
    common = _towards(_chosen(matches, everything, times), _objects(matches, everything), ordinary)
    thresholds = []
    for index, name in enumerate(matches.names):
        own = np.arange(len(matches.names)) == index
        count = _objects(matches, own)
        score = _score(_towards(_chosen(matches, own, times), count, common))
        thresholds.append(ClassThreshold(name, round(score, 3), count))
    return round(_score(common), 3), tuple(thresholds)


@dataclass(frozen=True, slots=True)
class Shown:
    """What a model shows at its thresholds, at IoU 0.5: correct detections, false positives and missed objects."""

    true_positives: int
    false_positives: int
    false_negatives: int

    @property
    def recall(self) -> float | None:
        """None where there was nothing to find."""
        return (
            self.true_positives / (self.true_positives + self.false_negatives)
            if self.true_positives + self.false_negatives
            else None
        )

    @property
    def f1(self) -> float | None:
        total = 2 * self.true_positives + self.false_positives + self.false_negatives
        return 2 * self.true_positives / total if total else None

    def facts(self) -> dict[str, float | int | None]:
        return {
            "true_positives": self.true_positives,
            "false_positives": self.false_positives,
            "false_negatives": self.false_negatives,
            "recall": self.recall,
            "F1": self.f1,
        }

    def __str__(self) -> str:
        objects = self.true_positives + self.false_negatives
        text = f"shown at its threshold: {self.true_positives} of {objects} objects, {self.false_positives} false"
        return text + ("" if self.f1 is None else f"; F1 {self.f1:.3f}")


def shown_at(matches: Matches, threshold: float | Mapping[str, float], name: str | None = None) -> Shown:
    """Of all classes together, or of one."""
    classes = np.array([name in (None, item) for item in matches.names], bool)
    kept = matches.kept(threshold) & ~matches.ignored[0] & classes[matches.detection_class]
    true_positives = int(np.count_nonzero(kept & matches.hit[0]))
    return Shown(
        true_positives, int(np.count_nonzero(kept)) - true_positives, _objects(matches, classes) - true_positives
    )


def _objects(matches: Matches, classes: np.ndarray) -> int:
    return int(np.count_nonzero(matches.ground_truth_counts & classes[matches.ground_truth_class]))


def _towards(own: float | None, objects: int, wider: float) -> float:
    """The mean of two log-odds, by the objects they rest on."""
    return wider if own is None else (own * objects + wider * WEIGHT) / (objects + WEIGHT)


def _score(logit: float) -> float:
    return float(1 / (1 + np.exp(-logit)))


def _chosen(matches: Matches, classes: np.ndarray, times: np.ndarray) -> float | None:
    """Mean over the draws of the log-odds with the best smoothed F1; None where nothing was hit."""
    detections = classes[matches.detection_class] & ~matches.ignored[0]
    ground_truth = matches.ground_truth_counts & classes[matches.ground_truth_class]
    hit = matches.hit[0][detections]
    if not hit.any():
        return None
    score = np.clip(matches.detection_score[detections], 1e-6, 1 - 1e-6)
    kept = _above(np.log(score / (1 - score)))  # finds×levels, 0..1: how far each is kept at each level
    image = matches.detection_image[detections]
    count = matches.images
    true_positives, all_found = np.zeros((count, len(LEVELS))), np.zeros((count, len(LEVELS)))
    np.add.at(all_found, image, kept)
    np.add.at(true_positives, image[hit], kept[hit])
    objects = np.bincount(matches.ground_truth_image[ground_truth], minlength=count)
    total = times @ all_found + (times @ objects)[:, None]
    f1 = np.divide(2 * (times @ true_positives), total, out=np.zeros_like(total), where=total > 0)
    best = f1.max(axis=1)
    defined = best > 0
    return float(LEVELS[f1[defined].argmax(axis=1)].mean()) if defined.any() else None


def _above(logits: np.ndarray) -> np.ndarray:
    """n×levels float64 0..1: a step at each score, softened over WIDTH."""
    return 1 / (1 + np.exp(-(logits[:, None] - LEVELS) / (WIDTH / 2)))
