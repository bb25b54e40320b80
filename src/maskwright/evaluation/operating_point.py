"""The operating point: from which score on something is called found, and what recall that can promise.

Choose it on validation data. The metrics at the point are a little too good, for the point was chosen by them; the
test images say what it is worth.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from maskwright.errors import DatasetError, RecipeError
from maskwright.evaluation.matching import Matches
from maskwright.evaluation.proportions import at_least, effective, fraction_interval, needed

Interval = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Aim:
    """What the threshold is chosen for; made by `Aim.of`.

    recall     the highest threshold with at least this recall, so with the fewest false alarms
    precision  of the thresholds with at least this precision the one with the most recall
    f1         the best harmonic mean of the two
    cost       (false alarm, miss): the least total cost
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
        """Exactly one of the four; cost as (1, 20) or "1:20".

        >>> Aim.of(cost="1:20").words
        'least cost, a false alarm 1 and a miss 20'
        """
        named = [name for name, value in (("recall", recall), ("precision", precision), ("f1", f1), ("cost", cost))
                 if value is not None and value is not False]  # fmt: skip
        if len(named) != 1:
            raise RecipeError("a threshold has one aim", expected="one of recall, precision, f1, cost",
                              got=" and ".join(named) or "none",
                              fix="--recall 0.99, --precision 0.9, --f1, or --cost FP:FN")  # fmt: skip
        for name, value in (("recall", recall), ("precision", precision)):
            if value is not None and not 0 < value <= 1:
                raise RecipeError("this is not a fraction", field=name, expected="above 0, at most 1", got=value)
        return cls(recall, precision, f1, None if cost is None else _prices(cost))

    @property
    def words(self) -> str:
        if self.recall is not None:
            return f"recall at least {self.recall:g}"
        if self.precision is not None:
            return f"precision at least {self.precision:g}"
        if self.cost is not None:
            return f"least cost, a false alarm {self.cost[0]:g} and a miss {self.cost[1]:g}"
        return "best F1"


def _prices(cost: str | tuple[float, float]) -> tuple[float, float]:
    try:
        false, miss = (float(item) for item in (cost.split(":") if isinstance(cost, str) else cost))
        fits = 0 < false < float("inf") and 0 < miss < float("inf")
    except (TypeError, ValueError):
        false, miss, fits = 0.0, 0.0, False
    if not fits:
        raise RecipeError("two prices are wanted", field="cost", expected="FP:FN, such as 1:20", got=cost)
    return false, miss


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """A threshold, and what it does on the images it was chosen on.

    name       what is sought: a class
    unit       what is counted: "images" or "objects"
    true_positives, false_negatives, false_positives   detections, misses, false alarms;  passed: true
    negatives, None for objects
    worth      so many independent positives the data are worth (groups count less than their members)
    proved     recall that the data prove: one-sided 95 % lower bound (Clopper and Pearson)
    most       the same bound had none been missed: more than this no threshold can promise on these data
    intervals are Wilson's, 95 %; precision is None where nothing is called found
    """

    threshold: float
    aim: Aim
    name: str
    unit: str
    true_positives: int
    false_negatives: int
    false_positives: int
    passed: int | None
    recall: float
    recall_interval: Interval | None
    precision: float
    precision_interval: Interval | None
    f1: float
    worth: float
    proved: float
    most: float

    @property
    def positives(self) -> int:
        return self.true_positives + self.false_negatives

    @property
    def what(self) -> str:
        """What is counted, in words: images of "rust"."""
        return f'{self.unit} of "{self.name}"' if self.name else self.unit

    def sentences(self) -> list[str]:
        """The point in plain words: what it does, what it costs, what it promises."""
        first = f"Threshold {self.threshold:.4g} ({self.aim.words}): "
        first += f"{self.true_positives} of {self.positives} {self.what} found"
        first += f", {self.false_positives} false {'alarm' if self.false_positives == 1 else 'alarms'}"
        sentences = [
            first + (f" among {self.false_positives + self.passed} others." if self.passed is not None else ".")
        ]
        sentences.append(
            f"Recall {self.recall:.3f} {_span(self.recall_interval)}, "
            f"precision {self.precision:.3f} {_span(self.precision_interval)}."
        )
        sentences.append(self.promise())
        return sentences

    def promise(self) -> str:
        """What recall on new data of this kind these counts stand for, and what it would take to promise the aim."""
        false_negatives = "none missed" if self.false_negatives == 0 else f"{self.false_negatives} missed"
        about = "" if self.worth >= self.positives - 0.5 else f", worth {self.worth:.0f} that stand alone"
        text = f"{self.positives} {self.what}{about}, {false_negatives}: with 95 % confidence the recall is at least "
        text += f"{self.proved:.3f}"
        text += "." if self.false_negatives == 0 else f"; with none missed it would be {self.most:.3f}."
        if self.aim.recall is not None and self.proved < self.aim.recall:
            if self.aim.recall < 1:
                count = needed(self.aim.recall)
                text += f" To promise {self.aim.recall:g} takes {count} with none missed."
            else:
                text += f" No number of {self.unit} can promise that nothing is ever missed."
        return text

    def facts(self) -> dict[str, Any]:
        """Ready for JSON, and for a model's card."""
        return {
            "threshold": self.threshold,
            "aim": self.aim.words,
            "class": self.name or None,
            "unit": self.unit,
            "true_positives": self.true_positives,
            "false_negatives": self.false_negatives,
            "false_positives": self.false_positives,
            "passed": self.passed,
            "recall": self.recall,
            "recall_interval": None if self.recall_interval is None else list(self.recall_interval),
            "precision": self.precision,
            "precision_interval": None if self.precision_interval is None else list(self.precision_interval),
            "F1": self.f1,
            "proven_recall": self.proved,
            "max_provable_recall": self.most,
        }


