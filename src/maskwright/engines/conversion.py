"""Networks of ours as ONNX graphs: the dense part, the box head, the mask head. What lies between is in numpy.

Whole detectors are not exported: their suppression and pooling come out differently in every runtime.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from maskwright.engines.network_kinds import (
    BOX_HEAD,
    MASK_HEAD,
    NETWORK,
    NetworkKind,
    SingleShot,
    TwoStage,
    WholeImage,
)
from maskwright.errors import MissingExtra, WeightsError
from maskwright.extras import how_to_install
from maskwright.models.base import ClassificationNetwork
from maskwright.models.detection.heads import BoxHead, MaskHead
from maskwright.models.detection.mask_rcnn import MaskRCNN
from maskwright.models.detection.ssd import SSD
from maskwright.weights.card import Card

OPSET = 17  # the first with LayerNormalization
EXAMPLE = (128, 192)  # height and width of a network input; the graphs take any


class Normalized(nn.Module):
    """pixels (1, H, W, 3) uint8, size (2,) -> what the body makes of the normalized image; beyond size it is 0."""

    mean: Tensor
    scale: Tensor

    def __init__(self, card: Card) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(card.mean))
        self.register_buffer("scale", torch.tensor(card.std).reciprocal())

    def images(self, pixels: Tensor, size: Tensor) -> Tensor:
        rows = torch.arange(pixels.shape[1]) < size[0]
        columns = torch.arange(pixels.shape[2]) < size[1]
        inside = (rows[:, None] & columns)[None, :, :, None].float()
        return ((pixels.float() - self.mean) * self.scale * inside).permute(0, 3, 1, 2)


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


class WholeImageDense(Normalized):
    def __init__(self, network: ClassificationNetwork, card: Card) -> None:
        super().__init__(card)
        self.network = network

    def forward(self, pixels: Tensor, size: Tensor) -> Tensor:
        return self.network.scores_of(self.network.backbone(self.images(pixels, size)))


class Write(Protocol):
    """Writes a module as the graph `file` (without an ending).

    inputs       an example of each;  open_inputs  those of which other heights and widths (pixels), or other numbers
                 of rows, may come
    """

    def __call__(
        self, module: nn.Module, inputs: Mapping[str, Tensor], file: Path, open_inputs: tuple[str, ...]
    ) -> None: ...


def convert(network: nn.Module, card: Card, folder: Path, write: Write | None = None) -> NetworkKind:
    """Write the graphs of a network into a folder, by default as NAME.onnx, and return its kind.

    WeightsError for a network that cannot be expressed: matterport's, and those of torchvision that detect.
    """
    network, write = network.eval().float().cpu(), write or write_onnx
    if isinstance(network, MaskRCNN):
        return _convert_two_stage(network, card, folder, write)
    if isinstance(network, SSD):
        side = max(card.size, network.config.min_side)
        write(SingleShotDense(network, card), _example((side, side)), folder / NETWORK, ("pixels",))
        numbers = {name: getattr(network.config, name) for name in SingleShot.__struct_fields__}
        return SingleShot(**numbers)
    if isinstance(network, ClassificationNetwork):
        # Of one size: the classic head averages other sizes, which depends on the size.
        write(WholeImageDense(network, card), _example((card.size, card.size)), folder / NETWORK, ())
        return WholeImage()
    raise WeightsError(
        f"{card.model} cannot be converted: its steps between the convolutions are not those of our own networks",
        field="model", expected="mask_rcnn, faster_rcnn, small, ssd or a classifier", got=card.model,
        fix="--engine torch",
    )  # fmt: skip


def _convert_two_stage(network: MaskRCNN, card: Card, folder: Path, write: Write) -> TwoStage:
    channels = network.rpn.cls_logits.in_channels
    write(TwoStageDense(network, card), _example(EXAMPLE), folder / NETWORK, ("pixels",))
    pooled = torch.zeros(3, 7, 7, channels)
    write(PooledBoxHead(network.box_head), {"pooled": pooled}, folder / BOX_HEAD, ("pooled",))
    if network.mask_head is not None:
        example = {"pooled": torch.zeros(3, 14, 14, channels), "classes": torch.zeros(3, dtype=torch.long)}
        write(PooledMaskHead(network.mask_head), example, folder / MASK_HEAD, ("pooled", "classes"))
    config, rpn = network.config, network.config.rpn_inference
    return TwoStage(
        strides=tuple(network.backbone.strides),
        masks=network.mask_head is not None,
        rpn_nms_thresh=rpn.nms_thresh,
        **{name: getattr(rpn, name) for name in ("sizes", "ratios", "pre_nms_top_n", "post_nms_top_n")},
        **{name: getattr(config, name) for name in ("score_thresh", "nms_thresh", "detections_per_image")},
    )


def _example(size: tuple[int, int]) -> dict[str, Tensor]:
    return {"pixels": torch.zeros((1, *size, 3), dtype=torch.uint8), "size": torch.tensor(size)}


def write_onnx(module: nn.Module, inputs: Mapping[str, Tensor], file: Path, open_inputs: tuple[str, ...]) -> None:
    """Write `file`.onnx; arguments as those of `Write`."""
    axes = {name: {1: "height", 2: "width"} if name == "pixels" else {0: "rows"} for name in open_inputs}
    settings: dict[str, Any] = {"input_names": list(inputs), "dynamic_axes": axes, "opset_version": OPSET}
    try:
        import onnx  # noqa: F401 (torch's exporter writes with it)
    except ImportError as error:
        raise MissingExtra("converting a model needs the package onnx", fix=how_to_install("onnx")) from error
    with warnings.catch_warnings(), torch.no_grad():
        # The exporter by tracing: torch's newer one takes twenty times as long and needs two more packages.
        warnings.simplefilter("ignore")
        logging.getLogger("torch.onnx").setLevel(logging.ERROR)
        try:
            torch.onnx.export(
                module.eval(), tuple(inputs.values()), str(file.with_suffix(".onnx")), dynamo=False, **settings
            )
        except (torch.onnx.errors.UnsupportedOperatorError, torch.onnx.errors.SymbolicValueError) as error:
            raise WeightsError(
                "an operator of this network is none of ONNX", got=error, fix="--engine torch"
            ) from error
