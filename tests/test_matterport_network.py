"""matterport's arithmetic: each rule against a plain loop of it, and the network as a whole."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from maskwright.errors import RecipeError, UnknownName
from maskwright.geometry.boxes_matterport import normalized
from maskwright.models import ops
from maskwright.models.conv import same_padding
from maskwright.models.detection import box_coder
from maskwright.models.matterport import layers as tf
from maskwright.models.matterport.layout import Mode, anchor_count, anchors, layers, selected
from maskwright.models.matterport.model import LOSSES, MatterportMaskRCNN, Settings
from maskwright.training.keras_sgd import KerasSGD

SMALL = {
    "backbone": "resnet50",
    "num_classes": 3,
    "image_shape": (64, 64, 3),
    "top_down_pyramid_size": 16,
    "fpn_classif_fc_layers_size": 32,
    "rpn_anchor_scales": (8, 16, 24, 32, 48),
    "post_nms_rois_inference": 30,
    "post_nms_rois_training": 30,
    "detection_max_instances": 12,
    "detection_min_confidence": 0.0,
    "train_rois_per_image": 16,
}


@pytest.fixture(scope="module")
def network() -> MatterportMaskRCNN:
    torch.manual_seed(3)
    return lively(MatterportMaskRCNN(Settings(**SMALL), "inference"))


def lively(network: MatterportMaskRCNN) -> MatterportMaskRCNN:
    """Statistics far from 0 and 1, so that a forgotten normalisation shows."""
    with torch.no_grad():
        for name, value in network.named_parameters():
            if name.endswith(("gamma", "beta", "bias")):
                value.add_(0.2 * torch.randn(value.shape))
        for name, value in network.named_buffers():
            value.copy_(0.1 * torch.randn(value.shape) if name.endswith("mean") else 0.5 + torch.rand(value.shape))
    return network


def images(count: int = 1, size: tuple[int, int] = (64, 64), classes: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Molded images and their metas; the image covers all but a margin of 8."""
    height, width = size
    molded = np.random.default_rng(5).normal(0, 50, (count, height, width, 3)).astype(np.float32)
    row = [0, height, width, 3, height, width, 3, 8, 8, height - 8, width - 8, 1.0, *[1] * classes]
    return molded, np.array([row] * count, np.float64)


# --- padding, boxes, suppression --------------------------------------------------------------------
@pytest.mark.parametrize(("side", "before", "after"), [(6, 0, 1), (5, 1, 1), (1, 1, 1), (2, 0, 1)])
def test_same_padding_puts_the_smaller_half_first(side, before, after):
    padded = same_padding(torch.ones(1, 1, side, side), 3, 2)[0, 0]
    assert padded.shape == (side + before + after,) * 2
    assert padded[before : before + side, before : before + side].all()
    assert padded.sum() == side * side


def test_no_boxes_are_moved_clipped_and_suppressed_to_none():
    none = torch.zeros(0, 4)
    assert tf.apply_deltas(none, none).shape == tf.clip(none, torch.tensor([0.0, 0, 1, 1])).shape == (0, 4)
    assert len(tf.suppress(none, 0.5, 10)) == 0


@given(st.integers(0, 10_000))
def test_deltas_turn_a_box_into_the_other(seed):
    corners = torch.rand(2, 5, 4, generator=torch.Generator().manual_seed(seed))
    boxes = torch.cat([corners[..., :2], corners[..., :2] + 0.1 + corners[..., 2:]], -1)
    deltas = box_coder.encode(boxes[0], boxes[1], box_coder.UNIT)
    assert torch.allclose(tf.apply_deltas(boxes[0], deltas), boxes[1], atol=1e-5)


def iou(a: np.ndarray, b: np.ndarray) -> float:
    sides = [min(a[2 + axis], b[2 + axis]) - max(a[axis], b[axis]) for axis in (0, 1)]
    shared = max(sides[0], 0) * max(sides[1], 0)
    union = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (a, b)) - shared
    return shared / union if union > 0 else 0.0


def greedy(boxes: np.ndarray, threshold: float, count: int) -> list[int]:
    kept: list[int] = []
    for i, box in enumerate(boxes):
        if len(kept) < count and all(iou(box, boxes[k]) <= threshold for k in kept):
            kept.append(i)
    return kept


@given(st.integers(0, 10_000), st.sampled_from([3, 7, 1000]), st.integers(1, 30))
def test_suppression_in_blocks_is_greedy_suppression(seed, block, count):
    corners = torch.rand(25, 4, generator=torch.Generator().manual_seed(seed)) * 0.5
    boxes = torch.cat([corners[:, :2], corners[:, :2] + corners[:, 2:]], 1)
    assert tf.suppress(boxes, 0.3, count, block).tolist() == greedy(boxes.double().numpy(), 0.3, count)


