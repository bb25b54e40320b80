"""Fewer vertices for an outline, none further than a tolerance from the original (Douglas and Peucker, 1973)."""

from __future__ import annotations

import numpy as np


def simplify(points: np.ndarray, tolerance: float) -> np.ndarray:
    """Those of the n×2 points of a closed outline that are needed to stay within `tolerance` pixels of it: k×2.

    Every point left out lies at most `tolerance` from the line between its neighbors that stay. At least three points
    stay where three were given.

    >>> simplify(np.array([[0, 0], [5, 0.1], [10, 0], [10, 10], [0, 10]], float), 0.5).tolist()
    [[0.0, 0.0], [10.0, 0.0], [10.0, 10.0], [0.0, 10.0]]
    """
    points = np.asarray(points, np.float64).reshape(-1, 2)
    if len(points) <= 3 or tolerance <= 0:
        return points
    far = int(np.argmax(np.hypot(*(points - points[0]).T)))  # a closed outline is cut at its first and farthest point
    closed = np.concatenate([points, points[:1]])
    needed = np.zeros(len(closed), bool)
    needed[[0, far, len(points)]] = True
    spans = [(0, far), (far, len(points))]
    while spans:
        first, last = spans.pop()
        if last - first < 2:
            continue
        distance = _distances(closed[first + 1 : last], closed[first], closed[last])
        worst = int(np.argmax(distance))
        if distance[worst] > tolerance:
            middle = first + 1 + worst
            needed[middle] = True
            spans += [(first, middle), (middle, last)]
    kept = np.flatnonzero(needed[:-1])
    if len(kept) < 3:  # a sliver: keep the point that gives it width
        distance = _distances(points, points[kept[0]], points[kept[-1]])
        kept = np.sort(np.append(kept, int(np.argmax(distance))))
    return points[kept]


def _distances(points: np.ndarray, start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Distance of each point from the segment between start and end."""
    way = end - start
    length = float(way @ way)
    along = np.clip((points - start) @ way / length, 0, 1) if length else np.zeros(len(points))
    return np.hypot(*(points - (start + along[:, None] * way)).T)
