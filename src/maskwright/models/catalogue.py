"""The table of networks: a name, what it is for, where its builder lives. Reading it needs no torch."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from maskwright.errors import RecipeError, UnknownName


@dataclass(frozen=True)
class Network:
    """One row of `maskwright models`.

    builder    "module:function"; called with classes=, backbone=, masks=
    size       long side of the canvas in pixels, the default of --size
    backbones  the first is the default
    batch, rate  what training takes when nothing is said (rate for AdamW)
    mean, deviation  of the three channels, 0..255: taken off and divided by before the network
    """

    builder: str
    task: str
    size: int
    backbones: tuple[str, ...]
    batch: int
    rate: float
    words: str
    pretrained: tuple[str, ...] = ()
    mean: tuple[float, float, float] = (123.675, 116.28, 103.53)
    deviation: tuple[float, float, float] = (58.395, 57.12, 57.375)

    def check_task(self, name: str, task: str) -> None:
        """A network without a mask head is refused for outlines."""
        if task == "segment" and self.task == "detect":
            outlining = [each for each, network in MODELS.items() if network.task == "segment"]
            raise RecipeError(
                f"{name} finds boxes and draws no outlines",
                field="task",
                wanted="detect",
                got=task,
                fix=f"--task detect, or a model for outlines: {', '.join(outlining)}",
            )

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
    "matterport": Network(
        "maskwright.models.matterport_verbs:matterport",
        "segment",
        1024,
        ("resnet101", "resnet50"),
        2,
        1e-4,
        "matterport's Mask R-CNN as TensorFlow computed it; its .h5 files load",
        mean=(123.7, 116.8, 103.9),
        deviation=(1.0, 1.0, 1.0),
    ),
    "faster_rcnn_r50": Network(
        "maskwright.models.builders:faster_rcnn_r50",
        "detect",
        1024,
        ("resnet50",),
        2,
        1e-4,
        "torchvision's fasterrcnn_resnet50_fpn; its weights load",
        ("coco", "imagenet"),
    ),
    "faster_rcnn_r50_v2": Network(
        "maskwright.models.builders:faster_rcnn_r50_v2",
        "detect",
        1024,
        ("resnet50",),
        2,
        1e-4,
        "torchvision's fasterrcnn_resnet50_fpn_v2; its weights load",
        ("coco", "imagenet"),
    ),
    "ssd300_vgg16": Network(
        "maskwright.models.builders:ssd300_vgg16",
        "detect",
        320,
        ("vgg16",),
        4,
        1e-4,
        "torchvision's SSD; its weights load",
        ("coco", "imagenet"),
        mean=(0.48235 * 255, 0.45882 * 255, 0.40784 * 255),
        deviation=(1.0, 1.0, 1.0),
    ),
    "ssdlite320_mobilenet_v3_large": Network(
        "maskwright.models.builders:ssdlite320_mobilenet_v3_large",
        "detect",
        320,
        ("mobilenet_v3_large",),
        8,
        1e-3,
        "torchvision's SSDLite, the fastest here; its weights load",
        ("coco", "imagenet"),
        mean=(127.5, 127.5, 127.5),
        deviation=(127.5, 127.5, 127.5),
    ),
}


def find(name: str) -> Network:
    if name not in MODELS:
        raise UnknownName("model", name, MODELS, "`maskwright models` lists them all")
    return MODELS[name]
