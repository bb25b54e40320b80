"""Our box detectors and torchvision's give the same answers, and the same loss, from the same weights.

Both see the same network input: how an image gets onto it is ours (docs/training.md). Where torchvision does not load
(conftest.py) these tests skip.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch
from tiny_runs import means

from maskwright.models import registry
from maskwright.models.base import Targets
from maskwright.weights import transfer

THEIRS = {
    "ssd300_vgg16": "ssd300_vgg16",
    "ssdlite320_mobilenet_v3_large": "ssdlite320_mobilenet_v3_large",
    "faster_rcnn_r50": "fasterrcnn_resnet50_fpn",
    "faster_rcnn_r50_v2": "fasterrcnn_resnet50_fpn_v2",
}
SIDES = {"ssd300_vgg16": (300, 300), "ssdlite320_mobilenet_v3_large": (320, 320)}
SSDS = list(SIDES)

pytestmark = pytest.mark.slow


def enliven(network: torch.nn.Module, seed: int) -> None:
    """Random weights that find things: statistics and gains far from trivial, heads loud enough to pass thresholds."""
    generator = torch.Generator().manual_seed(seed)
    ssd = hasattr(network, "head")
    for name, tensor in network.state_dict().items():
        random = torch.randn(tensor.shape, generator=generator)
        if name.endswith("running_var"):
            tensor.copy_(random.abs() * 0.3 + 0.75)
        elif name.endswith("running_mean"):
            tensor.copy_(random * 0.1)
        elif name.endswith("bn3.weight"):
            tensor.fill_(0.3)  # or fifty blocks of additions drown every score in saturation
        elif name.endswith("scale_weight"):
            tensor.copy_(random + 20)
        elif ssd and tensor.ndim == 4:
            last = "head" in name and tensor.shape[1] > 1
            tensor.copy_(random * (1.0 if last else 2.0) ** 0.5 / tensor[0].numel() ** 0.5)
        elif any(part in name for part in ("cls_score.weight", "cls_logits.weight")):
            tensor.copy_((random - random.mean(1, keepdim=True)) * 0.5)  # or one class gets all the finds
        elif "bbox_pred.weight" in name:
            tensor.copy_(random * 0.05)


@pytest.fixture(scope="module", params=THEIRS)
def pair(torchvision: Any, request: pytest.FixtureRequest) -> tuple[str, Any, Any]:
    torch.manual_seed(3)
    make = getattr(torchvision.models.detection, THEIRS[request.param])
    theirs = make(weights=None, weights_backbone=None, num_classes=6).eval()
    enliven(theirs, 5)
    ours = registry.find(request.param).build(classes=5).eval()
    told = transfer.transfer(ours, theirs.state_dict(), tuple("abcde"), tuple("abcde"))
    assert not told.fresh and all(name.endswith("num_batches_tracked") for name in told.unused)
    return request.param, theirs, ours


def their_finds(name: str, theirs: Any, network_input: torch.Tensor) -> dict[str, torch.Tensor]:
    """What torchvision detections on a network input that is normalized already and has the right size."""
    theirs.transform.image_mean, theirs.transform.image_std = [0.0] * 3, [1.0] * 3
    if name not in SSDS:
        theirs.transform.min_size, theirs.transform.max_size = (
            (min(network_input.shape[2:]),),
            max(network_input.shape[2:]),
        )
    with torch.no_grad():
        return theirs([network_input[0]])[0]


def input_for(name: str, seed: int) -> torch.Tensor:
    """Noise in blocks, so that neighboring places differ."""
    side = SIDES.get(name, (256, 320))
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.randn(1, 3, 12, 12, generator=generator)
    return torch.nn.functional.interpolate(coarse, side) + torch.randn(1, 3, *side, generator=generator) * 0.3


def test_boxes_classes_and_scores_agree_with_torchvision(pair):
    """Boxes within 0.01 px, scores within 1e-4, the same count and classes."""
    name, theirs, ours = pair
    total = 0
    for seed in range(3):
        network_input = input_for(name, seed)
        expected = their_finds(name, theirs, network_input)
        got = ours.predict(network_input, [tuple(network_input.shape[2:])])[0]
        assert len(got.boxes) == len(expected["boxes"])
        assert torch.equal(got.classes + 1, expected["labels"])
        assert (got.boxes - expected["boxes"]).abs().max() < 0.01
        assert (got.scores - expected["scores"]).abs().max() < 1e-4
        assert got.mask_probs is None and len(set(got.classes.tolist())) > 1
        total += len(got.boxes)
    assert total > 100


def class_biases(network: torch.nn.Module) -> list[torch.Tensor]:
    return [
        module.bias.data.view(-1, 6)
        for name, module in network.named_modules()
        if ("cls_score" in name or "classification_head" in name)
        and isinstance(module, (torch.nn.Conv2d, torch.nn.Linear))
        and module.bias is not None
    ]


def test_an_empty_result_agrees_too(pair):
    name, theirs, ours = pair
    network_input = input_for(name, 9)
    biases = [*class_biases(theirs), *class_biases(ours)]
    before = [bias.clone() for bias in biases]
    assert len(biases) == (12 if name in SSDS else 2)
    try:
        for bias in biases:
            bias[:, 0] = 1000.0  # everything is background
        assert len(their_finds(name, theirs, network_input)["boxes"]) == 0
        got = ours.predict(network_input, [tuple(network_input.shape[2:])])[0]
    finally:
        for bias, kept in zip(biases, before, strict=True):
            bias.copy_(kept)
    assert got.boxes.shape == (0, 4) and got.scores.shape == got.classes.shape == (0,)


def test_the_default_boxes_are_torchvisions(pair):
    from torchvision.models.detection.image_list import ImageList  # type: ignore[import-not-found]

    name, theirs, ours = pair
    if name not in SSDS:
        pytest.skip("only SSD has default boxes")
    network_input = input_for(name, 0)
    with torch.no_grad():
        maps = list(theirs.backbone(network_input).values())
        expected = theirs.anchor_generator(ImageList(network_input, [SIDES[name]]), maps)[0]
        got = ours(network_input)[2]
    assert got.shape == expected.shape and (got - expected).abs().max() < 1e-3


def test_the_losses_of_ssd_are_torchvisions(pair):
    """Hard negatives, forced matches, a small and a flat box: one batch, within 1e-4 of the value."""
    name, theirs, ours = pair
    if name not in SSDS:
        pytest.skip("Faster R-CNN draws its samples at random")
    network_input = torch.cat([input_for(name, 1), input_for(name, 2)])
    boxes = [
        torch.tensor([[20.0, 30, 120, 100], [100, 90, 290, 280], [201, 11, 227, 31], [0, 0, 299, 40]]),
        torch.tensor([[60.0, 60, 160, 180], [70, 64, 165, 190]]),
    ]
    labels = [torch.tensor([1, 5, 2, 2]), torch.tensor([3, 4])]
    theirs.transform.image_mean, theirs.transform.image_std = [0.0] * 3, [1.0] * 3
    theirs.training = theirs.transform.training = True  # the verb only: norms keep their statistics
    try:
        expected = theirs(list(network_input), [{"boxes": b, "labels": k} for b, k in zip(boxes, labels, strict=True)])
    finally:
        theirs.eval()
    targets = [Targets(b, k - 1, None, torch.zeros(0, 4)) for b, k in zip(boxes, labels, strict=True)]
    got = means(ours.losses(network_input, [tuple(network_input.shape[2:])] * 2, targets))
    for mine, other in (("cls", "classification"), ("box", "bbox_regression")):
        assert torch.isclose(got[mine], expected[other], rtol=1e-4), (mine, got, expected)
