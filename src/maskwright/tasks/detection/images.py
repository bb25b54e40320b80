"""Images with ground truth and detections for a report: matched, the errors named, the worst first."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from maskwright.evaluation.detection_metrics import DetectionMetrics
from maskwright.evaluation.error_types import error_types
from maskwright.prediction.detector import Detector
from maskwright.report.sections import Viewer
from maskwright.report.viewer import FLOOR, Compared, viewer
from maskwright.tasks.base import Evaluation

MOST = 200  # images on a page; of more, the worst and the best
WORST = 150


def compared_images(
    evaluation: Evaluation[DetectionMetrics], detector: Detector, heading: str, note: str = "", order: str = "worst"
) -> Viewer:
    """All images of an evaluation, or the worst and the best of more than 200, by F1 at the model's thresholds."""
    names = dict.fromkeys([*evaluation.metrics.names, *detector.card.classes])
    thresholds = {name: detector.limits.get(name, 1.0) for name in names}
    chosen = _chosen(evaluation.metrics, detector)
    if len(chosen) < evaluation.metrics.images:
        note = f"{note}; the {WORST} worst and the {MOST - WORST} best of {evaluation.metrics.images} images"
    return viewer(heading, _compared(evaluation, detector, chosen), len(chosen), thresholds, note, order)


def _chosen(metrics: DetectionMetrics, detector: Detector) -> list[int]:
    """Indices of the images that are shown."""
    if metrics.images <= MOST or metrics.best_kind is None:
        return list(range(min(metrics.images, MOST)))
    f1 = [score.f1 for score in metrics.best_kind.matches.image_scores(detector.limits)]
    by_f1 = np.argsort(f1, kind="stable").tolist()
    return [*by_f1[:WORST], *by_f1[WORST - MOST :]]


def _compared(evaluation: Evaluation[DetectionMetrics], detector: Detector, chosen: list[int]) -> Iterator[Compared]:
    kind = evaluation.metrics.best_kind
    for index in chosen:
        record, name = evaluation.data.records[index], evaluation.metrics.image_names[index]
        image = detector.open(record.image)
        if kind is None:
            detections = evaluation.predictions[index]
            yield Compared(name, image.pixels, image.size, detections[detections.scores >= FLOOR])
            continue
        # Rows of the matching are rows of what was compared: detections of unknown classes are not in it.
        detections, ground_truth = kind.matches.detections[index], kind.matches.ground_truth[index]
        scores = np.ones(len(detections)) if detections.scores is None else detections.scores
        shown = np.flatnonzero(scores >= FLOOR)
        matched = kind.matches.matched_rows(index)[shown].tolist()
        types = error_types(detections[shown], ground_truth, matched, kind.kind)
        yield Compared(name, image.pixels, image.size, detections[shown], ground_truth, matched, types)
