"""Soft masks stretched over whole-pixel boxes."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from maskwright.geometry import rle
from maskwright.geometry.bilinear import resize
from maskwright.geometry.paste_matterport import stretch, stretch_masks

SIZE = (40, 60)


def painted(mask_probs: np.ndarray, boxes: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The rule with one dense frame after the other, larger than the image and cut to it."""
    frames = []
    for cells, (x1, y1, x2, y2) in zip(mask_probs, np.around(boxes).astype(int), strict=True):
        frame = np.zeros((size[0] + 400, size[1] + 400), bool)
        if y2 > y1 and x2 > x1:
            frame[y1 + 200 : y2 + 200, x1 + 200 : x2 + 200] = (
                resize(cells.astype(np.float64), (y2 - y1, x2 - x1)) >= 0.5
            )
        frames.append(frame[200 : 200 + size[0], 200 : 200 + size[1]])
    return np.array(frames).reshape(-1, *size)


def test_no_objects_give_no_masks():
    counts, offsets = stretch_masks(np.zeros((0, 28, 28)), np.zeros((0, 4)), SIZE)
    assert (len(counts), offsets.tolist()) == (0, [0])


def test_a_full_mask_covers_its_box_and_no_pixel_more():
    runs = stretch_masks(np.ones((2, 28, 28)), np.array([[10, 10, 40, 30], [-5, -5, 3, 2]]), SIZE)
    assert rle.area(*runs).tolist() == [600, 6]
    assert rle.boxes(*runs, SIZE).tolist() == [[10, 10, 40, 30], [0, 0, 3, 2]]


def test_boxes_outside_or_without_area_give_empty_masks():
    table = np.array([[70, 5, 90, 20], [5, 50, 20, 60], [5, 5, 5, 20], [9, 9, 5, 20], [np.nan] * 4])
    assert rle.area(*stretch_masks(np.ones((5, 28, 28)), table, SIZE)).tolist() == [0] * 5


@given(st.integers(0, 5), st.integers(0, 2**32 - 1), st.sampled_from([2, 7, 28]))
def test_masks_are_those_that_are_painted(count, seed, side):
    draw = np.random.default_rng(seed)
    mask_probs = draw.random((count, side, side)).astype(np.float32)
    corner = draw.integers(-20, 60, (count, 2))
    boxes = np.concatenate([corner, corner + draw.integers(0, 50, (count, 2))], 1) + draw.uniform(-0.4, 0.4)
    assert np.array_equal(rle.to_dense(*stretch_masks(mask_probs, boxes, SIZE), SIZE), painted(mask_probs, boxes, SIZE))


def test_a_mask_is_bool_of_the_asked_size():
    cells = np.zeros((28, 28), np.float32)
    cells[:14] = 1
    half = stretch(cells, (100, 30))
    assert (half.shape, half.dtype) == ((100, 30), bool)
    assert half[5:45, 2:-2].all() and not half[55:].any()
