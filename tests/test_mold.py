"""matterport's resizing, against the rule said in plain loops."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskwright.geometry.bilinear import interpolation, resize
from maskwright.transforms.mold import mold


def slowly(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """Each output pixel by itself: half-pixel centers, four neighbors, zero outside, cut to the input's range."""
    old_height, old_width = image.shape[:2]
    out = np.zeros((height, width, *image.shape[2:]))

    def at(y: int, x: int):
        return image[y, x] if 0 <= y < old_height and 0 <= x < old_width else 0.0

    for i in range(height):
        for j in range(width):
            y, x = (i + 0.5) * old_height / height - 0.5, (j + 0.5) * old_width / width - 0.5
            top, left = int(np.floor(y)), int(np.floor(x))
            dy, dx = y - top, x - left
            out[i, j] = (
                (1 - dy) * (1 - dx) * at(top, left)
                + (1 - dy) * dx * at(top, left + 1)
                + dy * (1 - dx) * at(top + 1, left)
                + dy * dx * at(top + 1, left + 1)
            )
    return np.clip(out, image.min(), image.max())


@given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 12), st.integers(1, 12), st.integers(0, 2**32 - 1))
def test_resizing_is_bilinear_between_centers(height, width, new_height, new_width, seed):
    image = np.random.default_rng(seed).random((height, width))
    image[0, 0] = 0.0
    assert np.abs(resize(image, (new_height, new_width)) - slowly(image, new_height, new_width)).max() < 1e-9


def test_resizing_as_two_products_is_the_same():
    image = np.random.default_rng(1).random((28, 28)) - 0.5
    near = interpolation(28, 91) @ image @ interpolation(28, 17).T
    assert np.abs(np.clip(near, image.min(), image.max()) - resize(image, (91, 17))).max() < 1e-6


def test_images_lie_in_the_middle_of_a_square():
    image, window, scale, padding, crop = mold(np.full((100, 51, 3), 7, np.uint8), 64, 128)
    assert (image.shape, window, crop) == ((128, 128, 3), (1, 32, 126, 96), None)
    assert scale == pytest.approx(64 / 51)
    assert padding == [(1, 2), (32, 32), (0, 0)]
    assert image[64, 64, 0] == 7
    assert not image[:, :32].any()


def test_resizing_stays_within_the_images_range():
    """The exact answers are whole gray levels, and a fit's last bit decides to which side they are cut: one less is
    as right (see bilinear.py). The original leaves that to the machine's LAPACK too."""
    image = np.array([[0, 200], [0, 200]], np.uint8)[..., None].repeat(3, 2)
    grown = mold(image, 4, 4).image[1, :, 0].astype(int)
    short = np.array([0, 50, 150, 150]) - grown
    assert ((short >= 0) & (short <= 1)).all(), "the outermost pixels fade: beyond the image there is nothing"


def test_pad64_pads_to_the_next_multiples_and_never_shrinks():
    image, window, scale, padding, _ = mold(np.ones((65, 200, 3), np.uint8), 64, 10, mode="pad64")
    assert (image.shape, scale) == ((128, 256, 3), 1)
    assert (window, padding) == ((31, 28, 96, 228), [(31, 32), (28, 28), (0, 0)])
    image, _, scale, _, _ = mold(np.ones((50, 100, 3), np.uint8), 64, None, mode="pad64")
    assert (image.shape, scale) == ((64, 128, 3), 1.28)
    assert mold(np.ones((50, 50, 3), np.uint8), 64, None, 2.0, "pad64").scale == 2.0


def test_a_crop_is_drawn_y_before_x():
    image = np.random.default_rng(0).integers(0, 255, (90, 120, 3), np.uint8)
    random.seed(5)
    pil_image, window, scale, _, crop = mold(image, 64, None, mode="crop")
    random.seed(5)
    y, x = random.randint(0, 26), random.randint(0, 56)
    assert (crop, window, scale) == ((y, x, 64, 64), (0, 0, 64, 64), 1)
    assert np.array_equal(pil_image, image[y : y + 64, x : x + 64])


def test_none_leaves_the_image_alone():
    image = np.random.default_rng(0).integers(0, 255, (91, 33, 3), np.uint8)
    pil_image, window, scale, _, _ = mold(image, 64, 128, 3.0, "none")
    assert (pil_image is image, window, scale) == (True, (0, 0, 91, 33), 1)


def test_other_modes_are_refused():
    with pytest.raises(ValueError, match='unknown resizing mode "stretch"'):
        mold(np.zeros((9, 9, 3), np.uint8), 64, 64, mode="stretch")
