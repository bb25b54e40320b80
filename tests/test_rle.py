"""Run lengths: every question about masks has the same answer as on dense frames, and as from pycocotools."""

from __future__ import annotations

import doctest
import json
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycocotools import mask as coco
from strategies import boxes, masks, sizes

from maskwright.geometry import polygons, rle

NONE = (np.zeros(0, np.int64), np.zeros(1, np.int64))


def same(a: rle.Runs, b: rle.Runs) -> bool:
    return np.array_equal(a[0], b[0]) and np.array_equal(a[1], b[1])


def encoded(dense: np.ndarray) -> list[dict]:
    return coco.encode(np.asfortranarray(dense.transpose(1, 2, 0).astype(np.uint8)))


@st.composite
def images(draw, times: int = 2):
    """Several stacks of masks of one image."""
    size = draw(sizes())
    return [draw(masks(size=size)) for _ in range(times)]


# --- none -------------------------------------------------------------------------------------------
def test_no_masks_are_ordinary_everywhere():
    size = (4, 5)
    dense = np.zeros((0, 4, 5), bool)
    boxes_of_none = np.zeros((0, 4))
    assert same(rle.from_dense(dense), NONE)
    assert rle.to_dense(*NONE, size).shape == (0, 4, 5)
    assert same(rle.take(*NONE, np.zeros(0, int)), NONE)
    assert same(rle.join([]), NONE) and same(rle.join([NONE, NONE]), NONE)
    assert rle.area(*NONE).shape == (0,)
    assert rle.boxes(*NONE, size).shape == (0, 4) and rle.boxes(*NONE, size).dtype == np.float32
    assert same(rle.from_boxes(boxes_of_none, size), NONE)
    assert rle.patches(*NONE, size, boxes_of_none) == []
    assert same(rle.crop(*NONE, size, (0, 0, 2, 2)), NONE)
    assert same(rle.flip(*NONE, size), NONE)
    assert rle.to_coco(*NONE, size) == []
    assert same(rle.from_coco([]), NONE)
    assert rle.area(*rle.union(*NONE, size)).tolist() == [0]
    one = rle.from_dense(np.ones((1, 4, 5)))
    assert rle.iou(NONE, one, size).shape == (0, 1) and rle.iou(one, NONE, size).shape == (1, 0)


def test_an_image_without_pixels_has_empty_masks():
    runs = rle.from_dense(np.zeros((2, 0, 5), bool))
    assert rle.area(*runs).tolist() == [0, 0]
    assert rle.to_dense(*runs, (0, 5)).shape == (2, 0, 5)
    assert rle.boxes(*runs, (0, 5)).tolist() == [[0] * 4] * 2
    assert same(rle.flip(*runs, (0, 5)), runs)


def test_an_empty_mask_is_one_run_and_a_full_one_begins_with_zero():
    dense = np.stack([np.zeros((2, 3)), np.ones((2, 3))])
    counts, offsets = rle.from_dense(dense)
    assert counts.tolist() == [6, 0, 6] and offsets.tolist() == [0, 1, 3]
    assert counts.dtype == offsets.dtype == np.int64


# --- laws -------------------------------------------------------------------------------------------
@given(masks())
def test_dense_and_runs_are_the_same_masks(dense):
    size = dense.shape[1:]
    assert np.array_equal(rle.to_dense(*rle.from_dense(dense), size), dense)


@given(masks())
def test_runs_alternate_and_sum_to_the_image(dense):
    counts, offsets = rle.from_dense(dense)
    for begin, end in pairwise(offsets):
        assert counts[begin:end].sum() == dense[0].size
        assert (counts[begin + 1 : end] > 0).all()


@given(masks())
def test_area_and_boxes_are_those_of_the_pixels(dense):
    runs = rle.from_dense(dense)
    assert np.array_equal(rle.area(*runs), dense.sum(axis=(1, 2)))
    for mask, box in zip(dense, rle.boxes(*runs, dense.shape[1:]), strict=True):
        y, x = np.nonzero(mask)
        assert box.tolist() == ([x.min(), y.min(), x.max() + 1, y.max() + 1] if len(x) else [0, 0, 0, 0])


@given(masks(), st.data())
def test_rows_can_be_taken_in_any_order_and_joined(dense, data):
    rows = np.array(data.draw(st.lists(st.integers(0, max(len(dense) - 1, 0)), max_size=6 * len(dense))), int)
    runs = rle.from_dense(dense)
    assert same(rle.take(*runs, rows), rle.from_dense(dense[rows]))
    assert same(rle.join([runs, NONE, rle.take(*runs, rows)]), rle.from_dense(np.concatenate([dense, dense[rows]])))


@given(images())
def test_union_and_intersection_fraction_the_area(image):
    """|a| + |b| = |a or b| + |a and b|."""
    a, b = (rle.from_dense(dense) for dense in image)
    size = image[0].shape[1:]
    iou = rle.iou(a, b, size)
    for i in range(len(image[0])):
        for j in range(len(image[1])):
            both = rle.area(*a)[i] + rle.area(*b)[j]
            either = rle.area(*rle.union(*rle.join([rle.take(*a, [i]), rle.take(*b, [j])]), size))[0]
            assert iou[i, j] * either == pytest.approx(both - either)