def choose(
    scores: np.ndarray, ground_truth: np.ndarray, aim: Aim, *, name: str = "", unit: str = "images",
    groups: Sequence[Hashable] | None = None,
) -> OperatingPoint:  # fmt: skip
    """The threshold on validation scores that serves the aim.

    scores  n float; keep what scores at least the threshold. -inf is what no threshold finds
    ground_truth   n bool: it is there
    groups  one each: what hangs together (images of a series, objects of an image) counts less

    The threshold lies half-way down to the next score that is left out, so that rounding turns no decision.

    >>> point = choose(np.array([0.9, 0.8, 0.3]), np.array([True, False, True]), Aim.of(recall=0.5), name="rust")
    >>> round(point.threshold, 3), point.recall, point.precision
    (0.85, 0.5, 1.0)
    """
    scores, ground_truth = np.asarray(scores, np.float64), np.asarray(ground_truth, bool)
    assert scores.shape == ground_truth.shape, f"{scores.shape} scores, {ground_truth.shape} answers"
    total = int(ground_truth.sum())
    what = f'"{name}"' if name else "what is sought"
    if total == 0:
        raise DatasetError(f"a threshold needs {unit} with {what}", got="none", fix="add some to the validation images")
    if np.isnan(scores).any():
        raise DatasetError("a score is not a number", field="scores", expected="numbers", got="NaN")
    levels = np.unique(scores[np.isfinite(scores)])[::-1]
    if not len(levels):
        raise DatasetError(f"nothing was found of {what}, at any score", expected=aim.words, got="no finds",
                           fix="train longer, or look at `maskwright evaluate`")  # fmt: skip
    labelled_classes, others = np.sort(scores[ground_truth]), np.sort(scores[~ground_truth])
    true_positives, false = (
        total - np.searchsorted(labelled_classes, levels),
        len(others) - np.searchsorted(others, levels),
    )
    chosen = _pick(aim, true_positives, false, total, unit, what)
    low = levels[chosen + 1] if chosen + 1 < len(levels) else min(0.0, levels[chosen])
    threshold = _between(float(low), float(levels[chosen]))
    kept = scores >= threshold
    passed = None if unit == "objects" else int(np.count_nonzero(~ground_truth & ~kept))
    return _point(threshold, kept, ground_truth, aim, name, unit, passed, groups)


