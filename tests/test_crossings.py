"""Outlines that cross themselves: compared with every pair of edges looked at by itself."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from maskwright.geometry import crossings
from maskwright.geometry.crossings import self_crossing
from maskwright.geometry.ragged import Ragged

SQUARE = np.array([[0, 0], [4, 0], [4, 4], [0, 4]], float)
BOW_TIE = SQUARE[[0, 2, 1, 3]]


def crossing(*objects: list[np.ndarray]) -> list[bool]:
    return (~np.isnan(self_crossing(Ragged.of(objects))[:, 0])).tolist()


def one_by_one(outline: np.ndarray) -> bool:
    edges = list(zip(outline.tolist(), np.roll(outline, -1, 0).tolist(), strict=True))

    def side(a, b, c) -> float:
        return np.sign((b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]))

    return any(
        side(a, b, c) * side(a, b, d) < 0 and side(c, d, a) * side(c, d, b) < 0
        for (a, b), (c, d) in itertools.combinations(edges, 2)
    )


def test_without_outlines_nothing_crosses():
    assert crossing() == []
    assert crossing([]) == [False]


def test_a_bow_tie_crosses_itself_and_a_square_does_not():
    assert crossing([SQUARE], [BOW_TIE], [SQUARE]) == [False, True, False]


def test_the_place_is_where_the_edges_meet():
    slanted = np.array([[0, 0], [6, 3], [6, 0], [0, 3]], float)
    assert self_crossing(Ragged.of([[slanted]])).tolist() == [[3.0, 1.5]]


def test_one_of_several_parts_is_enough_and_two_parts_may_cross_each_other():
    assert crossing([SQUARE, BOW_TIE + 9]) == [True]
    assert crossing([SQUARE, SQUARE + 2]) == [False]


def test_edges_that_only_touch_do_not_cross():
    corner_to_corner = np.array([[0, 0], [2, 0], [2, 2], [4, 2], [4, 4], [2, 4], [2, 2], [0, 2]], float)
    assert crossing([corner_to_corner], [np.repeat(SQUARE, 2, 0)]) == [False, False]


def test_random_outlines_agree_with_every_pair_of_edges():
    random = np.random.default_rng(5)
    outlines = [random.integers(0, 12, (random.integers(3, 9), 2)).astype(float) for _ in range(300)]
    expected = [one_by_one(outline) for outline in outlines]
    assert crossing(*([outline] for outline in outlines)) == expected
    assert 50 < sum(expected) < 250


def test_an_outline_of_too_many_points_is_not_looked_at(monkeypatch):
    monkeypatch.setattr(crossings, "MOST_POINTS", 3)
    assert crossing([BOW_TIE], [BOW_TIE[:3]]) == [False, False]


@pytest.mark.parametrize("turn", range(4))
def test_a_long_scribble_is_found_whichever_way_it_lies(turn):
    steps = np.arange(5000)
    scribble = np.stack([steps % 100, (steps * 7919) % 5000], 1).astype(float)
    assert crossing([np.roll(scribble, turn, 1) if turn % 2 else scribble[::-1]]) == [True]
