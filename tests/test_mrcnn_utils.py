"""mrcnn.utils and what lies below it: boxes, masks, resizing, average precision."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskwright.errors import ImageError
from mrcnn import utils
from mrcnn.masks import unmold_masks

SIDES = st.integers(2, 40)


def discs(count: int, side: int = 32) -> np.ndarray:
    rows, columns = np.ogrid[:side, :side]
    at = [(6 + 5 * i, 8 + 4 * i) for i in range(count)]
    return (
        np.stack([(rows - y) ** 2 + (columns - x) ** 2 < 16 for y, x in at], axis=-1)
        if count
        else np.zeros((side, side, 0), bool)
    )


# --- boxes ------------------------------------------------------------------------------------------
def test_no_masks_have_no_boxes():
    boxes = utils.extract_bboxes(np.zeros((5, 6, 0), bool))
    assert boxes.shape == (0, 4) and boxes.dtype == np.int32


def test_a_box_ends_behind_its_last_pixel_and_an_empty_mask_has_none():
    mask = np.zeros((5, 6, 2), bool)
    mask[1:3, 2:5, 0] = True
    assert utils.extract_bboxes(mask).tolist() == [[1, 2, 3, 5], [0, 0, 0, 0]]


@given(st.integers(0, 2**32 - 1))
def test_deltas_lead_from_one_box_to_the_other(seed):
    """apply_box_deltas(a, box_refinement(a, b)) = b"""
    draw = np.random.default_rng(seed)
    corner, size = draw.uniform(0, 50, (2, 7, 2)), draw.uniform(5, 50, (2, 7, 2))
    a, b = np.concatenate([corner, corner + size], axis=-1)
    np.testing.assert_allclose(utils.apply_box_deltas(a, utils.box_refinement(a, b)), b, atol=1e-3)


@given(st.integers(1, 60), st.integers(1, 60), st.integers(70, 200))
def test_normalizing_can_be_undone(y, x, side):
    box = np.array([[y, x, y + 9, x + 5]])
    assert (utils.denorm_boxes(utils.norm_boxes(box, (side, side + 3)), (side, side + 3)) == box).all()


def test_the_better_of_two_overlapping_boxes_stays():
    boxes = np.array([[0, 0, 10, 10], [1, 1, 11, 11], [30, 30, 40, 40]])
    assert utils.non_max_suppression(boxes, np.array([0.5, 0.9, 0.1]), 0.3).tolist() == [1, 2]


# --- resizing ---------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("mode", "shape", "window"),
    [
        ("square", (96, 96, 3), (18, 0, 78, 96)),
        ("pad64", (64, 128, 3), (0, 13, 64, 115)),
        ("none", (40, 64, 3), (0, 0, 40, 64)),
    ],
)
def test_each_mode_of_resizing_has_its_shape_and_window(mode, shape, window):
    image, got, scale, _, crop = utils.resize_image(
        np.full((40, 64, 3), 9, np.uint8), min_dim=64, max_dim=96, min_scale=1.5, mode=mode
    )
    assert (image.shape, got, crop) == (shape, window, None)
    assert image.dtype == np.uint8
    assert scale == {"none": 1, "square": 1.5, "pad64": 1.6}[mode]


def test_resizing_up_fades_at_the_rim_only():
    image = utils.resize(np.full((10, 10), 100.0), (20, 20), preserve_range=True)
    np.testing.assert_allclose(image, 100)  # cut to the range of the input, which has no smaller value
    dark = np.full((10, 10), 100.0)
    dark[5, 5] = 0
    assert utils.resize(dark, (20, 20), preserve_range=True)[0, 5] == pytest.approx(75)


def test_an_unknown_mode_is_named():
    with pytest.raises(ValueError, match='unknown resizing mode "stretch"'):
        utils.resize_image(np.zeros((4, 4, 3), np.uint8), mode="stretch")


@given(SIDES, SIDES, SIDES, SIDES)
def test_resizing_stays_within_the_range(height, width, new_height, new_width):
    image = np.random.default_rng(height * width).uniform(3, 9, (height, width))
    resized = utils.resize(image, (new_height, new_width))
    assert resized.shape == (new_height, new_width)
    assert resized.min() >= 0 and resized.max() <= 9


def test_masks_follow_their_image():
    mask = discs(2)
    _, _, scale, padding, _ = utils.resize_image(np.zeros((32, 32, 3), np.uint8), min_dim=64, max_dim=96)
    resized = utils.resize_mask(mask, scale, padding)
    assert resized.shape == (96, 96, 2)
    assert resized.sum() == pytest.approx(4 * mask.sum(), rel=0.1)


# --- masks ------------------------------------------------------------------------------------------
def test_no_objects_give_no_masks():
    assert utils.minimize_mask(np.zeros((0, 4), int), discs(0), (8, 8)).shape == (8, 8, 0)
    assert utils.expand_mask(np.zeros((0, 4), int), np.zeros((8, 8, 0), bool), (20, 30, 3)).shape == (20, 30, 0)
    assert unmold_masks(np.zeros((0, 28, 28)), np.zeros((0, 4), int), (20, 30)).shape == (20, 30, 0)


def test_a_small_mask_comes_back_nearly_whole():
    masks = discs(3)
    boxes = utils.extract_bboxes(masks)
    back = utils.expand_mask(boxes, utils.minimize_mask(boxes, masks, (56, 56)), (32, 32, 3))
    assert (back == masks).mean() > 0.99


def test_a_box_without_area_is_named():
    with pytest.raises(ValueError, match="box 3 3 3 9 of mask 0 has no area"):
        utils.minimize_mask(np.array([[3, 3, 3, 9]]), discs(1), (8, 8))


@given(st.integers(0, 2**32 - 1), st.integers(1, 50), st.integers(1, 50))
def test_unmolding_many_is_unmolding_each_by_the_plain_rule(seed, height, width):
    """Resize to the box, set where at least one half, put into an empty frame."""
    mask_probs = np.random.default_rng(seed).uniform(0, 1, (28, 28)).astype(np.float32)
    frame = np.zeros((60, 60), bool)
    frame[3 : 3 + height, 5 : 5 + width] = utils.resize(mask_probs, (height, width)) >= 0.5
    got = utils.unmold_mask(mask_probs, (3, 5, 3 + height, 5 + width), (60, 60, 3))
    assert (got != frame).mean() < 1e-3  # a value of exactly one half may fall on either side


def test_each_unmolded_mask_is_a_plane_of_its_own():
    masks = unmold_masks(np.ones((4, 28, 28)), np.array([[0, 0, 9, 9]] * 4), (50, 60))
    assert masks.shape == (50, 60, 4) and masks[:, :, 2].flags.c_contiguous


# --- average precision ------------------------------------------------------------------------------
def evaluated(
    masks: np.ndarray, class_ids: list[int], found: np.ndarray, found_ids: list[int], scores: list[float], **rest
):
    return utils.compute_ap(
        utils.extract_bboxes(masks), np.array(class_ids), masks,
        utils.extract_bboxes(found), np.array(found_ids), np.array(scores), found, **rest,
    )  # fmt: skip


def test_nothing_found_is_an_ap_of_zero():
    assert evaluated(discs(2), [1, 1], discs(0), [], [])[0] == 0


def test_everything_found_is_an_ap_of_one():
    ap, precisions, recalls, overlaps = evaluated(discs(3), [1, 2, 1], discs(3), [1, 2, 1], [0.9, 0.8, 0.7])
    assert ap == pytest.approx(1)
    assert recalls[-1] == 1 and overlaps.shape == (3, 3) and len(precisions) == 5


def test_the_wrong_class_is_a_miss():
    assert evaluated(discs(1), [1], discs(1), [2], [0.9])[0] == 0


def test_the_range_of_thresholds_is_printed(capsys):
    masks = discs(1)
    boxes, ids = utils.extract_bboxes(masks), np.array([1])
    assert utils.compute_ap_range(boxes, ids, masks, boxes, ids, np.array([0.5]), masks) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "AP @0.50:\t 1.000" and lines[-1] == "AP @0.50-0.95:\t 1.000" and len(lines) == 11


def test_the_first_versions_went_by_boxes():
    masks = discs(2)
    boxes, ids = utils.extract_bboxes(masks), np.array([1, 2])
    assert utils.compute_ap(boxes, ids, boxes, ids, np.array([0.9, 0.8]))[0] == pytest.approx(1)
    moved = boxes + 3
    assert utils.compute_ap(boxes, ids, moved, ids, np.array([0.9, 0.8]), 0.9)[0] == 0


def test_the_first_versions_resized_with_padding_or_without():
    image = np.zeros((40, 64, 3), np.uint8)
    assert [utils.resize_image(image, min_dim=64, max_dim=96, padding=item)[0].shape for item in (True, False)] == [
        (96, 96, 3),
        (60, 96, 3),
    ]
    _, window, scale, padding = utils.resize_image(image, min_dim=64, max_dim=96, padding=True)
    assert (window, scale, padding) == ((18, 0, 78, 96), 1.5, [(18, 18), (0, 0), (0, 0)])


# --- datasets --------------------------------------------------------------------------------------
def test_a_class_added_twice_is_one_class():
    dataset = utils.Dataset()
    dataset.add_class("toys", 7, "ball,football")
    dataset.add_class("toys", 7, "ball,football")
    dataset.add_image("toys", "a", "a.png", height=3)
    dataset.prepare()
    assert dataset.class_names == ["BG", "ball"] and dataset.num_classes == 2
    assert dataset.map_source_class_id("toys.7") == 1 and dataset.get_source_class_id(1, "toys") == 7
    assert dataset.source_class_ids["toys"] == [0, 1]
    assert list(dataset.image_ids) == [0] and dataset.source_image_link(0) == "a.png"


def test_images_are_read_as_rgb(tmp_path):
    from PIL import Image

    for mode, value in (("L", 7), ("P", 0), ("RGBA", (7, 7, 7, 9)), ("1", 1)):
        Image.new(mode, (5, 4), value).save(tmp_path / f"{mode}.png")
        dataset = utils.Dataset()
        dataset.add_image("x", mode, tmp_path / f"{mode}.png")
        dataset.prepare()
        assert dataset.load_image(0).shape == (4, 5, 3)


def test_what_is_no_image_is_named(tmp_path):
    (tmp_path / "a.png").write_bytes(b"no")
    dataset = utils.Dataset()
    for name in ("a.png", "b.png"):
        dataset.add_image("x", name, tmp_path / name)
    with pytest.raises(ImageError, match=r"a\.png"):
        dataset.load_image(0)
    with pytest.raises(ImageError, match="no image here"):
        dataset.load_image(1)


def test_a_dataset_without_load_mask_has_no_objects():
    masks, class_ids = utils.Dataset().load_mask(0)
    assert masks.shape[-1] == 0 and len(class_ids) == 0
