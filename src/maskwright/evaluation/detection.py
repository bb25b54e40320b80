"""How good found boxes and masks are: COCO's metrics, with intervals over images. Knows no model."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import replace

import numpy as np

from maskwright.errors import DatasetError
from maskwright.evaluation import coco, intervals, resampling
from maskwright.evaluation.detection_metrics import (
    KINDS,
    TWELVE,
    DetectionClassMetrics,
    DetectionMetrics,
    Interval,
    KindMetrics,
)
from maskwright.types import Instances

NOT_ASKED = "not asked for"


def evaluate(
    ground_truth: Sequence[Instances], detections: Sequence[Instances], sizes: Sequence[tuple[int, int]], *,
    names: Sequence[str] | None = None, image_names: Sequence[str] | None = None, bootstrap: int = 0, seed: int = 0,
    kinds: Sequence[str] = KINDS, groups: Sequence[Hashable] | None = None,
) -> DetectionMetrics:  # fmt: skip
    """Evaluate what was found against what there is, image by image.

    ground_truth, detections  one Instances an image, same order; found needs scores. Classes are compared by name
    sizes         (height, width) of each image
    names         classes to evaluate; default: those of the ground truth
    bootstrap     resamples for the 95 % intervals (1000 is usual), 0 for none
    groups        images of one group are resampled together (see intervals.draws)

    >>> import numpy as np
    >>> there = Instances(np.array([[0, 0, 40, 40]]), np.array([0]), None, None, ("cat",))
    >>> seen = Instances(np.array([[0, 0, 40, 30]]), np.array([0]), np.array([0.9]), None, ("cat",))
    >>> metrics = evaluate([there], [seen], [(60, 80)])
    >>> metrics.box.AP50, metrics.box.APl, metrics.reasons["mask"]
    (1.0, None, 'the ground truth has boxes only in 1 of 1 images')
    """
    if not len(ground_truth) == len(detections) == len(sizes):
        raise DatasetError(
            "ground truth, found and sizes must name the same images",
            expected=f"{len(ground_truth)} of each",
            got=f"{len(detections)} found, {len(sizes)} sizes",
        )
    if image_names is not None and len(image_names) != len(ground_truth):
        raise DatasetError(
            "not one name an image", field="image_names", expected=len(ground_truth), got=len(image_names)
        )
    labels = tuple(image_names) if image_names is not None else tuple(str(index) for index in range(len(ground_truth)))
    known = tuple(names) if names is not None else (ground_truth[0].names if ground_truth else ())
    for label, there, here, size in zip(labels, ground_truth, detections, sizes, strict=True):
        _check(label, there, here, size)
    ground_truth = [
        _renamed(item, known, label, unknown_classes=False) for label, item in zip(labels, ground_truth, strict=True)
    ]
    before = sum(len(detection) for detection in detections)
    detections = [
        _renamed(detection, known, label, unknown_classes=True)
        for label, detection in zip(labels, detections, strict=True)
    ]
    evaluated: dict[str, KindMetrics | None] = dict.fromkeys(KINDS)
    reasons: dict[str, str] = {}
    for kind in KINDS:
        reason = _why_not(kind, ground_truth, detections) if kind in kinds else NOT_ASKED
        if reason:
            reasons[kind] = reason
        else:
            evaluated[kind] = _kind_metrics(kind, ground_truth, detections, sizes, known, bootstrap, seed, groups)
    kept = sum(len(detection) for detection in detections)
    ground_truths = sum(
        len(item) if item.crowd is None else int(np.count_nonzero(~np.asarray(item.crowd, bool)))
        for item in ground_truth
    )
    return DetectionMetrics(
        known,
        len(ground_truth),
        labels,
        ground_truths,
        kept,
        before - kept,
        evaluated["box"],
        evaluated["mask"],
        reasons,
    )


def difference(
    first: DetectionMetrics,
    second: DetectionMetrics,
    *,
    kind: str = "mask",
    metric: str = "AP",
    n: int = 1000,
    seed: int = 0,
    groups: Sequence[Hashable] | None = None,
) -> intervals.Difference | None:
    """How much better the second model is on the same images (paired bootstrap over images).

    metric  "AP", "AP50", "AP75", "AR100", "AP <class>" or "AP50 <class>"
    None where that kind was not evaluated on both sides or there are fewer than two images.
    """
    if (first.names, first.image_names) != (second.names, second.image_names):
        raise DatasetError("two evaluations can be compared only on the same images and classes",
                           expected=f"{first.images} images, {', '.join(first.names)}",
                           got=f"{second.images} images, {', '.join(second.names)}")  # fmt: skip
    one, two = first.kind(kind), second.kind(kind)
    if one is None or two is None or not intervals.enough(first.images, groups):
        return None
    weights = intervals.draws(first.images, n, seed, groups)
    weights = np.concatenate([np.ones((1, first.images), np.int64), weights])
    values = [resampling.metrics_of(item.matches, weights)[metric] for item in (one, two)]
    gaps = values[1] - values[0]
    return intervals.paired(float(gaps[0]), gaps[1:])


# --- inside -------------------------------------------------------------------------------------
def _kind_metrics(kind, ground_truth, detections, sizes, names, n, seed, groups) -> KindMetrics:
    evaluated = coco.evaluate(ground_truth, detections, sizes, names, kind)
    matches = evaluated.matches
    twelve = {name: _metric(evaluated, slice(None), *where) for name, where in TWELVE.items()}
    classes = []
    for index, name in enumerate(names):
        own = {metric: _metric(evaluated, index, *TWELVE[metric]) for metric in ("AP", "AP50", "AR100")}
        threshold, f1 = matches.best_threshold(index) or (None, None)
        count = sum(int(np.count_nonzero(detection.classes == index)) for detection in detections)
        classes.append(
            DetectionClassMetrics(name, matches.ground_truths_of(index), count, threshold=threshold, f1=f1, **own)
        )
    pairs: dict[str, Interval | None] = {}
    if n > 0:
        resamples = resampling.samples(matches, n, seed, groups)
        enough = intervals.enough(len(ground_truth), groups)
        pairs = {metric: intervals.percentiles(resample) if enough else None for metric, resample in resamples.items()}
    return KindMetrics(kind, **twelve, classes=tuple(classes), intervals=pairs, matches=matches)


def _metric(evaluated: coco.Evaluated, which, precise: bool, iou: int | None, area: int, limit: int) -> float | None:
    """Mean over what exists; None where nothing does (the evaluator's -1)."""
    ious = slice(None) if iou is None else slice(iou, iou + 1)
    values = (
        evaluated.precision[ious][:, :, which, area, limit]
        if precise
        else evaluated.recall[ious][:, which, area, limit]
    )
    values = values[values > -1]
    return round(float(values.mean()), 12) if values.size else None  # the evaluator's epsilon leaves 0.9999999999999999


def _why_not(kind: str, ground_truth: Sequence[Instances], detections: Sequence[Instances]) -> str | None:
    """Why masks cannot be evaluated, in words."""
    if kind == "box":
        return None
    for side, images in (("the ground truth has", ground_truth), ("what was found has", detections)):
        bare = sum(image.masks is None and len(image) > 0 for image in images)
        if bare:
            return f"{side} boxes only in {bare} of {len(images)} images"
    return None


def _check(label: str, there: Instances, here: Instances, size: tuple[int, int]) -> None:
    if here.scores is None and len(here):
        raise DatasetError("found objects need scores", record=f'image "{label}"', field="scores",
                           expected=f"{len(here)} numbers 0..1", got="none")  # fmt: skip
    for side, item in (("ground_truth", there), ("detections", here)):
        numbers = [item.boxes] + ([] if item.scores is None else [item.scores])
        if not all(np.isfinite(column).all() for column in numbers):
            raise DatasetError("a box or score is not a number", record=f'image "{label}"', field=side,
                               expected="finite numbers", got="NaN or infinity")  # fmt: skip
        if item.masks is not None and len(item) and tuple(item.masks.size) != tuple(size):
            raise DatasetError("the masks are not of the image's size", record=f'image "{label}"', field=side,
                               expected=f"(height, width) = {tuple(size)}", got=tuple(item.masks.size))  # fmt: skip


def _renamed(instances: Instances, names: tuple[str, ...], label: str, *, unknown_classes: bool) -> Instances:
    """Classes as indices into `names`; found objects of other classes are left out, in the ground truth they are an
    error."""
    if instances.scores is None and unknown_classes:
        instances = replace(instances, scores=np.zeros(len(instances), np.float32))
    if instances.names == names:
        return instances
    index_of = {name: index for index, name in enumerate(names)}
    moved = np.array([index_of.get(name, -1) for name in instances.names], np.int64)[instances.classes]
    if not unknown_classes and (moved < 0).any():
        unknown = instances.names[int(instances.classes[np.argmax(moved < 0)])]
        raise DatasetError(f'the ground truth holds the class "{unknown}", which is not among those to evaluate',
                           record=f'image "{label}"', expected=", ".join(names), got=unknown)  # fmt: skip
    return replace(instances, classes=moved, names=names)[moved >= 0]
