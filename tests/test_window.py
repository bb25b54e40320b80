"""Gray windows: what lies below is black, above white, between evenly spread."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from maskwright.errors import InputError
from maskwright.images.window import apply, find_window, stretch
from maskwright.types import Image, Window

wide_gray = hnp.arrays(np.uint16, hnp.array_shapes(min_dims=2, max_dims=2, max_side=12))


def test_no_pixels_give_some_window():
    assert find_window(np.zeros((0, 0), np.uint16)) == Window(0, 1)


def test_an_image_of_one_value_becomes_black():
    gray = np.full((3, 4), 700, np.uint16)
    assert find_window(gray) == Window(700, 701)
    assert (apply(gray, find_window(gray)) == 0).all()


def test_half_a_percent_is_left_out_on_both_sides():
    gray = np.arange(1001, dtype=np.uint16)
    assert find_window(gray) == Window(5, 995)
    assert find_window(gray, percent=(0, 100)) == Window(0, 1000)


def test_a_small_bright_part_on_black_is_not_lost():
    """More than 99.5 % are 0, so both percentiles are."""
    gray = np.zeros((100, 100), np.uint16)
    gray[:2, :10] = 30_000
    assert find_window(gray) == Window(0, 30_000)


def test_what_is_not_a_number_is_not_counted_and_becomes_black():
    gray = np.array([[np.nan, 0.0, 1.0], [np.inf, -np.inf, 0.5]], np.float32)
    window = find_window(gray, percent=(0, 100))
    assert window == Window(0, 1)
    assert apply(gray, window).tolist() == [[0, 0, 255], [255, 0, 128]]


def test_a_fixed_window_is_kept():
    gray = np.array([900, 1000, 1500, 2000, 9000], np.uint16)
    assert apply(gray, Window(1000, 2000)).tolist() == [0, 0, 128, 255, 255]


@pytest.mark.parametrize("window", [Window(5, 5), Window(9, 2), Window(0, float("nan"))])
def test_a_window_without_width_is_refused(window):
    with pytest.raises(InputError, match="holds no gray values"):
        apply(np.zeros((2, 2), np.uint16), window)


@given(wide_gray, st.integers(0, 65_534), st.integers(1, 65_535))
def test_order_is_kept(gray, low, width):
    """A brighter pixel never becomes a darker one."""
    seen = apply(gray, Window(low, low + width)).reshape(-1).astype(int)
    assert (np.diff(seen[np.argsort(gray.reshape(-1), kind="stable")]) >= 0).all()


@given(wide_gray)
def test_whole_numbers_and_floats_are_windowed_alike(gray):
    """The looked-up values are those of the formula; the counted percentiles those of numpy's sorting."""
    wide = gray.astype(np.float64)
    assert find_window(gray) == find_window(wide)
    assert np.array_equal(apply(gray, Window(100, 40_000)), apply(wide, Window(100, 40_000)))


def test_an_8_bit_image_is_stretched_only_when_asked():
    faint = Image(np.repeat(np.arange(100, 110, dtype=np.uint8)[None, :, None], 3, axis=2))
    assert stretch(faint).window == Window(100, 109)
    assert stretch(faint).pixels.min() == 0 and stretch(faint).pixels.max() == 255
