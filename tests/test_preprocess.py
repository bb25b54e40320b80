"""An image onto a network input and back."""

from __future__ import annotations

import doctest

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import solid_boxes

from maskwright.transforms import preprocess as module
from maskwright.transforms.postprocess import postprocess
from maskwright.transforms.preprocess import PADDING, STRIDE, covered, preprocess
from maskwright.types import Image, RawDetections, ResizeTransform

SIDES = st.integers(1, 400)
INPUTS = st.sampled_from([64, 128, 192])


def image(height: int, width: int, value: int = 200) -> Image:
    return Image(np.full((height, width, 3), value, np.uint8))


def raw(boxes, scores=None, mask_probs: bool = True, classes=None) -> RawDetections:
    table = np.array(boxes, np.float32).reshape(-1, 4)
    return RawDetections(
        table,
        np.ones(len(table), np.float32) if scores is None else np.array(scores, np.float32),
        np.zeros(len(table), np.int64) if classes is None else np.array(classes),
        np.ones((len(table), 28, 28), np.float32) if mask_probs else None,
    )


# --- nothing --------------------------------------------------------------------------------------
@pytest.mark.parametrize("mask_probs", [True, False])
def test_nothing_found_is_nothing_restored(mask_probs):
    _, transform = preprocess(image(30, 40), 64)
    detections = postprocess(raw([], mask_probs=mask_probs), transform, ("rust",), 0.5)
    assert len(detections) == 0 and detections.boxes.shape == (0, 4) and detections.names == ("rust",)
    assert detections.scores is not None and len(detections.scores) == 0
    if mask_probs:
        assert detections.masks is not None and len(detections.masks) == 0 and detections.masks.size == (30, 40)
    else:
        assert detections.masks is None


# --- onto the network input ------------------------------------------------------------------------------
@given(SIDES, SIDES, INPUTS)
def test_the_long_side_fills_the_input_whose_sides_divide_by_64(height, width, size):
    network_input, transform = preprocess(image(height, width), size)
    assert network_input.dtype == np.uint8 and network_input.shape[:2] == transform.input_size
    assert network_input.shape[0] % STRIDE == network_input.shape[1] % STRIDE == 0 and max(network_input.shape) == size
    rows, columns = covered(transform)
    assert max(rows, columns) == size and min(rows, columns) >= 1
    assert (network_input[:rows, :columns] == 200).all()
    assert (network_input[rows:] == PADDING).all() and (network_input[:, columns:] == PADDING).all()


@pytest.mark.parametrize(
    ("size", "expected"),
    [((1, 1), (64, 64)), ((3, 5000), (64, 64)), ((5000, 3), (64, 64)), ((1, 65), (64, 64)), ((48, 64), (64, 64))],
)
def test_images_of_unusual_shapes_have_a_input_too(size, expected):
    network_input, transform = preprocess(image(*size), 64)
    assert network_input.shape[:2] == expected
    rows, columns = covered(transform)
    assert (network_input[:rows, :columns] == 200).all()


def test_an_image_of_the_input_s_size_keeps_its_pixels():
    pixels = np.random.default_rng(0).integers(0, 256, (64, 128, 3), np.uint8)
    network_input, transform = preprocess(Image(pixels), 128)
    assert np.array_equal(network_input, pixels)
    assert (transform.scale_x, transform.scale_y) == (1, 1)


def test_the_image_itself_is_left_alone():
    pixels = np.zeros((64, 64, 3), np.uint8)
    pixels.flags.writeable = False
    network_input, _ = preprocess(Image(pixels), 64)
    network_input[:] = 9
    assert not pixels.any()


# --- and back -------------------------------------------------------------------------------------
@given(st.data(), SIDES, SIDES, INPUTS)
def test_restore_is_fit_the_other_way_round(data, height, width, size):
    """Boxes come back within a hundredth of a pixel, held inside the image."""
    drawn = np.clip(data.draw(solid_boxes(size=(height, width))), 0, [width, height, width, height])
    _, transform = preprocess(image(height, width), size)
    detections = postprocess(raw(transform.boxes_to_input(drawn), mask_probs=False), transform, ("rust",))
    np.testing.assert_allclose(detections.boxes, drawn, atol=0.01)
    assert (detections.boxes >= 0).all() and (detections.boxes <= [width, height, width, height]).all()


@given(st.integers(20, 300), st.integers(20, 300), INPUTS, st.data())
def test_what_lies_in_a_box_of_the_image_lies_in_its_box_on_the_input(height, width, size, data):
    """A bright rectangle is seen on the network input within a pixel of where the transform says."""
    x1, y1 = data.draw(st.integers(0, width - 15)), data.draw(st.integers(0, height - 15))
    x2, y2 = data.draw(st.integers(x1 + 10, width)), data.draw(st.integers(y1 + 10, height))
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[y1:y2, x1:x2] = 255
    network_input, transform = preprocess(Image(pixels), size)
    rows, columns = covered(transform)
    bright = network_input[:rows, :columns, 0] >= 128
    expected = transform.boxes_to_input(np.array([[x1, y1, x2, y2]], np.float32))[0]
    if (expected[2:] - expected[:2]).min() < 3:
        return  # less than a few pixels of the network input: too little to be bright
    across, down = np.flatnonzero(bright.any(0)), np.flatnonzero(bright.any(1))
    np.testing.assert_allclose([across[0], down[0], across[-1] + 1, down[-1] + 1], expected, atol=1.01)


def test_a_full_soft_mask_covers_its_box_in_the_image():
    _, transform = preprocess(image(300, 400), 128)
    detections = postprocess(
        raw(transform.boxes_to_input(np.array([[100, 60, 240, 200]], np.float32))), transform, ("rust",)
    )
    assert detections.masks is not None
    dense = detections.masks.dense()[0]
    assert dense.shape == (300, 400) and dense[62:198, 102:238].all()
    assert not dense[:55].any() and not dense[:, 250:].any()


def test_only_rows_from_the_threshold_up_are_restored_in_their_order():
    _, transform = preprocess(image(64, 64), 64)
    boxes = [[0, 0, 9, 9], [10, 10, 19, 19], [20, 20, 29, 29]]
    detections = postprocess(raw(boxes, scores=[0.5, 0.49, 0.9], classes=[1, 0, 0]), transform, ("rust", "dent"), 0.5)
    assert detections.boxes[:, 0].tolist() == [0, 20] and detections.labels == ["dent", "rust"]
    assert detections.masks is not None and len(detections.masks) == 2


def test_boxes_over_the_edge_are_held_inside_the_image():
    transform = ResizeTransform((30, 40), (64, 64), 1.6, 1.6)
    detections = postprocess(raw([[-20, -5, 500, 500]]), transform, ("rust",))
    assert detections.boxes.tolist() == [[0, 0, 40, 30]]
    assert detections.masks is not None and detections.masks.area[0] >= 30 * 40 - 4  # a corner pixel may round away


def test_the_examples_in_the_docstrings_are_true():
    assert doctest.testmod(module).failed == 0 < doctest.testmod(module).attempted
