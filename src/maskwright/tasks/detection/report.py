"""The report on a detector: COCO's metrics with intervals, classes, the confusion matrix, thresholds, images.

`sections_of` gives the sections on the metrics in order, `write_report` writes the whole folder.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from maskwright import files, interop
from maskwright.evaluation.confusion import BACKGROUND, confusion
from maskwright.evaluation.detection_metrics import COCO_METRICS, DetectionMetrics, KindMetrics
from maskwright.evaluation.matching import Curve
from maskwright.prediction.detector import Detector
from maskwright.report import page, sections
from maskwright.tasks.base import Evaluation, ReportContext
from maskwright.tasks.detection.images import compared_images
from maskwright.tasks.images import image_names
from maskwright.text import counted

NAMED = {"APs": "AP small", "APm": "AP medium", "APl": "AP large", "ARs": "AR small", "ARm": "AR medium"}
NAMED |= {"ARl": "AR large"}
NAMED_COLUMNS = ["class", "ground truth", "detections", "AP", "AP50", "AR100", "best threshold", "best F1"]
MATCHED = "correct and missed at IoU 0.5"
ERRORS = "a loose mask or box overlaps its object at IoU 0.1 to 0.5; a duplicate one that another detection matches"
Limits = float | Mapping[str, float]
MOST_CLASSES = 20  # in one matrix: more cannot be read
MOST_CURVES = 8  # in one chart: of more classes those with most objects


def sections_of(metrics: DetectionMetrics, threshold: Limits | None = None, note: str = "") -> list[sections.Section]:
    """Masks and boxes; then, of masks where they were evaluated, classes, curves and the confusion matrix.

    threshold  the score from which the model shows a detection, or {class: score}; None: each class's own best
    note       what stands below each kind's metrics, such as whose images these are
    """
    kinds = [kind for kind in (metrics.mask, metrics.box) if kind is not None]
    parts: list[sections.Section] = [_twelve(kind, note) for kind in kinds]
    if metrics.best_kind is not None:
        parts += [
            _classes(metrics.best_kind, threshold),
            _precision_recall(metrics.best_kind, threshold),
            _f1(metrics.best_kind, threshold),
            _confusion(metrics.best_kind, threshold),
        ]
    return parts


def _twelve(kind: KindMetrics, note: str) -> sections.MetricTable:
    shown = [
        sections.MetricRow(NAMED.get(name, name), getattr(kind, name), kind.intervals.get(name))
        for name in COCO_METRICS
    ]
    return sections.MetricTable(f"{kind.kind.capitalize()} metrics", shown, note=note)


def _classes(kind: KindMetrics, threshold: Limits | None) -> sections.Table:
    columns = ["class", "ground_truths", "detections", "AP", "AP50", "AR100", "threshold", "f1"]
    rows = [[row[column] for column in columns] for row in kind.rows()]
    if threshold is None:
        return sections.Table("Classes", NAMED_COLUMNS, rows)
    used = threshold if isinstance(threshold, Mapping) else dict.fromkeys((row[0] for row in rows), threshold)
    return sections.Table(
        "Classes",
        [*NAMED_COLUMNS[:-2], "threshold", *NAMED_COLUMNS[-2:]],
        [[*row[:-2], used.get(row[0]), *row[-2:]] for row in rows],
    )


def _precision_recall(kind: KindMetrics, threshold: Limits | None) -> sections.PrecisionRecall:
    ap50 = {row["class"]: row["AP50"] for row in kind.rows()}
    curves, points = [], {}
    for name, curve in _curves(kind):
        label = f"{name} ({ap50[name]:.3f})"
        curves.append(sections.Series(label, curve.recall, curve.precision))
        reached = _reached(curve, name, threshold)
        if reached is not None:
            points[label] = float(curve.recall[reached]), float(curve.precision[reached])
    note = "in brackets: AP50" + ("; the dot: where the model works" if points else "") + _of_many(kind)
    return sections.PrecisionRecall("Precision and recall at IoU 0.5", curves, points, note=note)


def _f1(kind: KindMetrics, threshold: Limits | None) -> sections.Lines:
    used = "" if threshold is None else f"; the model shows {_from(threshold)}"
    points = {
        name: (_limit(name, threshold), float(curve.f1[reached]))
        for name, curve in _curves(kind)
        if (reached := _reached(curve, name, threshold)) is not None
    }
    return sections.Lines(
        "F1 against the threshold",
        [sections.Series(name, curve.scores[::-1], curve.f1[::-1]) for name, curve in _curves(kind)],
        label_x="score threshold",
        label_y="F1",
        range_y=(0.0, 1.0),
        points=points,
        note=f"at IoU 0.5{used}{_of_many(kind)}",
    )


def _limit(name: str, threshold: Limits | None) -> float:
    """The score from which the model shows a class; above every score where it shows none, or that is not known."""
    return threshold.get(name, 2.0) if isinstance(threshold, Mapping) else 2.0 if threshold is None else threshold


def _reached(curve: Curve, name: str, threshold: Limits | None) -> int | None:
    """The point of the curve at the model's threshold; None where it shows nothing."""
    shown = int(np.count_nonzero(curve.scores >= _limit(name, threshold)))
    return shown - 1 if shown else None


