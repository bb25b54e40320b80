"""Who was matched with whom: true and false finds, misses, curves and thresholds, all at IoU 0.5."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from maskwright.types import Instances


@dataclass(frozen=True, slots=True)
class PhotoScore:
    """One photo at one threshold. A row number is the row of that photo's Instances.

    hits      (found row, truth row) pairs        false   found rows that match nothing
    missed    truth rows nobody found             f1      0..1; 1 where nothing was there and nothing was found
    """

    photo: int
    hits: tuple[tuple[int, int], ...]
    false: tuple[int, ...]
    missed: tuple[int, ...]
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
    """The evaluator's matching as columns: n truth rows and m found rows of all photos together.

    truth_photo, truth_row, truth_class   n int64
    truth_counts                          n bool; False for crowds
    found_photo, found_row, found_class   m int64; photo by photo, class by class, best score first
    found_score                           m float64
    hit, ignored                          10×m bool, one row for each IoU 0.50, 0.55 .. 0.95; ignored = matched a crowd
    partner                               m int64: the truth it matched at IoU 0.5 (place in the truth columns), else -1
    truth, found                          what was compared, one Instances a photo; class numbers index into `names`
    """

    kind: str
    names: tuple[str, ...]
    truth: Sequence[Instances]
    found: Sequence[Instances]
    truth_photo: np.ndarray
    truth_row: np.ndarray
    truth_class: np.ndarray
    truth_counts: np.ndarray
    found_photo: np.ndarray
    found_row: np.ndarray
    found_class: np.ndarray
    found_score: np.ndarray
    hit: np.ndarray
    ignored: np.ndarray
    partner: np.ndarray

    @property
    def photos(self) -> int:
        return len(self.truth)

    def truths_of(self, index: int) -> int:
        """Objects of class `index` there were to find (crowds do not count)."""
        return int(np.count_nonzero(self.truth_counts & (self.truth_class == index)))

    def curve(self, index: int) -> Curve:
        """Points of class `index`; no points where nothing was found or there was nothing to find."""
        chosen = (self.found_class == index) & ~self.ignored[0]
        scores, hits = self.found_score[chosen], self.hit[0, chosen]
        order = np.argsort(-scores, kind="stable")
        scores, hits = scores[order], np.cumsum(hits[order])
        truths = self.truths_of(index)
        if truths == 0 or len(scores) == 0:
            return Curve(np.zeros(0), np.zeros(0), np.zeros(0))
        last = np.append(scores[1:] != scores[:-1], True)  # equal scores stay or go together
        return Curve(scores[last], (hits / np.arange(1, len(hits) + 1))[last], (hits / truths)[last])

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
            return self.found_score >= own[self.found_class] if len(own) else np.zeros(0, bool)
        if threshold is not None:
            return self.found_score >= threshold
        best = [self.best_threshold(index) for index in range(len(self.names))]
        limits = np.array([0.5 if each is None else each[0] for each in best])
        return self.found_score >= limits[self.found_class] if len(limits) else np.zeros(0, bool)

    def photo_scores(self, threshold: float | Mapping[str, float] | None = None) -> list[PhotoScore]:
        """One for every photo, in the photos' order. `sorted(..., key=lambda p: p.f1)` puts the worst first."""
        kept = self.kept(threshold)
        hit = kept & self.hit[0]
        false = kept & ~self.hit[0] & ~self.ignored[0]
        missed = self.truth_counts.copy()
        missed[self.partner[hit]] = False
        scores = []
        for photo in range(self.photos):
            here = self.found_photo == photo
            hits = np.flatnonzero(hit & here)
            wrong = self.found_row[false & here]
            unseen = self.truth_row[missed & (self.truth_photo == photo)]
            total = 2 * len(hits) + len(wrong) + len(unseen)
            pairs = zip(self.found_row[hits].tolist(), self.truth_row[self.partner[hits]].tolist(), strict=True)
            f1 = 2 * len(hits) / total if total else 1.0
            scores.append(PhotoScore(photo, tuple(pairs), tuple(wrong.tolist()), tuple(unseen.tolist()), f1))
        return scores
