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

NAMED = {"APs": "AP small", "APm": "AP medium", "APl": "AP large", "ARs": "AR small", "ARm": "AR medium"}
NAMED |= {"ARl": "AR large"}
NAMED_COLUMNS = ["class", "ground truth", "detections", "AP", "AP50", "AR100", "best threshold", "best F1"]
Limits = float | Mapping[str, float]
MOST_CLASSES = 20  # in one matrix: more cannot be read


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
            _precision_recall(metrics.best_kind),
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


def _precision_recall(kind: KindMetrics) -> sections.PrecisionRecall:
    return sections.PrecisionRecall(
        "Precision and recall at IoU 0.5",
        [sections.Series(name, curve.recall, curve.precision) for name, curve in _curves(kind)],
    )


def _f1(kind: KindMetrics, threshold: Limits | None) -> sections.Lines:
    used = "" if threshold is None else f"; the model shows {_from(threshold)}"
    return sections.Lines(
        "F1 against the threshold",
        [sections.Series(name, curve.scores[::-1], curve.f1[::-1]) for name, curve in _curves(kind)],
        label_x="score threshold",
        label_y="F1",
        range_y=(0.0, 1.0),
        note=f"at IoU 0.5{used}",
    )


def _from(threshold: Limits) -> str:
    """From which score on detections are shown, in words."""
    scores = sorted(threshold.values()) if isinstance(threshold, Mapping) else [threshold]
    low, high = scores[0], scores[-1]
    if high - low < 0.005:
        return f"detections from {low:.2f} on"
    if isinstance(threshold, Mapping) and len(threshold) <= 4:
        return "detections of " + ", ".join(f"{name} from {score:.2f}" for name, score in threshold.items()) + " on"
    return f"detections of each class from its own score on ({low:.2f} to {high:.2f})"


def _curves(kind: KindMetrics) -> list[tuple[str, Curve]]:
    """(class name, its curve) where there is one."""
    curves = ((name, kind.matches.curve(index)) for index, name in enumerate(kind.matches.names))
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
        note=f"{kind.kind}, IoU 0.5, {threshold_text}{more}. Row {BACKGROUND}: found where nothing is; column: missed",
    )


# --- the folder -------------------------------------------------------------------------------------------------------
def write_report(
    evaluation: Evaluation[DetectionMetrics], detector: Detector, out: Path, context: ReportContext
) -> None:
    """evaluation.json, evaluation.html and coco_results.json in the folder `out`."""
    files.write_text(out / "evaluation.json", json.dumps(context.facts, indent=2, ensure_ascii=False) + "\n")
    _write_coco(evaluation, out)
    metrics = evaluation.metrics
    counts = f"{metrics.images} images ({context.split}), {metrics.ground_truths} objects"
    note = "; ".join([counts, "bootstrap over images", *map(str, context.issues)])
    parts = sections_of(metrics, detector.limits, note)
    shown = "; ".join(["correct and missed at IoU 0.5", *(f"the model shows {limit}" for limit in detector.thresholds)])
    parts.insert(len([kind for kind in (metrics.mask, metrics.box) if kind is not None]),
                 compared_images(evaluation, detector, "Images", shown))  # fmt: skip
    title = f"evaluation of {context.facts['model']}"
    files.write_text(out / "evaluation.html", page.render(evaluation.data.name, parts, title))


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
