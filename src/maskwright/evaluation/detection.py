"""COCO's metrics of detected boxes and masks, with confidence intervals over images; independent of models."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import replace

import numpy as np

from maskwright.errors import DatasetError
from maskwright.evaluation import coco, intervals, resampling
from maskwright.evaluation.detection_metrics import (
    COCO_METRICS,
    KINDS,
    DetectionClassMetrics,
    DetectionMetrics,
    Interval,
    KindMetrics,
)
from maskwright.types import Instances

NOT_REQUESTED = "not requested"


def evaluate(
    ground_truth: Sequence[Instances], detections: Sequence[Instances], sizes: Sequence[tuple[int, int]], *,
    names: Sequence[str] | None = None, image_names: Sequence[str] | None = None, bootstrap: int = 0, seed: int = 0,
    kinds: Sequence[str] = KINDS, groups: Sequence[Hashable] | None = None,
) -> DetectionMetrics:  # fmt: skip
    """Evaluate detections against the ground truth.

    ground_truth, detections  one Instances per image, same order; detections need scores. Classes are matched by name
    sizes                     (height, width) of each image
    names                     classes to evaluate; default: those of the ground truth
    image_names               one per image; default: "0", "1" ...
    bootstrap                 resamples for the 95 % intervals (1000 is usual), 0 for none
    kinds                     "box", "mask" or both
    groups                    one per image; images of one group are resampled together (see intervals.draws)

    DatasetError names the image whose scores, boxes, masks or classes are invalid.

    >>> import numpy as np
    >>> ground_truth = Instances(np.array([[0, 0, 40, 40]]), np.array([0]), None, None, ("cat",))
    >>> detections = Instances(np.array([[0, 0, 40, 30]]), np.array([0]), np.array([0.9]), None, ("cat",))
    >>> metrics = evaluate([ground_truth], [detections], [(60, 80)])
    >>> metrics.box.AP50, metrics.box.APl, metrics.reasons["mask"]
    (1.0, None, 'the ground truth has boxes only in 1 of 1 images')
    """
    if not len(ground_truth) == len(detections) == len(sizes):
        raise DatasetError(
            "ground truth, detections and sizes must be of the same images",
            expected=f"{len(ground_truth)} of each",
            got=f"detections of {len(detections)}, {len(sizes)} sizes",
        )
    if image_names is not None and len(image_names) != len(ground_truth):
        raise DatasetError(
            "one name per image is needed", field="image_names", expected=len(ground_truth), got=len(image_names)
        )
    labels = tuple(image_names) if image_names is not None else tuple(str(index) for index in range(len(ground_truth)))
    known = tuple(names) if names is not None else (ground_truth[0].names if ground_truth else ())
    for label, annotated, detected, size in zip(labels, ground_truth, detections, sizes, strict=True):
        _check(label, annotated, detected, size)
    ground_truth = [
        _reindexed(item, known, label, unknown_classes=False) for label, item in zip(labels, ground_truth, strict=True)
    ]
    detection_count = sum(len(detection) for detection in detections)
    detections = [
        _reindexed(detection, known, label, unknown_classes=True)
        for label, detection in zip(labels, detections, strict=True)
    ]
    evaluated: dict[str, KindMetrics | None] = dict.fromkeys(KINDS)
    reasons: dict[str, str] = {}
    for kind in KINDS:
        reason = _why_not(kind, ground_truth, detections) if kind in kinds else NOT_REQUESTED
        if reason:
            reasons[kind] = reason
        else:
            evaluated[kind] = _kind_metrics(kind, ground_truth, detections, sizes, known, bootstrap, seed, groups)
    known_class_count = sum(len(detection) for detection in detections)
    ground_truths = sum(
        len(item) if item.crowd is None else int(np.count_nonzero(~np.asarray(item.crowd, bool)))
        for item in ground_truth
    )
    return DetectionMetrics(
        known,
        len(ground_truth),
        labels,
        ground_truths,
        known_class_count,
        detection_count - known_class_count,
        evaluated["box"],
        evaluated["mask"],
        reasons,
        None if groups is None else tuple(groups),
    )


def difference(
    first: DetectionMetrics,
    second: DetectionMetrics,
    *,
    kind: str = "mask",
    metric: str = "AP",
    n: int = 1000,
    seed: int = 0,
) -> intervals.Difference | None:
    """How much better the second model is on the same images (paired bootstrap over images, or their groups).

    metric  "AP", "AP50", "AP75", "AR100", "AP_X" or "AP50_X" for a class X

    None if `kind` was not evaluated on both sides, or there are fewer than two images.
    """
    if (first.names, first.image_names, first.groups) != (second.names, second.image_names, second.groups):
        raise DatasetError("two evaluations can be compared only on the same images and classes",
                           expected=f"{first.images} images, {', '.join(first.names)}",
                           got=f"{second.images} images, {', '.join(second.names)}")  # fmt: skip
    first_metrics, second_metrics = first.kind(kind), second.kind(kind)
    if first_metrics is None or second_metrics is None or not intervals.computable(first.images, first.groups):
        return None
    weights = intervals.draws(first.images, n, seed, first.groups)
    weights = np.concatenate([np.ones((1, first.images), np.int64), weights])
    values = [resampling.metrics_of(item.matches, weights)[metric] for item in (first_metrics, second_metrics)]
    gaps = values[1] - values[0]
    return intervals.paired(float(gaps[0]), gaps[1:])


# --- inside -------------------------------------------------------------------------------------
def _kind_metrics(kind, ground_truth, detections, sizes, names, n, seed, groups) -> KindMetrics:
    evaluated = coco.evaluate(ground_truth, detections, sizes, names, kind)
    matches = evaluated.matches
    twelve = {name: _metric(evaluated, slice(None), *where) for name, where in COCO_METRICS.items()}
    classes = []
    for index, name in enumerate(names):
        class_metrics = {metric: _metric(evaluated, index, *COCO_METRICS[metric]) for metric in ("AP", "AP50", "AR100")}
        threshold, f1 = matches.best_threshold(index) or (None, None)
        count = sum(int(np.count_nonzero(detection.classes == index)) for detection in detections)
        classes.append(
            DetectionClassMetrics(
                name, matches.ground_truth_count(index), count, threshold=threshold, f1=f1, **class_metrics
            )
        )
    pairs: dict[str, Interval | None] = {}
    if n > 0:
        resamples = resampling.samples(matches, n, seed, groups)
        computable = intervals.computable(len(ground_truth), groups)
        pairs = {
            metric: intervals.percentiles(resample) if computable else None for metric, resample in resamples.items()
        }
    return KindMetrics(kind, **twelve, classes=tuple(classes), intervals=pairs, matches=matches)


def _metric(
    evaluated: coco.CocoEvaluation, which, is_precision: bool, iou: int | None, area: int, limit: int
) -> float | None:
    """Mean over the defined values; None where none is (the evaluator's -1)."""
    ious = slice(None) if iou is None else slice(iou, iou + 1)
    values = (
        evaluated.precision[ious][:, :, which, area, limit]
        if is_precision
        else evaluated.recall[ious][:, which, area, limit]
    )
    values = values[values > -1]
    return round(float(values.mean()), 12) if values.size else None  # the evaluator's epsilon leaves 0.9999999999999999


def _why_not(kind: str, ground_truth: Sequence[Instances], detections: Sequence[Instances]) -> str | None:
    """Why this kind cannot be evaluated, as a message; None if it can."""
    if kind == "box":
        return None
    for side, images in (("the ground truth has", ground_truth), ("the detections have", detections)):
        without = sum(image.masks is None and len(image) > 0 for image in images)
        if without:
            return f"{side} boxes only in {without} of {len(images)} images"
    return None


def _check(label: str, annotated: Instances, detected: Instances, size: tuple[int, int]) -> None:
    if detected.scores is None and len(detected):
        raise DatasetError("detections need scores", record=f'image "{label}"', field="scores",
                           expected=f"{len(detected)} numbers 0..1", got="none")  # fmt: skip
    for side, item in (("ground_truth", annotated), ("detections", detected)):
        numbers = [item.boxes] + ([] if item.scores is None else [item.scores])
        if not all(np.isfinite(column).all() for column in numbers):
            raise DatasetError("a box or score is not a number", record=f'image "{label}"', field=side,
                               expected="finite numbers", got="NaN or infinity")  # fmt: skip
        if item.masks is not None and len(item) and tuple(item.masks.size) != tuple(size):
            raise DatasetError("the masks have not the size of the image", record=f'image "{label}"', field=side,
                               expected=f"(height, width) = {tuple(size)}", got=tuple(item.masks.size))  # fmt: skip


def _reindexed(instances: Instances, names: tuple[str, ...], label: str, *, unknown_classes: bool) -> Instances:
    """Classes as indices into `names`. Detections of other classes are left out, in the ground truth they are an
    error."""
    if instances.scores is None and unknown_classes:
        instances = replace(instances, scores=np.zeros(len(instances), np.float32))
    if instances.names == names:
        return instances
    index_of = {name: index for index, name in enumerate(names)}
    indices = np.array([index_of.get(name, -1) for name in instances.names], np.int64)[instances.classes]
    if not unknown_classes and (indices < 0).any():
        unknown = instances.names[int(instances.classes[np.argmax(indices < 0)])]
        raise DatasetError(f'the ground truth has the class "{unknown}", which is not among those to evaluate',
                           record=f'image "{label}"', expected=", ".join(names), got=unknown)  # fmt: skip
    return replace(instances, classes=indices, names=names)[indices >= 0]
