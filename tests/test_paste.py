"""Pasting: the runs solved from knots are those of the mask that torchvision paints."""

from __future__ import annotations

import doctest

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import boxes, soft_masks

from maskwright.geometry import paste, rle
from maskwright.geometry.paste import paste_masks

SIZE = (40, 60)


def painted(mask_probs: np.ndarray, table: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The rule once more, pixel by pixel in float64: n×H×W interpolated values, -1 outside of the grown box."""
    frames = np.full((len(mask_probs), *size), -1.0)
    rim = np.pad(mask_probs.astype(np.float64), ((0, 0), (1, 1), (1, 1)))
    cells = rim.shape[1]
    for frame, mask, (x1, y1, x2, y2) in zip(frames, rim, table.astype(np.float32), strict=True):
        grown = np.float32(cells / (cells - 2))
        half_w, half_h = (x2 - x1) * np.float32(0.5) * grown, (y2 - y1) * np.float32(0.5) * grown
        middle_x, middle_y = (x2 + x1) * np.float32(0.5), (y2 + y1) * np.float32(0.5)
        spread = []
        for low, high, side in (
            (int(middle_x - half_w), int(middle_x + half_w), size[1]),
            (int(middle_y - half_h), int(middle_y + half_h), size[0]),
        ):
            number = max(high - low + 1, 1)
            pixels = np.arange(max(low, 0), min(low + number, side))
            at = np.clip((pixels - low + 0.5) * cells / number - 0.5, 0, cells - 1)
            near = np.minimum(at.astype(int), cells - 2)
            weights = np.zeros((len(pixels), cells))
            weights[np.arange(len(pixels)), near] = 1 - (at - near)
            weights[np.arange(len(pixels)), near + 1] = at - near
            spread.append((pixels, weights))
        (xs, across), (ys, down) = spread
        frame[np.ix_(ys, xs)] = down @ mask @ across.T
    return frames


def agree(mask_probs: np.ndarray, table: np.ndarray, size: tuple[int, int], threshold: float = 0.5) -> None:
    ours = rle.to_dense(*paste_masks(mask_probs, table, size, threshold), size)
    frames = painted(mask_probs, table, size)
    clear = np.abs(frames - threshold) > 1e-4  # nearer than that, float32 may round to either side
    assert np.array_equal(ours[clear], (frames >= threshold)[clear])


# --- none, one, many --------------------------------------------------------------------------------
def test_no_objects_give_no_masks():
    counts, offsets = paste_masks(np.zeros((0, 28, 28), np.float32), np.zeros((0, 4), np.float32), SIZE)
    assert len(counts) == 0 and offsets.tolist() == [0]


def test_a_full_mask_covers_torchvisions_640_pixels():
    counts, offsets = paste_masks(np.ones((1, 28, 28)), np.array([[10, 10, 40, 30]]), size=(60, 80))
    assert rle.area(counts, offsets).tolist() == [640]
    assert rle.boxes(counts, offsets, (60, 80)).tolist() == [[9, 10, 41, 30]]


def test_objects_outside_keep_their_row():
    table = np.array([[-50, 5, -20, 20], [5, 5, 20, 20], [70, 5, 90, 20], [5, 90, 20, 99], [5, -99, 20, -50]])
    runs = paste_masks(np.ones((5, 28, 28)), table, SIZE)
    assert (rle.area(*runs) > 0).tolist() == [False, True, False, False, False]
    assert len(runs[0]) == runs[1][-1]


def test_an_object_below_the_threshold_is_empty():
    assert rle.area(*paste_masks(np.full((1, 28, 28), 0.4), np.array([[5, 5, 20, 20]]), SIZE)).tolist() == [0]


def test_boxes_that_are_not_numbers_are_empty_and_endless_ones_fill_the_image():
    table = np.array([[np.nan] * 4, [-1e30, -1e30, 1e30, 1e30]], np.float32)
    assert rle.area(*paste_masks(np.ones((2, 28, 28)), table, SIZE)).tolist() == [0, 40 * 60]


def test_soft_values_that_are_not_numbers_do_not_break_the_runs():
    mask_probs = np.ones((1, 28, 28), np.float32)
    mask_probs[0, 10:14, 10:14] = np.nan
    counts, _ = paste_masks(mask_probs, np.array([[5, 5, 30, 30]]), SIZE)
    assert counts.sum() == 40 * 60 and (counts >= 0).all()


def test_many_objects_are_as_one_at_a_time(monkeypatch):
    rng = np.random.default_rng(1)
    mask_probs = rng.random((30, 28, 28)).astype(np.float32)
    corners = rng.uniform(-10, 60, (30, 2))
    table = np.concatenate([corners, corners + rng.uniform(0, 50, (30, 2))], axis=1).astype(np.float32)
    counts, offsets = paste_masks(mask_probs, table, SIZE)
    single = rle.join([paste_masks(mask_probs[i : i + 1], table[i : i + 1], SIZE) for i in range(30)])
    assert np.array_equal(counts, single[0]) and np.array_equal(offsets, single[1])
    monkeypatch.setattr("maskwright.geometry.paste.COLUMNS_AT_ONCE", 7)
    counts, offsets = paste_masks(mask_probs, table, SIZE)
    assert np.array_equal(counts, single[0]) and np.array_equal(offsets, single[1])


# --- agreement --------------------------------------------------------------------------------------
@given(st.data(), st.sampled_from([0.5, 0.5, 0.1, 0.9]))
def test_the_runs_are_those_of_a_mask_painted_pixel_by_pixel(data, threshold):
    mask_probs = data.draw(soft_masks())
    agree(mask_probs, data.draw(boxes(n=len(mask_probs), size=SIZE)), SIZE, threshold)


@pytest.mark.parametrize("cells", [1, 2, 14, 56])
def test_small_masks_of_any_size_are_enlarged(cells):
    rng = np.random.default_rng(cells)
    table = np.array([[3.3, 4.4, 30.2, 35.9], [-7, 2, 80, 12], [20, 20, 22, 21]], np.float32)
    agree(rng.random((3, cells, cells)).astype(np.float32), table, SIZE)


@pytest.mark.parametrize("size", [(120, 160), (1, 1), (37, 500)])
def test_the_runs_are_torchvisions_pixels(torchvision, size):
    """All pixels equal but those within rounding of the threshold."""
    import torch

    rng = np.random.default_rng(7)
    mask_probs = rng.random((60, 28, 28)).astype(np.float32)
    mask_probs[::2] = 1 / (1 + np.exp(np.hypot(*(np.mgrid[0:28, 0:28] - 13.5)) - rng.uniform(3, 15, (30, 1, 1))))
    height, width = size
    corners = rng.uniform([-width / 9, -height / 9], [width * 0.9, height * 0.9], (60, 2))
    table = np.concatenate([corners, corners + rng.uniform(0, [width / 2, height / 2], (60, 2))], axis=1)
    table = np.minimum(np.maximum(table, -0.4), [width, height, width, height]).astype(np.float32)
    paint = torchvision.models.detection.roi_heads.paste_masks_in_image
    theirs = paint(torch.tensor(mask_probs)[:, None], torch.tensor(table), size)[:, 0].numpy()
    ours = rle.to_dense(*paste_masks(mask_probs, table, size), size)
    different = ours != (theirs >= 0.5)
    assert np.abs(theirs[different] - 0.5).max(initial=0) < 1e-5
    assert different.sum() <= 2
    assert ours.any()


def test_the_examples_in_the_docstrings_are_true():
    assert doctest.testmod(paste).failed == 0 < doctest.testmod(paste).attempted
