"""Views of training images: repeatable, and boxes and masks go where the pixels go."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from maskwright.errors import RecipeError
from maskwright.transforms import augment
from maskwright.transforms.augment import NO_AUGMENTATION, PATCH, Augment, Sample, view
from maskwright.transforms.preprocess import PADDING
from maskwright.transforms.training_images import Cutout, TrainingImage

RED, GREEN, GRAY = (250, 0, 0), (0, 250, 0), (90, 90, 90)
WILD = Augment(0.5, 0.5, (0.5, 2.0), 45.0, 1.0, 0.2, 0.3, 0.8, 4)
MOVING = msgspec.structs.replace(WILD, color_jitter=0.0, gray=0.0, blur=0.0, copy_paste=0.0)
SEEDS = st.integers(0, 10_000)


def image(*boxes, size=(64, 96), color=RED, drawn: bool = True, label: int = 0, around=GRAY) -> TrainingImage:
    """A gray image with a rectangle of `color` in each box."""
    pixels = np.empty((*size, 3), np.uint8)
    pixels[:] = around
    cutouts = []
    for x1, y1, x2, y2 in boxes:
        pixels[y1:y2, x1:x2] = color
        cutouts.append(Cutout((x1, y1), np.full((y2 - y1, x2 - x1), 255, np.uint8), label, drawn))
    return TrainingImage(pixels, tuple(cutouts), "a.jpg")


def noise(size=(64, 96)) -> TrainingImage:
    return TrainingImage(np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8), (), "noise.jpg")


def seen(given_image: TrainingImage, settings: Augment, seed: int = 0, donor=None, network_input=(64, 96)) -> Sample:
    return view(given_image, network_input, settings, np.random.default_rng(seed), donor)


def placed(sample: Sample, row: int) -> np.ndarray:
    """The patch of a row as a mask of its box's size."""
    assert sample.patches is not None
    x1, y1, x2, y2 = sample.boxes[row].astype(int)
    return np.asarray(Image.fromarray(sample.patches[row]).resize((x2 - x1, y2 - y1), Image.Resampling.BILINEAR)) >= 128


# --- nothing --------------------------------------------------------------------------------------
@given(SEEDS)
def test_an_image_without_objects_gives_none(seed):
    sample = seen(noise(), WILD, seed)
    assert sample.network_input.shape == (64, 96, 3) and sample.network_input.dtype == np.uint8
    assert sample.boxes.shape == sample.crowd.shape == (0, 4)
    assert sample.classes.shape == (0,) and sample.classes.dtype == np.int64 and sample.patches is None


def test_settings_that_change_nothing_keep_the_image_as_it_is():
    plain = noise()
    assert np.array_equal(seen(plain, NO_AUGMENTATION).network_input, plain.pixels)
    sample = seen(image((10, 5, 30, 40), (50, 20, 90, 60)), NO_AUGMENTATION)
    assert sample.boxes.tolist() == [[10, 5, 30, 40], [50, 20, 90, 60]] and sample.name == "a.jpg"
    assert sample.patches is not None and (sample.patches == 255).all() and sample.patches.shape == (2, PATCH, PATCH)


def test_the_image_itself_is_left_alone():
    plain, donor = image((10, 5, 30, 40)), image((10, 5, 30, 40), color=GREEN)
    before = plain.pixels.copy(), donor.pixels.copy()
    for seed in range(10):
        seen(plain, msgspec.structs.replace(NO_AUGMENTATION, copy_paste=1.0, copy_paste_max=2), seed, donor)
    assert np.array_equal(plain.pixels, before[0]) and np.array_equal(donor.pixels, before[1])


# --- laws -----------------------------------------------------------------------------------------
@given(SEEDS)
def test_the_same_seed_gives_the_same_view(seed):
    plain, donor = image((10, 5, 30, 40)), image((50, 20, 90, 60), color=GREEN)
    a, b = (seen(plain, WILD, seed, donor) for _ in range(2))
    assert np.array_equal(a.network_input, b.network_input) and np.array_equal(a.boxes, b.boxes)
    assert (a.patches is None and b.patches is None) or np.array_equal(a.patches, b.patches)  # type: ignore[arg-type]