# --- proposals and detections -----------------------------------------------------------------------
def test_equal_scores_take_the_lower_index_and_zero_rows_fill_up():
    anchors = torch.tensor([[[0.0, 0.0, 0.2, 0.2], [0.5, 0.5, 0.9, 0.9], [0.5, 0.5, 0.91, 0.9]]])
    probs = torch.full((1, 3, 2), 0.5)
    rois = tf.propose(probs, torch.zeros(1, 3, 4), anchors, torch.ones(4), limit=3, count=4, threshold=0.7)
    assert torch.equal(rois[0, :2], anchors[0, :2])
    assert not rois[0, 2:].any()


def test_background_is_no_detection():
    probs = torch.tensor([[[0.9, 0.1], [0.8, 0.2]]])
    found = tf.detect(
        torch.rand(1, 2, 4),
        probs,
        torch.zeros(1, 2, 2, 4),
        windows=torch.tensor([[0.0, 0, 1, 1]]),
        std=torch.ones(4),
        confidence=0.0,
        threshold=0.3,
        count=5,
    )
    assert found.shape == (1, 5, 6)
    assert not found.any()


def test_detections_come_best_first_clipped_to_the_window_and_once_a_class():
    rois = torch.tensor([[[0.1, 0.1, 0.5, 0.5], [0.1, 0.1, 0.5, 0.5], [0.1, 0.1, 0.51, 0.5]]])
    probs = torch.tensor([[[0.1, 0.6, 0.3], [0.0, 0.2, 0.8], [0.0, 0.9, 0.1]]])
    found = tf.detect(
        rois,
        probs,
        torch.zeros(1, 3, 3, 4),
        windows=torch.tensor([[0.2, 0.0, 1.0, 1.0]]),
        std=torch.ones(4),
        confidence=0.5,
        threshold=0.3,
        count=4,
    )[0]
    assert found[:, 4].tolist() == [1, 2, 0, 0]
    assert found[:2, 5].tolist() == pytest.approx([0.9, 0.8])
    assert found[0, :4].tolist() == pytest.approx([0.2, 0.1, 0.51, 0.5])


# --- pooling ----------------------------------------------------------------------------------------
def one_sample(grid: np.ndarray, box: np.ndarray, out: int) -> np.ndarray:
    height, width = grid.shape
    cells = np.zeros((out, out))
    for i in range(out):
        for j in range(out):
            y = box[0] * (height - 1) + i * (box[2] - box[0]) * (height - 1) / (out - 1)
            x = box[1] * (width - 1) + j * (box[3] - box[1]) * (width - 1) / (out - 1)
            if 0 <= y <= height - 1 and 0 <= x <= width - 1:
                top, left = math.floor(y), math.floor(x)
                low, right = min(top + 1, height - 1), min(left + 1, width - 1)
                upper = grid[top, left] + (grid[top, right] - grid[top, left]) * (x - left)
                lower = grid[low, left] + (grid[low, right] - grid[low, left]) * (x - left)
                cells[i, j] = upper + (lower - upper) * (y - top)
    return cells


@given(st.integers(0, 10_000))
def test_pooling_takes_one_sample_a_cell_and_zero_outside(seed):
    random = np.random.default_rng(seed)
    grid = random.normal(size=(5, 8))
    boxes = np.sort(random.uniform(-0.4, 1.4, (4, 2, 2)), 1).reshape(4, 4)
    side = torch.full((4,), 5), torch.full((4,), 8)
    found = tf.crop_and_resize(
        torch.from_numpy(grid).reshape(-1, 1), torch.zeros(4, dtype=torch.long), *side, torch.from_numpy(boxes), 3
    )
    assert np.allclose(found[:, 0], [one_sample(grid, box, 3) for box in boxes])


def test_no_boxes_pool_to_nothing():
    table, layout = ops.feature_table([torch.rand(2, 5, 8 >> k, 8 >> k) for k in range(4)])
    assert tf.pool(table, layout, torch.zeros(2, 0, 4), 4096.0, 7).shape == (0, 5, 7, 7)


def test_levels_go_by_the_box_in_pixels_and_empty_boxes_to_the_finest():
    sides = torch.tensor([0.0, 0.05, 112 / 1024, 224 / 1024, 448 / 1024, 1.0])
    boxes = torch.stack([torch.zeros(6), torch.zeros(6), sides, sides], 1)
    assert tf.pyramid_level(boxes, 1024.0 * 1024).tolist() == [2, 2, 3, 4, 5, 5]


