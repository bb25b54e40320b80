"""The report on a classifier: metrics with intervals, classes, curves, calibration, and its worst mistakes.

`sections_of` gives the sections on the metrics in order, `write_report` writes the whole folder.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from maskwright import files
from maskwright.drawing.saliency import overlay
from maskwright.drawing.sheet import fit
from maskwright.evaluation import calibration, ranking
from maskwright.evaluation.classification_metrics import ClassificationMetrics, Misclassification
from maskwright.prediction.image_classifier import ImageClassifier
from maskwright.report import page
from maskwright.report.sections import (
    Calibration,
    Gallery,
    Matrix,
    MetricRow,
    MetricTable,
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
from maskwright.tasks.base import Evaluation, ReportContext
from maskwright.text import counted
from maskwright.types import Record

MOST_CURVES = 8  # classes with a curve of their own; of more the ones with most images
DASH = "\u2060–\u2060"  # where no line is broken
CELL = (356, 300)  # pixels of one half of a pair: two fill a picture of the page
SINGLE = (560, 420)  # of a picture that stands alone


class Point(Protocol):
    """From which score on a class is said: evaluation.operating_point's, or a model card's."""

    @property
    def name(self) -> str: ...
    @property
    def threshold(self) -> float: ...
    def sentences(self) -> list[str]: ...


def sections_of(
    metrics: ClassificationMetrics, points: Sequence[Point] = (), warnings: Sequence[str] = (), temperature: float = 1.0
) -> list[Section]:
    """Everything but the images, in the order a reader wants it.

    points       the operating points in use (one at most where an image shows one class), drawn into the charts
    warnings     what must be known before believing the metrics, beside the metrics' own issues
    temperature  that the scores are at

    >>> page.render("rust", [*sections_of(metrics), misclassified(metrics, open_image)])
    """
    made: list[Section] = []
    if limits := [*warnings, *map(str, metrics.issues)]:
        made.append(Warnings(limits))
    made.append(_headline(metrics))
    for point in points:
        made.append(Text(f"Operating point of {point.name}", point.sentences(), note="chosen on validation images"))
    made.append(_classes(metrics))
    if metrics.confusion is not None:
        made.append(Matrix("Confusion matrix", metrics.names, metrics.confusion, note="color: fraction of the row"))
    by_name = {point.name: point for point in points}
    made += [_scores(metrics, by_name), _roc(metrics, by_name), _precision_recall(metrics, by_name)]
    return [*made, _calibration(metrics, temperature)]


def misclassified(
    metrics: ClassificationMetrics,
    open_image: Callable[[int], np.ndarray],
    saliency: Callable[[Misclassification], np.ndarray | None] | None = None,
    most: int = 24,
) -> Gallery:
    """The most convinced mistakes, image beside heat.

    open_image  image's place in the metrics -> H×W×3 uint8
    saliency        -> h×w 0..1, what spoke for the answer given, covering the image (see models.saliency); or None
    """
    pictures, pairs = [], False
    for mistake in metrics.mistakes(most):
        image = open_image(mistake.image)
        caption = f"{mistake.name}: is {mistake.ground_truth}, called {mistake.predicted} ({mistake.score:.2f})"
        warm = None if saliency is None else saliency(mistake)
        pairs = pairs or warm is not None
        pictures.append(Picture(fit(image, CELL) if warm is None else _pair(image, warm), caption))
    count = len(metrics.mistakes())
    note = (
        f"{len(pictures)} of {count}, the most convinced first" if count > len(pictures) else "the most convinced first"
    )
    note += "" if not pairs else "; beside each: what spoke for that answer (Grad-CAM), bright is much"
    return Gallery("Mistakes", pictures, note=note if pictures else "", pairs=pairs)


def _pair(image: np.ndarray, saliency: np.ndarray) -> np.ndarray:
    small = fit(image, CELL)
    gap = np.full((small.shape[0], 8, 3), 255, np.uint8)
    return np.concatenate([small, gap, overlay(small, saliency)], axis=1)


# --- inside -------------------------------------------------------------------------------------------
def _headline(metrics: ClassificationMetrics) -> MetricTable:
    macro = metrics.average("macro avg")
    shown = [
        MetricRow("accuracy", metrics.accuracy, metrics.intervals.get("accuracy"), "every label of the image right"),
        MetricRow("macro recall", macro.recall, metrics.intervals.get("macro_recall"), "mean over classes"),
        MetricRow("macro F1", macro.f1, metrics.intervals.get("macro_F1")),
        MetricRow("ROC AUC", metrics.auc, metrics.intervals.get("AUC"), "from scores, whatever the threshold"),
        MetricRow("average precision", metrics.ap, metrics.intervals.get("AP"), "mean over classes"),
    ]
    brier = (
        calibration.brier(metrics.scores, metrics.ground_truth) if metrics.images and not metrics.multi_label else None
    )
    note = (
        f"{counted(metrics.images, 'image')}. Intervals of proportions are Wilson's, others bootstrapped over images."
    )
    return MetricTable("Metrics", shown, note=note + ("" if brier is None else f" Brier score {brier:.3f}."))


def _classes(metrics: ClassificationMetrics) -> Table:
    rows = []
    for row in metrics.rows():
        if row["class"] == "micro avg" and not metrics.multi_label:
            continue  # it is the accuracy
        cells = [row["class"], row["support"]]
        for name in ("precision", "recall", "f1", "auc", "ap"):
            interval = row[f"{name}_interval"]
            text = "" if row[name] is None else f"{row[name]:.3f}"
            whole = "" if interval is None or not text else f" {interval[0]:.3f}{DASH}{interval[1]:.3f}"
            cells.append(text + whole)
        rows.append(cells)
    return Table("Classes", ["class", "images", "precision", "recall", "F1", "AUC", "AP"], rows)


Points = Mapping[str, Point]


def _shown(metrics: ClassificationMetrics, points: Points) -> list[int]:
    """The classes that get curves: of two exclusive ones the sought one, for the other's are the same turned round."""
    if len(metrics.names) == 2 and not metrics.multi_label:
        return [next((index for index, name in enumerate(metrics.names) if name in points), 1)]
    order = sorted(range(len(metrics.names)), key=lambda index: -metrics.classes[index].support)
    return sorted(order[:MOST_CURVES])


