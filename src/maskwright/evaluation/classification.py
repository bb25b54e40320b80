"""Metrics of image classification with confidence intervals, from plain arrays; independent of models.

The definitions are scikit-learn's, including 0 for a division by zero.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence

import numpy as np

from maskwright.errors import DatasetError
from maskwright.evaluation import intervals, ranking
from maskwright.evaluation.classification_metrics import (
    Average,
    ClassificationClassMetrics,
    ClassificationMetrics,
    Interval,
)
from maskwright.evaluation.proportions import fraction_interval
from maskwright.issues import Issue, Kind

CLASSES_WITHOUT_IMAGES = Kind(
    "classes_without_images", "warning",
    "no image shows {classes}: its recall is set to 0, its AUC and AP are undefined",
)  # fmt: skip
CLASSES_NEVER_PREDICTED = Kind(
    "classes_never_predicted", "warning", "no image was predicted as {classes}: precision is set to 0"
)
GROUPS_RESAMPLED = Kind(
    "groups_resampled", "info", "{count:image} in {groups:group}: intervals are computed by resampling whole groups"
)
KINDS = ("micro", "macro", "weighted")


def evaluate(
    ground_truth: np.ndarray | Sequence[int], scores: np.ndarray, names: Sequence[str], *, multi_label: bool = False,
    predicted: np.ndarray | Sequence[int] | None = None, bootstrap: int = 1000, seed: int = 0,
    groups: Sequence[Hashable] | None = None, image_names: Sequence[str] | None = None,
) -> ClassificationMetrics:  # fmt: skip
    """Evaluate the scores of n images against the ground truth.

    ground_truth  n class indices, or n×C bool (required where an image may have none or several labels)
    scores        n×C, 0..1
    names         C class names
    predicted     predicted classes, in the form of ground_truth; default: the class with the highest score of each
                  image, with multi_label all classes from 0.5
    bootstrap     resamples for the 95 % intervals of F1, averages, AUC and AP; 0 for none. Fractions (accuracy,
                  precision and recall of a class) always have Wilson's interval
    groups        one per image; images of one group (a series, copies, an image evaluated in several folds) are not
                  independent and are resampled together
    image_names   one per image; default: "0", "1" ...

    DatasetError names the image whose scores or labels are invalid.

    >>> metrics = evaluate([1, 0, 1], np.array([[0.1, 0.9], [0.7, 0.3], [0.6, 0.4]]), ["norust", "rust"], bootstrap=0)
    >>> round(metrics.accuracy, 3), metrics.auc, metrics.classes[1].recall
    (0.667, 1.0, 0.5)
    """
    known, scores = tuple(names), np.asarray(scores, np.float64)
    count = len(scores)
    labels = tuple(image_names) if image_names is not None else tuple(str(row) for row in range(count))
    _check_scores(scores, known, labels)
    real = as_table(ground_truth, count, known, labels, "ground_truth", exclusive=not multi_label)
    decided = (
        _decide(scores, multi_label)
        if predicted is None
        else as_table(predicted, count, known, labels, "predicted", exclusive=not multi_label)
    )
    together = None if groups is None else tuple(groups)
    if together is not None and len(together) != count:
        raise DatasetError("one group per image is needed", field="groups", expected=count, got=len(together))
    true_positives, predicted_count, support = (item.sum(axis=0) for item in (real & decided, decided, real))
    ratios = _ratios(true_positives, predicted_count, support)
    classes = []
    for index, name in enumerate(known):
        auc, ap = (float(area[0]) for area in ranking.areas(scores[:, index], real[:, index]))
        precision, recall, f1 = (float(ratio[index]) for ratio in ratios)
        counts = int(support[index]), int(predicted_count[index]), int(true_positives[index])
        classes.append(ClassificationClassMetrics(name, *counts, precision, recall, f1, _or_none(auc), _or_none(ap)))
    means = _averages(true_positives[None], predicted_count[None], support[None])
    averages = [
        Average(f"{kind} avg", float(precision[0]), float(recall[0]), float(f1[0]), int(support.sum()))
        for kind, (precision, recall, f1) in means.items()
    ]
    if multi_label:
        averages.append(_samples(real, decided))
    correct = (real == decided).all(axis=1)
    pairs = _fraction_intervals(real, decided, correct, known, together)
    if bootstrap > 0:
        pairs |= _resampled(real, decided, scores, known, multi_label, bootstrap, seed, together)
    return ClassificationMetrics(
        names=known,
        image_names=labels,
        multi_label=multi_label,
        accuracy=float(correct.mean()) if count else None,
        classes=tuple(classes),
        averages=tuple(averages),
        auc=_headline_auc([per_class.auc for per_class in classes], multi_label),
        ap=_mean([per_class.ap for per_class in classes]),
        confusion=None if multi_label else real.T.astype(np.int64) @ decided.astype(np.int64),
        intervals=pairs,
        issues=tuple(_issues(classes, count, together)),
        ground_truth=real,
        scores=scores,
        predicted=decided,
        groups=together,
    )


# --- input --------------------------------------------------------------------------------------------
def as_table(
    given: np.ndarray | Sequence[int], count: int, names: Sequence[str], images: Sequence[str], field: str,
    exclusive: bool = True,
) -> np.ndarray:  # fmt: skip
    """Class indices or a table as n×C bool; `exclusive`: exactly one class per image. `field` is for messages."""
    values = np.asarray(given)
    if values.shape == (count, len(names)) and (values.ndim == 2):
        table = values.astype(bool)
        if exclusive and count and (table.sum(axis=1) != 1).any():
            row = int(np.argmax(table.sum(axis=1) != 1))
            raise DatasetError("one class per image is needed", record=f'image "{images[row]}"', field=field,
                               expected="exactly one class", got=f"{int(table[row].sum())} classes",
                               fix="multi_label=True if an image may have none or several")  # fmt: skip
        return table
    if values.shape != (count,) or not (np.issubdtype(values.dtype, np.integer) or count == 0):
        raise DatasetError("the labels do not fit the scores", field=field,
                           expected=f"{count} class indices, or a table {count} by {len(names)}",
                           got=f"{values.dtype} of shape {values.shape}")  # fmt: skip
    table = np.zeros((count, len(names)), bool)
    if count and not (values.min() >= 0 and values.max() < len(names)):
        row = int(np.argmax((values < 0) | (values >= len(names))))
        raise DatasetError("no such class", record=f'image "{images[row]}"', field=field,
                           expected=f"0 to {len(names) - 1}", got=int(values[row]))  # fmt: skip
    table[np.arange(count), values.astype(np.int64)] = True
    return table


def _check_scores(scores: np.ndarray, names: tuple[str, ...], images: tuple[str, ...]) -> None:
    if scores.ndim != 2 or scores.shape[1] != len(names) or not names:
        raise DatasetError("the scores do not fit the classes", field="scores",
                           expected=f"images by {len(names)} classes", got=f"shape {scores.shape}")  # fmt: skip
    if len(images) != len(scores):
        raise DatasetError("one name per image is needed", field="image_names", expected=len(scores), got=len(images))
    invalid = ~((scores >= 0) & (scores <= 1)).all(axis=1)  # NaN too
    if invalid.any():
        row = int(np.argmax(invalid))
        raise DatasetError("a score is not a fraction", record=f'image "{images[row]}"', field="scores",
                           expected="numbers 0..1", got=", ".join(f"{score:g}" for score in scores[row]))  # fmt: skip


def _decide(scores: np.ndarray, multi_label: bool) -> np.ndarray:
    if multi_label:
        return scores >= 0.5
    table = np.zeros(scores.shape, bool)
    table[np.arange(len(scores)), np.argmax(scores, axis=1)] = True  # the first of equals
    return table


# --- metrics ------------------------------------------------------------------------------------------
Three = tuple[np.ndarray, np.ndarray, np.ndarray]


def _ratios(true_positives: np.ndarray, predicted: np.ndarray, support: np.ndarray) -> Three:
    """(precision, recall, F1); 0 for a division by zero."""
    return (
        _divided(true_positives, predicted),
        _divided(true_positives, support),
        _divided(2 * true_positives, predicted + support),
    )


def _divided(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    above, below = np.asarray(above, np.float64), np.asarray(below, np.float64)
    return np.divide(above, below, out=np.zeros_like(above), where=below > 0)


def _averages(true_positives: np.ndarray, predicted: np.ndarray, support: np.ndarray) -> dict[str, Three]:
    """R×C counts -> (precision, recall, F1) of each average, R each. Classes without images count as 0 in "macro"."""
    per_class = _ratios(true_positives, predicted, support)
    total = support.sum(axis=1, keepdims=True)
    weights = np.where(total > 0, support / np.maximum(total, 1), 1 / support.shape[1])
    return {
        "micro": _ratios(true_positives.sum(axis=1), predicted.sum(axis=1), support.sum(axis=1)),
        "macro": (per_class[0].mean(axis=1), per_class[1].mean(axis=1), per_class[2].mean(axis=1)),
        "weighted": (
            np.sum(weights * per_class[0], axis=1),
            np.sum(weights * per_class[1], axis=1),
            np.sum(weights * per_class[2], axis=1),
        ),
    }


def _samples(real: np.ndarray, predicted: np.ndarray) -> Average:
    """Precision, recall and F1 of each image, averaged."""
    values = _ratios((real & predicted).sum(axis=1), predicted.sum(axis=1), real.sum(axis=1))
    means = [float(value.mean()) if len(real) else 0.0 for value in values]
    return Average("samples avg", means[0], means[1], means[2], int(real.sum()))


def _headline_auc(values: Sequence[float | None], multi_label: bool) -> float | None:
    return values[1] if len(values) == 2 and not multi_label else _mean(values)


def _mean(values: Sequence[float | None]) -> float | None:
    defined = [value for value in values if value is not None]
    return sum(defined) / len(defined) if defined else None


def _or_none(value: float) -> float | None:
    return None if np.isnan(value) else value


# --- intervals ----------------------------------------------------------------------------------------
def _fraction_intervals(
    real: np.ndarray,
    predicted: np.ndarray,
    correct: np.ndarray,
    names: tuple[str, ...],
    groups: tuple[Hashable, ...] | None,
) -> dict[str, Interval | None]:
    def of(true_positives: np.ndarray, among: np.ndarray) -> Interval | None:
        rows = np.flatnonzero(among)
        return fraction_interval(true_positives[rows], None if groups is None else [groups[row] for row in rows])

    pairs = {"accuracy": of(correct, np.ones(len(correct), bool))}
    for index, name in enumerate(names):
        pairs[f"precision_{name}"] = of(real[:, index], predicted[:, index])
        pairs[f"recall_{name}"] = of(predicted[:, index], real[:, index])
    return pairs


def _resampled(
    real: np.ndarray, predicted: np.ndarray, scores: np.ndarray, names: tuple[str, ...],
    multi_label: bool, n: int, seed: int, groups: tuple[Hashable, ...] | None,
) -> dict[str, Interval | None]:  # fmt: skip
    """Percentile bootstrap over images (or groups) of the metrics that are not simple fractions."""
    values_by_name: dict[str, np.ndarray] = {}
    weights = intervals.draws(len(real), n, seed, groups)
    true_positives, predicted_count, support = (
        weights.astype(np.float64) @ item for item in (real & predicted, predicted, real)
    )
    for kind, values in _averages(true_positives, predicted_count, support).items():
        for label, value in zip(("precision", "recall", "F1"), values, strict=True):
            values_by_name[f"{kind}_{label}"] = value
    f1 = _ratios(true_positives, predicted_count, support)[2]
    class_aucs, class_aps = [], []
    for index, name in enumerate(names):
        auc, ap = ranking.areas(scores[:, index], real[:, index], weights)
        class_aucs.append(auc)
        class_aps.append(ap)
        values_by_name |= {f"F1_{name}": f1[:, index], f"AUC_{name}": auc, f"AP_{name}": ap}
    values_by_name["AUC"] = class_aucs[1] if len(names) == 2 and not multi_label else _column_mean(class_aucs)
    values_by_name["AP"] = _column_mean(class_aps)
    computable = intervals.computable(len(real), groups)
    return {name: intervals.percentiles(metric) if computable else None for name, metric in values_by_name.items()}


def _column_mean(columns: Sequence[np.ndarray]) -> np.ndarray:
    """Mean over the classes for which the metric is defined in a resample, NaN where it is for none."""
    table = np.stack(columns)
    defined = ~np.isnan(table)
    return np.divide(np.where(defined, table, 0).sum(axis=0), defined.sum(axis=0),
                     out=np.full(table.shape[1], np.nan), where=defined.any(axis=0))  # fmt: skip


# --- issues -------------------------------------------------------------------------------------------
def _issues(
    classes: Sequence[ClassificationClassMetrics], count: int, groups: tuple[Hashable, ...] | None
) -> Iterator[Issue]:
    absent = [per_class.name for per_class in classes if per_class.support == 0]
    never_predicted = [item.name for item in classes if item.predicted == 0 and item.support > 0]
    if count and absent:
        yield CLASSES_WITHOUT_IMAGES(classes=absent)
    if never_predicted:
        yield CLASSES_NEVER_PREDICTED(classes=never_predicted)
    if groups is not None and (number := len({group for group in groups if group is not None})):
        number += sum(group is None for group in groups)
        if number < count:
            yield GROUPS_RESAMPLED(count=count, groups=number)
