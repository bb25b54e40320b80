"""Our Mask R-CNN and torchvision's give the same answers from the same weights.

Where torchvision does not load (conftest.py) these tests skip.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch

from maskwright.models import registry
from maskwright.models.detection.mask_rcnn import MaskRCNN
from maskwright.types import RleMasks
from maskwright.weights import transfer

SIZES = [(256, 320), (193, 333), (64, 64), (320, 97)]
LOUDNESS = {"cls_score": 0.4, "bbox_pred": 0.05, "cls_logits": 0.2, "mask_fcn_logits": 0.5}


def enliven(network: torch.nn.Module, seed: int) -> None:
    """Random weights that find things: statistics and gains far from trivial, heads loud enough to pass thresholds."""
    generator = torch.Generator().manual_seed(seed)
    for name, tensor in network.state_dict().items():
        if name.endswith("running_var"):
            tensor.copy_(torch.rand(tensor.shape, generator=generator) * 0.5 + 0.75)
        elif name.endswith("running_mean"):
            tensor.copy_(torch.randn(tensor.shape, generator=generator) * 0.1)
        elif name.endswith("bn3.weight"):
            tensor.fill_(0.3)  # or fifty blocks of additions drown every score in saturation
        elif any(
            part in name for part in ("cls_score.weight", "bbox_pred.weight", "cls_logits.weight", "fcn_logits.weight")
        ):
            tensor.copy_(torch.randn(tensor.shape, generator=generator) * LOUDNESS[name.split(".")[-2]])


def pair(torchvision, version: str) -> tuple[torch.nn.Module, MaskRCNN]:
    torch.manual_seed(3)
    make = torchvision.models.detection.maskrcnn_resnet50_fpn
    make = make if version == "mask_rcnn_r50" else torchvision.models.detection.maskrcnn_resnet50_fpn_v2
    theirs = make(weights=None, weights_backbone=None, num_classes=6).eval()
    enliven(theirs, 5)
    ours = registry.find(version).build(classes=5).eval()
    told = transfer.transfer(ours, theirs.state_dict(), tuple("abcde"), tuple("abcde"))
    assert not told.fresh and all(name.endswith("num_batches_tracked") for name in told.unused)
    return theirs, ours


def prepared(image: torch.Tensor) -> torch.Tensor:
    """torchvision's own preparation at scale 1: normalized, then padded with zeros to a multiple of 32."""
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    height, width = image.shape[1:]
    network_input = torch.zeros(1, 3, -(-height // 32) * 32, -(-width // 32) * 32)
    network_input[0, :, :height, :width] = (image - mean[:, None, None]) / std[:, None, None]
    return network_input


def dense(boxes: torch.Tensor, mask_probs: torch.Tensor, size: tuple[int, int]) -> np.ndarray:
    from maskwright.geometry.paste import paste_masks

    return RleMasks(size, *paste_masks(mask_probs.numpy(), boxes.numpy(), size)).dense()


@pytest.mark.slow
@pytest.mark.parametrize("version", ["mask_rcnn_r50", "mask_rcnn_r50_v2"])
def test_boxes_scores_and_masks_agree_with_torchvision(torchvision, version):
    """Boxes within 0.01 px, scores within 1e-4, masks IoU at least 0.995, the same count."""
    theirs, ours = pair(torchvision, version)
    total = 0
    for number, (height, width) in enumerate(SIZES):
        image = torch.rand(3, height, width, generator=torch.Generator().manual_seed(number))
        theirs.transform.min_size, theirs.transform.max_size = (min(height, width),), max(height, width)
        with torch.no_grad():
            expected = theirs([image])[0]
        got = ours.predict(prepared(image), [(height, width)])[0]
        assert len(got.boxes) == len(expected["boxes"])
        assert torch.equal(got.classes + 1, expected["labels"])
        assert (got.boxes - expected["boxes"]).abs().max() < 0.01
        assert (got.scores - expected["scores"]).abs().max() < 1e-4
        assert got.mask_probs is not None
        mine, other = dense(got.boxes, got.mask_probs, (height, width)), (expected["masks"][:, 0] >= 0.5).numpy()
        union = (mine | other).sum((1, 2))
        iou = np.where(union > 0, (mine & other).sum((1, 2)) / np.maximum(union, 1), 1.0)
        assert iou.min() >= 0.995
        total += len(got.boxes)
    assert total > 100


@pytest.mark.slow
@pytest.mark.parametrize("version", ["mask_rcnn_r50", "mask_rcnn_r50_v2"])
def test_an_empty_result_agrees_too(torchvision, version):
    theirs, ours = pair(torchvision, version)
    for network in (theirs.roi_heads.box_predictor, ours.box_head):
        network.cls_score.bias.data[0] = 50.0  # everything is background
    image = torch.rand(3, 128, 160)
    theirs.transform.min_size, theirs.transform.max_size = (128,), 160
    with torch.no_grad():
        assert len(theirs([image])[0]["boxes"]) == 0
    got = ours.predict(prepared(image), [(128, 160)])[0]
    assert len(got.boxes) == 0 and got.mask_probs is not None and got.mask_probs.shape == (0, 28, 28)
