"""torchvision's RetinaNet and FCOS behind our verbs. Where torchvision does not load (conftest.py) most tests skip."""

from __future__ import annotations

import csv
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_runs import means, party

from maskwright.api.evaluate import evaluate
from maskwright.api.start import start_weights
from maskwright.api.train import train
from maskwright.engines.torch_engine import TorchEngine
from maskwright.errors import MissingExtra, RecipeError, WeightsError
from maskwright.models import registry
from maskwright.models.base import Targets, choose_layers, stands_still, training_mode
from maskwright.models.external.detectors import SILENT, OneStage, _ignored, _ignored_points
from maskwright.prediction.options import InferenceOptions
from maskwright.training.defaults import from_options
from maskwright.weights import sources
from maskwright.weights.transfer import coco_classes, rename, transfer

FCOS, RETINANET = "torchvision:fcos_resnet50_fpn", "torchvision:retinanet_resnet50_fpn"
V2 = "torchvision:retinanet_resnet50_fpn_v2"
SIZE = (64, 128)
NAMES = ("bolt", "nut", "rust")
NONE = torch.zeros(0, 4)


def target(boxes: list[list[float]], classes: list[int], **facts: Any) -> Targets:
    crowd = torch.tensor(facts.pop("crowd", [])).reshape(-1, 4)
    return Targets(torch.tensor(boxes).reshape(-1, 4).float(), torch.tensor(classes).long(), None, crowd, **facts)


EMPTY = target([], [])
ONE, TWO = target([[8, 8, 60, 40]], [1]), target([[70, 10, 120, 60], [2, 2, 30, 26]], [2, 0])