def test_another_seed_gives_another_view():
    assert not np.array_equal(seen(noise(), WILD, 1).network_input, seen(noise(), WILD, 2).network_input)


@pytest.mark.parametrize("axis", ["flip", "flip_vertical"])
def test_a_flip_mirrors_and_twice_it_is_the_image_again(axis):
    settings = msgspec.structs.replace(NO_AUGMENTATION, **{axis: 1.0})
    plain, along = noise(), 1 if axis == "flip" else 0
    once = seen(plain, settings).network_input
    assert np.array_equal(once, np.flip(plain.pixels, along))
    again = seen(TrainingImage(once, (), "once"), settings).network_input
    assert np.array_equal(again, plain.pixels)


def test_a_flip_takes_boxes_and_masks_with_it():
    mask = np.zeros((35, 20), np.uint8)
    mask[:, :10] = mask[0] = 255
    plain = TrainingImage(noise().pixels, (Cutout((10, 5), mask, 1, True),), "a")
    sample = seen(plain, msgspec.structs.replace(NO_AUGMENTATION, flip=1.0))
    assert sample.boxes.tolist() == [[66, 5, 86, 40]] and sample.classes.tolist() == [1]
    assert np.array_equal(placed(sample, 0), mask[:, ::-1] > 0)


@given(SEEDS, st.integers(2, 40), st.integers(2, 40))
def test_boxes_are_tight_around_what_is_seen_of_the_object(seed, height, width):
    """The view's red pixels and the box are one rectangle within two pixels; the patch touches all four sides."""
    sample = seen(image((30, 10, 30 + width, 10 + height)), MOVING, seed)
    for row, (x1, y1, x2, y2) in enumerate(sample.boxes):
        assert x1 >= 0 and y1 >= 0 and x2 <= 96 and y2 <= 64 and x1 < x2 and y1 < y2
        assert sample.patches is not None
        for edge in (sample.patches[row][0], sample.patches[row][-1], *sample.patches[row].T[[0, -1]]):
            assert edge.any()
        red = (sample.network_input[..., 0] > 150) & (sample.network_input[..., 1] < 60)
        if red.sum() > 60:
            ys, xs = np.nonzero(red)
            np.testing.assert_allclose([xs.min(), ys.min(), xs.max() + 1, ys.max() + 1], [x1, y1, x2, y2], atol=2.01)


@given(SEEDS)
def test_the_mask_covers_the_object_s_pixels(seed):
    sample = seen(image((20, 10, 60, 50)), MOVING, seed)
    for row, (x1, y1, x2, y2) in enumerate(sample.boxes.astype(int)):
        red = sample.network_input[y1:y2, x1:x2, 0].astype(int) - sample.network_input[y1:y2, x1:x2, 1] > 100
        mask = placed(sample, row)
        assert (mask & red).sum() > 0.85 * (mask | red).sum() - 20


@given(SEEDS)
def test_a_view_of_an_image_with_a_large_object_shows_it(seed):
    assert len(seen(image((5, 5, 90, 60)), MOVING, seed).boxes) == 1


def test_crowds_are_regions_not_objects():
    sample = seen(image((10, 5, 30, 40), label=-1), NO_AUGMENTATION)
    assert len(sample.boxes) == 0 and sample.crowd.tolist() == [[10, 5, 30, 40]] and sample.patches is None


def test_objects_known_by_their_boxes_have_no_patches():
    sample = seen(image((10, 5, 30, 40), drawn=False), NO_AUGMENTATION)
    assert sample.boxes.tolist() == [[10, 5, 30, 40]] and sample.patches is None


@pytest.mark.parametrize("size", [(1, 1), (3, 5000), (5000, 3), (700, 900)])
def test_images_of_any_shape_have_views(size):
    whole = TrainingImage(
        np.full((*size, 3), 200, np.uint8), (Cutout((0, 0), np.full(size, 255, np.uint8), 0, True),), "a"
    )
    for seed in range(5):
        sample = seen(whole, WILD, seed, whole)
        assert sample.network_input.shape == (64, 96, 3) and np.isfinite(sample.boxes).all()


