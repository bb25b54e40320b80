"""Pairing rows with columns: the cheapest of all pairings."""

from __future__ import annotations

from itertools import permutations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from maskwright.geometry.assignment import assign


@st.composite
def costs(draw: st.DrawFn) -> np.ndarray:
    rows, columns = draw(st.integers(0, 4)), draw(st.integers(0, 4))
    values = draw(st.lists(st.integers(0, 20), min_size=rows * columns, max_size=rows * columns))
    return np.array(values, float).reshape(rows, columns) / 20


def total(cost: np.ndarray, pairs: list[tuple[int, int]], limit: float) -> float:
    """What a pairing costs: its pairs, and the limit for each row without one."""
    return sum(cost[pair] for pair in pairs) + limit * (len(cost) - len(pairs))


def every_pairing(rows: int, columns: int) -> list[list[tuple[int, int]]]:
    free = [*range(columns), *[-1] * rows]
    return [
        [(row, column) for row, column in enumerate(order) if column >= 0] for order in set(permutations(free, rows))
    ]


@given(costs(), st.sampled_from([0.2, 0.5, 1.0]))
def test_no_pairing_is_cheaper(cost, limit):
    pairs = assign(cost, limit)
    rows, columns = [row for row, _ in pairs], [column for _, column in pairs]
    assert rows == sorted(set(rows)) and len(columns) == len(set(columns))
    assert all(cost[pair] <= limit for pair in pairs)
    allowed = [pairing for pairing in every_pairing(*cost.shape) if all(cost[pair] <= limit for pair in pairing)]
    best = min((total(cost, pairing, limit) for pairing in allowed), default=0.0)
    assert total(cost, pairs, limit) <= best + 1e-9


def test_a_greedy_choice_gives_way_to_the_cheaper_whole():
    assert assign(np.array([[0.1, 0.2], [0.1, 0.9]]), limit=1.0) == [(0, 1), (1, 0)]


def test_a_hundred_objects_find_their_own_place():
    order = np.random.default_rng(0).permutation(100)
    cost = 1 - np.eye(100)[order] * 0.9
    assert [column for _, column in assign(cost, limit=0.95)] == np.argmin(cost, axis=1).tolist()
