"""Model folders with random weights that detect much: every layer's outputs are spread as a trained network's are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from maskwright.engines.torch_engine import normalize
from maskwright.models import registry
from maskwright.models.detection.mask_rcnn import MaskRCNN
from maskwright.models.detection.rpn import propose
from maskwright.models.detection.ssd import SSD
from maskwright.models.external.detectors import OneStage
from maskwright.models.matterport.detector import Matterport
from maskwright.models.matterport.model import MatterportMaskRCNN
from maskwright.models.matterport.network import Taps
from maskwright.synth import render
from maskwright.types import Image, Instances
from maskwright.weights import checkpoint
from maskwright.weights.card import WEIGHTS, Card, write_card


def lively_model(
    folder: Path, model: str, task: str, names: tuple[str, ...], size: int, seed: int = 0, backbone: str = ""
) -> Path:
    """A folder with the card and the weights of a network of our own, of which no two outputs are nearly alike."""
    torch.manual_seed(seed)
    spec = registry.find(model, task)
    backbone = backbone or spec.backbones[0]
    network = registry.build(task, model, backbone, len(names), size)
    card = Card(model, backbone, task, names, size, threshold=0.0, mean=spec.mean, std=spec.std)
    pixels = np.stack([picture((size, size), number).pixels for number in range(2)])
    with torch.no_grad():
        _enliven(network, normalize(pixels, card, [(size, size)] * 2, torch.device("cpu")))
    checkpoint.save(network.state_dict(), folder / WEIGHTS)
    write_card(card, folder)
    return folder


def picture(size: tuple[int, int], seed: int = 0) -> Image:
    """A rendered image of (height, width)."""
    rendered = render("balloons", seed, (max(size[0], 32), max(size[1], 32))).image
    return Image(np.ascontiguousarray(rendered[: size[0], : size[1]]))


def same(ours: Instances, theirs: Instances, pixels: float = 0.5) -> float:
    """The fraction of detections that both have: of one class, boxes (to so many pixels) and masks on each other, equal
    scores."""
    if not len(ours) or not len(theirs):
        return float(len(ours) == len(theirs))
    assert ours.scores is not None and theirs.scores is not None
    near = np.abs(ours.scores[:, None] - theirs.scores) < 1e-3
    near &= ours.classes[:, None] == theirs.classes
    near &= np.abs(ours.boxes[:, None] - theirs.boxes).max(2) < pixels
    if ours.masks is not None and theirs.masks is not None:
        area = np.maximum(ours.masks.area[:, None], theirs.masks.area)
        near &= (ours.masks.iou(theirs.masks) > 0.98) | (area < 20)  # of so few pixels one weighs much
    return float(near.any(1).sum() + near.any(0).sum()) / (len(ours) + len(theirs))


def _enliven(network: nn.Module, images: Tensor) -> None:
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = 1.0  # the statistics of one pass
    network.train()
    if isinstance(network, MaskRCNN):
        pyramid = network.fpn(network.backbone(images))
        network.rpn(pyramid)
        network.eval()
        pyramid = network.fpn(network.backbone(images))
        spread(network.rpn.cls_logits, torch.cat(network.rpn(pyramid)[0], 1), 2.0)
        spread(network.rpn.bbox_pred, torch.cat(network.rpn(pyramid)[1], 1), 0.3)
        logits, deltas = network.rpn(pyramid)
        size = (images.shape[2], images.shape[3])
        proposals = propose(network.anchors(pyramid), logits, deltas, [size] * 2, network.config.rpn_inference)
        pooled = network.pool(pyramid, proposals, 7)
        network.box_head.train()
        network.box_head(pooled)
        network.box_head.eval()
        spread(network.box_head.cls_score, network.box_head(pooled)[0], 3.0)
        spread(network.box_head.bbox_pred, network.box_head(pooled)[1], 0.5)
        if network.mask_head is not None:
            pooled = network.pool(pyramid, [boxes[:20] for boxes in proposals], 14)
            network.mask_head.train()
            network.mask_head(pooled, torch.zeros(len(pooled), dtype=torch.long))
            network.mask_head.eval()
            outputs = network.mask_head(pooled, torch.zeros(len(pooled), dtype=torch.long))
            spread(network.mask_head.mask_fcn_logits, outputs, 5.0)
    elif isinstance(network, Matterport):
        enliven_matterport(network.keras, images[:1])
    elif isinstance(network, OneStage):
        network.backbone(images)
        network.eval()
        heads = network.head.head
        layers = {"cls_logits": (heads.classification_head.cls_logits, 2.0, -3.0), "bbox_regression":
                  (heads.regression_head.bbox_reg, 0.5, 0.5)}  # fmt: skip
        if hasattr(heads.regression_head, "bbox_ctrness"):
            layers["bbox_ctrness"] = (heads.regression_head.bbox_ctrness, 2.0, 0.0)
        outputs, _ = network.outputs(network.backbone(images))
        for name, (layer, wanted, mean) in layers.items():
            spread(layer, outputs[name], wanted)
            layer.bias.fill_(mean)
    elif isinstance(network, SSD):
        network(images)
        network.eval()
        for heads, wanted in ((network.box_head.cls_score, 2.5), (network.box_head.bbox_pred, 0.5)):
            for head, feature_map in zip(heads, network.maps(images), strict=True):
                last = [layer for layer in head.modules() if isinstance(layer, nn.Conv2d)][-1]
                spread(last, head(feature_map), wanted)
    else:
        network.backbone(images)
    network.eval()


@torch.no_grad()
def enliven_matterport(network: MatterportMaskRCNN, images: Tensor) -> None:
    """images 1×3×H×W, the mean taken off"""

    def scale(name: str, factor: float) -> None:
        network.set_weight(name, network.get_weight(name) * factor)

    for name in network.parts:
        if name.startswith("bn") and name.endswith("branch2c"):
            scale(f"{name}/gamma:0", 0.3)  # or the additions of all blocks drown what the last layers see
    taps = Taps(["conv1"])
    network.maps(images, taps)
    scale("bn_conv1/moving_variance:0", float(taps.outputs["conv1"].var()))
    size = (images.shape[2], images.shape[3])
    anchors, windows = network.normalized_anchors(size)[None], torch.tensor([[0.0, 0, 1, 1]])
    wanted = {"rpn_class_raw": ("rpn_class_logits", 2.0), "rpn_bbox_pred": ("rpn_bbox", 1.0),
              "mrcnn_class_logits": ("mrcnn_class_logits", 3.0), "mrcnn_bbox_fc": ("mrcnn_bbox_fc", 1.0),
              "mrcnn_mask": ("mrcnn_mask_deconv", 10.0)}  # fmt: skip
    for layer, (output, deviation) in wanted.items():  # each sees what those before let through
        taps = Taps([output])
        network.predict(images, anchors, windows, float(size[0] * size[1]), taps)
        scale(f"{layer}/kernel:0", deviation / float(taps.outputs[output].std()))


def spread(layer: nn.Module, outputs: Tensor, wanted: float) -> None:
    """Multiply the weights so that the outputs have this standard deviation."""
    assert isinstance(layer.weight, Tensor)
    layer.weight.mul_(wanted / outputs.std().clamp(min=1e-6))