# --- pasting --------------------------------------------------------------------------------------
PASTE = msgspec.structs.replace(NO_AUGMENTATION, copy_paste=1.0, copy_paste_max=1)


@given(SEEDS)
def test_what_is_pasted_hides_what_lies_below(seed):
    """A green rectangle on one red object that fills the image: no mask has the pixels of the other."""
    sample = seen(image((0, 0, 96, 64)), PASTE, seed, image((30, 20, 60, 45), color=GREEN, label=1))
    if sample.classes.tolist() != [0, 1]:
        assert sample.classes.tolist() == [0]  # it fell outside
        return
    below, pasted = placed(sample, 0), np.zeros((64, 96), bool)
    x1, y1, x2, y2 = sample.boxes[1].astype(int)
    pasted[y1:y2, x1:x2] = placed(sample, 1)
    green = (sample.network_input[..., 1] > 128) & (sample.network_input[..., 0] < 128)
    assert (green == pasted).mean() > 0.97
    left, top, right, bottom = sample.boxes[0].astype(int)
    inner = pasted & np.roll(pasted, 2, 0) & np.roll(pasted, -2, 0) & np.roll(pasted, 2, 1) & np.roll(pasted, -2, 1)
    assert not (below & inner[top:bottom, left:right]).any()
    assert (below | pasted[top:bottom, left:right]).mean() > 0.95


def test_what_is_wholly_hidden_is_no_object_any_more():
    donor = image((0, 0, 96, 64), color=GREEN, label=1)
    samples = [seen(image((46, 30, 50, 34)), PASTE, seed, donor) for seed in range(30)]
    hidden = [sample for sample in samples if sample.classes.tolist() == [1]]
    assert hidden
    for sample in hidden:
        assert (sample.network_input[31:33, 47:49, 1] > 200).all()


@pytest.mark.parametrize("donor", [image(), image((10, 10, 50, 50), drawn=False), image((10, 10, 50, 50), label=-1)])
def test_a_donor_without_outlined_objects_lends_none(donor):
    plain = image((10, 5, 30, 40))
    sample = seen(plain, PASTE, 0, donor)
    assert len(sample.boxes) == 1 and np.array_equal(sample.network_input, plain.pixels)


def test_at_most_as_many_are_pasted_as_the_settings_say():
    donor = image(*[(x, 20, x + 8, 40) for x in range(0, 90, 10)], color=GREEN)
    counts = {
        len(seen(image(), msgspec.structs.replace(PASTE, copy_paste_max=3), seed, donor).boxes) for seed in range(40)
    }
    assert max(counts) == 3


def test_objects_pasted_among_some_known_by_their_boxes_do_not_make_rectangles_of_these():
    """The patch of a box is full; beside pasted masks it would teach that objects are rectangles."""
    donor = image((30, 20, 60, 45), color=GREEN)
    samples = [seen(image((10, 5, 30, 40), drawn=False), PASTE, seed, donor) for seed in range(20)]
    assert any(len(sample.boxes) == 2 for sample in samples)
    assert all(sample.patches is None for sample in samples if (sample.boxes == [10, 5, 30, 40]).all(1).any())


# --- color ---------------------------------------------------------------------------------------
def test_color_leaves_boxes_alone_and_gray_is_gray():
    plain = image((10, 5, 30, 40))
    colored = seen(plain, msgspec.structs.replace(NO_AUGMENTATION, color_jitter=1.0), 3)
    assert colored.boxes.tolist() == [[10, 5, 30, 40]] and not np.array_equal(colored.network_input, plain.pixels)
    gray = seen(plain, msgspec.structs.replace(NO_AUGMENTATION, gray=1.0)).network_input.astype(int)
    assert abs(gray - gray[..., :1]).max() <= 1


