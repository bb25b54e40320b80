"""Boxes: areas, IoU, suppression and the deltas between boxes."""

from __future__ import annotations

import doctest

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from strategies import boxes, solid_boxes

from maskwright.geometry import boxes as geometry
from maskwright.geometry import rle

NONE = np.zeros((0, 4), np.float32)


def test_no_boxes_are_ordinary_everywhere():
    some = np.array([[0, 0, 2, 2]], np.float32)
    assert geometry.area(NONE).shape == (0,)
    assert geometry.clip(NONE, (5, 5)).shape == (0, 4)
    assert geometry.iou(NONE, some).shape == (0, 1) and geometry.iou(some, NONE).shape == (1, 0)
    assert geometry.nms(NONE, np.zeros(0), 0.5).shape == (0,)
    assert geometry.encode(NONE, NONE).shape == geometry.decode(NONE, NONE).shape == (0, 4)


def test_a_box_turned_inside_out_has_no_area():
    assert geometry.area(np.array([[3, 3, 1, 1], [0, 0, -1, 4]])).tolist() == [0, 0]


@given(boxes(size=(40, 60)))
def test_a_clipped_box_lies_in_the_image_and_is_clipped_once(table):
    clipped = geometry.clip(table, (40, 60))
    assert clipped.dtype == np.float32
    assert (clipped >= 0).all() and (clipped <= [60, 40, 60, 40]).all()
    assert np.array_equal(geometry.clip(clipped, (40, 60)), clipped)


@given(boxes(), boxes())
def test_iou_is_the_same_both_ways_and_between_0_and_1(a, b):
    iou = geometry.iou(a, b)
    assert iou.dtype == np.float32 and iou.shape == (len(a), len(b))
    assert ((iou >= 0) & (iou <= 1)).all()
    assert np.allclose(iou, geometry.iou(b, a).T)


@given(st.lists(st.tuples(*[st.integers(0, 12)] * 4), max_size=4))
def test_iou_of_whole_pixel_boxes_is_that_of_their_masks(corners):
    table = np.array([(min(a, c), min(b, d), max(a, c), max(b, d)) for a, b, c, d in corners], np.float32).reshape(
        -1, 4
    )
    runs = rle.from_boxes(table, (12, 12))
    assert np.array_equal(geometry.area(table), rle.area(*runs))
    np.testing.assert_allclose(geometry.iou(table, table), rle.iou(runs, runs, (12, 12)), rtol=1e-6)


@given(boxes(most=12), st.data())
def test_suppression_keeps_the_best_and_drops_only_what_a_better_one_covers(table, data):
    scores = np.array(data.draw(st.lists(st.sampled_from([0.1, 0.5, 0.9]), min_size=len(table), max_size=len(table))))
    threshold = data.draw(st.sampled_from([0.0, 0.3, 0.7, 1.0]))
    kept = geometry.nms(table, scores, threshold)
    assert (np.diff(scores[kept]) <= 0).all()
    iou = geometry.iou(table, table)
    among = iou[np.ix_(kept, kept)] > threshold
    assert not (among & ~np.eye(len(kept), dtype=bool)).any()
    for row in set(range(len(table))) - set(kept.tolist()):
        assert (scores[kept[iou[row, kept] > threshold]] >= scores[row]).any()


@given(solid_boxes(n=3), solid_boxes(n=3))
def test_decode_is_encode_the_other_way_round(reference, table):
    weights = (10.0, 10.0, 5.0, 5.0)
    again = geometry.decode(reference, geometry.encode(reference, table, weights), weights)
    assert again.dtype == np.float32
    possible = ((table[:, 2:] - table[:, :2]) < 60 * (reference[:, 2:] - reference[:, :2])).all(axis=1)
    np.testing.assert_allclose(again[possible], table[possible], atol=2e-3)


def test_a_box_grows_at_most_62_times():
    grown = geometry.decode(np.array([[0, 0, 16, 16]]), np.array([[0, 0, 99, 99]]))
    np.testing.assert_allclose(grown, [[-492, -492, 508, 508]], rtol=1e-5)


def test_deltas_are_those_of_the_paper():
    deltas = geometry.encode(np.array([[0, 0, 10, 20]]), np.array([[5, 5, 25, 15]]), (10.0, 10.0, 5.0, 5.0))
    np.testing.assert_allclose(deltas, [[10, 0, 5 * np.log(2), -5 * np.log(2)]], rtol=1e-6)


def test_the_examples_in_the_docstrings_are_true():
    assert doctest.testmod(geometry).failed == 0 < doctest.testmod(geometry).attempted
