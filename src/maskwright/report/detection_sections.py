"""What a detector's page shows: COCO's metrics with intervals, classes, the confusion matrix, and the threshold.

`sections_of` gives the sections in order; images are added by whoever has them.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from maskwright.evaluation.confusion import BACKGROUND, confusion
from maskwright.evaluation.detection_metrics import TWELVE, DetectionMetrics, KindMetrics
from maskwright.evaluation.matching import Curve
from maskwright.report import sections

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
        sections.MetricRow(NAMED.get(name, name), getattr(kind, name), kind.intervals.get(name)) for name in TWELVE
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
    each = ((name, kind.matches.curve(index)) for index, name in enumerate(kind.matches.names))
    return [(name, curve) for name, curve in each if len(curve.scores)]


def _confusion(kind: KindMetrics, threshold: Limits | None) -> sections.Matrix:
    """Classes that occur on either side; of very many those with the most mistakes."""
    names, counts = confusion(kind.matches, threshold)
    mistakes = counts.sum(0) + counts.sum(1) - 2 * counts.diagonal()
    seen = np.flatnonzero((counts.sum(0) + counts.sum(1))[:-1])
    kept = np.sort(seen[np.argsort(-mistakes[seen], kind="stable")][:MOST_CLASSES])
    rows = np.append(kept, len(names) - 1)
    said = "each class's best threshold" if threshold is None else _from(threshold)
    more = f"; the {MOST_CLASSES} classes with the most mistakes" if len(seen) > MOST_CLASSES else ""
    return sections.Matrix(
        "Confusion matrix",
        [names[row] for row in rows],
        counts[np.ix_(rows, rows)],
        unit="objects",
        note=f"{kind.kind}, IoU 0.5, {said}{more}. Row {BACKGROUND}: found where nothing is; column: missed",
    )
