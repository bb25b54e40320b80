"""MOTA, IDF1 and HOTA of tracks, as TrackEval computes them (CLEAR MOT, identity and HOTA; boxes of one class)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from maskwright.geometry import boxes
from maskwright.geometry.assignment import assign

Frame = tuple[np.ndarray, np.ndarray]  # n identities, n×4 boxes
ALPHAS = np.arange(0.05, 0.99, 0.05)
SAME = 0.5  # IoU from which MOTA and IDF1 take two boxes for the same


def metrics(truth: Sequence[Frame], tracks: Sequence[Frame]) -> dict[str, float]:
    """Of all frames of one video: ground truth, and what was tracked."""
    similarities = [
        boxes.iou(np.asarray(real, np.float32), np.asarray(found, np.float32)).astype(np.float64)
        for (_, real), (_, found) in zip(truth, tracks, strict=True)
    ]
    ids = [(list(map(int, real)), list(map(int, found))) for (real, _), (found, _) in zip(truth, tracks, strict=True)]
    told = {"mota": _mota(ids, similarities), "idf1": _idf1(ids, similarities), "hota": _hota(ids, similarities)}
    return {name: float(value) for name, value in told.items()}


def _best(score: np.ndarray) -> list[tuple[int, int]]:
    """The pairs with the highest total score; those of score 0 are left out."""
    if not score.size:
        return []
    highest = max(float(score.max()), 1e-9)
    return [(row, column) for row, column in assign(1 - score / highest, limit=1.0) if score[row, column] > 0]


def _mota(ids: list[tuple[list[int], list[int]]], similarities: list[np.ndarray]) -> float:
    hits = misses = wrong = switches = 0
    last: dict[int, int] = {}  # the track that an object had last
    before: dict[int, int] = {}  # in the frame before
    for (real, found), similarity in zip(ids, similarities, strict=True):
        kept = np.array([[before.get(one) == other for other in found] for one in real]).reshape(similarity.shape)
        pairs = _best(np.where(similarity >= SAME - 1e-9, similarity + 1000 * kept, 0))
        before = {real[row]: found[column] for row, column in pairs}
        switches += sum(last.get(one, other) != other for one, other in before.items())
        last |= before
        hits, misses, wrong = hits + len(pairs), misses + len(real) - len(pairs), wrong + len(found) - len(pairs)
    return (hits - wrong - switches) / max(hits + misses, 1)


def _idf1(ids: list[tuple[list[int], list[int]]], similarities: list[np.ndarray]) -> float:
    together: Counter[tuple[int, int]] = Counter()
    total = 0
    for (real, found), similarity in zip(ids, similarities, strict=True):
        total += len(real) + len(found)
        for row, column in zip(*np.nonzero(similarity >= SAME - 1e-9), strict=True):
            together[real[row], found[column]] += 1
    rows, columns = (sorted({pair[side] for pair in together}) for side in (0, 1))
    counts = np.zeros((len(rows), len(columns)))
    for (one, other), count in together.items():
        counts[rows.index(one), columns.index(other)] = count
    return 2 * sum(counts[pair] for pair in _best(counts)) / max(total, 1)


def _hota(ids: list[tuple[list[int], list[int]]], similarities: list[np.ndarray]) -> float:
    rows = {name: row for row, name in enumerate(sorted({one for real, _ in ids for one in real}))}
    columns = {name: column for column, name in enumerate(sorted({one for _, found in ids for one in found}))}
    potential = np.zeros((len(rows), len(columns)))
    real_counts, found_counts = np.zeros((len(rows), 1)), np.zeros((1, len(columns)))
    placed = [([rows[one] for one in real], [columns[one] for one in found]) for real, found in ids]
    for (real, found), similarity in zip(placed, similarities, strict=True):
        union = similarity.sum(0, keepdims=True) + similarity.sum(1, keepdims=True) - similarity
        potential[np.ix_(real, found)] += np.where(union > 0, similarity / np.maximum(union, 1e-12), 0)
        real_counts[real] += 1
        found_counts[:, found] += 1
    alignment = potential / np.maximum(real_counts + found_counts - potential, 1e-12)
    matched = np.zeros((len(ALPHAS), len(rows), len(columns)))
    for (real, found), similarity in zip(placed, similarities, strict=True):
        for row, column in _best(alignment[np.ix_(real, found)] * similarity):
            matched[similarity[row, column] >= ALPHAS - 1e-9, real[row], found[column]] += 1
    hits = matched.sum((1, 2))
    detection = hits / np.maximum(real_counts.sum() + found_counts.sum() - hits, 1)
    shared = matched / np.maximum(real_counts + found_counts - matched, 1)
    association = (matched * shared).sum((1, 2)) / np.maximum(hits, 1)
    return float(np.sqrt(detection * association).mean())
