"""SSD and SSDLite: what they learn from, what they find, whose weights they take."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from typing import Any

import pytest
import torch
from tiny_runs import means

import maskwright
from maskwright.errors import RecipeError
from maskwright.geometry.anchors import default_boxes
from maskwright.models import registry
from maskwright.models.backbones.vgg import VGG
from maskwright.models.base import Targets, choose_layers
from maskwright.models.detection.ssd import SSD300, SSDLITE, SSDConfig, _hardest, _match
from maskwright.synth import render_set
from maskwright.weights import transfer
from maskwright.weights.sources import published

LITE = "ssdlite320_mobilenet_v3_large"
NOTHING = Targets(torch.zeros(0, 4), torch.zeros(0).long(), None, torch.zeros(0, 4))
ONE = Targets(torch.tensor([[12.0, 8, 60, 56]]), torch.tensor([1]), None, torch.zeros(0, 4))


def built(name: str, classes: int = 2, seed: int = 0) -> Any:
    torch.manual_seed(seed)
    return registry.find(name).build(classes)


def boxes_of(side: int, shapes: list[tuple[int, int]], config: SSDConfig) -> torch.Tensor:
    return torch.from_numpy(default_boxes(side, shapes, config.ratios, config.scales, config.strides))


@pytest.fixture(scope="module")
def lite() -> Any:
    return built(LITE).eval()


@pytest.fixture(scope="module")
def vgg() -> Any:
    return built("ssd300_vgg16").eval()


# --- default boxes --------------------------------------------------------------------------------
def test_300_pixels_have_the_8732_boxes_of_the_paper():
    maps = [(side, side) for side in (38, 19, 10, 5, 3, 1)]
    boxes = boxes_of(300, maps, SSD300)
    assert boxes.shape == (8732, 4)
    assert torch.allclose(boxes[0], torch.tensor([4 - 10.5, 4 - 10.5, 4 + 10.5, 4 + 10.5]))
    assert torch.allclose((boxes[-4:, :2] + boxes[-4:, 2:]) / 2, torch.tensor(150.0))


def test_no_default_box_is_larger_than_the_input():
    boxes = boxes_of(320, [(20, 20), (10, 10), (5, 5), (3, 3), (2, 2), (1, 1)], SSDLITE)
    assert len(boxes) == 6 * (400 + 100 + 25 + 9 + 4 + 1)
    assert (boxes[:, 2:] - boxes[:, :2]).max() <= 320 + 1e-3


# --- what is learned from --------------------------------------------------------------------------
def test_no_objects_match_nothing():
    matched_idxs, labels = _match(boxes_of(64, [(4, 4)], SSDLITE), NOTHING)
    assert not labels.any() and not matched_idxs.any()


def test_an_object_that_no_box_fits_has_the_best_one():
    reference = torch.tensor([[0.0, 0, 64, 64], [32, 32, 80, 80], [0, 0, 10, 10]])
    target = Targets(torch.tensor([[40.0, 40, 50, 50], [0, 0, 60, 60]]), torch.tensor([0, 1]), None, torch.zeros(0, 4))
    matched_idxs, labels = _match(reference, target)
    assert labels.tolist() == [1, 1, 0] and matched_idxs[:2].tolist() == [1, 0]


def test_the_hardest_background_teaches_three_times_for_each_object():
    loss = torch.tensor([[9.0, 1, 2, 3, 4, 8, 0], [5.0, 1, 2, 3, 4, 0, 0]])
    labels = torch.tensor([[1, 0, 0, 0, 0, -1, 0], [0, 0, 0, 0, 0, 0, -1]])
    assert _hardest(loss, labels, 3).int().tolist() == [[0, 0, 1, 1, 1, 0, 0], [1, 0, 0, 1, 1, 0, 0]]


def test_where_there_is_less_background_all_of_it_teaches():
    assert _hardest(torch.zeros(1, 3), torch.tensor([[1, 0, -1]]), 3).tolist() == [[False, True, False]]


def test_an_image_without_objects_has_finite_losses_and_teaches(lite):
    losses = means(lite.losses(torch.randn(2, 3, 64, 128), [(64, 128)] * 2, [NOTHING, NOTHING]))
    assert losses.keys() == {"cls", "box"} and torch.stack(list(losses.values())).isfinite().all()
    assert losses["box"] == 0 and losses["cls"] > 0


def test_a_class_nobody_looked_for_is_not_taught_to_be_absent(lite):
    """On an image where only class 0 was sought the logits of class 1 have no gradient."""
    lite.zero_grad()
    labelled_classes = Targets(ONE.boxes, torch.tensor([0]), None, ONE.crowd, labelled_classes=torch.tensor([0]))
    lite.losses(torch.randn(1, 3, 64, 64), [(64, 64)], [labelled_classes])["cls"].mean.backward()
    gradients = [heads[-1].bias.grad.view(-1, 3) for heads in lite.box_head.cls_score]
    assert all(not gradient[:, 2].any() for gradient in gradients) and any(
        gradient[:, 1].any() for gradient in gradients
    )
    lite.zero_grad()


def test_steps_on_one_image_lower_the_loss():
    network = built(LITE, seed=1).train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3)
    network_input = torch.randn(2, 3, 64, 64)
    seen = []
    for _ in range(6):
        loss = torch.stack(list(means(network.losses(network_input, [(64, 64)] * 2, [ONE, ONE])).values())).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        seen.append(float(loss.detach()))
    assert all(map(math.isfinite, seen)) and seen[-1] < 0.8 * seen[0]


# --- what is found --------------------------------------------------------------------------------
@pytest.mark.parametrize("size", [(64, 128), (320, 192)])
def test_finds_lie_inside_the_image_s_part_of_any_input(lite, size):
    height, width = size
    detections = lite.predict(torch.randn(2, 3, height, width), [(height, width), (height // 2, width - 10)])
    assert len(detections) == 2
    for detection, (bottom, right) in zip(detections, [(height, width), (height // 2, width - 10)], strict=True):
        assert (
            len(detection.boxes) == len(detection.scores) == len(detection.classes) <= 300
            and detection.mask_probs is None
        )
        assert (
            (detection.boxes >= 0).all()
            and (detection.boxes[:, 2] <= right).all()
            and (detection.boxes[:, 3] <= bottom).all()
        )
        assert (detection.scores.diff() <= 0).all() and set(detection.classes.tolist()) <= {0, 1}


def test_a_input_and_its_padded_square_are_the_same(lite):
    network_input = torch.randn(1, 3, 64, 128)
    square = torch.nn.functional.pad(network_input, (0, 0, 0, 64))
    one, other = lite.predict(network_input, [(64, 128)])[0], lite.predict(square, [(64, 128)])[0]
    torch.testing.assert_close(one.boxes, other.boxes, rtol=1e-4, atol=1e-3)
    torch.testing.assert_close(one.scores, other.scores, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_vgg_takes_small_inputs_too(vgg):
    with torch.no_grad():
        logits, deltas, boxes = vgg(torch.randn(1, 3, 64, 64))
    assert logits.shape == (1, 8732, 3) and deltas.shape == (1, 8732, 4) and boxes.shape == (8732, 4)
    assert len(vgg.predict(torch.randn(1, 3, 256, 320), [(256, 320)])) == 1


# --- weights --------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", [LITE, "ssd300_vgg16"])
def test_class_heads_go_by_name_in_every_box_of_a_cell(name):
    network, other = built(name, 2, seed=1), built(name, 3, seed=2).state_dict()
    before = {key: value.clone() for key, value in network.state_dict().items()}
    told = transfer.transfer(network, other, ("bolt", "nut", "rust"), ("rust", "dent"))
    assert told.classes_kept == ["rust"] and told.classes_fresh == ["dent"] and not told.fresh
    assert str(told).endswith("classes kept: rust; classes new: dent")
    heads = [key for key in other if other[key].shape != before[key].shape]
    assert len(heads) == 12
    for key in heads:
        mine, given = network.state_dict()[key].unflatten(0, (-1, 3)), other[key].unflatten(0, (-1, 4))
        assert torch.equal(mine[:, 0], given[:, 0]) and torch.equal(mine[:, 1], given[:, 3])
        assert torch.equal(mine[:, 2], before[key].unflatten(0, (-1, 3))[:, 2])


def test_a_head_of_other_boxes_stays_fresh():
    network = built(LITE)
    wrong = {"box_head.cls_score.0.1.bias": torch.zeros(4 * 3)}  # four boxes a cell, not six
    assert "box_head.cls_score.0.1.bias" in transfer.transfer(network, wrong, ("a", "b"), ("a", "b")).fresh


def test_coco_s_places_are_known_by_their_number():
    assert transfer.coco_classes({}) == ()
    for name in ("head.classification_head.module_list.0.bias", "head.classification_head.module_list.0.1.bias"):
        assert transfer.coco_classes({name: torch.zeros(4 * 91)}) == transfer.COCO_NAMES
        assert transfer.coco_classes({name: torch.zeros(4 * 3)}) == ()
    assert transfer.coco_classes({"roi_heads.box_predictor.cls_score.bias": torch.zeros(91)}) == transfer.COCO_NAMES


def test_imagenet_weights_fill_the_body(vgg, lite):
    tensors = {f"features.{name}": value for name, value in VGG("vgg16").features.state_dict().items()}
    told = transfer.transfer(vgg, tensors, (), ())
    assert not told.unused and not [name for name in told.fresh if name.startswith("backbone.features")]
    assert published("imagenet", "ssd300_vgg16", "vgg16").file.startswith("vgg16_features")  # SSD's own mean
    assert published("imagenet", LITE, "mobilenet_v3_large").file.startswith("mobilenet_v3_large")


def test_what_imagenet_weights_do_not_hold_learns_with_the_heads(lite, vgg):
    for network in (lite, vgg):
        chosen = set(choose_layers(network, "heads"))
        names = {name for name, _ in network.named_parameters()}
        assert {name for name in names if name.startswith(("extra.", "box_head.", "backbone.dense."))} <= chosen
        assert not {name for name in names if name.startswith("backbone.features.2.")} & chosen
        assert set(choose_layers(network, "all")) == names


# --- the way of all networks ----------------------------------------------------------------------
@pytest.mark.parametrize(("name", "count"), [("vgg16", 13), ("vgg19", 16)])
def test_vgg_has_the_maps_it_promises(name, count):
    vgg = VGG(name).eval()
    with torch.no_grad():
        maps = vgg(torch.randn(1, 3, 64, 32))
    assert [tuple(feature_map.shape[1:]) for feature_map in maps] == [
        (channels, 64 // stride, 32 // stride) for channels, stride in zip(vgg.channels, vgg.strides, strict=True)
    ]
    names = [name for name, _ in vgg.named_parameters()]
    assert len(names) == 2 * count and [vgg.stage_of(name) for name in names[::2]] == sorted(
        vgg.stage_of(name) for name in names[::2]
    )
    assert {vgg.stage_of(name) for name in names} == {1, 3, 4, 5}


def test_outlines_are_refused_before_anything_is_read(tmp_path):
    with pytest.raises(RecipeError, match=f"{LITE} finds boxes and draws no outlines") as caught:
        maskwright.train(tmp_path / "nowhere", model=LITE, weights="none", out=tmp_path, task="segment")
    assert "--task detect" in caught.value.parts["fix"] and not list(tmp_path.iterdir())


@pytest.mark.slow
def test_training_and_use_by_the_same_commands(tmp_path):
    from maskwright.__main__ import main

    render_set("balloons", 8, tmp_path / "party", size=(96, 128))
    call = ["train", str(tmp_path / "party"), "--task", "detect", "--model", LITE, "--weights", "none"]
    more = ["--size", "64", "--epochs", "1", "--out", str(tmp_path / "runs"), "--name", "one", "--batch", "2"]
    with pytest.raises(SystemExit) as end:
        main([*call, *more])
    assert not end.value.code
    find = maskwright.load(tmp_path / "runs" / "one", maskwright.InferenceOptions(threshold=0.0))
    assert find.card.mean == (127.5, 127.5, 127.5) and find.card.task == "detect"
    detections = find(next((tmp_path / "party").glob("**/*.jpg")))
    assert (
        detections.masks is None and detections.scores is not None and len(detections.boxes) == len(detections.scores)
    )


NARROW = """
import torch
from maskwright.models.conv import DepthwiseConv
torch.manual_seed(0)
for height in (1, 2, 3):
    conv = DepthwiseConv(64, 3, 2).to(torch.bfloat16)
    x = torch.randn(2, 64, height, 1).to(torch.bfloat16).to(memory_format=torch.channels_last)
    conv(x.requires_grad_()).sum().backward()
    assert conv.weight.grad.abs().max() < 100, height
"""


@pytest.mark.slow
def test_the_gradient_of_a_map_one_cell_wide_reads_no_external_memory():
    """The last maps are as small as that. Here new memory is filled with huge numbers (where the system can do it)."""
    done = subprocess.run(
        [sys.executable, "-c", NARROW], env={**os.environ, "MALLOC_PERTURB_": "128"}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