def _of_many(kind: KindMetrics) -> str:
    drawn = len(kind.matches.names) > MOST_CURVES
    return f"; the {MOST_CURVES} classes with most objects of {len(kind.matches.names)}" if drawn else ""


def _from(threshold: Limits) -> str:
    """From which score on detections are shown, in words."""
    scores = sorted(threshold.values()) if isinstance(threshold, Mapping) else [threshold]
    low, high = scores[0], scores[-1]
    if high - low < 0.005:
        return f"detections from {low:.3f} on"
    if isinstance(threshold, Mapping) and len(threshold) <= 4:
        return "detections of " + ", ".join(f"{name} from {score:.3f}" for name, score in threshold.items()) + " on"
    return f"detections of each class from its own score on ({low:.3f} to {high:.3f})"


def _curves(kind: KindMetrics) -> list[tuple[str, Curve]]:
    """(class name, its curve) where there is one; of many classes those with most objects."""
    matches = kind.matches
    most = sorted(range(len(matches.names)), key=lambda index: -matches.ground_truth_count(index))[:MOST_CURVES]
    curves = ((matches.names[index], matches.curve(index)) for index in sorted(most))
    return [(name, curve) for name, curve in curves if len(curve.scores)]


def _confusion(kind: KindMetrics, threshold: Limits | None) -> sections.Matrix:
    """Classes that occur on either side; of very many those with the most mistakes."""
    names, counts = confusion(kind.matches, threshold)
    mistakes = counts.sum(0) + counts.sum(1) - 2 * counts.diagonal()
    seen = np.flatnonzero((counts.sum(0) + counts.sum(1))[:-1])
    kept = np.sort(seen[np.argsort(-mistakes[seen], kind="stable")][:MOST_CLASSES])
    rows = np.append(kept, len(names) - 1)
    threshold_text = "each class's best threshold" if threshold is None else _from(threshold)
    more = f"; the {MOST_CLASSES} classes with the most mistakes" if len(seen) > MOST_CLASSES else ""
    return sections.Matrix(
        "Confusion matrix",
        [names[row] for row in rows],
        counts[np.ix_(rows, rows)],
        unit="objects",
        note=f"{kind.kind}, IoU 0.5, {threshold_text}{more}. Row {BACKGROUND}: false detections; column: missed",
    )


# --- the folder -------------------------------------------------------------------------------------------------------
def write_report(
    evaluation: Evaluation[DetectionMetrics], detector: Detector, out: Path, context: ReportContext
) -> None:
    """evaluation.json, evaluation.html and coco_results.json in the folder `out`."""
    files.write_text(out / "evaluation.json", json.dumps(context.facts, indent=2, ensure_ascii=False) + "\n")
    _write_coco(evaluation, out)
    metrics, data = evaluation.metrics, evaluation.data
    counts = f"{counted(metrics.images, 'image')} ({context.split}), {counted(metrics.ground_truths, 'object')}"
    issues = [str(issue) for issue in context.issues]
    resampled = "; bootstrap over images" if metrics.best_kind is not None and metrics.best_kind.intervals else ""
    parts = sections_of(metrics, detector.limits, counts + resampled)
    shown = "; ".join([MATCHED, *(f"the model shows {limit}" for limit in detector.thresholds), ERRORS])
    parts.insert(len([kind for kind in (metrics.mask, metrics.box) if kind is not None]),
                 compared_images(evaluation, detector, "Images", shown))  # fmt: skip
    if context.against is not None:
        parts.insert(0, sections.Text("Against another model", [context.against.sentence()]))
    if issues:
        parts.insert(0, sections.Warnings(issues))
    model = f"{context.facts['model']} ({detector.card.model})"
    title = f"Evaluation of {context.facts['model']} on {data.name}"
    page_of = page.render(title, parts, f"dataset {data.name}, {counts}; model {model}")
    files.write_text(out / "evaluation.html", page_of)


def _write_coco(evaluation: Evaluation[DetectionMetrics], out: Path) -> None:
    """All detections of the data's classes, under the data's own ids where each image has its own."""
    data = evaluation.data
    names, ids = data.names, [record.id for record in data if record.id is not None]
    own = len(set(ids)) == len(data) and len(data.class_ids) == len(names)
    known = [detections[np.isin(detections.labels, names)] for detections in evaluation.predictions]
    categories = dict(zip(names, data.class_ids if own else range(1, len(names) + 1), strict=True))
    results = interop.to_coco_results(known, ids if own else range(1, len(data) + 1), categories)
    files.write_text(out / "coco_results.json", json.dumps(results) + "\n")
    if not own:
        table = interop.to_coco_images(image_names(data), [record.size for record in data], names)
        files.write_text(out / "coco_images.json", json.dumps(table, ensure_ascii=False) + "\n")
