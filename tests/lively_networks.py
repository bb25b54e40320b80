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
from maskwright.synth import render
from maskwright.types import Image
from maskwright.weights import checkpoint
from maskwright.weights.card import WEIGHTS, Card, write_card


def lively_model(folder: Path, model: str, task: str, names: tuple[str, ...], size: int, seed: int = 0) -> Path:
    """A folder with the card and the weights of a network of our own, of which no two outputs are nearly alike."""
    torch.manual_seed(seed)
    spec = registry.find(model, task)
    network = registry.build(task, model, None, len(names), size)
    card = Card(model, spec.backbones[0], task, names, size, threshold=0.0, mean=spec.mean, std=spec.std)
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


def spread(layer: nn.Module, outputs: Tensor, wanted: float) -> None:
    """Multiply the weights so that the outputs have this standard deviation."""
    assert isinstance(layer.weight, Tensor)
    layer.weight.mul_(wanted / outputs.std().clamp(min=1e-6))
