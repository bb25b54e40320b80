"""Matches of detections and ground truth: true and false positives, curves and score thresholds, at IoU 0.5."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from maskwright.types import Instances


@dataclass(frozen=True, slots=True)
class ImageScore:
    """One image at one score threshold. Rows index into the Instances of that image.

    image            index of the image
    true_positives   pairs (row of the detection, row of the ground truth)
    false_positives  rows of detections without a match
    false_negatives  rows of ground-truth objects without a match
    f1               0..1; 1 without ground truth and detections
    """

    image: int
    true_positives: tuple[tuple[int, int], ...]
    false_positives: tuple[int, ...]
    false_negatives: tuple[int, ...]
    f1: float


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """Precision and recall of one class at IoU 0.5, one point for every distinct score, highest score first.

    All p float64. Point i is reached with the score threshold scores[i]; `f1` is the harmonic mean of the two.
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
    """The evaluator's matching as columns: n ground-truth objects and m detections of all images together.

    kind                      "box" or "mask"
    names                     class names
    ground_truth, detections  what was compared, one Instances per image; classes index into `names`

    ground_truth_image        n int64, index of the image
    ground_truth_row          n int64, row within the image
    ground_truth_class        n int64
    ground_truth_counted      n bool, False for crowds

    detection_image           m int64; sorted by image, then class, then descending score
    detection_row             m int64
    detection_class           m int64
    detection_score           m float64
    hit                       10×m bool, true positive at IoU 0.50, 0.55 .. 0.95
    ignored                   10×m bool, matched with a crowd
    matched_ground_truth      m int64, index into the n objects of the match at IoU 0.5, else -1
    """

    kind: str
    names: tuple[str, ...]
    ground_truth: Sequence[Instances]
    detections: Sequence[Instances]
    ground_truth_image: np.ndarray
    ground_truth_row: np.ndarray
    ground_truth_class: np.ndarray
    ground_truth_counted: np.ndarray
    detection_image: np.ndarray
    detection_row: np.ndarray
    detection_class: np.ndarray
    detection_score: np.ndarray
    hit: np.ndarray
    ignored: np.ndarray
    matched_ground_truth: np.ndarray

    @property
    def images(self) -> int:
        return len(self.ground_truth)

    def ground_truth_count(self, index: int) -> int:
        """Number of ground-truth objects of class `index`, without crowds."""
        return int(np.count_nonzero(self.ground_truth_counted & (self.ground_truth_class == index)))

    def curve(self, index: int) -> Curve:
        """The curve of class `index`; without points if there are no detections or no ground truth."""
        chosen = (self.detection_class == index) & ~self.ignored[0]
        scores, true_positives = self.detection_score[chosen], self.hit[0, chosen]
        order = np.argsort(-scores, kind="stable")
        scores, true_positives = scores[order], np.cumsum(true_positives[order])
        ground_truths = self.ground_truth_count(index)
        if ground_truths == 0 or len(scores) == 0:
            return Curve(np.zeros(0), np.zeros(0), np.zeros(0))
        last = np.append(scores[1:] != scores[:-1], True)  # equal scores give one point
        return Curve(
            scores[last],
            (true_positives / np.arange(1, len(true_positives) + 1))[last],
            (true_positives / ground_truths)[last],
        )

    def best_threshold(self, index: int) -> tuple[float, float] | None:
        """(threshold, F1): the score threshold with the best F1 of class `index`; None without true positives."""
        curve = self.curve(index)
        if len(curve.scores) == 0 or curve.f1.max() == 0:
            return None
        best = int(np.argmax(curve.f1))  # the first of equals: the highest threshold, with the fewest detections
        return float(curve.scores[best]), float(curve.f1[best])

    def above_threshold(self, threshold: float | Mapping[str, float] | None = None) -> np.ndarray:
        """m bool: score >= threshold.

        threshold  one for all classes; or a mapping, class name -> threshold, in which a missing class keeps nothing;
                   or None: the best of each class (0.5 for a class without one)
        """
        if isinstance(threshold, Mapping):
            class_thresholds = np.array([threshold.get(name, np.inf) for name in self.names])
            return (
                self.detection_score >= class_thresholds[self.detection_class]
                if len(class_thresholds)
                else np.zeros(0, bool)
            )
        if threshold is not None:
            return self.detection_score >= threshold
        best = [self.best_threshold(index) for index in range(len(self.names))]
        limits = np.array([0.5 if item is None else item[0] for item in best])
        return self.detection_score >= limits[self.detection_class] if len(limits) else np.zeros(0, bool)

    def matched_rows(self, image: int) -> np.ndarray:
        """One int64 per detection of this image: the row of the ground-truth object it matches at IoU 0.5, else -1.

        -2 where it matches a crowd, which is neither right nor wrong. Detections beyond the evaluator's hundred per
        class are matched with nothing.
        """
        rows = np.full(len(self.detections[image]), -1, np.int64)
        here = self.detection_image == image
        partner = self.matched_ground_truth[here]
        matched = np.where(partner >= 0, self.ground_truth_row[partner], -1)
        rows[self.detection_row[here]] = np.where(self.ignored[0, here], -2, matched)
        return rows

    def image_scores(self, threshold: float | Mapping[str, float] | None = None) -> list[ImageScore]:
        """One ImageScore per image, in the order of the images; `threshold` as for above_threshold."""
        kept = self.above_threshold(threshold)
        hit = kept & self.hit[0]
        false_positive = kept & ~self.hit[0] & ~self.ignored[0]
        false_negatives = self.ground_truth_counted.copy()
        false_negatives[self.matched_ground_truth[hit]] = False
        scores = []
        for image in range(self.images):
            in_image = self.detection_image == image
            true_positives = np.flatnonzero(hit & in_image)
            false_positives = self.detection_row[false_positive & in_image]
            missed = self.ground_truth_row[false_negatives & (self.ground_truth_image == image)]
            total = 2 * len(true_positives) + len(false_positives) + len(missed)
            pairs = zip(
                self.detection_row[true_positives].tolist(),
                self.ground_truth_row[self.matched_ground_truth[true_positives]].tolist(),
                strict=True,
            )
            f1 = 2 * len(true_positives) / total if total else 1.0
            scores.append(ImageScore(image, tuple(pairs), tuple(false_positives.tolist()), tuple(missed.tolist()), f1))
        return scores