def network_inputs(count: int, seed: int = 0) -> torch.Tensor:
    """Noise in blocks, so that neighboring places differ."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.randn(count, 3, 8, 8, generator=generator)
    return torch.nn.functional.interpolate(coarse, SIZE) + torch.randn(count, 3, *SIZE, generator=generator) * 0.3


def enliven(network: torch.nn.Module) -> None:
    """Random weights that find things, and never background: norms of every size, heads loud enough for thresholds."""
    generator = torch.Generator().manual_seed(5)
    for name, tensor in network.state_dict().items():
        random = torch.randn(tensor.shape, generator=generator)
        if name.endswith("running_var"):
            tensor.copy_(random.abs() * 0.3 + 0.75)
        elif name.endswith("bn3.weight"):
            tensor.fill_(0.3)  # or fifty blocks of additions drown every score in saturation
        elif name.startswith("head.") and tensor.ndim == 4:
            tensor.copy_(random * (1.4 / tensor[0].numel()) ** 0.5)
        if "cls_logits" in name:
            if tensor.ndim == 1:
                tensor.zero_()
            tensor.view(-1, len(NAMES) + 1, *tensor.shape[1:])[:, 0] = SILENT if tensor.ndim == 1 else 0.0


@pytest.fixture(scope="module", params=[FCOS, RETINANET, pytest.param(V2, marks=pytest.mark.slow)])
def pair(torchvision: Any, request: pytest.FixtureRequest) -> tuple[Any, OneStage]:
    torch.manual_seed(3)
    name = request.param.partition(":")[2]
    theirs = torchvision.models.get_model(name, weights=None, weights_backbone=None, num_classes=4).eval()
    enliven(theirs)
    theirs.transform.image_mean, theirs.transform.image_std = [0.0] * 3, [1.0] * 3
    theirs.transform.min_size, theirs.transform.max_size = (min(SIZE),), max(SIZE)
    ours = registry.build("detect", request.param, None, len(NAMES), 64).eval()
    told = transfer(ours, theirs.state_dict(), NAMES, NAMES)
    assert not told.fresh and all(name.endswith("num_batches_tracked") for name in told.unused)
    return theirs, ours


@pytest.fixture(scope="module")
def fcos(torchvision: Any) -> OneStage:
    torch.manual_seed(0)
    return registry.build("detect", FCOS, None, len(NAMES), 64).eval()


# --- agreement ------------------------------------------------------------------------------------
def test_boxes_classes_and_scores_are_torchvisions(pair) -> None:
    theirs, ours = pair
    images = network_inputs(2)
    with torch.no_grad():
        expected = theirs(list(images))
    for mine, other in zip(ours.predict(images, [SIZE] * 2), expected, strict=True):
        real = (other["boxes"][:, 2:] > other["boxes"][:, :2]).all(1)
        assert real.sum() > 20 and len(set(mine.classes.tolist())) > 1 and mine.mask_probs is None
        torch.testing.assert_close(mine.boxes, other["boxes"][real], atol=0.01, rtol=0)
        torch.testing.assert_close(mine.scores, other["scores"][real], atol=1e-4, rtol=0)
        assert torch.equal(mine.classes + 1, other["labels"][real])


@pytest.mark.parametrize("targets", [(ONE, TWO), (EMPTY, ONE), (EMPTY, EMPTY)], ids=["two", "one empty", "both empty"])
def test_the_losses_are_torchvisions(pair, targets) -> None:
    theirs, ours = pair
    images = network_inputs(2, seed=1)
    theirs.training = theirs.transform.training = True  # the verb only: norms keep their statistics
    try:
        expected = theirs(list(images), [{"boxes": item.boxes, "labels": item.classes + 1} for item in targets])
    finally:
        theirs.training = theirs.transform.training = False
    got = means(ours.losses(images, [SIZE] * 2, list(targets)))
    for mine, other in {"cls": "classification", "box": "bbox_regression", "center": "bbox_ctrness"}.items():
        assert (mine in got) == (other in expected)
        if mine in got:
            torch.testing.assert_close(got[mine], expected[other], rtol=1e-4, atol=1e-6)


# --- what is ours ---------------------------------------------------------------------------------
def test_boxes_end_where_the_image_ends(pair) -> None:
    detections = pair[1].predict(network_inputs(1), [(50, 90)])[0]
    assert len(detections.boxes) and detections.boxes.min() >= 0
    assert detections.boxes[:, 2].max() <= 90 and detections.boxes[:, 3].max() <= 50
    assert (detections.boxes[:, 2:] > detections.boxes[:, :2]).all()


def test_background_is_never_found(fcos) -> None:
    bias = fcos.head.head.classification_head.cls_logits.bias
    before = bias.detach().clone()
    with torch.no_grad():
        bias[:] = SILENT
        bias[0] = 20.0
        assert len(fcos.predict(network_inputs(1), [SIZE])[0].boxes) == 0
        bias.copy_(before)


def test_a_box_without_area_teaches_nothing(pair) -> None:
    flat = target([[8, 8, 60, 40], [20, 20, 20, 30]], [1, 2])
    got = means(pair[1].losses(network_inputs(1), [SIZE], [flat]))
    assert got == means(pair[1].losses(network_inputs(1), [SIZE], [ONE]))


def test_classes_that_nobody_looked_for_are_no_background(pair) -> None:
    ours, maps = pair[1], pair[1].backbone(network_inputs(1))
    labelled_classes = target([[8, 8, 60, 40]], [1], labelled_classes=torch.tensor([1]))
    losses = means(ours.losses_from_features(maps, [SIZE], [labelled_classes]))
    assert losses["cls"] < ours.losses_from_features(maps, [SIZE], [ONE])["cls"].mean
    rows = ours.head.head.classification_head.cls_logits.weight
    gradient = torch.autograd.grad(losses["cls"], rows)[0].view(-1, len(NAMES) + 1, *rows.shape[1:])
    assert [bool(gradient[:, index].any()) for index in (1, 2, 3)] == [False, True, False]


@pytest.mark.parametrize(
    "facts", [{"incomplete": True}, {"crowd": [[-999.0, -999, 999, 999]]}], ids=["undrawn", "crowd"]
)
def test_where_objects_may_be_undrawn_there_is_no_background(pair, facts) -> None:
    ours, maps = pair[1], pair[1].backbone(network_inputs(1))
    with torch.no_grad():
        nothing, drawn, some = (
            means(ours.losses_from_features(maps, [SIZE], [item]))
            for item in (target([], [], **facts), ONE, target([[8, 8, 60, 40]], [1], **facts))
        )
    assert nothing["cls"] < 1e-3 and 0 < some.pop("cls") < drawn.pop("cls")
    assert some == drawn  # objects teach as before


def test_a_cell_is_ignored_by_its_middle() -> None:
    cells = torch.tensor([[0.0, 0, 8, 8], [30, 30, 38, 38], [60, 60, 68, 68]])  # inside, beside, far
    drawn = [[0.0, 0, 28, 28]]
    assert _ignored_points(cells, target(drawn, [0], incomplete=True)).tolist() == [False, False, True]
    assert _ignored_points(cells, target(drawn, [0], crowd=[[0.0, 0, 40, 40]])).tolist() == [False, True, False]
    assert _ignored_points(cells, target([], [], incomplete=True)).all()


def test_an_anchor_is_ignored_by_its_overlap() -> None:
    anchors = torch.tensor([[0.0, 0, 28, 28], [60, 60, 68, 68]])
    assert _ignored(anchors, target([[0.0, 0, 28, 28]], [0], crowd=[[0.0, 0, 90, 90]])).tolist() == [False, True]


def test_boxes_are_float32_whatever_the_network_runs_in(fcos) -> None:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        detections = fcos.predict(network_inputs(1), [SIZE])[0]
        losses = means(fcos.losses(network_inputs(1), [SIZE], [ONE]))
        said, anchors, counts = fcos._outputs(fcos.backbone(network_inputs(1)), 1)
    assert {detections.boxes.dtype, anchors[0].dtype, *(value.dtype for value in (said | losses).values())} == {
        torch.float32
    }
    assert sum(counts) == len(anchors[0]) == said["bbox_regression"].shape[1]


# --- layers and features --------------------------------------------------------------------------
def test_the_backbone_stands_still_for_the_heads_and_its_features_serve(fcos) -> None:
    chosen = choose_layers(fcos, "heads")
    assert {name.split(".")[0] for name in chosen} == {"fpn", "head"} and stands_still(fcos)
    assert "backbone.layer4.0.conv1.weight" in choose_layers(fcos, "5+")
    images = network_inputs(1)
    from_features = fcos.losses_from_features(fcos.backbone(images), [SIZE], [ONE])
    assert means(fcos.losses(images, [SIZE], [ONE])) == means(from_features)


# --- weights --------------------------------------------------------------------------------------
def test_a_torchvision_file_is_matched_by_class_name(fcos, tmp_path) -> None:
    theirs = {f"backbone.body.{name}": value for name, value in fcos.backbone.state_dict().items()}
    theirs |= {f"backbone.fpn.{name}": value for name, value in fcos.fpn.state_dict().items()}
    theirs |= {f"head.{name}": value for name, value in fcos.head.head.state_dict().items()}
    rows = "head.classification_head.cls_logits"
    theirs[f"{rows}.bias"], theirs[f"{rows}.weight"] = torch.arange(91.0), torch.randn(91, 256, 3, 3)
    torch.save(theirs, tmp_path / "fcos.pth")
    network = registry.build("detect", FCOS, None, 2, 64)
    said = start_weights(network, str(tmp_path / "fcos.pth"), FCOS, "resnet50", ("rust", "cat"), tmp_path).told
    assert said.endswith("classes kept: cat; classes new: rust")
    bias = network.head.head.classification_head.cls_logits.bias.tolist()
    assert bias[0] == 0 and bias[2] == 17 and bias[1] == pytest.approx(-4.595, abs=1e-3)  # rust starts unlikely: 1 %


def test_retinanets_names_of_2020_are_known() -> None:
    state = {f"head.classification_head.conv.{index}.weight": torch.ones(1) for index in (0, 2, 4, 6)}
    state["backbone.body.conv1.weight"] = state["head.regression_head.bbox_reg.bias"] = torch.ones(1)
    state["head.classification_head.cls_logits.bias"] = torch.ones(9 * 91)
    assert list(rename(state)) == [
        *(f"head.head.classification_head.conv.{index}.0.weight" for index in range(4)),
        "backbone.conv1.weight", "head.head.regression_head.bbox_reg.bias",
        "head.head.classification_head.cls_logits.bias"]  # fmt: skip
    assert len(coco_classes(state)) == 90


def test_each_has_published_weights() -> None:
    for name in (FCOS, RETINANET, V2):
        assert sources.published("coco", name, "resnet50").file.startswith(name.partition(":")[2])
        assert sources.published("imagenet", name, "resnet50").file == "resnet50-0676ba61.pth"
    with pytest.raises(WeightsError, match="there are no bundled weights"):
        start_weights(torch.nn.Identity(), "bundled", FCOS, "resnet50", NAMES, Path())


# --- a run ----------------------------------------------------------------------------------------
@pytest.mark.slow
@pytest.mark.parametrize("model", [FCOS, RETINANET, V2])
def test_sixteen_steps_learn_one_batch(torchvision, model) -> None:
    del torchvision
    torch.manual_seed(0)
    network, images, losses = registry.build("detect", model, None, len(NAMES), 64), network_inputs(2), []
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-4)
    for _ in range(16):
        training_mode(network, train_bn=True)
        loss = torch.stack(list(means(network.losses(images, [SIZE] * 2, [ONE, TWO])).values())).sum()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.75 * losses[0]


@pytest.mark.slow
@pytest.mark.parametrize("model", [FCOS, RETINANET])
def test_a_run_learns_and_its_model_is_loaded_again(torchvision, tmp_path, model) -> None:
    del torchvision
    party(tmp_path / "party")
    run = train(
        tmp_path / "party", model=model, weights="none", size=64, batch=2, steps_per_epoch=5, epochs=3, lr=1e-4,
        ema=0.0, warmup_steps=2, workers=0, precision="fp32", device="cpu", out=tmp_path / "runs",
    )  # fmt: skip
    rows = list(csv.DictReader((run.folder / "results.csv").read_text("utf-8").splitlines()))
    assert float(rows[-1]["loss_cls"]) < float(rows[0]["loss_cls"]) and "loss_box" in rows[0]
    engine = TorchEngine.prepare(run.model, device="cpu", precision="fp32")
    assert engine.card.task == "detect" and engine.card.model == model
    again = TorchEngine.prepare(run.model, device="cpu", precision="fp32")
    image = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    assert torch.equal(*(item.network.head.head.regression_head.bbox_reg.weight for item in (engine, again)))
    assert len(engine.run([image], [(64, 64)])) == 1
    assert evaluate(run.model, tmp_path / "party", split="all", options=InferenceOptions(device="cpu")).metrics.box
    shutil.rmtree(run.folder)  # hundreds of megabytes, which pytest would keep


# --- names that do not fit ------------------------------------------------------------------------
def test_the_model_says_that_the_task_is_boxes() -> None:
    plan = from_options(None, model=FCOS, weights="none")
    assert plan.task == "detect" and plan.size == 1024


@pytest.mark.parametrize(
    ("name", "task", "headline", "fix"),
    [
        ("torchvision:resnet18", "detect", "names whole images and finds no objects", "--task classify"),
        ("timm:resnet18", "segment", "names whole images and finds no objects", "--task classify"),
        (FCOS, "classify", "finds objects and names no", "--task detect"),
        ("torchvision:maskrcnn_resnet50_fpn", "detect", "finds objects", "--model mask_rcnn_r50, which is the same"),
        ("torchvision:maskrcnn_resnet50_fpn", None, "finds objects", "--model mask_rcnn_r50, which is the same"),
        ("torchvision:ssd300_vgg16", "detect", "finds objects", "--model ssd300_vgg16, which is the same"),
        ("torchvision:retinanet_resnet5O", "detect", "finds objects", "--task detect, and one of these"),
    ],
)
def test_a_network_of_the_wrong_kind_is_refused_with_those_that_fit(name, task, headline, fix) -> None:
    with pytest.raises(RecipeError, match=f"{name} {headline}") as caught:
        from_options(None, model=name, task=task, weights="none")
    assert caught.value.parts["fix"].startswith(fix) and caught.value.parts["field"] == "model"
    assert ("mask_rcnn_r50_v2" if task == "segment" else RETINANET) in caught.value.parts["expected"]


def test_boxes_are_no_outlines() -> None:
    with pytest.raises(RecipeError, match="finds boxes and draws no outlines"):
        registry.find(FCOS, "segment").check_task(FCOS, "segment")


def test_without_torchvision_one_error_says_so(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "torchvision", None)
    with pytest.raises(MissingExtra, match="torchvision does not load beside torch"):
        registry.build("detect", FCOS, None, 2, 64)