@given(images())
def test_iou_is_that_of_dense_masks_and_the_same_both_ways(image):
    a, b = image
    size = a.shape[1:]
    runs_a, runs_b = rle.from_dense(a), rle.from_dense(b)
    shared = (a[:, None] & b[None]).sum(axis=(2, 3))
    either = (a[:, None] | b[None]).sum(axis=(2, 3))
    iou = rle.iou(runs_a, runs_b, size)
    assert iou.dtype == np.float64
    assert np.allclose(iou, shared / np.maximum(either, 1))
    assert np.allclose(iou, rle.iou(runs_b, runs_a, size).T)


def test_iou_in_many_batches_is_the_same(monkeypatch):
    dense = np.random.default_rng(0).random((6, 20, 30)) > 0.6
    runs = rle.from_dense(dense)
    whole = rle.iou(runs, runs, (20, 30))
    monkeypatch.setattr(rle, "RUNS_AT_ONCE", 100)
    assert np.array_equal(rle.iou(runs, runs, (20, 30)), whole)
    assert np.array_equal(np.diag(whole), np.ones(6))


@given(masks())
def test_union_is_every_pixel_that_belongs_to_any(dense):
    assert same(rle.union(*rle.from_dense(dense), dense.shape[1:]), rle.from_dense(dense.any(axis=0, keepdims=True)))