@pytest.mark.parametrize(("rows", "expected"), [([], 1), ([0], 2), ([0, 3], 5), ([0, 1, 2, 3, 4], 5)])
def test_one_zero_row_stands_for_those_after_the_last_box(rows, expected):
    boxes = torch.zeros(2, 5, 4)
    boxes[1, rows] = 0.5
    assert tf.rows_in_use(boxes) == expected


# --- targets and losses -----------------------------------------------------------------------------
def targets(proposals, ids, boxes, masks, mini=True):
    return tf.detection_targets(
        proposals,
        ids,
        boxes,
        masks,
        count=6,
        positive_fraction=0.33,
        std=torch.ones(4),
        mask_side=28,
        mini=mini,
        generators=[torch.Generator().manual_seed(0)] * len(proposals),
    )


def test_an_image_without_objects_gives_zero_rows():
    found = targets(torch.rand(1, 4, 4), torch.zeros(1, 2), torch.zeros(1, 2, 4), torch.zeros(1, 8, 8, 2))
    assert not any(column.any() for column in found)
    assert found.masks.shape == (1, 6, 28, 28)


def test_positives_come_first_and_their_masks_fill_the_box():
    box = torch.tensor([[0.2, 0.2, 0.6, 0.6]])
    proposals = torch.cat([torch.tensor([[0.7, 0.7, 0.9, 0.9]]).repeat(5, 1), box])[None]
    found = targets(proposals, torch.tensor([[2.0]]), box[None], torch.ones(1, 8, 8, 1))
    assert found.class_ids[0].tolist() == [2, 0, 0, 0, 0, 0]
    assert torch.equal(found.rois[0, :1], box)
    assert found.masks[0, 0].all()
    assert (found.rois[0].abs().sum(1) > 0).tolist() == [True, True, True, False, False, False]


def test_what_lies_in_a_crowd_is_not_background():
    box, crowd = torch.tensor([[0.1, 0.1, 0.3, 0.3]]), torch.tensor([[0.5, 0.5, 1.0, 1.0]])
    both = torch.cat([box, crowd])[None]
    found = targets(both, torch.tensor([[1.0, -1.0]]), both, torch.ones(1, 8, 8, 2))
    assert torch.equal(found.rois[0, :1], box)
    assert not found.rois[0, 1:].any()


def test_losses_are_zero_where_nothing_contributes():
    none, moves = torch.zeros(1, 5), torch.rand(1, 5, 4)
    assert tf.rpn_class_loss(none, torch.rand(1, 5, 2)) == 0
    assert tf.rpn_bbox_loss(torch.rand(1, 2, 4), none, moves) == 0
    assert tf.mrcnn_bbox_loss(moves, none, torch.rand(1, 5, 3, 4)) == 0
    assert tf.mrcnn_mask_loss(torch.zeros(5, 2, 2), none[0], torch.rand(5, 3, 2, 2)) == 0
    assert tf.mrcnn_class_loss(none, torch.rand(1, 5, 3), torch.zeros(3)) == 0


def test_a_sure_mask_has_a_finite_loss():
    sure = torch.ones(1, 2, 2, 2)
    assert tf.mrcnn_mask_loss(torch.zeros(1, 2, 2), torch.tensor([1.0]), sure) == pytest.approx(16.1, abs=0.2)


# --- anchors and layers -----------------------------------------------------------------------------
def test_anchors_stand_on_whole_multiples_of_the_stride():
    settings = Settings(**SMALL)
    found = anchors(settings, (64, 64))
    assert found.shape == (3 * (16**2 + 8**2 + 4**2 + 2**2 + 1), 4)
    assert found[1].tolist() == [-4, -4, 4, 4]
    assert normalized(np.array([[0, 0, 64, 64]]), (64, 64)).tolist() == [[0, 0, 1, 1]]


@pytest.mark.parametrize("size", [(64, 64), (320, 192), (64, 448)])
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_there_are_as_many_anchors_as_counted(size, stride):
    settings = Settings(**SMALL | {"rpn_anchor_stride": stride, "rpn_anchor_ratios": (0.5, 1.0)})
    assert len(anchors(settings, size)) == anchor_count(settings, size)


def test_selections_mean_what_the_original_means():
    names = ["conv1", "bn_conv1", "res3a_branch1", "bn4b_branch2a", "fpn_p5", "rpn_class_raw", "mrcnn_mask"]
    assert selected(names, "heads") == names[4:]
    assert selected(names, "3+") == names[2:]
    assert selected(names, "4+") == names[3:]
    assert selected(names, "all") == names
    assert selected(names, "res3.*|mrcnn_m") == ["res3a_branch1"], "the whole name must match"
    with pytest.raises(RecipeError, match="no selection of layers"):
        selected(names, "(")


