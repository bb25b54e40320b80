"""A score threshold per class that is chosen on few images and generalizes to others.

On eight images the score with the best F1 is largely chance: a single false positive moves it far. The threshold is
therefore chosen on many bootstrap resamples of the images, each time on an F1 curve smoothed over scores; their mean
is shrunk toward the threshold of all classes together, and that one toward 0.5, more strongly the fewer objects there
are.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from maskwright.evaluation.intervals import draws
from maskwright.evaluation.matching import Matches

DEFAULT_THRESHOLD = 0.5
RESAMPLES = 200
LEVELS = np.linspace(-3.0, 3.0, 121)  # log-odds: scores of 0.05 to 0.95
SMOOTHING = 0.4  # width in log-odds over which the F1 curve is smoothed
PRIOR_OBJECTS = 10.0  # number of objects that the common threshold counts for against those of a class


@dataclass(frozen=True, slots=True)
class ClassThreshold:
    """The score threshold of one class.

    objects  number of ground-truth objects of the class it was chosen on
    """

    name: str
    threshold: float
    objects: int


def choose_for_classes(
    matches: Matches, groups: Sequence[Hashable] | None = None, seed: int = 0
) -> tuple[float, tuple[ClassThreshold, ...]]:
    """(threshold of all classes together, threshold of each class); 0..1, three decimals.

    groups  one per image, for images that are not independent (see intervals.draws)

    True positives are those at IoU 0.5. A class without objects or without true positives gets the common threshold.
    """
    weights = draws(matches.images, RESAMPLES, seed, groups)
    all_classes = np.ones(len(matches.names), bool)
    default = float(np.log(DEFAULT_THRESHOLD / (1 - DEFAULT_THRESHOLD)))
    common = _shrink(_best_log_odds(matches, all_classes, weights), _objects(matches, all_classes), default)
    thresholds = []
    for index, name in enumerate(matches.names):
        of_class = np.arange(len(matches.names)) == index
        count = _objects(matches, of_class)
        score = _score(_shrink(_best_log_odds(matches, of_class, weights), count, common))
        thresholds.append(ClassThreshold(name, round(score, 3), count))
    return round(_score(common), 3), tuple(thresholds)


@dataclass(frozen=True, slots=True)
class DetectionCounts:
    """True positives, false positives and false negatives of a model at its score thresholds, at IoU 0.5."""

    true_positives: int
    false_positives: int
    false_negatives: int

    @property
    def recall(self) -> float | None:
        """None without ground-truth objects."""
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
        plural = "" if self.false_positives == 1 else "s"
        text = f"at its score threshold: {self.true_positives} of {objects} objects, "
        text += f"{self.false_positives} false positive{plural}"
        return text + ("" if self.f1 is None else f"; F1 {self.f1:.3f}")


def count_detections(
    matches: Matches, threshold: float | Mapping[str, float], name: str | None = None
) -> DetectionCounts:
    """The counts at one threshold, or at one per class: of all classes together, or of the class `name`."""
    classes = np.array([name in (None, item) for item in matches.names], bool)
    kept = matches.above_threshold(threshold) & ~matches.ignored[0] & classes[matches.detection_class]
    true_positives = int(np.count_nonzero(kept & matches.hit[0]))
    return DetectionCounts(
        true_positives, int(np.count_nonzero(kept)) - true_positives, _objects(matches, classes) - true_positives
    )


def _objects(matches: Matches, classes: np.ndarray) -> int:
    return int(np.count_nonzero(matches.ground_truth_counted & classes[matches.ground_truth_class]))


def _shrink(of_class: float | None, objects: int, prior: float) -> float:
    """Mean of two log-odds, weighted by the numbers of objects they are based on."""
    return prior if of_class is None else (of_class * objects + prior * PRIOR_OBJECTS) / (objects + PRIOR_OBJECTS)


def _score(logit: float) -> float:
    return float(1 / (1 + np.exp(-logit)))


def _best_log_odds(matches: Matches, classes: np.ndarray, weights: np.ndarray) -> float | None:
    """Mean over the resamples of the log-odds with the best smoothed F1; None without true positives."""
    detections = classes[matches.detection_class] & ~matches.ignored[0]
    ground_truth = matches.ground_truth_counted & classes[matches.ground_truth_class]
    hit = matches.hit[0][detections]
    if not hit.any():
        return None
    score = np.clip(matches.detection_score[detections], 1e-6, 1 - 1e-6)
    # Detections×levels, 0..1: to what degree each is kept at each level.
    kept = _smoothed_steps(np.log(score / (1 - score)))
    image = matches.detection_image[detections]
    count = matches.images
    true_positives, all_kept = np.zeros((count, len(LEVELS))), np.zeros((count, len(LEVELS)))
    np.add.at(all_kept, image, kept)
    np.add.at(true_positives, image[hit], kept[hit])
    objects = np.bincount(matches.ground_truth_image[ground_truth], minlength=count)
    total = weights @ all_kept + (weights @ objects)[:, None]
    f1 = np.divide(2 * (weights @ true_positives), total, out=np.zeros_like(total), where=total > 0)
    best = f1.max(axis=1)
    defined = best > 0
    return float(LEVELS[f1[defined].argmax(axis=1)].mean()) if defined.any() else None


def _smoothed_steps(logits: np.ndarray) -> np.ndarray:
    """n×levels float64, 0..1: a step at each score, smoothed over SMOOTHING."""
    return 1 / (1 + np.exp(-(logits[:, None] - LEVELS) / (SMOOTHING / 2)))