# --- settings -------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("zoom", (0.0, 1.0)), ("zoom", (1.6, 0.6)), ("zoom", (-1.0, 1.0)), ("zoom", (1.0, float("inf"))),
        ("zoom", (float("nan"), 1.0)), ("flip", 1.5), ("copy_paste", -0.1), ("blur", float("nan")),
        ("rotate", -1.0), ("rotate", float("inf")), ("color_jitter", 1e9), ("copy_paste_max", 0),
    ],
)  # fmt: skip
def test_settings_no_view_can_be_made_with_are_refused_by_name(field, value):
    with pytest.raises(RecipeError) as caught:
        Augment(**{field: value})
    assert caught.value.parts["field"] == f"augment.{field}"


# --- tiles ----------------------------------------------------------------------------------------
def test_a_tile_is_shown_at_the_scale_at_which_it_fills_the_input():
    """A 512×768 image in tiles of 64×96: what is 20 px large stays so on a 64×96 network input."""
    large = image((400, 300, 420, 320), size=(512, 768))
    part = TrainingImage(large.pixels, large.cutouts, large.name, tile=(64, 96))
    settings = msgspec.structs.replace(NO_AUGMENTATION, zoom=(1.0, 1.0))
    shown = [seen(part, settings, seed) for seed in range(300)]
    sides = [sample.boxes[0, 2:] - sample.boxes[0, :2] for sample in shown if len(sample.boxes)]
    assert 200 < len(sides) < 290, "most views are laid around an object"
    assert max(side.max() for side in sides) <= 21


@given(SEEDS)
def test_a_tile_without_turns_never_leaves_the_image(seed):
    white = image((400, 300, 420, 320), (2, 2, 20, 20), size=(512, 768), around=(200, 200, 200))
    part = TrainingImage(white.pixels, white.cutouts, white.name, tile=(64, 96))
    settings = msgspec.structs.replace(NO_AUGMENTATION, zoom=(0.6, 1.6), flip=0.5)
    inside = seen(part, settings, seed).network_input[1:-1, 1:-1]
    assert ((inside == (200, 200, 200)).all(2) | (inside[..., 0] >= 200)).all()


@given(SEEDS)
def test_masks_follow_the_pixels_in_tiles_too(seed):
    large = image((400, 300, 430, 320), size=(512, 768))
    part = TrainingImage(large.pixels, large.cutouts, large.name, tile=(64, 96))
    sample = seen(part, MOVING, seed)
    for row, (x1, y1, x2, y2) in enumerate(sample.boxes.astype(int)):
        red = (sample.network_input[y1:y2, x1:x2, 0] > 160) & (sample.network_input[y1:y2, x1:x2, 1] < 60)
        mask = placed(sample, row)
        assert np.count_nonzero(red & ~mask) <= 0.35 * mask.size + 4


@given(SEEDS, st.sampled_from([0.22, 0.3, 0.55, 1.0, 3.0]))
def test_what_a_input_does_not_show_need_not_be_copied(seed, scale):
    """The view of a part of the image is, pixel by pixel, that of the whole image."""
    random = np.random.default_rng(seed)
    pixels = random.integers(0, 256, (300, 420, 3), np.uint8)
    angle = random.uniform(0, 7)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) * scale * [1, -1]
    matrix = np.concatenate([turn, random.uniform(-200, 200, (2, 1))], 1)
    by = 1 if scale >= 0.6 else max(int(1 / scale), 1) if scale < 0.5 else 2
    whole = Image.fromarray(pixels).reduce(by) if by > 1 else Image.fromarray(pixels)
    back = np.linalg.inv(turn * by)
    shift = back @ -matrix[:, 2]
    numbers = (back[0, 0], back[0, 1], shift[0], back[1, 0], back[1, 1], shift[1])
    expected = whole.transform((96, 64), Image.Transform.AFFINE, numbers, Image.Resampling.BILINEAR, fillcolor=PADDING)
    by_part = augment._warp(pixels, matrix, (64, 96)).astype(int)
    assert np.abs(by_part - np.asarray(expected).astype(int)).max() <= 1
