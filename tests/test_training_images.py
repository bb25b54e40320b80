"""Labeled images made ready for training: shrunk once, each object's mask cut to its own box."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from strategies import masks

from maskwright.errors import ImageError
from maskwright.transforms.training_images import OVERSIZE, Cutout, load
from maskwright.types import Instances, Record, RleMasks, Window

NAMES = ("rust", "dent")


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    """A 60×80 image of noise, and its pixels."""
    pixels = np.random.default_rng(0).integers(0, 256, (60, 80, 3), np.uint8)
    path = tmp_path_factory.mktemp("images") / "a.png"
    Image.fromarray(pixels).save(path)
    return path, pixels


def record(path, dense=None, boxes=None, crowd=None, size=(60, 80)) -> Record:
    """One image with masks (n×H×W), or with boxes only, or (neither) without labels."""
    if dense is None and boxes is None:
        return Record(path, size, None)
    drawn = None if dense is None else RleMasks.from_dense(dense)
    table = drawn.boxes if drawn is not None else np.array(boxes, np.float32).reshape(-1, 4)
    flags = None if crowd is None else np.array(crowd, bool)
    return Record(path, size, Instances(table, np.arange(len(table)) % 2, None, drawn, NAMES, flags))


def painted(cutouts: tuple[Cutout, ...], size: tuple[int, int]) -> np.ndarray:
    """n×H×W bool: each cutout in its place; fails where one reaches over the edge."""
    dense = np.zeros((len(cutouts), *size), bool)
    for frame, cutout in zip(dense, cutouts, strict=True):
        (left, top), (height, width) = cutout.corner, cutout.mask.shape
        assert left >= 0 and top >= 0
        frame[top : top + height, left : left + width] = cutout.mask > 0
        assert cutout.mask.dtype == np.uint8 and set(np.unique(cutout.mask)) <= {0, 255}
        assert frame.sum() == np.count_nonzero(cutout.mask)
    return dense


# --- none, one, many ------------------------------------------------------------------------------
def test_an_image_without_labels_or_without_objects_has_no_cutouts(image):
    path, pixels = image
    for given_record in (record(path), record(path, boxes=[]), record(path, np.zeros((0, 60, 80), bool))):
        loaded = load(given_record, 128)
        assert loaded.cutouts == () and loaded.name == str(path)
        assert np.array_equal(loaded.pixels, pixels)


def test_a_small_image_is_not_enlarged(image):
    assert load(record(image[0]), 512).pixels.shape == (60, 80, 3)


def test_a_large_image_is_shrunk_to_the_input_and_some_room(image):
    assert load(record(image[0]), 32).pixels.shape[1] == 32 * OVERSIZE


@given(dense=masks(size=(60, 80)))
def test_at_full_size_the_cutouts_are_the_masks(image, dense):
    """Masks without any pixel are left out; the others lie where they lay, each cut to its own bounds."""
    cutouts = load(record(image[0], dense), 128).cutouts
    some = dense[dense.any((1, 2))]
    assert np.array_equal(painted(cutouts, (60, 80)), some)
    assert all(cutout.drawn and cutout.mask[:, [0, -1]].any(0).all() for cutout in cutouts)


@given(dense=masks(size=(60, 80)), size=st.sampled_from([8, 16, 33]))
def test_a_shrunk_mask_lies_where_the_mask_lay(image, dense, size):
    """No object is lost, none reaches over the edge, and the middle stays within a pixel."""
    loaded = load(record(image[0], dense), size)
    frames = painted(loaded.cutouts, loaded.pixels.shape[:2])
    some = dense[dense.any((1, 2))]
    assert len(frames) == len(some)
    for small, large in zip(frames, some, strict=True):
        assert small.any()
        ys, xs = np.nonzero(large)
        wide, high = loaded.pixels.shape[1] / 80, loaded.pixels.shape[0] / 60  # each side is rounded for itself
        left, top, right, bottom = xs.min() * wide, ys.min() * high, (xs.max() + 1) * wide, (ys.max() + 1) * high
        down, across = np.nonzero(small)
        assert left - 1.01 <= across.min() and across.max() + 1 <= right + 1.01
        assert top - 1.01 <= down.min() and down.max() + 1 <= bottom + 1.01


def test_a_rectangle_shrunk_by_two_is_half_as_large(image):
    dense = np.zeros((1, 60, 80), bool)
    dense[0, 20:40, 10:50] = True
    (cutout,) = load(record(image[0], dense), int(40 / OVERSIZE) + 1).cutouts
    assert abs(cutout.corner[0] - 5) <= 1 and abs(cutout.corner[1] - 10) <= 1
    assert abs(np.count_nonzero(cutout.mask) - 200) < 40


# --- what else a record may say -------------------------------------------------------------------
def test_an_object_known_by_its_box_has_a_full_mask_and_is_not_drawn(image):
    (cutout,) = load(record(image[0], boxes=[[10.2, 5.5, 20.7, 9.0]]), 128).cutouts
    assert cutout.corner == (10, 5) and cutout.mask.shape == (4, 11)
    assert (cutout.mask == 255).all() and not cutout.drawn


def test_boxes_outside_of_the_image_are_left_out(image):
    cutouts = load(record(image[0], boxes=[[-30, 5, -2, 20], [75, 50, 200, 200], [90, 5, 99, 9]]), 128).cutouts
    assert [(cutout.corner, cutout.mask.shape) for cutout in cutouts] == [((75, 50), (10, 5))]


def test_a_crowd_has_no_class(image):
    cutouts = load(record(image[0], boxes=[[0, 0, 9, 9], [20, 20, 40, 40]], crowd=[True, False]), 128).cutouts
    assert [cutout.label for cutout in cutouts] == [-1, 1]


@pytest.mark.parametrize("size", [(1, 1), (3, 5000), (5000, 3)])
def test_images_of_unusual_shapes_are_loaded(tmp_path, size):
    Image.new("RGB", size[::-1], (9, 9, 9)).save(tmp_path / "a.png")
    loaded = load(record(tmp_path / "a.png", np.ones((1, *size), bool), size=size), 64)
    assert max(loaded.pixels.shape) <= max(64 * OVERSIZE, 3) and min(loaded.pixels.shape) >= 1
    assert painted(loaded.cutouts, loaded.pixels.shape[:2]).all() and len(loaded.cutouts) == 1


def test_the_gray_window_of_the_training_is_applied(tmp_path):
    Image.fromarray(np.full((4, 4), 500, np.uint16)).save(tmp_path / "gray.png")
    assert (load(record(tmp_path / "gray.png", size=(4, 4)), 64, Window(0, 1000)).pixels // 2 == 64).all()


def test_an_image_that_cannot_be_read_is_named(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"\xff\xd8\xff")
    with pytest.raises(ImageError, match=r"a\.jpg"):
        load(record(tmp_path / "a.jpg"), 64)


# --- tiles ----------------------------------------------------------------------------------------
def test_an_image_larger_than_a_tile_is_shrunk_by_the_tiles_measure(tmp_path):
    Image.new("RGB", (800, 400)).save(tmp_path / "wide.png")
    wide = Record(tmp_path / "wide.png", (400, 800), None)
    assert load(wide, 64).pixels.shape == (48, 96, 3)
    tiled = load(wide, 64, tile=200)  # a tile of 200 px fills a network input of 64, and is kept at ROOM times that
    assert tiled.pixels.shape == (192, 384, 3) and tiled.tile == (96, 96)
    assert load(wide, 64, tile=500).tile == (77, 96), "the image is less high than the tile"


def test_an_image_no_larger_than_a_tile_is_shown_whole(image):
    assert load(record(image[0]), 64, tile=80).tile is None