def of_detections(
    matches: Matches, aim: Aim, name: str | None = None, groups: Sequence[Hashable] | None = None
) -> OperatingPoint:
    """The same for found objects, at IoU 0.5: of one class, or of all classes together.

    groups  one an image, for images that hang together; objects of one image always do
    """
    index = None if name is None else matches.names.index(name)
    real = matches.ground_truth_counts & (True if index is None else matches.ground_truth_class == index)
    counted = ~matches.ignored[0] & (True if index is None else matches.detection_class == index)
    reached = np.full(len(real), -np.inf)
    hit = counted & matches.hit[0]
    reached[matches.partner[hit]] = matches.detection_score[hit]
    false = counted & ~matches.hit[0]
    images = np.concatenate([matches.ground_truth_image[real], matches.detection_image[false]])
    return choose(
        np.concatenate([reached[real], matches.detection_score[false]]),
        np.concatenate([np.ones(int(real.sum()), bool), np.zeros(int(false.sum()), bool)]),
        aim,
        name=name or (matches.names[0] if len(matches.names) == 1 else ""),
        unit="objects",
        groups=[f"image {image}" if groups is None else groups[image] for image in images.tolist()],
    )


# --- inside ---------------------------------------------------------------------------------------------
def _pick(aim: Aim, true_positives: np.ndarray, false: np.ndarray, total: int, unit: str, what: str) -> int:
    """Which level, highest first; of equals the highest."""
    recall, precision = true_positives / total, true_positives / (true_positives + false)
    if aim.recall is not None:
        if recall[-1] < aim.recall:
            where = " with an overlap of 0.5" if unit == "objects" else ""
            lost = f"{total - true_positives[-1]} of {total} {unit} are not found{where} at any score"
            raise _unreachable("recall", aim.recall, float(recall[-1]), lost, what)
        return int(np.argmax(recall >= aim.recall))
    if aim.precision is not None:
        fits = np.flatnonzero(precision >= aim.precision)
        if not len(fits):
            best = int(np.argmax(precision))
            raise _unreachable(
                "precision", aim.precision, float(precision[best]), f"at recall {recall[best]:.3f}", what
            )
        return int(fits[np.argmax(recall[fits])])
    if aim.cost is not None:
        price, nothing = aim.cost[0] * false + aim.cost[1] * (total - true_positives), aim.cost[1] * total
        if price.min() > nothing:
            raise DatasetError(
                f"at this cost it is cheapest to find nothing of {what}",
                field="cost",
                expected=f"less than {nothing:g}, which missing all costs",
                got=f"at least {price.min():g}",
                fix="let a miss cost more, or a false alarm less",
            )
        return int(np.argmin(price))
    return int(np.argmax(2 * true_positives / (true_positives + false + total)))


def _unreachable(metric: str, expected: float, best: float, how: str, what: str) -> DatasetError:
    return DatasetError(
        f"no threshold reaches this {metric} of {what}",
        field=metric,
        expected=f"{expected:g}",
        got=f"at most {best:.3f}: {how}",
        fix=f"--{metric} {np.floor(best * 1000) / 1000:g} or less; a better model",
    )


def _between(low: float, high: float) -> float:
    middle = low + (high - low) / 2
    return middle if low < middle <= high else high


def _point(
    threshold: float, kept: np.ndarray, ground_truth: np.ndarray, aim: Aim, name: str, unit: str, passed: int | None,
    groups: Sequence[Hashable] | None,
) -> OperatingPoint:  # fmt: skip
    def part(rows: np.ndarray) -> list[Hashable] | None:
        return None if groups is None else [groups[row] for row in np.flatnonzero(rows).tolist()]

    detections = kept[ground_truth]
    true_positives, total, false = int(detections.sum()), len(detections), int(np.count_nonzero(kept & ~ground_truth))
    worth = effective(detections, part(ground_truth))
    whole = max(int(worth), 1)  # down to whole ones, and misses up: rather too little promised
    false_negatives = min(int(np.ceil((total - true_positives) * whole / total)), whole)
    return OperatingPoint(
        threshold=threshold,
        aim=aim,
        name=name,
        unit=unit,
        true_positives=true_positives,
        false_negatives=total - true_positives,
        false_positives=false,
        passed=passed,
        recall=true_positives / total,
        recall_interval=fraction_interval(detections, part(ground_truth)),
        precision=true_positives / (true_positives + false) if true_positives + false else 0.0,
        precision_interval=fraction_interval(ground_truth[kept], part(kept)),
        f1=2 * true_positives / (true_positives + false + total),
        worth=worth,
        proved=at_least(whole - false_negatives, whole),
        most=at_least(whole, whole),
    )


def _span(interval: Interval | None) -> str:
    return "(n/a)" if interval is None else f"({interval[0]:.2f} to {interval[1]:.2f})"
