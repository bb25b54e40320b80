"""The operating point: a score threshold chosen for an aim, its metrics, and the recall that the data guarantee.

Choose it on validation data. The metrics at the operating point are slightly optimistic, because it was chosen by
them; evaluate on test images.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from maskwright.errors import DatasetError, RecipeError
from maskwright.evaluation.matching import Matches
from maskwright.evaluation.proportions import effective, fraction_interval, lower_bound, sample_size

Interval = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Aim:
    """What the threshold is chosen for; use `Aim.of`.

    recall     the highest threshold with at least this recall, hence the fewest false positives
    precision  of the thresholds with at least this precision the one with the highest recall
    f1         the threshold with the best F1
    cost       (cost of a false positive, of a false negative): the threshold with the lowest total cost
    """

    recall: float | None = None
    precision: float | None = None
    f1: bool = False
    cost: tuple[float, float] | None = None

    @classmethod
    def of(
        cls, recall: float | None = None, precision: float | None = None, f1: bool = False,
        cost: str | tuple[float, float] | None = None,
    ) -> Aim:  # fmt: skip
        """Exactly one of the four must be given; cost as (1, 20) or "1:20". Otherwise RecipeError.

        >>> Aim.of(cost="1:20").words
        'lowest cost, 1 per false positive and 20 per false negative'
        """
        named = [name for name, value in (("recall", recall), ("precision", precision), ("f1", f1), ("cost", cost))
                 if value is not None and value is not False]  # fmt: skip
        if len(named) != 1:
            raise RecipeError("a threshold needs exactly one aim", expected="one of recall, precision, f1, cost",
                              got=" and ".join(named) or "none",
                              fix="--recall 0.99, --precision 0.9, --f1, or --cost FP:FN")  # fmt: skip
        for name, value in (("recall", recall), ("precision", precision)):
            if value is not None and not 0 < value <= 1:
                raise RecipeError("not a fraction", field=name, expected="above 0, at most 1", got=value)
        return cls(recall, precision, f1, None if cost is None else _costs(cost))

    @property
    def words(self) -> str:
        """The aim as text: "recall at least 0.99"."""
        if self.recall is not None:
            return f"recall at least {self.recall:g}"
        if self.precision is not None:
            return f"precision at least {self.precision:g}"
        if self.cost is not None:
            return f"lowest cost, {self.cost[0]:g} per false positive and {self.cost[1]:g} per false negative"
        return "best F1"


def _costs(cost: str | tuple[float, float]) -> tuple[float, float]:
    try:
        false_positive, false_negative = (float(item) for item in (cost.split(":") if isinstance(cost, str) else cost))
        valid = 0 < false_positive < float("inf") and 0 < false_negative < float("inf")
    except (TypeError, ValueError):
        false_positive, false_negative, valid = 0.0, 0.0, False
    if not valid:
        raise RecipeError("a cost is two positive numbers", field="cost", expected="FP:FN, such as 1:20", got=cost)
    return false_positive, false_negative


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """A score threshold, and its metrics on the images it was chosen on.

    aim                  what it was chosen for
    name                 the class; "" for all classes together
    unit                 what is counted: "images" or "objects"
    true_positives, false_negatives, false_positives
    true_negatives       None for objects
    recall, precision, f1; their intervals are Wilson's, 95 %, None where undefined
    effective_positives  number of independent positives that the data are equivalent to (see proportions.effective)
    proven_recall        one-sided 95 % lower bound of the recall (Clopper and Pearson)
    max_provable_recall  the same bound without false negatives: no threshold can guarantee more on these data
    """

    threshold: float
    aim: Aim
    name: str
    unit: str
    true_positives: int
    false_negatives: int
    false_positives: int
    true_negatives: int | None
    recall: float
    recall_interval: Interval | None
    precision: float
    precision_interval: Interval | None
    f1: float
    effective_positives: float
    proven_recall: float
    max_provable_recall: float

    @property
    def positives(self) -> int:
        return self.true_positives + self.false_negatives

    @property
    def what(self) -> str:
        """What is counted, as text: images of "rust"."""
        return f'{self.unit} of "{self.name}"' if self.name else self.unit

    def sentences(self) -> list[str]:
        """Three sentences: the counts; recall and precision; the recall that is guaranteed."""
        counts = f"Threshold {self.threshold:.4g} ({self.aim.words}): "
        counts += f"{self.true_positives} of {self.positives} {self.what} found"
        counts += f", {self.false_positives} false positive{'' if self.false_positives == 1 else 's'}"
        if self.true_negatives is not None:
            counts += f" among {self.false_positives + self.true_negatives} others"
        sentences = [counts + "."]
        sentences.append(
            f"Recall {self.recall:.3f} {_span(self.recall_interval)}, "
            f"precision {self.precision:.3f} {_span(self.precision_interval)}."
        )
        sentences.append(self.guarantee())
        return sentences

    def guarantee(self) -> str:
        """The recall on new data of this kind that follows from the counts, and what the aim would need."""
        false_negatives = "none missed" if self.false_negatives == 0 else f"{self.false_negatives} missed"
        independent = f", equivalent to {self.effective_positives:.0f} independent ones"
        about = "" if self.effective_positives >= self.positives - 0.5 else independent
        text = f"{self.positives} {self.what}{about}, {false_negatives}: with 95 % confidence the recall is at least "
        text += f"{self.proven_recall:.3f}"
        text += "." if self.false_negatives == 0 else f"; with none missed it would be {self.max_provable_recall:.3f}."
        if self.aim.recall is not None and self.proven_recall < self.aim.recall:
            if self.aim.recall < 1:
                count = sample_size(self.aim.recall)
                text += f" To guarantee {self.aim.recall:g}, {count} with none missed are needed."
            else:
                text += f" No number of {self.unit} can guarantee a recall of 1."
        return text

    def facts(self) -> dict[str, Any]:
        """The operating point as a dict, for JSON and the model card."""
        return {
            "threshold": self.threshold,
            "aim": self.aim.words,
            "class": self.name or None,
            "unit": self.unit,
            "true_positives": self.true_positives,
            "false_negatives": self.false_negatives,
            "false_positives": self.false_positives,
            "true_negatives": self.true_negatives,
            "recall": self.recall,
            "recall_interval": None if self.recall_interval is None else list(self.recall_interval),
            "precision": self.precision,
            "precision_interval": None if self.precision_interval is None else list(self.precision_interval),
            "F1": self.f1,
            "proven_recall": self.proven_recall,
            "max_provable_recall": self.max_provable_recall,
        }


def choose(
    scores: np.ndarray, ground_truth: np.ndarray, aim: Aim, *, name: str = "", unit: str = "images",
    groups: Sequence[Hashable] | None = None,
) -> OperatingPoint:  # fmt: skip
    """Choose the score threshold for an aim on validation scores.

    scores        n float; -inf for positives that are not found at any threshold
    ground_truth  n bool: positive
    name, unit    the class, and what is counted ("images" or "objects"), for messages
    groups        one per score, for those that are not independent (images of a series, objects of an image)

    The threshold lies half-way to the next lower score, so that rounding changes no decision.
    DatasetError if there are no positives, or no threshold reaches the aim.

    >>> point = choose(np.array([0.9, 0.8, 0.3]), np.array([True, False, True]), Aim.of(recall=0.5), name="rust")
    >>> round(point.threshold, 3), point.recall, point.precision
    (0.85, 0.5, 1.0)
    """
    scores, ground_truth = np.asarray(scores, np.float64), np.asarray(ground_truth, bool)
    assert scores.shape == ground_truth.shape, f"{scores.shape} scores, {ground_truth.shape} labels"
    total = int(ground_truth.sum())
    of = f' of "{name}"' if name else ""
    if total == 0:
        raise DatasetError(
            f"choosing a threshold needs {unit}{of}", got="none", fix="add some to the validation images"
        )
    if np.isnan(scores).any():
        raise DatasetError("a score is not a number", field="scores", expected="numbers", got="NaN")
    levels = np.unique(scores[np.isfinite(scores)])[::-1]
    if not len(levels):
        raise DatasetError(f"there are no detections{of} at any score", expected=aim.words, got="no detections",
                           fix="train longer, or look at `maskwright evaluate`")  # fmt: skip
    positives, negatives = np.sort(scores[ground_truth]), np.sort(scores[~ground_truth])
    true_positives = total - np.searchsorted(positives, levels)
    false_positives = len(negatives) - np.searchsorted(negatives, levels)
    chosen = _pick(aim, true_positives, false_positives, total, unit, of)
    low = levels[chosen + 1] if chosen + 1 < len(levels) else min(0.0, levels[chosen])
    threshold = _between(float(low), float(levels[chosen]))
    kept = scores >= threshold
    true_negatives = None if unit == "objects" else int(np.count_nonzero(~ground_truth & ~kept))
    return _point(threshold, kept, ground_truth, aim, name, unit, true_negatives, groups)


def of_detections(
    matches: Matches, aim: Aim, name: str | None = None, groups: Sequence[Hashable] | None = None
) -> OperatingPoint:
    """Choose the score threshold for detected objects, at IoU 0.5.

    name    a class; default: all classes together
    groups  one per image, for images that are not independent; objects of one image never are
    """
    index = None if name is None else matches.names.index(name)
    real = matches.ground_truth_counted & (True if index is None else matches.ground_truth_class == index)
    counted = ~matches.ignored[0] & (True if index is None else matches.detection_class == index)
    score_of_ground_truth = np.full(len(real), -np.inf)
    hit = counted & matches.hit[0]
    score_of_ground_truth[matches.matched_ground_truth[hit]] = matches.detection_score[hit]
    false = counted & ~matches.hit[0]
    images = np.concatenate([matches.ground_truth_image[real], matches.detection_image[false]])
    return choose(
        np.concatenate([score_of_ground_truth[real], matches.detection_score[false]]),
        np.concatenate([np.ones(int(real.sum()), bool), np.zeros(int(false.sum()), bool)]),
        aim,
        name=name or (matches.names[0] if len(matches.names) == 1 else ""),
        unit="objects",
        groups=[f"image {image}" if groups is None else groups[image] for image in images.tolist()],
    )


# --- inside ---------------------------------------------------------------------------------------------
def _pick(aim: Aim, true_positives: np.ndarray, false_positives: np.ndarray, total: int, unit: str, of: str) -> int:
    """Index of the level, highest first; of equals the highest."""
    recall, precision = true_positives / total, true_positives / (true_positives + false_positives)
    if aim.recall is not None:
        if recall[-1] < aim.recall:
            at = " at IoU 0.5" if unit == "objects" else ""
            missed = f"{total - true_positives[-1]} of {total} {unit} are not found{at} at any score"
            raise _unreachable("recall", aim.recall, float(recall[-1]), missed, of)
        return int(np.argmax(recall >= aim.recall))
    if aim.precision is not None:
        fits = np.flatnonzero(precision >= aim.precision)
        if not len(fits):
            best = int(np.argmax(precision))
            raise _unreachable("precision", aim.precision, float(precision[best]), f"at recall {recall[best]:.3f}", of)
        return int(fits[np.argmax(recall[fits])])
    if aim.cost is not None:
        cost = aim.cost[0] * false_positives + aim.cost[1] * (total - true_positives)
        cost_of_none = aim.cost[1] * total
        if cost.min() > cost_of_none:
            raise DatasetError(
                f"at this cost it is cheapest to detect nothing{of}",
                field="cost",
                expected=f"less than {cost_of_none:g}, the cost of missing all",
                got=f"at least {cost.min():g}",
                fix="raise the cost of a false negative, or lower that of a false positive",
            )
        return int(np.argmin(cost))
    return int(np.argmax(2 * true_positives / (true_positives + false_positives + total)))


def _unreachable(metric: str, expected: float, best: float, how: str, of: str) -> DatasetError:
    return DatasetError(
        f"no threshold reaches this {metric}{of}",
        field=metric,
        expected=f"{expected:g}",
        got=f"at most {best:.3f}: {how}",
        fix=f"use --{metric} {np.floor(best * 1000) / 1000:g} or less, or a better model",
    )


def _between(low: float, high: float) -> float:
    middle = low + (high - low) / 2
    return middle if low < middle <= high else high


def _point(
    threshold: float, kept: np.ndarray, ground_truth: np.ndarray, aim: Aim, name: str, unit: str,
    true_negatives: int | None, groups: Sequence[Hashable] | None,
) -> OperatingPoint:  # fmt: skip
    def part(rows: np.ndarray) -> list[Hashable] | None:
        return None if groups is None else [groups[row] for row in np.flatnonzero(rows).tolist()]

    detected = kept[ground_truth]
    true_positives, total = int(detected.sum()), len(detected)
    false_positives = int(np.count_nonzero(kept & ~ground_truth))
    effective_positives = effective(detected, part(ground_truth))
    whole = max(int(effective_positives), 1)  # rounded down, and false negatives up: a conservative bound
    false_negatives = min(int(np.ceil((total - true_positives) * whole / total)), whole)
    return OperatingPoint(
        threshold=threshold,
        aim=aim,
        name=name,
        unit=unit,
        true_positives=true_positives,
        false_negatives=total - true_positives,
        false_positives=false_positives,
        true_negatives=true_negatives,
        recall=true_positives / total,
        recall_interval=fraction_interval(detected, part(ground_truth)),
        precision=true_positives / (true_positives + false_positives) if true_positives + false_positives else 0.0,
        precision_interval=fraction_interval(ground_truth[kept], part(kept)),
        f1=2 * true_positives / (true_positives + false_positives + total),
        effective_positives=effective_positives,
        proven_recall=lower_bound(whole - false_negatives, whole),
        max_provable_recall=lower_bound(whole, whole),
    )


def _span(interval: Interval | None) -> str:
    return "(n/a)" if interval is None else f"({interval[0]:.2f} to {interval[1]:.2f})"