def test_the_two_modes_hold_the_same_weights_in_two_orders():
    settings = Settings(num_classes=4)
    modes: tuple[Mode, Mode] = ("inference", "training")
    both = [{layer.name: layer for layer in layers(settings, mode) if layer.shapes} for mode in modes]
    assert both[0] == both[1]
    assert list(both[0]) != list(both[1])
    assert len(both[0]["rpn_model"].weight_names) == 6


def test_settings_come_from_a_config_of_capitals():
    class Config:
        BACKBONE = "resnet50"

    with pytest.raises(RecipeError, match="NUM_CLASSES"):
        Settings.from_config(Config())
    for name in Settings.__slots__:
        setattr(Config, name.upper(), getattr(Settings(), name))
    Config.MEAN_PIXEL = np.array([1.0, 2.0, 3.0])  # type: ignore[attr-defined]
    assert Settings.from_config(Config()).mean_pixel == (1.0, 2.0, 3.0)
    Config.BACKBONE = "resnet18"
    with pytest.raises(RecipeError, match="resnet50 or resnet101"):
        Settings.from_config(Config())


# --- the network ------------------------------------------------------------------------------------
def test_detect_gives_what_keras_gave_in_its_order(network):
    molded, metas = images(2)
    found = network.detect(molded, metas)
    assert [(name, value.shape) for name, value in found.items()] == [
        ("detections", (2, 12, 6)),
        ("mrcnn_class", (2, 30, 3)),
        ("mrcnn_bbox", (2, 30, 3, 4)),
        ("mrcnn_mask", (2, 12, 28, 28, 3)),
        ("rois", (2, 30, 4)),
        ("rpn_class", (2, 1023, 2)),
        ("rpn_bbox", (2, 1023, 4)),
    ]
    assert found["detections"][..., 4].any(), "the test below would show nothing without detections"


def test_a_batch_says_what_each_image_says_alone(network):
    """But for the boxes that end on the image's edge: whether their last samples are taken hangs on the last bit."""
    molded, metas = images(2)
    together = network.detect(molded, metas)
    for row in (0, 1):
        alone = network.detect(molded[row : row + 1], metas[row : row + 1])
        for name in ("rpn_class", "rpn_bbox", "rois"):
            assert np.allclose(together[name][row], alone[name][0], atol=1e-4), name
        inside = (alone["rois"][0] < 1 - 1e-4).all(1)
        assert inside.any()
        for name in ("mrcnn_class", "mrcnn_bbox"):
            assert np.allclose(together[name][row][inside], alone[name][0][inside], atol=1e-3), name


def test_zero_rows_left_out_change_nothing(network, monkeypatch):
    molded, metas = images()
    strict = dataclasses.replace(network.settings, pre_nms_limit=20, detection_nms_threshold=0.01)
    monkeypatch.setattr(network, "settings", strict)
    quick = network.detect(molded, metas)
    assert not quick["rois"][0, -2:].any(), "nothing was left out"
    monkeypatch.setattr(tf, "rows_in_use", lambda boxes: boxes.shape[1])
    for name, value in network.detect(molded, metas).items():
        assert np.allclose(quick[name], value, atol=1e-5), name


def test_convolutions_can_be_seen_before_their_normalisation(network):
    molded, metas = images()
    names = ["conv1", "bn_conv1", "mrcnn_mask_conv1", "mrcnn_mask_bn1", "fpn_p2", "mrcnn_mask", "activation_1"]
    apart = network.run(molded, metas, None, names)
    whole = network.run(molded, metas, None, ["fpn_p2", "mrcnn_mask"])
    assert np.allclose(apart["fpn_p2"], whole["fpn_p2"], atol=1e-3)
    assert np.allclose(apart["mrcnn_mask"], whole["mrcnn_mask"], atol=1e-4)
    assert apart["fpn_p2"].shape == (1, 16, 16, 16)
    assert apart["mrcnn_mask_conv1"].shape == (1, 12, 14, 14, 256)
    scale = network.get_weight("bn_conv1/gamma:0") / np.sqrt(network.get_weight("bn_conv1/moving_variance:0") + 1e-3)
    shift = network.get_weight("bn_conv1/beta:0") - network.get_weight("bn_conv1/moving_mean:0") * scale
    assert np.allclose(apart["conv1"] * scale + shift, apart["bn_conv1"], atol=1e-3)
    assert np.allclose(apart["activation_1"], apart["bn_conv1"].clip(0))