@given(masks(), st.data())
def test_crop_is_that_of_dense_masks_and_cropping_twice_is_cropping_once(dense, data):
    height, width = dense.shape[1:]
    x1, y1 = data.draw(st.integers(0, width - 1)), data.draw(st.integers(0, height - 1))
    x2, y2 = data.draw(st.integers(x1 + 1, width)), data.draw(st.integers(y1 + 1, height))
    cut = rle.crop(*rle.from_dense(dense), (height, width), (x1, y1, x2, y2))
    assert same(cut, rle.from_dense(dense[:, y1:y2, x1:x2]))
    inner = (0, 0, (x2 - x1 + 1) // 2, (y2 - y1 + 1) // 2)
    twice = rle.crop(*cut, (y2 - y1, x2 - x1), inner)
    assert same(twice, rle.from_dense(dense[:, y1 : y1 + inner[3], x1 : x1 + inner[2]]))


@given(masks(), st.data())
def test_patches_are_cuts_of_the_own_box(dense, data):
    height, width = dense.shape[1:]
    corners = []
    for _ in dense:
        x1, y1 = data.draw(st.integers(0, width)), data.draw(st.integers(0, height))
        corners.append([x1, y1, data.draw(st.integers(x1, width)), data.draw(st.integers(y1, height))])
    table = np.array(corners, int).reshape(-1, 4)
    cuts = rle.patches(*rle.from_dense(dense), (height, width), table)
    assert len(cuts) == len(dense)
    for mask, cut, (x1, y1, x2, y2) in zip(dense, cuts, table, strict=True):
        assert cut.dtype == bool and np.array_equal(cut, mask[y1:y2, x1:x2])


@given(masks())
def test_flip_is_that_of_dense_masks_and_twice_is_nothing(dense):
    runs, size = rle.from_dense(dense), dense.shape[1:]
    turned = rle.flip(*runs, size)
    assert same(turned, rle.from_dense(dense[:, :, ::-1]))
    assert same(rle.flip(*turned, size), runs)


@given(boxes(size=(20, 30)))
def test_a_box_is_its_rectangle(table):
    """Where it holds any pixel's center; a thinner one is an empty mask."""
    size = (20, 30)
    counts, offsets = rle.from_boxes(table, size)
    x, y = np.arange(30) + 0.5, np.arange(20) + 0.5
    for row, (x1, y1, x2, y2) in enumerate(table.astype(float)):
        inside = ((y >= y1) & (y < y2))[:, None] & ((x >= x1) & (x < x2))[None]
        assert same(rle.take(counts, offsets, [row]), rle.from_dense(inside[None]))
        if inside.any():
            assert same(
                polygons.fill([[polygons.rectangle(x1, y1, x2 - x1, y2 - y1)]], size), rle.from_dense(inside[None])
            )


def test_boxes_that_are_not_numbers_are_empty():
    assert rle.area(*rle.from_boxes(np.full((1, 4), np.nan), (5, 5))).tolist() == [0]
    assert rle.area(*rle.from_boxes(np.array([[-np.inf, 0, np.inf, 2]]), (5, 5))).tolist() == [10]


# --- COCO -------------------------------------------------------------------------------------------
@given(masks(n=3))
def test_strings_areas_and_iou_are_those_of_pycocotools(dense):
    runs, size = rle.from_dense(dense), dense.shape[1:]
    theirs, ours = encoded(dense), rle.to_coco(*runs, size)
    assert [our["counts"] for our in ours] == [their["counts"].decode() for their in theirs]
    assert np.array_equal(rle.area(*runs), coco.area(theirs))
    crowd = np.array([False, True, False])
    empty = ~dense.any(axis=(1, 2))
    agreed = np.where(empty[:, None] & empty[None], 0, coco.iou(theirs, theirs, crowd))
    agreed = np.where(empty[:, None] & crowd[None], 0, agreed)  # there pycocotools divides 0 by 0
    assert np.allclose(rle.iou(runs, runs, size, crowd), agreed)


@given(masks(), st.integers(0, 2))
def test_coco_strings_bytes_and_lists_come_back_whole(dense, kind):
    runs, size = rle.from_dense(dense), dense.shape[1:]
    written = rle.to_coco(*runs, size)
    assert json.loads(json.dumps(written)) == written
    for nth, record in enumerate(written):
        if (nth + kind) % 3 == 1:
            record["counts"] = record["counts"].encode()
        if (nth + kind) % 3 == 2:
            record["counts"] = runs[0][runs[1][nth] : runs[1][nth + 1]].tolist()
    assert same(rle.from_coco(written), runs)


def test_runs_of_a_large_image_survive_the_string():
    size = (40_000, 50_000)
    runs = rle.from_boxes(np.array([[3, 5, 40_000, 39_999], [49_999, 39_999, 50_000, 40_000]]), size)
    written = rle.to_coco(*runs, size)
    assert same(rle.from_coco(written), runs)
    assert coco.area(written).tolist() == rle.area(*runs).tolist()


def test_runs_of_zero_in_the_middle_are_joined():
    counts, offsets = rle.from_coco([{"size": [2, 3], "counts": [1, 2, 0, 1, 2, 0]}])
    assert counts.tolist() == [1, 3, 2] and offsets.tolist() == [0, 3]


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({"size": [2, 3], "counts": [1, 2]}, "segmentation 1: the runs sum to 3 pixels, but the image has 6"),
        ({"size": [2, 3], "counts": [8, -2]}, "segmentation 1: counts has a run of negative length"),
        ({"size": [2, 3], "counts": "6 "}, "segmentation 1: counts has a character that COCO's run lengths do not use"),
        ({"size": [2, 3], "counts": "6é"}, "segmentation 1: counts has a character that COCO's run lengths do not use"),
        ({"size": [2, 3], "counts": "6P"}, "segmentation 1: counts ends in the middle of a number"),
        ({"size": [2, 3], "counts": "P" * 9 + "1"}, "segmentation 1: counts has a number too large for any image"),
        ({"size": [2, 3], "counts": ""}, "segmentation 1: the runs sum to 0 pixels, but the image has 6"),
        ({"size": [2, 3], "counts": 6}, "segmentation 1: counts must be a string or a list of integers"),
        ({"size": [2, 3], "counts": None}, "segmentation 1: counts must be a string or a list of integers"),
        ({"size": [2, 3], "counts": [5.5, 0.5]}, "segmentation 1: counts must be a string or a list of integers"),
        ({"size": [2, 3], "counts": ["6"]}, "segmentation 1: counts must be a string or a list of integers"),
        (
            {"size": [2, 3], "counts": [[6], [1, 2]]},
            "segmentation 1: counts must be a string or a list of integers",
        ),
        ({"size": [2, 3], "counts": [1e300]}, "segmentation 1: counts must be a string or a list of integers"),
        (
            {"size": [2, 3], "counts": [float("nan")]},
            "segmentation 1: counts must be a string or a list of integers",
        ),
        ({"size": [2, 3]}, "segmentation 1: expected an object with size and counts, counts is missing"),
        ({"counts": "6"}, "segmentation 1: expected an object with size and counts, size is missing"),
        (None, "segmentation 1: expected an object with size and counts, size is missing"),
        ({"size": [3, 2], "counts": "6"}, "segmentation 1: size [3, 2], but the first mask of this image has [2, 3]"),
        ({"size": [2], "counts": "6"}, "segmentation 1: size must be two integers [height, width], not [2]"),
        (
            {"size": [2, -3], "counts": "6"},
            "segmentation 1: size must be two integers [height, width], not [2, -3]",
        ),
        (
            {"size": [10**9, 10**9], "counts": "6"},
            "segmentation 1: size [1000000000, 1000000000] is larger than any image",
        ),
    ],
)
def test_malformed_run_lengths_are_named(record, message):
    with pytest.raises(ValueError) as caught:
        rle.from_coco([{"size": [2, 3], "counts": "6"}, record])
    assert str(caught.value) == message


@given(st.text(max_size=12) | st.binary(max_size=12) | st.lists(st.integers(-3, 2**70), max_size=4))
def test_nonsense_is_refused_with_a_value_error_or_makes_a_whole_mask(counts):
    try:
        runs = rle.from_coco([{"size": [3, 4], "counts": counts}])
    except ValueError:
        return
    assert runs[0].sum() == 12


def test_the_examples_in_the_docstrings_are_true():
    assert doctest.testmod(rle).failed == 0 < doctest.testmod(rle).attempted
