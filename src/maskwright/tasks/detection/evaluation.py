"""A detector evaluated: detections against ground truth, by COCO's metrics."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from maskwright.errors import DatasetError
from maskwright.evaluation import detection
from maskwright.evaluation.class_thresholds import count_detections
from maskwright.evaluation.detection_metrics import KINDS, DetectionMetrics
from maskwright.issues import Issue, Kind
from maskwright.prediction.detector import Detector
from maskwright.tasks.base import Evaluation, EvaluationOptions
from maskwright.tasks.detection.data import with_outlines
from maskwright.tasks.images import image_groups, image_names
from maskwright.types import Dataset, Instances
from maskwright.types.task_kind import TASK_KINDS

MAX_DETECTIONS = 100  # of an image and class: COCO's rule
IMAGES_WITHOUT_OUTLINES = Kind(
    "images_without_outlines",
    "warning",
    "{count} of them has boxes and no outlines: left out, masks are evaluated",
    "{count} of them have boxes and no outlines: left out, masks are evaluated",
)
NO_INTERVALS = Kind("no_intervals", "warning", "metrics of {scope} have no intervals")
MORE_OBJECTS_THAN_COUNTED = Kind(
    "more_objects_than_counted",
    "warning",
    "{count} image has more than {limit} objects of a class (at most {largest}); COCO's metrics count the {limit} "
    "surest detections of each image and class, so the rest of them is missed by rule",
    "{count} images have more than {limit} objects of a class (at most {largest}); COCO's metrics count the {limit} "
    "surest detections of each image and class, so the rest of them is missed by rule",
)


def evaluate(detector: Detector, data: Dataset, options: EvaluationOptions) -> Evaluation[DetectionMetrics]:
    """Predict each image once, at every score.

    Masks are evaluated on the images whose objects have outlines; images with boxes only are then left out, so that
    masks and boxes are evaluated on the same ones. Where no image has outlines, boxes alone are evaluated.
    """
    kind = TASK_KINDS[detector.card.task]
    if any(record.labels is not None for record in data):
        raise DatasetError(
            "these images carry a class each, and the model detects objects",
            file=data.name,
            expected="outlines or boxes, or a model trained with --task classify",
            got=f"{detector.card.model}, trained for {detector.card.task}",
        )
    outlined = with_outlines(data)
    if kind.masks and outlined.instance_count and len(outlined) < len(data):
        options.log(IMAGES_WITHOUT_OUTLINES(count=len(data) - len(outlined)))
        data = outlined
    every_score = Detector(detector.engine, threshold=0.0, size=detector.size, tile=detector.tile)
    every_score.path = detector.path
    predicted = options.predict(every_score, data, options.progress)
    data = predicted.data
    pairs = zip(data, predicted.results, strict=True)
    detections = [record.of_labelled_classes(instances) for record, instances in pairs]
    metrics = pool([(data, detections)], options, KINDS if kind.masks else ("box",))
    best = metrics.best_kind
    shown = None if best is None else count_detections(best.matches, detector.limits)
    return Evaluation(
        metrics,
        data,
        detections,
        facts={} if shown is None else {"shown": shown.facts()},
        notes=() if shown is None else (str(shown),),
        issues=(*predicted.issues, *data_issues(data)),
    )


def pool(
    parts: Sequence[tuple[Dataset, Sequence[Instances]]], options: EvaluationOptions, kinds: Sequence[str] = KINDS
) -> DetectionMetrics:
    """One evaluation of all images of all parts; images of one group, and one image evaluated twice, count together."""
    records = [record for data, _ in parts for record in data]
    return detection.evaluate(
        [record.instances for record in records if record.instances is not None],
        [instances for _, detections in parts for instances in detections],
        [record.size for record in records],
        names=parts[0][0].names,
        image_names=[name for data, _ in parts for name in image_names(data)],
        bootstrap=options.bootstrap,
        seed=options.seed,
        groups=[group for data, _ in parts for group in image_groups(data)],
        kinds=kinds,
    )


def data_issues(data: Dataset) -> tuple[Issue, ...]:
    """What metrics of these images cannot say."""
    issues = []
    if len(set(image_groups(data))) == 1:
        scope = "one image" if len(data) == 1 else f"{len(data)} images of one group, such as a series,"
        issues.append(NO_INTERVALS(scope=scope))
    # COCO's limit of a hundred detections makes metrics small, however good the model.
    largest = [np.bincount(record.instances.classes).max(initial=0) for record in data if record.instances is not None]
    if beyond := sum(count > MAX_DETECTIONS for count in largest):
        issues.append(MORE_OBJECTS_THAN_COUNTED(count=int(beyond), limit=MAX_DETECTIONS, largest=int(max(largest))))
    return tuple(issues)
