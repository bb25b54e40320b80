"""What an evaluation of whole-image classes found out, ready for tables, plots, CSV and JSON."""

from __future__ import annotations

import json
from collections.abc import Hashable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from maskwright import tables

Interval = tuple[float, float]


@dataclass(frozen=True, slots=True)
class ClassificationClassMetrics:
    """One class.

    support, predicted, true_positives   images of the class, images predicted as the class, and both
    precision, recall, f1  as scikit-learn has them: 0 where the division has nothing to divide by
    auc, ap                area under the ROC curve and average precision against all other images; None where there
                           is no image of the class, or (auc) none without it
    """

    name: str
    support: int
    predicted: int
    true_positives: int
    precision: float
    recall: float
    f1: float
    auc: float | None
    ap: float | None


@dataclass(frozen=True, slots=True)
class Average:
    """A line below the classes: "micro avg", "macro avg", "weighted avg", "samples avg"."""

    name: str
    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True, slots=True)
class Misclassification:
    """One wrong answer about one image.

    ground_truth, predicted   class labels; with several labels per image "not X" is a possible one
    score         of the answer given, 0..1
    ground_truth_score   of the answer that was right
    """

    image: int
    name: str
    ground_truth: str
    predicted: str
    score: float
    ground_truth_score: float


@dataclass(frozen=True, slots=True, eq=False)
class ClassificationMetrics:
    """All metrics of one evaluation of n images and C classes; fractions are 0..1.

    names        the classes                     multi_label  an image may have none, one or several
    image_names  n                               accuracy     fraction of images with every label right; None of no
                 images
    classes      C                               averages     as scikit-learn prints them
    auc, ap      of two exclusive classes the second's AUC, otherwise the mean over classes; AP is always that mean
    confusion    C×C int64, row = what it is, column = what was predicted; None with several labels an image
    intervals    95 %: "accuracy", "AUC", "AP", "macro_precision", "macro_recall", "macro_F1" (and micro, weighted),
                 and "precision_X", "recall_X", "F1_X", "AUC_X", "AP_X" of each class; None where it does not exist
    remarks      what a reader must know: classes without images, groups
    ground_truth, scores, chosen   n×C: bool, float64, bool
    """

    names: tuple[str, ...]
    image_names: tuple[str, ...]
    multi_label: bool
    accuracy: float | None
    classes: tuple[ClassificationClassMetrics, ...]
    averages: tuple[Average, ...]
    auc: float | None
    ap: float | None
    confusion: np.ndarray | None
    intervals: dict[str, Interval | None]
    remarks: tuple[str, ...]
    ground_truth: np.ndarray = field(repr=False)
    scores: np.ndarray = field(repr=False)
    chosen: np.ndarray = field(repr=False)
    groups: tuple[Hashable, ...] | None = field(default=None, repr=False)

    @property
    def images(self) -> int:
        return len(self.ground_truth)

    @property
    def right(self) -> np.ndarray:
        """n bool: every label of the image is right."""
        return (self.ground_truth == self.chosen).all(axis=1)

    def average(self, name: str) -> Average:
        """By name: "macro avg"."""
        return next(average for average in self.averages if average.name == name)

    def mistakes(self, n: int | None = None) -> list[Misclassification]:
        """Wrong answers, the most convinced first: largest gap between the score of the answer and of the right one."""
        detections = self._wrong_labels() if self.multi_label else self._wrong_images()
        return sorted(detections, key=lambda detection: detection.ground_truth_score - detection.score)[:n]

    def _wrong_images(self) -> list[Misclassification]:
        errors = []
        for image in map(int, np.flatnonzero(~self.right)):
            real, predicted = int(np.argmax(self.ground_truth[image])), int(np.argmax(self.chosen[image]))
            scores = float(self.scores[image, predicted]), float(self.scores[image, real])
            errors.append(
                Misclassification(image, self.image_names[image], self.names[real], self.names[predicted], *scores)
            )
        return errors

    def _wrong_labels(self) -> list[Misclassification]:
        errors = []
        for image, index in np.argwhere(self.ground_truth != self.chosen).tolist():
            name, score = self.names[index], float(self.scores[image, index])
            if self.ground_truth[image, index]:
                errors.append(Misclassification(image, self.image_names[image], name, f"not {name}", 1 - score, score))
            else:
                errors.append(Misclassification(image, self.image_names[image], f"not {name}", name, score, 1 - score))
        return errors

    # --- for people and programs --------------------------------------------------------------------
    def text(self, digits: int = 2) -> str:
        """The table in the layout that people know from scikit-learn's classification_report."""
        width = max([len(name) for name in self.names] + [len("weighted avg")])

        def line(name: str, *cells: str) -> str:
            return f"{name:>{width}} " + "".join(f" {cell:>9}" for cell in cells)

        def numbers(row: ClassificationClassMetrics | Average) -> list[str]:
            return [f"{value:.{digits}f}" for value in (row.precision, row.recall, row.f1)] + [str(row.support)]

        lines = [line("", "precision", "recall", "f1-score", "support"), ""]
        lines += [line(per_class.name, *numbers(per_class)) for per_class in self.classes]
        lines.append("")
        if not self.multi_label and self.accuracy is not None:
            lines.append(line("accuracy", "", "", f"{self.accuracy:.{digits}f}", str(self.images)))
        lines += [line(average.name, *numbers(average)) for average in self.averages if self._printed(average.name)]
        return "\n".join(lines) + "\n"

    def _printed(self, average: str) -> bool:
        return self.multi_label or average != "micro avg"  # there it is the accuracy

    def rows(self) -> list[dict[str, Any]]:
        """A table: one row a class, then the averages. Intervals are (low, high) or None; nothing is rounded."""
        rows = []
        for item in (*self.classes, *self.averages):
            ending = {f"{kind} avg": f"{kind}_" for kind in ("micro", "macro", "weighted")}
            row: dict[str, Any] = {"class": item.name, "support": item.support}
            for metric, label in (("precision", "precision"), ("recall", "recall"), ("f1", "F1"),
                                  ("auc", "AUC"), ("ap", "AP")):  # fmt: skip
                row[metric] = getattr(item, metric, None)
                is_class = isinstance(item, ClassificationClassMetrics)
                key = f"{label}_{item.name}" if is_class else f"{ending.get(item.name, '?')}{label}"
                row[f"{metric}_interval"] = self.intervals.get(key)
            rows.append(row)
        return rows

    def facts(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {
            "images": self.images,
            "names": list(self.names),
            "multi_label": self.multi_label,
            "accuracy": self.accuracy,
            "AUC": self.auc,
            "AP": self.ap,
            "classes": [asdict(class_index) for class_index in self.classes],
            "averages": [asdict(average) for average in self.averages],
            "confusion": None if self.confusion is None else self.confusion.tolist(),
            "intervals": {name: None if pair is None else list(pair) for name, pair in self.intervals.items()},
            "mistakes": [asdict(mistake) for mistake in self.mistakes()],
            "remarks": list(self.remarks),
        }

    def to_json(self) -> str:
        return json.dumps(self.facts(), indent=2, ensure_ascii=False) + "\n"

    def to_csv(self) -> str:
        """class,support,precision,precision_low,precision_high, ... one line a class and average; "" for n/a."""
        return as_csv(
            [
                {name: value for key, cell in row.items() for name, value in _ends(key, cell).items()}
                for row in self.rows()
            ]
        )

    def scores_csv(self) -> str:
        """One row per image: image, ground truth, prediction and each score; several labels are joined by ";"."""
        return as_csv(
            [
                {
                    "image": image,
                    "ground_truth": self._labels(self.ground_truth[row]),
                    "predicted": self._labels(self.chosen[row]),
                    **{f"score_{name}": float(score) for name, score in zip(self.names, self.scores[row], strict=True)},
                }
                for row, image in enumerate(self.image_names)
            ]
        )

    def _labels(self, row: np.ndarray) -> str:
        return tables.joined([name for name, there in zip(self.names, row, strict=True) if there], ";")


def _ends(key: str, cell: Any) -> dict[str, Any]:
    if not key.endswith("_interval"):
        return {key: cell}
    low, high = cell or (None, None)
    name = key.removesuffix("_interval")
    return {f"{name}_low": low, f"{name}_high": high}


def as_csv(rows: Sequence[dict[str, Any]]) -> str:
    if not rows:
        return ""
    return tables.written(list(rows[0]), (list(row.values()) for row in rows))
