"""The sections of a report on whole-photo classes, made from figures of evaluation.classification."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import numpy as np

from maskwright.evaluation import calibration, ranking
from maskwright.evaluation.verdict_figures import Mistake, VerdictFigures
from maskwright.pictures.heat import overlay
from maskwright.pictures.sheet import fit
from maskwright.report.sections import (
    Calibration,
    Figure,
    Figures,
    Gallery,
    Matrix,
    Picture,
    PrecisionRecall,
    Roc,
    Scores,
    Section,
    Series,
    Table,
    Text,
    Warnings,
)

MOST_CURVES = 8  # classes with a curve of their own; of more the ones with most photos
CELL = (356, 300)  # pixels of one half of a pair: two fill a picture of the page


class Point(Protocol):
    """From which score on a class is said: evaluation.operating_point's, or a model card's."""

    @property
    def name(self) -> str: ...
    @property
    def threshold(self) -> float: ...
    def sentences(self) -> list[str]: ...


def sections_of(
    figures: VerdictFigures, points: Sequence[Point] = (), warnings: Sequence[str] = (), temperature: float = 1.0
) -> list[Section]:
    """Everything but the photos, in the order a reader wants it.

    points       the operating points in use (one at most where a photo shows one class), drawn into the charts
    warnings     what must be known before believing the figures, beside the figures' own remarks
    temperature  that the scores are at

    >>> page.render("rust", [*sections_of(figures), misclassified(figures, open_photo)])
    """
    made: list[Section] = []
    if told := [*warnings, *figures.remarks]:
        made.append(Warnings(told))
    made.append(_headline(figures))
    for point in points:
        made.append(Text(f"Operating point of {point.name}", point.sentences(), note="chosen on validation photos"))
    made.append(_classes(figures))
    if figures.confusion is not None:
        made.append(Matrix("Confusion matrix", figures.names, figures.confusion, note="colour: share of the row"))
    by_name = {point.name: point for point in points}
    made += [_scores(figures, by_name), _roc(figures, by_name), _precision_recall(figures, by_name)]
    return [*made, _calibration(figures, temperature)]


def misclassified(
    figures: VerdictFigures,
    open_photo: Callable[[int], np.ndarray],
    heat: Callable[[Mistake], np.ndarray | None] | None = None,
    most: int = 12,
) -> Gallery:
    """The most convinced mistakes, photo beside heat.

    open_photo  photo's place in the figures -> H×W×3 uint8
    heat        -> h×w 0..1, what spoke for the answer given, covering the photo (see models.saliency); or None
    """
    pictures, pairs = [], False
    for mistake in figures.mistakes(most):
        photo = open_photo(mistake.photo)
        caption = f"{mistake.name}: is {mistake.truth}, called {mistake.said} ({mistake.score:.2f})"
        warm = None if heat is None else heat(mistake)
        pairs = pairs or warm is not None
        pictures.append(Picture(fit(photo, CELL) if warm is None else _pair(photo, warm), caption))
    count = len(figures.mistakes())
    note = (
        f"{len(pictures)} of {count}, the most convinced first" if count > len(pictures) else "the most convinced first"
    )
    note += "" if not pairs else "; beside each: what spoke for that answer (Grad-CAM), bright is much"
    return Gallery("Mistakes", pictures, note=note if pictures else "", pairs=pairs)


def _pair(photo: np.ndarray, heat: np.ndarray) -> np.ndarray:
    small = fit(photo, CELL)
    gap = np.full((small.shape[0], 8, 3), 255, np.uint8)
    return np.concatenate([small, gap, overlay(small, heat)], axis=1)


# --- inside -------------------------------------------------------------------------------------------
def _headline(figures: VerdictFigures) -> Figures:
    macro = figures.average("macro avg")
    shown = [
        Figure("accuracy", figures.accuracy, figures.intervals.get("accuracy"), "every label of the photo right"),
        Figure("macro recall", macro.recall, figures.intervals.get("macro recall"), "mean over classes"),
        Figure("macro F1", macro.f1, figures.intervals.get("macro F1")),
        Figure("ROC AUC", figures.auc, figures.intervals.get("AUC"), "from scores, whatever the threshold"),
        Figure("average precision", figures.ap, figures.intervals.get("AP"), "mean over classes"),
    ]
    brier = calibration.brier(figures.scores, figures.truth) if figures.photos and not figures.multi_label else None
    note = f"{figures.photos} photos. Intervals of shares are Wilson's, of all else bootstrapped over photos."
    return Figures("Figures", shown, note=note + ("" if brier is None else f" Brier score {brier:.3f}."))


def _classes(figures: VerdictFigures) -> Table:
    rows = []
    for row in figures.rows():
        if row["class"] == "micro avg" and not figures.multi_label:
            continue  # it is the accuracy
        cells = [row["class"], row["support"]]
        for name in ("precision", "recall", "f1", "auc", "ap"):
            interval = row[f"{name} interval"]
            text = "" if row[name] is None else f"{row[name]:.3f}"
            whole = "" if interval is None or not text else f" ({interval[0]:.2f}\u00a0to\u00a0{interval[1]:.2f})"
            cells.append(text + whole)
        rows.append(cells)
    return Table("Classes", ["class", "photos", "precision", "recall", "F1", "AUC", "AP"], rows)


Points = Mapping[str, Point]


def _shown(figures: VerdictFigures, points: Points) -> list[int]:
    """The classes that get curves: of two exclusive ones the sought one, for the other's are the same turned round."""
    if len(figures.names) == 2 and not figures.multi_label:
        return [next((index for index, name in enumerate(figures.names) if name in points), 1)]
    order = sorted(range(len(figures.names)), key=lambda index: -figures.classes[index].support)
    return sorted(order[:MOST_CURVES])


