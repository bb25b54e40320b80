"""COCO's average precision and recall of many resamples of the photos at once, from one run of the evaluator.

A resample is a row of weights: how often each photo is in it. A found object of a photo taken twice counts twice,
so the running sums of hits and finds become running sums of weights, and nothing is matched again. With all weights 1
the figures are the evaluator's own (test_weights_of_one_give_the_evaluators_figure).
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np

from maskwright.evaluation import intervals
from maskwright.evaluation.coco import IOUS, RECALLS
from maskwright.evaluation.matching import Matches

AT_ONCE = 4_000_000  # weights held at a time, 32 MB


def accumulate(matches: Matches, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(average precision, recall) of every resample: R×K×10 float64 each; NaN where a class has nothing to find.

    weights  R×photos int64, how often each photo is in each resample
    """
    steps = max(1, -(-weights.size * max(1, len(matches.found_photo)) // max(1, matches.photos) // AT_ONCE))
    parts = [_accumulate(matches, part) for part in np.array_split(weights, min(steps, max(1, len(weights))))]
    return np.concatenate([ap for ap, _ in parts]), np.concatenate([recall for _, recall in parts])


def _accumulate(matches: Matches, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    shape = (len(weights), len(matches.names), len(IOUS))
    precision, recall = np.full(shape, np.nan), np.full(shape, np.nan)
    for index in range(len(matches.names)):
        real = matches.truth_counts & (matches.truth_class == index)
        truths = weights @ np.bincount(matches.truth_photo[real], minlength=matches.photos)
        some = truths > 0
        chosen = np.flatnonzero(matches.found_class == index)
        chosen = chosen[np.argsort(-matches.found_score[chosen], kind="stable")]
        running: dict[bytes, np.ndarray] = {}  # crowds make the judged finds differ between IoUs, but seldom
        for place in range(len(IOUS)):
            judged = chosen[~matches.ignored[place, chosen]]
            key = judged.tobytes()
            if key not in running:
                running[key] = np.cumsum(weights[:, matches.found_photo[judged]], axis=1)
            at = np.flatnonzero(matches.hit[place, judged])  # precision peaks at hits: the other points are never read
            hits = np.cumsum(weights[:, matches.found_photo[judged[at]]], axis=1)
            ap = _interpolated(hits, running[key][:, at], truths)
            precision[some, index, place] = ap[some]
            recall[some, index, place] = (hits[:, -1] if len(at) else np.zeros(len(weights)))[some] / truths[some]
    return precision, recall


def _interpolated(hits: np.ndarray, seen: np.ndarray, truths: np.ndarray) -> np.ndarray:
    """Mean precision at COCO's 101 recalls. hits, seen: R×n running sums at n hits, best score first; truths: R."""
    if hits.shape[1] == 0:
        return np.zeros(len(hits))
    precision = hits / np.maximum(seen, 1)
    best_from_here = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    best_from_here = np.concatenate([best_from_here, np.zeros((len(hits), 1))], axis=1)  # a recall never reached: 0
    # All rows in one search: row r's integers are lifted by r * step, above everything in the rows before it.
    step = int(hits.max() + truths.max() + 2)
    lift = np.arange(len(hits))[:, None] * step
    first = np.searchsorted((hits + lift).ravel(), (_needed(truths) + lift).ravel())
    first = first.reshape(len(hits), -1) - np.arange(len(hits))[:, None] * hits.shape[1]
    return np.take_along_axis(best_from_here, first, axis=1).mean(axis=1)


def _needed(truths: np.ndarray) -> np.ndarray:
    """R×101: how many hits make hits / truths reach each of COCO's recalls, with the same rounding as that division."""
    total = np.maximum(truths, 1)[:, None]
    needed = np.ceil(RECALLS * total).astype(np.int64)
    needed -= (needed > 0) & ((needed - 1) / total >= RECALLS)
    return needed + (needed / total < RECALLS)


def samples(matches: Matches, n: int, seed: int = 0, groups: Sequence[Hashable] | None = None) -> dict[str, np.ndarray]:
    """The figures of n resamples: "AP", "AP50", "AP75", "AR100", and of each class "AP dog", "AP50 dog".

    n float64 each; NaN where the resample has nothing to find.
    """
    return figures_of(matches, intervals.draws(matches.photos, n, seed, groups))


def figures_of(matches: Matches, weights: np.ndarray) -> dict[str, np.ndarray]:
    """The same for given weights (R×photos)."""
    precision, recall = accumulate(matches, weights)
    figures = {
        "AP": _mean(precision),
        "AP50": _mean(precision[:, :, :1]),
        "AP75": _mean(precision[:, :, 5:6]),
        "AR100": _mean(recall),
    }
    for index, name in enumerate(matches.names):
        figures[f"AP {name}"] = _mean(precision[:, index : index + 1])
        figures[f"AP50 {name}"] = _mean(precision[:, index : index + 1, :1])
    return figures


def _mean(values: np.ndarray) -> np.ndarray:
    """Mean over all axes but the first, NaN left out, NaN where nothing is left."""
    flat = values.reshape(len(values), -1)
    there = ~np.isnan(flat)
    count = there.sum(axis=1)
    total = np.where(there, flat, 0.0).sum(axis=1)
    return np.divide(total, count, out=np.full(len(values), np.nan), where=count > 0)