def test_half_precision_is_near(network):
    molded, metas = images()
    half = MatterportMaskRCNN(network.settings, precision="bf16")
    half.load_state_dict(network.state_dict())
    exact, near = (item.run(molded, metas, None, ["fpn_p3"])["fpn_p3"] for item in (network, half))
    assert 0 < np.abs(near - exact).max() < 0.1 * exact.std() + 0.05 * np.abs(exact).max()
    assert half.detect(molded, metas)["mrcnn_mask"].dtype == np.float32


def test_other_shapes_strides_and_ratios():
    settings = Settings(**SMALL | {"rpn_anchor_stride": 2, "rpn_anchor_ratios": (0.5, 2.0), "train_bn": True})
    molded, metas = images(1, (64, 192))
    found = MatterportMaskRCNN(settings).detect(molded, metas)
    assert found["rpn_class"].shape == (1, anchor_count(settings, (64, 192)), 2)


def test_what_does_not_fit_is_named(network):
    molded, metas = images(1, (64, 96))
    with pytest.raises(RecipeError, match="multiples of 64"):
        network.detect(molded, metas)
    molded, metas = images()
    with pytest.raises(RecipeError, match="anchors do not fit"):
        network.detect(molded, metas, np.zeros((1, 5, 4)))
    with pytest.raises(UnknownName, match="fpn_p2"):
        network.run(molded, metas, None, ["fpn_pp2"])


# --- training ---------------------------------------------------------------------------------------
def batch() -> list[np.ndarray]:
    molded, metas = images(2)
    match = np.zeros((2, 1023, 1), np.int32)
    match[:, 900], match[:, 5:25] = 1, -1
    ids, boxes = np.zeros((2, 4), np.int32), np.zeros((2, 4, 4), np.int32)
    ids[:, 0], boxes[:, 0] = 1, (5, 5, 60, 60)
    return [molded, metas, match, np.full((2, 8, 4), 0.3), ids, boxes, np.ones((2, 56, 56, 4), bool)]


@pytest.fixture(scope="module")
def trainee() -> MatterportMaskRCNN:
    torch.manual_seed(3)
    return MatterportMaskRCNN(Settings(**SMALL | {"gradient_clip_norm": 0.5}), "training")


def test_a_step_moves_the_selected_weights_by_the_clipped_gradient(trainee):
    assert trainee.select_layers("heads")[0] == "fpn_c5p5"
    before = {name: trainee.get_weight(name) for layer in trainee.layers() for name in layer.weight_names}
    told = KerasSGD(trainee).step(batch(), lr=0.1)
    assert list(told) == ["loss", *LOSSES]
    assert told["loss"] == pytest.approx(sum(told[name] for name in LOSSES) + trainee_decay(trainee, before), rel=1e-4)
    moved = {name: np.linalg.norm(trainee.get_weight(name) - value) for name, value in before.items()}
    assert {name for name, far in moved.items() if far} <= set(trainee.trained_weights())
    assert math.hypot(*moved.values()) == pytest.approx(0.1 * 0.5, rel=1e-3)
    assert not any(moved[name] for name in moved if name.startswith(("res", "conv1")) or "moving" in name)


def trainee_decay(network, weights):
    kept = [name for name in network.trained_weights() if "gamma" not in name and "beta" not in name]
    return 1e-4 * sum(np.mean(np.square(weights[name], dtype=np.float64)) for name in kept)


def test_losses_without_gradients_and_of_given_proposals(trainee):
    settings = Settings(**SMALL | {"use_rpn_rois": False, "loss_weights": dict.fromkeys(LOSSES, 2.0)})
    rois = np.tile(np.array([[4, 4, 60, 61], [30, 30, 50, 50]]), (2, 1, 1))
    other = MatterportMaskRCNN(settings, "training")
    other.load_state_dict(trainee.state_dict())
    with torch.no_grad():
        plain, twice = trainee.training_losses(batch()), other.training_losses([*batch(), rois])
    assert twice["rpn_class_loss"].item() == pytest.approx(2 * plain["rpn_class_loss"].item(), rel=1e-4)
    assert all(math.isfinite(value) for value in twice.values())


def test_batch_statistics_move_only_where_normalisation_is_trained():
    network = MatterportMaskRCNN(Settings(**SMALL | {"train_bn": None}), "training")
    network.select_layers("heads")
    with torch.no_grad():
        network.training_losses(batch())
    assert not network.get_weight("bn_conv1/moving_mean:0").any(), "looking is not training"
    network.training_losses(batch())
    assert network.get_weight("bn_conv1/moving_mean:0").any()
