"""A photo onto a canvas and back."""

from __future__ import annotations

import doctest

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import solid_boxes

from maskwright.samples import fit as module
from maskwright.samples.fit import MULTIPLE, PADDING, covered, fit, restore
from maskwright.types import Photo, Placement, RawDetections

SIDES = st.integers(1, 400)
CANVASES = st.sampled_from([64, 128, 192])


def photo(height: int, width: int, value: int = 200) -> Photo:
    return Photo(np.full((height, width, 3), value, np.uint8))


def raw(boxes, scores=None, soft: bool = True, classes=None) -> RawDetections:
    table = np.array(boxes, np.float32).reshape(-1, 4)
    return RawDetections(
        table,
        np.ones(len(table), np.float32) if scores is None else np.array(scores, np.float32),
        np.zeros(len(table), np.int64) if classes is None else np.array(classes),
        np.ones((len(table), 28, 28), np.float32) if soft else None,
    )


# --- nothing --------------------------------------------------------------------------------------
@pytest.mark.parametrize("soft", [True, False])
def test_nothing_found_is_nothing_restored(soft):
    _, placement = fit(photo(30, 40), 64)
    found = restore(raw([], soft=soft), placement, ("rust",), 0.5)
    assert len(found) == 0 and found.boxes.shape == (0, 4) and found.names == ("rust",)
    assert found.scores is not None and len(found.scores) == 0
    if soft:
        assert found.masks is not None and len(found.masks) == 0 and found.masks.size == (30, 40)
    else:
        assert found.masks is None


# --- onto the canvas ------------------------------------------------------------------------------
@given(SIDES, SIDES, CANVASES)
def test_the_long_side_fills_the_canvas_whose_sides_divide_by_64(height, width, size):
    canvas, placement = fit(photo(height, width), size)
    assert canvas.dtype == np.uint8 and canvas.shape[:2] == placement.canvas_size
    assert canvas.shape[0] % MULTIPLE == canvas.shape[1] % MULTIPLE == 0 and max(canvas.shape) == size
    rows, columns = covered(placement)
    assert max(rows, columns) == size and min(rows, columns) >= 1
    assert (canvas[:rows, :columns] == 200).all()
    assert (canvas[rows:] == PADDING).all() and (canvas[:, columns:] == PADDING).all()


@pytest.mark.parametrize(
    ("size", "wanted"),
    [((1, 1), (64, 64)), ((3, 5000), (64, 64)), ((5000, 3), (64, 64)), ((1, 65), (64, 64)), ((48, 64), (64, 64))],
)
def test_photos_of_unusual_shapes_have_a_canvas_too(size, wanted):
    canvas, placement = fit(photo(*size), 64)
    assert canvas.shape[:2] == wanted
    rows, columns = covered(placement)
    assert (canvas[:rows, :columns] == 200).all()


def test_a_photo_of_the_canvas_s_size_keeps_its_pixels():
    pixels = np.random.default_rng(0).integers(0, 256, (64, 128, 3), np.uint8)
    canvas, placement = fit(Photo(pixels), 128)
    assert np.array_equal(canvas, pixels)
    assert (placement.scale_x, placement.scale_y) == (1, 1)


def test_the_photo_itself_is_left_alone():
    pixels = np.zeros((64, 64, 3), np.uint8)
    pixels.flags.writeable = False
    canvas, _ = fit(Photo(pixels), 64)
    canvas[:] = 9
    assert not pixels.any()


# --- and back -------------------------------------------------------------------------------------
@given(st.data(), SIDES, SIDES, CANVASES)
def test_restore_is_fit_the_other_way_round(data, height, width, size):
    """Boxes come back within a hundredth of a pixel, held inside the photo."""
    drawn = np.clip(data.draw(solid_boxes(size=(height, width))), 0, [width, height, width, height])
    _, placement = fit(photo(height, width), size)
    found = restore(raw(placement.boxes_to_canvas(drawn), soft=False), placement, ("rust",))
    np.testing.assert_allclose(found.boxes, drawn, atol=0.01)
    assert (found.boxes >= 0).all() and (found.boxes <= [width, height, width, height]).all()


@given(st.integers(20, 300), st.integers(20, 300), CANVASES, st.data())
def test_what_lies_in_a_box_of_the_photo_lies_in_its_box_on_the_canvas(height, width, size, data):
    """A bright rectangle is seen on the canvas within a pixel of where the placement says."""
    x1, y1 = data.draw(st.integers(0, width - 15)), data.draw(st.integers(0, height - 15))
    x2, y2 = data.draw(st.integers(x1 + 10, width)), data.draw(st.integers(y1 + 10, height))
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[y1:y2, x1:x2] = 255
    canvas, placement = fit(Photo(pixels), size)
    rows, columns = covered(placement)
    bright = canvas[:rows, :columns, 0] >= 128
    wanted = placement.boxes_to_canvas(np.array([[x1, y1, x2, y2]], np.float32))[0]
    if (wanted[2:] - wanted[:2]).min() < 3:
        return  # less than a few pixels of the canvas: too little to be bright
    across, down = np.flatnonzero(bright.any(0)), np.flatnonzero(bright.any(1))
    np.testing.assert_allclose([across[0], down[0], across[-1] + 1, down[-1] + 1], wanted, atol=1.01)


def test_a_full_soft_mask_covers_its_box_in_the_photo():
    _, placement = fit(photo(300, 400), 128)
    found = restore(raw(placement.boxes_to_canvas(np.array([[100, 60, 240, 200]], np.float32))), placement, ("rust",))
    assert found.masks is not None
    dense = found.masks.dense()[0]
    assert dense.shape == (300, 400) and dense[62:198, 102:238].all()
    assert not dense[:55].any() and not dense[:, 250:].any()


def test_only_rows_from_the_threshold_up_are_restored_in_their_order():
    _, placement = fit(photo(64, 64), 64)
    boxes = [[0, 0, 9, 9], [10, 10, 19, 19], [20, 20, 29, 29]]
    found = restore(raw(boxes, scores=[0.5, 0.49, 0.9], classes=[1, 0, 0]), placement, ("rust", "dent"), 0.5)
    assert found.boxes[:, 0].tolist() == [0, 20] and found.labels == ["dent", "rust"]
    assert found.masks is not None and len(found.masks) == 2


def test_boxes_over_the_edge_are_held_inside_the_photo():
    placement = Placement((30, 40), (64, 64), 1.6, 1.6)
    found = restore(raw([[-20, -5, 500, 500]]), placement, ("rust",))
    assert found.boxes.tolist() == [[0, 0, 40, 30]]
    assert found.masks is not None and found.masks.area[0] >= 30 * 40 - 4  # a corner pixel may round away


def test_the_examples_in_the_docstrings_are_true():
    assert doctest.testmod(module).failed == 0 < doctest.testmod(module).attempted
