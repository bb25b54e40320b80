"""The table of networks: a name, what it is for, where its builder lives. Reading it needs no torch."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from maskwright.errors import UnknownName


@dataclass(frozen=True)
class Network:
    """One row of `maskwright models`.

    builder    "module:function"; called with classes=, backbone=, masks=
    size       long side of the canvas in pixels, the default of --size
    backbones  the first is the default
    batch, rate  what training takes when nothing is said (rate for AdamW)
    """

    builder: str
    task: str
    size: int
    backbones: tuple[str, ...]
    batch: int
    rate: float
    words: str
    pretrained: tuple[str, ...] = ()

    def build(self, classes: int, backbone: str | None = None, masks: bool = True) -> Any:
        """The network with fresh weights; `classes` without background. Imports torch."""
        backbone = backbone or self.backbones[0]
        if backbone not in self.backbones:
            raise UnknownName("backbone", backbone, self.backbones)
        module, function = self.builder.split(":")
        make: Callable[..., Any] = getattr(importlib.import_module(module), function)
        return make(classes=classes, backbone=backbone, masks=masks)


MODELS = {
    "small": Network(
        "maskwright.models.builders:small",
        "segment",
        512,
        ("mobilenet_v3_large", "mobilenet_v2"),
        4,
        1e-3,
        "our own for a laptop's CPU: MobileNet, 96-channel pyramid, light heads",
        ("bundled", "imagenet"),
    ),
    "mask_rcnn_r50": Network(
        "maskwright.models.builders:mask_rcnn_r50",
        "segment",
        1024,
        ("resnet50",),
        2,
        1e-4,
        "torchvision's maskrcnn_resnet50_fpn; its weights load",
        ("coco", "imagenet"),
    ),
    "mask_rcnn_r50_v2": Network(
        "maskwright.models.builders:mask_rcnn_r50_v2",
        "segment",
        1024,
        ("resnet50",),
        2,
        1e-4,
        "torchvision's maskrcnn_resnet50_fpn_v2; its weights load",
        ("coco", "imagenet"),
    ),
}


def find(name: str) -> Network:
    if name not in MODELS:
        raise UnknownName("model", name, MODELS, "`maskwright models` lists them all")
    return MODELS[name]