def _scores(metrics: ClassificationMetrics, points: Points) -> Section:
    if points or (len(metrics.names) == 2 and not metrics.multi_label):
        index = next((index for index, name in enumerate(metrics.names) if name in points), 1)
    else:
        best = np.where(metrics.predicted, metrics.scores, 0).max(axis=1, initial=0)
        right = metrics.correct
        return Scores("Scores of the answers", ("wrong", best[~right]), ("right", best[right]))
    there, name = metrics.ground_truth[:, index], metrics.names[index]
    other = metrics.names[1 - index] if len(metrics.names) == 2 and not metrics.multi_label else f"not {name}"
    column = metrics.scores[:, index]
    threshold = points[name].threshold if name in points else None
    return Scores(f'Scores for "{name}"', (name, column[there]), (other, column[~there]), threshold)


def _roc(metrics: ClassificationMetrics, points: Points) -> Roc:
    curves, marked = [], {}
    for index in _shown(metrics, points):
        curve = ranking.roc(metrics.scores[:, index], metrics.ground_truth[:, index])
        if curve is None:
            continue
        name = f"{metrics.names[index]} ({metrics.classes[index].auc:.3f})"
        curves.append(Series(name, curve.false_positive_rate, curve.recall))
        if (point := points.get(metrics.names[index])) is not None:
            last = int(np.count_nonzero(curve.scores >= point.threshold)) - 1
            marked[name] = float(curve.false_positive_rate[last]), float(curve.recall[last])
    return Roc("ROC", curves, marked, note="in brackets: the area under the curve; dashed: pure chance")


def _precision_recall(metrics: ClassificationMetrics, points: Points) -> PrecisionRecall:
    curves, marked = [], {}
    for index in _shown(metrics, points):
        curve = ranking.precision_recall(metrics.scores[:, index], metrics.ground_truth[:, index])
        if not len(curve.scores):
            continue
        name = f"{metrics.names[index]} ({metrics.classes[index].ap:.3f})"
        curves.append(Series(name, curve.recall, curve.precision))
        point = points.get(metrics.names[index])
        last = -1 if point is None else int(np.count_nonzero(curve.scores >= point.threshold)) - 1
        if last >= 0:
            marked[name] = float(curve.recall[last]), float(curve.precision[last])
    return PrecisionRecall("Precision and recall", curves, marked, note="in brackets: average precision")


