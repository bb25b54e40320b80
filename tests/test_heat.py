"""Heat over a photo: readable without colour, cold places left as they are."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from maskwright.pictures.heat import overlay, ramp

GREY_PHOTO = np.full((60, 80, 3), 120, np.uint8)


def lightness(colours: np.ndarray) -> np.ndarray:
    return colours @ np.array([0.2126, 0.7152, 0.0722])


def test_no_heat_leaves_a_grey_photo_as_it_is():
    assert (overlay(GREY_PHOTO, np.zeros((3, 4))) == GREY_PHOTO).all()


def test_the_photo_itself_is_left_alone():
    before = GREY_PHOTO.copy()
    overlay(GREY_PHOTO, np.ones((3, 4)))
    assert (before == GREY_PHOTO).all()


def test_hotter_is_always_lighter():
    """So that it reads on paper, and to every kind of colour-blindness."""
    steps = lightness(ramp(np.linspace(0, 1, 256)))
    assert (np.diff(steps) > 0).all()


def test_the_hottest_place_shows_the_ramps_end():
    heat = np.zeros((6, 8))
    heat[1, 2] = 1
    made = overlay(GREY_PHOTO, heat, strength=1)
    where = np.unravel_index(np.argmax(lightness(made.astype(float))), (60, 80))
    assert 10 <= where[0] < 20 and 20 <= where[1] < 30


def test_only_the_part_of_the_map_that_the_photo_fills_is_shown():
    heat = np.zeros((4, 8))
    heat[:, 4:] = 1  # beside the photo, on the canvas's padding
    made = overlay(GREY_PHOTO, heat, covered=(1.0, 0.4))
    assert (made == GREY_PHOTO).all()


@given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 30), st.integers(1, 30))
def test_any_map_fits_any_photo(high, wide, height, width):
    made = overlay(np.zeros((height, width, 3), np.uint8), np.random.default_rng(0).random((high, wide)))
    assert made.shape == (height, width, 3) and made.dtype == np.uint8


def test_no_numbers_are_cold():
    assert (overlay(GREY_PHOTO, np.full((3, 4), np.nan)) == GREY_PHOTO).all()