def _scores(figures: VerdictFigures, points: Points) -> Section:
    if points or (len(figures.names) == 2 and not figures.multi_label):
        index = next((index for index, name in enumerate(figures.names) if name in points), 1)
    else:
        best = np.where(figures.chosen, figures.scores, 0).max(axis=1, initial=0)
        right = figures.right
        return Scores("Scores of the answers", ("wrong", best[~right]), ("right", best[right]))
    there, name = figures.truth[:, index], figures.names[index]
    other = figures.names[1 - index] if len(figures.names) == 2 and not figures.multi_label else f"not {name}"
    column = figures.scores[:, index]
    threshold = points[name].threshold if name in points else None
    return Scores(f'Scores for "{name}"', (name, column[there]), (other, column[~there]), threshold)


def _roc(figures: VerdictFigures, points: Points) -> Roc:
    curves, places = [], {}
    for index in _shown(figures, points):
        curve = ranking.roc(figures.scores[:, index], figures.truth[:, index])
        if curve is None:
            continue
        name = f"{figures.names[index]} ({figures.classes[index].auc:.3f})"
        curves.append(Series(name, curve.false, curve.recall))
        if (point := points.get(figures.names[index])) is not None:
            place = int(np.count_nonzero(curve.scores >= point.threshold)) - 1
            places[name] = float(curve.false[place]), float(curve.recall[place])
    return Roc("ROC", curves, places, note="in brackets: the area under the curve; dashed: pure chance")


def _precision_recall(figures: VerdictFigures, points: Points) -> PrecisionRecall:
    curves, places = [], {}
    for index in _shown(figures, points):
        curve = ranking.precision_recall(figures.scores[:, index], figures.truth[:, index])
        if not len(curve.scores):
            continue
        name = f"{figures.names[index]} ({figures.classes[index].ap:.3f})"
        curves.append(Series(name, curve.recall, curve.precision))
        point = points.get(figures.names[index])
        place = -1 if point is None else int(np.count_nonzero(curve.scores >= point.threshold)) - 1
        if place >= 0:
            places[name] = float(curve.recall[place]), float(curve.precision[place])
    return PrecisionRecall("Precision and recall", curves, places, note="in brackets: average precision")


def _calibration(figures: VerdictFigures, temperature: float) -> Calibration:
    """Of the sought class where there are two, of every label where there may be several, else of the answers."""
    about, scores, right = _claims(figures, figures.scores)
    made = calibration.reliability(scores, right)
    if made.ece is None:
        return Calibration("Calibration", made.edges, made.count, made.score, made.share, made.intervals, "")
    note = f"{about}; expected calibration error {made.ece:.3f}"
    if temperature != 1:
        logits = calibration.logits_of(figures.scores, figures.multi_label) * temperature
        raw = calibration.reliability(*_claims(figures, calibration.scores_of(logits, figures.multi_label))[1:])
        note += f", with temperature {temperature:.2f}; it would be {raw.ece:.3f} without"
    note += "; on the dashed line a score of 0.8 is right in 8 of 10. Whiskers: 95 %."
    return Calibration("Calibration", made.edges, made.count, made.score, made.share, made.intervals, note)


def _claims(figures: VerdictFigures, scores: np.ndarray) -> tuple[str, np.ndarray, np.ndarray]:
    """What the scores are of, the scores, and whether it was so."""
    if len(figures.names) == 2 and not figures.multi_label:
        return f'scores for "{figures.names[1]}"', scores[:, 1], figures.truth[:, 1]
    if figures.multi_label:
        return "scores of every label", scores.ravel(), figures.truth.ravel()
    best = scores.argmax(axis=1) if figures.photos else np.zeros(0, np.int64)
    rows = np.arange(figures.photos)
    return "scores of the best class", scores[rows, best], figures.truth[rows, best]
