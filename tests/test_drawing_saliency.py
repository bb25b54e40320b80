"""Heat over an image: readable without color, cold places left as they are."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from maskwright.drawing.saliency import overlay, ramp

GRAY_IMAGE = np.full((60, 80, 3), 120, np.uint8)


def lightness(colors: np.ndarray) -> np.ndarray:
    return colors @ np.array([0.2126, 0.7152, 0.0722])


def test_no_saliency_leaves_a_gray_image_as_it_is():
    assert (overlay(GRAY_IMAGE, np.zeros((3, 4))) == GRAY_IMAGE).all()


def test_the_image_itself_is_left_alone():
    before = GRAY_IMAGE.copy()
    overlay(GRAY_IMAGE, np.ones((3, 4)))
    assert (before == GRAY_IMAGE).all()


def test_hotter_is_always_lighter():
    """So that it reads on paper, and to every kind of color-blindness."""
    steps = lightness(ramp(np.linspace(0, 1, 256)))
    assert (np.diff(steps) > 0).all()


def test_the_hottest_place_shows_the_ramps_end():
    saliency = np.zeros((6, 8))
    saliency[1, 2] = 1
    made = overlay(GRAY_IMAGE, saliency, strength=1)
    where = np.unravel_index(np.argmax(lightness(made.astype(float))), (60, 80))
    assert 10 <= where[0] < 20 and 20 <= where[1] < 30


def test_only_the_part_of_the_map_that_the_image_fills_is_shown():
    saliency = np.zeros((4, 8))
    saliency[:, 4:] = 1  # beside the image, on the network input's padding
    made = overlay(GRAY_IMAGE, saliency, covered=(1.0, 0.4))
    assert (made == GRAY_IMAGE).all()


@given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 30), st.integers(1, 30))
def test_any_map_fits_any_image(high, wide, height, width):
    made = overlay(np.zeros((height, width, 3), np.uint8), np.random.default_rng(0).random((high, wide)))
    assert made.shape == (height, width, 3) and made.dtype == np.uint8


def test_no_numbers_are_cold():
    assert (overlay(GRAY_IMAGE, np.full((3, 4), np.nan)) == GRAY_IMAGE).all()
