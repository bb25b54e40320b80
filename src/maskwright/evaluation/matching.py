"""Who was matched with whom: true and false positives, misses, curves and thresholds, all at IoU 0.5."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from maskwright.types import Instances


@dataclass(frozen=True, slots=True)
class ImageScore:
    """One image at one threshold. A row number is the row of that image's Instances.

    true_positives      (found row, ground truth row) pairs  false_positives   detection rows that match nothing
    false_negatives    ground truth rows nobody found             f1      0..1; 1 where nothing was there and nothing
                       was found
    """

    image: int
    true_positives: tuple[tuple[int, int], ...]
    false_positives: tuple[int, ...]
    false_negatives: tuple[int, ...]
    f1: float


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """Precision and recall of one class at IoU 0.5, one point for every distinct score, highest score first.

    All p float64. `f1` is their harmonic mean; keeping every found object with score >= scores[i] gives point i.
    """

    scores: np.ndarray
    precision: np.ndarray
    recall: np.ndarray

    @property
    def f1(self) -> np.ndarray:
        total = self.precision + self.recall
        return np.divide(2 * self.precision * self.recall, total, out=np.zeros_like(total), where=total > 0)


@dataclass(frozen=True, slots=True, eq=False)
class Matches:
    """The evaluator's matching as columns: n ground truth rows and m found rows of all images together.

    ground_truth_image, ground_truth_row, ground_truth_class   n int64
    ground_truth_counts                          n bool; False for crowds
    detection_image, detection_row, detection_class   m int64; image by image, class by class, best score first
    detection_score                           m float64
    hit, ignored                          10×m bool, one row for each IoU 0.50, 0.55 .. 0.95; ignored = matched a crowd
    partner                               m int64: the ground truth it matched at IoU 0.5 (place in the ground truth
    columns), else -1
    ground_truth, detections                          what was compared, one Instances an image; class numbers index
    into `names`
    """

    kind: str
    names: tuple[str, ...]
    ground_truth: Sequence[Instances]
    detections: Sequence[Instances]
    ground_truth_image: np.ndarray
    ground_truth_row: np.ndarray
    ground_truth_class: np.ndarray
    ground_truth_counts: np.ndarray
    detection_image: np.ndarray
    detection_row: np.ndarray
    detection_class: np.ndarray
    detection_score: np.ndarray
    hit: np.ndarray
    ignored: np.ndarray
    partner: np.ndarray

    @property
    def images(self) -> int:
        return len(self.ground_truth)

    def ground_truths_of(self, index: int) -> int:
        """Objects of class `index` there were to find (crowds do not count)."""
        return int(np.count_nonzero(self.ground_truth_counts & (self.ground_truth_class == index)))

    def curve(self, index: int) -> Curve:
        """Points of class `index`; no points where nothing was found or there was nothing to find."""
        chosen = (self.detection_class == index) & ~self.ignored[0]
        scores, true_positives = self.detection_score[chosen], self.hit[0, chosen]
        order = np.argsort(-scores, kind="stable")
        scores, true_positives = scores[order], np.cumsum(true_positives[order])
        ground_truths = self.ground_truths_of(index)
        if ground_truths == 0 or len(scores) == 0:
            return Curve(np.zeros(0), np.zeros(0), np.zeros(0))
        last = np.append(scores[1:] != scores[:-1], True)  # equal scores stay or go together
        return Curve(
            scores[last],
            (true_positives / np.arange(1, len(true_positives) + 1))[last],
            (true_positives / ground_truths)[last],
        )

    def best_threshold(self, index: int) -> tuple[float, float] | None:
        """(threshold, F1): keeping scores >= threshold gives the best F1; None where no threshold hits anything."""
        curve = self.curve(index)
        if len(curve.scores) == 0 or curve.f1.max() == 0:
            return None
        best = int(np.argmax(curve.f1))  # the first of equals: the highest threshold, so the fewest finds
        return float(curve.scores[best]), float(curve.f1[best])

    def kept(self, threshold: float | Mapping[str, float] | None = None) -> np.ndarray:
        """m bool: score >= threshold; a mapping has one a class (one without is not kept at all); None means each
        class's own best (0.5 for a class without one)."""
        if isinstance(threshold, Mapping):
            own = np.array([threshold.get(name, np.inf) for name in self.names])
            return self.detection_score >= own[self.detection_class] if len(own) else np.zeros(0, bool)
        if threshold is not None:
            return self.detection_score >= threshold
        best = [self.best_threshold(index) for index in range(len(self.names))]
        limits = np.array([0.5 if item is None else item[0] for item in best])
        return self.detection_score >= limits[self.detection_class] if len(limits) else np.zeros(0, bool)

    def image_scores(self, threshold: float | Mapping[str, float] | None = None) -> list[ImageScore]:
        """One for every image, in the images' order. `sorted(..., key=lambda p: p.f1)` puts the worst first."""
        kept = self.kept(threshold)
        hit = kept & self.hit[0]
        false = kept & ~self.hit[0] & ~self.ignored[0]
        false_negatives = self.ground_truth_counts.copy()
        false_negatives[self.partner[hit]] = False
        scores = []
        for image in range(self.images):
            here = self.detection_image == image
            true_positives = np.flatnonzero(hit & here)
            wrong = self.detection_row[false & here]
            unseen = self.ground_truth_row[false_negatives & (self.ground_truth_image == image)]
            total = 2 * len(true_positives) + len(wrong) + len(unseen)
            pairs = zip(
                self.detection_row[true_positives].tolist(),
                self.ground_truth_row[self.partner[true_positives]].tolist(),
                strict=True,
            )
            f1 = 2 * len(true_positives) / total if total else 1.0
            scores.append(ImageScore(image, tuple(pairs), tuple(wrong.tolist()), tuple(unseen.tolist()), f1))
        return scores
