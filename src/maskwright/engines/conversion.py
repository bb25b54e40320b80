"""Networks of ours as ONNX graphs: the dense part, the box head, the mask head. What lies between is in numpy.

Whole detectors are not exported: their suppression and pooling come out differently in every runtime.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from maskwright.engines.graphs import BOX_HEAD, MASK_HEAD, NETWORK
from maskwright.engines.matterport_conversion import convert_matterport
from maskwright.engines.network_kinds import NetworkKind, OneStagePyramid, SingleShot, TwoStage, WholeImage
from maskwright.engines.tracing import EXAMPLE, Normalized, Write, example, write_onnx
from maskwright.errors import WeightsError
from maskwright.models.base import ClassificationNetwork
from maskwright.models.detection.heads import BoxHead, MaskHead
from maskwright.models.detection.mask_rcnn import MaskRCNN
from maskwright.models.detection.ssd import SSD
from maskwright.models.external import detectors
from maskwright.models.matterport.detector import Matterport
from maskwright.models.matterport.model import MatterportMaskRCNN
from maskwright.weights.card import Card


class TwoStageDense(Normalized):
    def __init__(self, network: MaskRCNN, card: Card) -> None:
        super().__init__(card)
        self.network = network

    def forward(self, pixels: Tensor, size: Tensor) -> tuple[Tensor, ...]:
        pyramid = self.network.fpn(self.network.backbone(self.images(pixels, size)))
        logits, deltas = self.network.rpn(pyramid)
        levels = [level.permute(0, 2, 3, 1) for level in pyramid[:-1]]  # as numpy pools them
        return (*levels, torch.cat(logits, 1), torch.cat(deltas, 1))


class PooledBoxHead(nn.Module):
    """The box head on cells with their channels last; its first dense layer is turned instead of every input."""

    def __init__(self, head: BoxHead) -> None:
        super().__init__()
        self.head, self.has_convs = head, len(head.convs) > 0
        first = head.dense[0]
        assert isinstance(first, nn.Linear)
        self.turned = nn.Linear(first.in_features, first.out_features)
        self.turned.weight.data = first.weight.data.unflatten(1, (-1, 7, 7)).permute(0, 2, 3, 1).flatten(1)
        self.turned.bias.data = first.bias.data

    def forward(self, pooled: Tensor) -> tuple[Tensor, Tensor]:
        if self.has_convs:
            pooled = self.head.convs(pooled.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        hidden = self.turned(pooled.flatten(1)).relu()
        for layer in list(self.head.dense)[1:]:
            hidden = layer(hidden).relu()
        return self.head.cls_score(hidden).softmax(1), self.head.bbox_pred(hidden).unflatten(1, (-1, 4))


class PooledMaskHead(nn.Module):
    """The mask head on cells with their channels last; the einsum of MaskHead as a sum, which runtimes do faster."""

    def __init__(self, head: MaskHead) -> None:
        super().__init__()
        self.head = head

    def forward(self, pooled: Tensor, classes: Tensor) -> Tensor:
        hidden = self.head.conv5_mask(self.head.convs(pooled.permute(0, 3, 1, 2))).relu()
        weight, bias = self.head.mask_fcn_logits.weight[classes + 1], self.head.mask_fcn_logits.bias
        assert bias is not None
        return ((hidden * weight).sum(1) + bias[classes + 1, None, None]).sigmoid()


class SingleShotDense(Normalized):
    def __init__(self, network: SSD, card: Card) -> None:
        super().__init__(card)
        self.network = network

    def forward(self, pixels: Tensor, size: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        maps = self.network.maps(self.images(pixels, size))
        logits, deltas = self.network.box_head(maps)
        shapes = torch.stack([torch._shape_as_tensor(level)[2:] for level in maps])
        return logits.softmax(2), deltas, shapes


class OneStageDense(Normalized):
    def __init__(self, network: detectors.OneStage, card: Card) -> None:
        super().__init__(card)
        self.network = network

    def forward(self, pixels: Tensor, size: Tensor) -> tuple[Tensor, ...]:
        outputs, _ = self.network.outputs(self.network.backbone(self.images(pixels, size)))
        centers = [outputs["bbox_ctrness"]] if "bbox_ctrness" in outputs else []
        return (outputs["cls_logits"][..., 1:], outputs["bbox_regression"], *centers)  # without background


class WholeImageDense(Normalized):
    def __init__(self, network: ClassificationNetwork, card: Card) -> None:
        super().__init__(card)
        self.network = network

    def forward(self, pixels: Tensor, size: Tensor) -> Tensor:
        return self.network.scores_of(self.network.backbone(self.images(pixels, size)))


def convert(network: nn.Module, card: Card, folder: Path, write: Write | None = None) -> NetworkKind:
    """Write the graphs of a network into a folder, by default as NAME.onnx, and return its kind.

    WeightsError for a network that cannot be expressed.
    """
    network, write = network.eval().float().cpu(), write or write_onnx
    if isinstance(network, MaskRCNN):
        return _convert_two_stage(network, card, folder, write)
    if isinstance(network, SSD):
        side = max(card.size, network.config.min_side)
        write(SingleShotDense(network, card), example((side, side)), folder / NETWORK, ("pixels",))
        numbers = {name: getattr(network.config, name) for name in SingleShot.__struct_fields__}
        return SingleShot(**numbers)
    if isinstance(network, detectors.OneStage):
        write(OneStageDense(network, card), example(EXAMPLE), folder / NETWORK, ("pixels",))
        return _one_stage(network.head)
    if isinstance(network, Matterport | MatterportMaskRCNN):
        return convert_matterport(network, card, folder, write)
    if isinstance(network, ClassificationNetwork):
        # Of one size: the classic head averages other sizes, which depends on the size.
        write(WholeImageDense(network, card), example((card.size, card.size)), folder / NETWORK, ())
        return WholeImage()
    raise WeightsError(
        f"{card.model} cannot be converted: what it does between the convolutions is not known",
        field="model", expected="a network of `maskwright models`", got=card.model,
        fix="--engine torch",
    )  # fmt: skip


def _convert_two_stage(network: MaskRCNN, card: Card, folder: Path, write: Write) -> TwoStage:
    channels = network.rpn.cls_logits.in_channels
    write(TwoStageDense(network, card), example(EXAMPLE), folder / NETWORK, ("pixels",))
    pooled = torch.zeros(3, 7, 7, channels)
    write(PooledBoxHead(network.box_head), {"pooled": pooled}, folder / BOX_HEAD, ("pooled",))
    if network.mask_head is not None:
        inputs = {"pooled": torch.zeros(3, 14, 14, channels), "classes": torch.zeros(3, dtype=torch.long)}
        write(PooledMaskHead(network.mask_head), inputs, folder / MASK_HEAD, ("pooled", "classes"))
    config, rpn = network.config, network.config.rpn_inference
    return TwoStage(
        strides=tuple(network.backbone.strides),
        masks=network.mask_head is not None,
        rpn_nms_thresh=rpn.nms_thresh,
        **{name: getattr(rpn, name) for name in ("sizes", "ratios", "pre_nms_top_n", "post_nms_top_n")},
        **{name: getattr(config, name) for name in ("score_thresh", "nms_thresh", "detections_per_image")},
    )


def _one_stage(head: Any) -> OneStagePyramid:
    """head  torchvision's network without its backbone"""
    sizes, ratios = head.anchor_generator.sizes, head.anchor_generator.aspect_ratios[0]
    return OneStagePyramid(
        strides=tuple(8 << level for level in range(len(sizes))),
        sizes=tuple(tuple(map(float, level)) for level in sizes),
        ratios=tuple(map(float, ratios)),
        centers=hasattr(head.head.regression_head, "bbox_ctrness"),
        score_thresh=head.score_thresh,
        nms_thresh=head.nms_thresh,
        detections_per_image=head.detections_per_img,
        pre_nms_top_n=head.topk_candidates,
    )