def _calibration(metrics: ClassificationMetrics, temperature: float) -> Calibration:
    """Of the sought class where there are two, of every label where there may be several, else of the answers."""
    about, scores, right = _claims(metrics, metrics.scores)
    made = calibration.reliability(scores, right)
    if made.ece is None:
        return Calibration("Calibration", made.edges, made.count, made.score, made.fraction, made.intervals, "")
    note = f"{about}; expected calibration error {made.ece:.3f}"
    if temperature != 1:
        logits = calibration.logits_of(metrics.scores, metrics.multi_label) * temperature
        raw = calibration.reliability(*_claims(metrics, calibration.scores_of(logits, metrics.multi_label))[1:])
        note += f", with temperature {temperature:.2f}; it would be {raw.ece:.3f} without"
    note += "; on the dashed line a score of 0.8 is right in 8 of 10. Whiskers: 95 %."
    return Calibration("Calibration", made.edges, made.count, made.score, made.fraction, made.intervals, note)


def _claims(metrics: ClassificationMetrics, scores: np.ndarray) -> tuple[str, np.ndarray, np.ndarray]:
    """What the scores are of, the scores, and whether it was so."""
    if len(metrics.names) == 2 and not metrics.multi_label:
        return f'scores for "{metrics.names[1]}"', scores[:, 1], metrics.ground_truth[:, 1]
    if metrics.multi_label:
        return "scores of every label", scores.ravel(), metrics.ground_truth.ravel()
    best = scores.argmax(axis=1) if metrics.images else np.zeros(0, np.int64)
    rows = np.arange(metrics.images)
    return "scores of the best class", scores[rows, best], metrics.ground_truth[rows, best]


# --- the folder -------------------------------------------------------------------------------------------------------
def write_report(
    evaluation: Evaluation[ClassificationMetrics], classifier: ImageClassifier, out: Path, context: ReportContext
) -> None:
    """evaluation.json, scores.csv and evaluation.html in the folder `out`."""
    metrics, records = evaluation.metrics, evaluation.data.records
    files.write_text(out / "evaluation.json", json.dumps(context.facts, indent=2, ensure_ascii=False) + "\n")
    files.write_text(out / "scores.csv", metrics.scores_csv())

    def saliency(mistake: Misclassification) -> np.ndarray | None:
        """What spoke for the predicted class; where that was "not rust", what spoke against rust."""
        image = classifier.open(records[mistake.image].image)
        if mistake.predicted in metrics.names:
            return classifier.saliency(image, mistake.predicted)
        return classifier.saliency(image, mistake.ground_truth, against=True)

    issues = [str(issue) for issue in context.issues]
    parts = sections_of(metrics, classifier.card.operating_points, issues, classifier.card.temperature)
    after_headline = 1 + bool(issues or metrics.issues)
    if classifier.thresholds:
        parts.insert(after_headline, Text("Score thresholds", [str(threshold) for threshold in classifier.thresholds]))
    if context.against is not None:
        parts.insert(after_headline, Text("Against another model", [context.against.sentence()]))
    parts.append(misclassified(metrics, lambda index: classifier.open(records[index].image).pixels, saliency))
    data, model = evaluation.data, context.facts["model"]
    about = f"dataset {data.name}, {counted(metrics.images, 'image')} ({context.split})"
    about += f"; model {model} ({classifier.card.model})"
    files.write_text(out / "evaluation.html", page.render(f"Evaluation of {model} on {data.name}", parts, about))


def picture(classifier: ImageClassifier, record: Record, names: tuple[str, ...]) -> Picture:
    """The prediction on one image, for the report of a run. names  the classes of the data"""
    image = classifier.open(record.image)
    ground_truth, predicted = [names[label] for label in record.labels or ()], classifier(image)
    caption = f"{record.image.name}: {predicted}, labeled {', '.join(ground_truth) or 'none'}"
    return Picture(fit(image.pixels, SINGLE), caption, wrong=set(ground_truth) != set(predicted.labels))
