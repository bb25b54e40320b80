"""What an evaluation of whole-photo classes found out, ready for tables, plots, CSV and JSON."""

from __future__ import annotations

import json
from collections.abc import Hashable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from maskwright import tables

Interval = tuple[float, float]


@dataclass(frozen=True, slots=True)
class ClassVerdict:
    """One class.

    support, said, hits   photos that are it, that were called it, and both
    precision, recall, f1  as scikit-learn has them: 0 where the division has nothing to divide by
    auc, ap                area under the ROC curve and average precision against all other photos; None where there
                           is no photo of the class, or (auc) none without it
    """

    name: str
    support: int
    said: int
    hits: int
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
class Mistake:
    """One wrong answer about one photo.

    truth, said   what it is and what it was called; with several labels a photo "not X" is a possible answer
    score         of the answer given, 0..1
    truth_score   of the answer that was right
    """

    photo: int
    name: str
    truth: str
    said: str
    score: float
    truth_score: float


@dataclass(frozen=True, slots=True, eq=False)
class VerdictFigures:
    """All figures of one evaluation of n photos and C classes; shares are 0..1.

    names        the classes                     multi_label  a photo may have none, one or several
    photo_names  n                               accuracy     share of photos with every label right; None of no photos
    classes      C                               averages     as scikit-learn prints them
    auc, ap      of two exclusive classes the second's AUC, otherwise the mean over classes; AP is always that mean
    confusion    C×C int64, row = what it is, column = what was said; None with several labels a photo
    intervals    95 %: "accuracy", "AUC", "AP", "macro precision", "macro recall", "macro F1" (and micro, weighted),
                 and "precision X", "recall X", "F1 X", "AUC X", "AP X" of each class; None where it does not exist
    remarks      what a reader must know: classes without photos, groups
    truth, scores, chosen   n×C: bool, float64, bool
    """

    names: tuple[str, ...]
    photo_names: tuple[str, ...]
    multi_label: bool
    accuracy: float | None
    classes: tuple[ClassVerdict, ...]
    averages: tuple[Average, ...]
    auc: float | None
    ap: float | None
    confusion: np.ndarray | None
    intervals: dict[str, Interval | None]
    remarks: tuple[str, ...]
    truth: np.ndarray = field(repr=False)
    scores: np.ndarray = field(repr=False)
    chosen: np.ndarray = field(repr=False)
    groups: tuple[Hashable, ...] | None = field(default=None, repr=False)

    @property
    def photos(self) -> int:
        return len(self.truth)

    @property
    def right(self) -> np.ndarray:
        """n bool: every label of the photo is right."""
        return (self.truth == self.chosen).all(axis=1)

    def average(self, name: str) -> Average:
        """By name: "macro avg"."""
        return next(each for each in self.averages if each.name == name)

    def mistakes(self, n: int | None = None) -> list[Mistake]:
        """Wrong answers, the most convinced first: largest gap between the score of the answer and of the right one."""
        found = self._wrong_labels() if self.multi_label else self._wrong_photos()
        return sorted(found, key=lambda each: each.truth_score - each.score)[:n]

    def _wrong_photos(self) -> list[Mistake]:
        made = []
        for photo in map(int, np.flatnonzero(~self.right)):
            real, said = int(np.argmax(self.truth[photo])), int(np.argmax(self.chosen[photo]))
            scores = float(self.scores[photo, said]), float(self.scores[photo, real])
            made.append(Mistake(photo, self.photo_names[photo], self.names[real], self.names[said], *scores))
        return made

    def _wrong_labels(self) -> list[Mistake]:
        made = []
        for photo, index in np.argwhere(self.truth != self.chosen).tolist():
            name, score = self.names[index], float(self.scores[photo, index])
            if self.truth[photo, index]:
                made.append(Mistake(photo, self.photo_names[photo], name, f"not {name}", 1 - score, score))
            else:
                made.append(Mistake(photo, self.photo_names[photo], f"not {name}", name, score, 1 - score))
        return made

    # --- for people and programs --------------------------------------------------------------------
    def text(self, digits: int = 2) -> str:
        """The table in the layout that people know from scikit-learn's classification_report."""
        width = max([len(name) for name in self.names] + [len("weighted avg")])

        def line(name: str, *cells: str) -> str:
            return f"{name:>{width}} " + "".join(f" {cell:>9}" for cell in cells)

        def numbers(each: ClassVerdict | Average) -> list[str]:
            return [f"{value:.{digits}f}" for value in (each.precision, each.recall, each.f1)] + [str(each.support)]

        lines = [line("", "precision", "recall", "f1-score", "support"), ""]
        lines += [line(each.name, *numbers(each)) for each in self.classes]
        lines.append("")
        if not self.multi_label and self.accuracy is not None:
            lines.append(line("accuracy", "", "", f"{self.accuracy:.{digits}f}", str(self.photos)))
        lines += [line(each.name, *numbers(each)) for each in self.averages if self._printed(each.name)]
        return "\n".join(lines) + "\n"

    def _printed(self, average: str) -> bool:
        return self.multi_label or average != "micro avg"  # there it is the accuracy

    def rows(self) -> list[dict[str, Any]]:
        """A table: one row a class, then the averages. Intervals are (low, high) or None; nothing is rounded."""
        rows = []
        for each in (*self.classes, *self.averages):
            ending = {f"{kind} avg": f"{kind} " for kind in ("micro", "macro", "weighted")}
            row: dict[str, Any] = {"class": each.name, "support": each.support}
            for figure, label in (("precision", "precision"), ("recall", "recall"), ("f1", "F1"),
                                  ("auc", "AUC"), ("ap", "AP")):  # fmt: skip
                row[figure] = getattr(each, figure, None)
                is_class = isinstance(each, ClassVerdict)
                key = f"{label} {each.name}" if is_class else f"{ending.get(each.name, '?')}{label}"
                row[f"{figure} interval"] = self.intervals.get(key)
            rows.append(row)
        return rows

    def facts(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {
            "photos": self.photos,
            "names": list(self.names),
            "multi_label": self.multi_label,
            "accuracy": self.accuracy,
            "AUC": self.auc,
            "AP": self.ap,
            "classes": [asdict(each) for each in self.classes],
            "averages": [asdict(each) for each in self.averages],
            "confusion": None if self.confusion is None else self.confusion.tolist(),
            "intervals": {name: None if pair is None else list(pair) for name, pair in self.intervals.items()},
            "mistakes": [asdict(each) for each in self.mistakes()],
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
        """photo, truth, said and the score of each class; one line a photo, several labels joined by ";"."""
        return as_csv([
            {"photo": photo, "truth": self._labels(self.truth[row]), "said": self._labels(self.chosen[row]),
             **{f"score {name}": float(score) for name, score in zip(self.names, self.scores[row], strict=True)}}
            for row, photo in enumerate(self.photo_names)
        ])  # fmt: skip

    def _labels(self, row: np.ndarray) -> str:
        return tables.joined([name for name, there in zip(self.names, row, strict=True) if there], ";")


def _ends(key: str, cell: Any) -> dict[str, Any]:
    if not key.endswith(" interval"):
        return {key: cell}
    low, high = cell or (None, None)
    name = key.removesuffix(" interval")
    return {f"{name}_low": low, f"{name}_high": high}


def as_csv(rows: Sequence[dict[str, Any]]) -> str:
    if not rows:
        return ""
    return tables.written(list(rows[0]), (list(row.values()) for row in rows))
