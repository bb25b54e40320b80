"""The metrics of an evaluated classifier, for tables, plots, CSV and JSON."""

from __future__ import annotations

import json
from collections.abc import Hashable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from maskwright import tables
from maskwright.issues import Issue, as_json

Interval = tuple[float, float]


@dataclass(frozen=True, slots=True)
class ClassificationClassMetrics:
    """The metrics of one class.

    support, predicted, true_positives  images of the class, images predicted as the class, and both
    precision, recall, f1               as in scikit-learn: 0 for a division by zero
    auc, ap                             area under the ROC curve and average precision, one class against the others;
                                        None without images of the class, auc also without images of other classes
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
    """An average over classes: "micro avg", "macro avg", "weighted avg"; or over images: "samples avg"."""

    name: str
    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True, slots=True)
class Misclassification:
    """One wrong prediction for one image.

    image, name              index of the image, and its name
    ground_truth, predicted  class labels; with several labels per image also "not X"
    score                    score of the predicted label, 0..1
    ground_truth_score       score of the ground-truth label, 0..1
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

    names        C class names
    image_names  n
    multi_label  an image may have none, one or several labels
    accuracy     fraction of images with all labels correct; None without images
    classes      C
    averages     as scikit-learn prints them
    auc          with two exclusive classes that of the second, otherwise the mean over classes
    ap           mean over classes
    confusion    C×C int64, row = ground truth, column = predicted; None with multi_label
    intervals    95 %: "accuracy", "AUC", "AP", "macro_precision", "macro_recall", "macro_F1" (and micro, weighted),
                 and "precision_X", "recall_X", "F1_X", "AUC_X", "AP_X" of each class; None where undefined
    issues       what limits the metrics: classes without images, groups
    ground_truth, scores, predicted  n×C: bool, float64, bool
    groups       n, or None
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
    issues: tuple[Issue, ...]
    ground_truth: np.ndarray = field(repr=False)
    scores: np.ndarray = field(repr=False)
    predicted: np.ndarray = field(repr=False)
    groups: tuple[Hashable, ...] | None = field(default=None, repr=False)

    @property
    def images(self) -> int:
        return len(self.ground_truth)

    @property
    def correct(self) -> np.ndarray:
        """n bool: all labels of the image are predicted correctly."""
        return (self.ground_truth == self.predicted).all(axis=1)

    def average(self, name: str) -> Average:
        """The average of this name, such as "macro avg"."""
        return next(average for average in self.averages if average.name == name)

    def mistakes(self, n: int | None = None) -> list[Misclassification]:
        """The first n wrong predictions (default: all), by falling difference of predicted and ground-truth score."""
        wrong = self._wrong_labels() if self.multi_label else self._wrong_images()
        return sorted(wrong, key=lambda mistake: mistake.ground_truth_score - mistake.score)[:n]

    def _wrong_images(self) -> list[Misclassification]:
        errors = []
        for image in map(int, np.flatnonzero(~self.correct)):
            real, predicted = int(np.argmax(self.ground_truth[image])), int(np.argmax(self.predicted[image]))
            scores = float(self.scores[image, predicted]), float(self.scores[image, real])
            errors.append(
                Misclassification(image, self.image_names[image], self.names[real], self.names[predicted], *scores)
            )
        return errors

    def _wrong_labels(self) -> list[Misclassification]:
        errors = []
        for image, index in np.argwhere(self.ground_truth != self.predicted).tolist():
            name, score = self.names[index], float(self.scores[image, index])
            if self.ground_truth[image, index]:
                errors.append(Misclassification(image, self.image_names[image], name, f"not {name}", 1 - score, score))
            else:
                errors.append(Misclassification(image, self.image_names[image], f"not {name}", name, score, 1 - score))
        return errors

    # --- output -------------------------------------------------------------------------------------
    def text(self, digits: int = 2) -> str:
        """The table in the layout of scikit-learn's classification_report."""
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
        return self.multi_label or average != "micro avg"  # equal to the accuracy there

    def rows(self) -> list[dict[str, Any]]:
        """One row per class, then the averages. Intervals are (low, high) or None; nothing is rounded."""
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
        """The metrics as a dict for JSON."""
        return {
            "images": self.images,
            "names": list(self.names),
            "multi_label": self.multi_label,
            "accuracy": self.accuracy,
            "AUC": self.auc,
            "AP": self.ap,
            "classes": [asdict(per_class) for per_class in self.classes],
            "averages": [asdict(average) for average in self.averages],
            "confusion": None if self.confusion is None else self.confusion.tolist(),
            "intervals": {name: None if pair is None else list(pair) for name, pair in self.intervals.items()},
            "mistakes": [asdict(mistake) for mistake in self.mistakes()],
            "issues": [as_json(issue) for issue in self.issues],
        }

    def to_json(self) -> str:
        return json.dumps(self.facts(), indent=2, ensure_ascii=False) + "\n"

    def to_csv(self) -> str:
        """class,support,precision,precision_low,precision_high, ... one line per class and average; "" for n/a."""
        return as_csv(
            [
                {name: value for key, cell in row.items() for name, value in _columns(key, cell).items()}
                for row in self.rows()
            ]
        )

    def scores_csv(self) -> str:
        """One row per image: image, ground truth, prediction and all scores; several labels are joined by ";"."""
        return as_csv(
            [
                {
                    "image": image,
                    "ground_truth": self._labels(self.ground_truth[row]),
                    "predicted": self._labels(self.predicted[row]),
                    **{f"score_{name}": float(score) for name, score in zip(self.names, self.scores[row], strict=True)},
                }
                for row, image in enumerate(self.image_names)
            ]
        )

    def _labels(self, row: np.ndarray) -> str:
        return tables.joined([name for name, is_set in zip(self.names, row, strict=True) if is_set], ";")


def _columns(key: str, cell: Any) -> dict[str, Any]:
    """An interval as two columns, anything else as one."""
    if not key.endswith("_interval"):
        return {key: cell}
    low, high = cell or (None, None)
    name = key.removesuffix("_interval")
    return {f"{name}_low": low, f"{name}_high": high}


def as_csv(rows: Sequence[dict[str, Any]]) -> str:
    """Rows with the same keys as CSV text with a header; "" without rows."""
    if not rows:
        return ""
    return tables.written(list(rows[0]), (list(row.values()) for row in rows))
