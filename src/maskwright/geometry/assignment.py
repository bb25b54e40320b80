"""The cheapest pairing of rows with columns (the Hungarian method, in the form of Jonker and Volgenant, 1987)."""

from __future__ import annotations

import numpy as np


def assign(cost: np.ndarray, limit: float) -> list[tuple[int, int]]:
    """Pairs (row, column), each row and each column in at most one, sorted by row.

    cost   n×m, finite
    limit  pairs that cost more are never made; leaving a row alone costs as much as this

    The pairs have the least total cost of all such pairings.

    >>> assign(np.array([[0.1, 0.2], [0.1, 0.9]]), limit=0.5)
    [(0, 1), (1, 0)]
    """
    cost = np.asarray(cost, np.float64)
    rows, columns = cost.shape
    if not rows or not columns:
        return []
    # a column of its own for each row stands for "alone"; so every row can be paired and the matrix is wide enough
    wide = np.concatenate([np.where(cost > limit, 2 * limit + 1, cost), np.full((rows, rows), limit)], axis=1)
    column_of = _cheapest(wide)
    return [(row, column) for row, column in enumerate(column_of) if column < columns and cost[row, column] <= limit]


def _cheapest(cost: np.ndarray) -> list[int]:
    """The column of each row, of a matrix with at least as many columns as rows: shortest augmenting paths."""
    rows, columns = cost.shape
    row_price, column_price = np.zeros(rows), np.zeros(columns)
    row_of = np.full(columns, -1)
    for start in range(rows):
        distance, before = np.full(columns, np.inf), np.full(columns, -1)
        done = np.zeros(columns, bool)
        row, column, reached = start, -1, 0.0
        while True:
            through = reached + cost[row] - row_price[row] - column_price
            shorter = ~done & (through < distance)
            distance[shorter], before[shorter] = through[shorter], column
            column = int(np.argmin(np.where(done, np.inf, distance)))
            reached = distance[column]
            done[column] = True
            if row_of[column] < 0:
                break
            row = int(row_of[column])
        settled = done & (distance < reached)
        column_price[settled] += distance[settled] - reached
        row_price[row_of[settled]] += reached - distance[settled]
        row_price[start] += reached
        while column >= 0:  # turn the path round: each row on it moves to its next column
            previous = int(before[column])
            row_of[column] = start if previous < 0 else row_of[previous]
            column = previous
    column_of = [-1] * rows
    for column, row in enumerate(row_of.tolist()):
        if row >= 0:
            column_of[row] = column
    return column_of
