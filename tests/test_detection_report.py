"""What the page of a detector's metrics shows."""

from __future__ import annotations

import numpy as np

from maskwright.evaluation import detection
from maskwright.evaluation.detection_metrics import COCO_METRICS, DetectionMetrics
from maskwright.report import page, sections
from maskwright.tasks.detection.report import MOST_CLASSES, MOST_CURVES, sections_of
from maskwright.types import Instances

SIZE = (100, 100)


def objects(classes: list[int], names: tuple[str, ...], scores: list[float] | None = None, x: float = 0) -> Instances:
    """One 10 px box an object, side by side in rows of ten."""
    boxes = [
        (x + 10 * (n % 10), 10 * (n // 10), x + 10 * (n % 10) + 10, 10 * (n // 10) + 10) for n in range(len(classes))
    ]
    given = None if scores is None else np.array(scores)
    return Instances(np.array(boxes, np.float32), np.array(classes), given, None, names)


def evaluated(ground_truth: Instances, detections: Instances) -> DetectionMetrics:
    return detection.evaluate(
        [ground_truth], [detections], [SIZE], names=ground_truth.names, image_names=["a"], bootstrap=0
    )


def by_heading(parts: list[sections.Section]) -> dict[str, sections.Section]:
    return {part.heading: part for part in parts}


def test_all_twelve_metrics_stand_there_in_coco_order() -> None:
    names = ("cat",)
    part = sections_of(evaluated(objects([0], names), objects([0], names, [0.9])))[0]
    assert isinstance(part, sections.MetricTable) and len(part.metrics) == len(COCO_METRICS)
    assert [part.metrics[index].name for index in (0, 1, 3, 11)] == ["AP", "AP50", "AP small", "AR large"]


def test_the_matrix_counts_what_the_model_shows_at_its_threshold() -> None:
    """A cat found, a dog called a cat, a cat missed because its score is low, one false dog."""
    names = ("cat", "dog")
    ground_truth = objects([0, 1, 0], names)
    detections = Instances(
        np.concatenate([ground_truth.boxes, [[50, 50, 60, 60]]]),
        np.array([0, 0, 0, 1]),
        np.array([0.9, 0.8, 0.2, 0.7]),
        None,
        names,
    )
    matrix = by_heading(sections_of(evaluated(ground_truth, detections), threshold=0.5))["Confusion matrix"]
    assert isinstance(matrix, sections.Matrix) and list(matrix.names) == ["cat", "dog", "background"]
    assert matrix.counts.tolist() == [[1, 0, 1], [1, 0, 0], [0, 1, 0]]
    assert matrix.unit == "objects"


def test_classes_that_do_not_occur_are_not_in_the_matrix_and_of_many_the_worst_are() -> None:
    names = tuple(f"kind {n:02d}" for n in range(40))
    ground_truth = objects(list(range(30)), names)
    detections = objects([n if n < 25 else (n + 1) % 30 for n in range(30)], names, [0.9] * 30)
    matrix = by_heading(sections_of(evaluated(ground_truth, detections), threshold=0.5))["Confusion matrix"]
    assert isinstance(matrix, sections.Matrix) and len(matrix.names) == MOST_CLASSES + 1
    assert {"kind 25", "kind 29"} <= set(matrix.names) and "kind 35" not in matrix.names


def test_f1_is_best_where_the_false_finds_are_left_out() -> None:
    names = ("cat",)
    ground_truth = objects([0, 0], names)
    detections = Instances(
        np.concatenate([ground_truth.boxes, [[80, 80, 90, 90]]]),
        np.array([0, 0, 0]),
        np.array([0.9, 0.8, 0.3]),
        None,
        names,
    )
    lines = by_heading(sections_of(evaluated(ground_truth, detections)))["F1 against the threshold"]
    assert isinstance(lines, sections.Lines)
    (series,) = lines.series
    assert list(np.round(series.x, 2)) == [0.3, 0.8, 0.9] and list(np.round(series.y, 3)) == [0.8, 1.0, 0.667]


def test_each_class_has_a_curve_with_its_operating_point_and_of_many_those_with_most_objects() -> None:
    names = tuple(f"kind {n:02d}" for n in range(12))
    ground_truth = objects([n for n in range(12) for _ in range(n + 1)], names)
    detections = Instances(ground_truth.boxes, ground_truth.classes, np.full(len(ground_truth), 0.9), None, names)
    parts = by_heading(sections_of(evaluated(ground_truth, detections), threshold=dict.fromkeys(names[:-1], 0.5)))
    curves = parts["Precision and recall at IoU 0.5"]
    assert isinstance(curves, sections.PrecisionRecall)
    assert [series.name for series in curves.curves] == [f"{name} (1.000)" for name in names[-MOST_CURVES:]]
    assert dict(curves.points) == {f"{name} (1.000)": (1.0, 1.0) for name in names[-MOST_CURVES:-1]}
    lines = parts["F1 against the threshold"]
    assert isinstance(lines, sections.Lines)
    assert dict(lines.points) == dict.fromkeys(names[-MOST_CURVES:-1], (0.5, 1.0))
    assert "the 8 classes with most objects of 12" in curves.note


def test_where_nothing_was_found_the_page_still_draws() -> None:
    names = ("cat",)
    parts = sections_of(evaluated(objects([0], names), Instances.empty(names, scored=True)), threshold=0.5)
    drawn = page.render("party", parts)
    assert "Confusion matrix" in drawn and "F1 against the threshold" in drawn
