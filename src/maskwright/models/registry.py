"""The table of networks: a name, what it is for, where its builder lives. Reading it needs no torch."""

from __future__ import annotations

import importlib
import re
from dataclasses import dataclass, field
from typing import Any

from maskwright.errors import RecipeError, UnknownName
from maskwright.types.task_kind import kind_of


@dataclass(frozen=True, kw_only=True)
class ModelSpec:
    """One row of `maskwright models`.

    task              segment, detect or classify
    network           "module:function" that builds it from its backbone: function(backbone, classes, ...)
    backbone_builders {name: "module:function" that builds a backbone from its name}, the preferred one first; "": the
                      network takes the name itself
    size              long side of the network input in pixels, the default of --size
    batch, lr         defaults of training (lr for AdamW)
    recipe            other defaults of the recipe that are this network's own; stages as (layers, epochs, lr)
    pretrained        the kinds of weights that there are
    mean, std         of the three channels, 0..255: subtracted and divided by before the network
    description       for the table
    """

    task: str
    network: str
    backbone_builders: dict[str, str]
    size: int
    batch: int
    lr: float
    description: str
    pretrained: tuple[str, ...] = ()
    mean: tuple[float, float, float] = (123.675, 116.28, 103.53)
    std: tuple[float, float, float] = (58.395, 57.12, 57.375)
    recipe: dict[str, Any] = field(default_factory=dict)

    @property
    def backbones(self) -> tuple[str, ...]:
        return tuple(self.backbone_builders)

    def check_task(self, name: str, task: str) -> None:
        """A network without a mask head cannot segment."""
        if kind_of(task).masks and not kind_of(self.task).masks:
            segmenting = [item for item, spec in MODELS.items() if kind_of(spec.task).masks]
            raise RecipeError(
                f"{name} finds boxes and draws no outlines",
                field="task",
                expected="detect",
                got=task,
                fix=f"--task detect, or a model for outlines: {', '.join(segmenting)}",
            )

    def build(self, classes: int, backbone: str | None = None, **options: Any) -> Any:
        """The network with fresh weights; `classes` without background. Imports torch.

        options  masks=False leaves a mask head out; a classifier needs size= and multi_label=
        """
        backbone = backbone or self.backbones[0]
        if backbone not in self.backbones:
            raise UnknownName("backbone", backbone, self.backbones)
        builder = self.backbone_builders[backbone]
        body = _load(builder)(backbone) if builder else backbone
        return _load(self.network)(body, classes, **options)


def _load(location: str) -> Any:
    module, _, name = location.partition(":")
    return getattr(importlib.import_module(module), name)


_BACKBONES = "maskwright.models.backbones"
_MOBILE = {  # light ones, the best start first
    "efficientnet_lite0": f"{_BACKBONES}.efficientnet:efficientnet",
    "mobilenet_v3_large": f"{_BACKBONES}.mobilenet:mobilenet",
    "mobilenet_v2": f"{_BACKBONES}.mobilenet:mobilenet",
}
_R50: dict[str, Any] = {"size": 1024, "batch": 2, "lr": 1e-4, "pretrained": ("coco", "imagenet")}
_FROZEN_R50: dict[str, Any] = _R50 | {"backbone_builders": {"resnet50": f"{_BACKBONES}.resnet:frozen_resnet"}}
_LIVE_R50: dict[str, Any] = _R50 | {"backbone_builders": {"resnet50": f"{_BACKBONES}.resnet:resnet"}}

MODELS = {
    "small": ModelSpec(
        task="segment",
        network="maskwright.models.detection.mask_rcnn:small",
        backbone_builders=_MOBILE,
        size=512,
        batch=4,
        lr=1e-3,
        description="our own for a laptop's CPU: EfficientNet-Lite0, 96-channel pyramid, light heads",
        pretrained=("bundled", "imagenet"),
        recipe={"new_class_lr_scale": 10.0},
    ),
    "mask_rcnn_r50": ModelSpec(
        task="segment",
        network="maskwright.models.detection.mask_rcnn:mask_rcnn",
        description="torchvision's maskrcnn_resnet50_fpn; its weights load",
        **_FROZEN_R50,
    ),
    "mask_rcnn_r50_v2": ModelSpec(
        task="segment",
        network="maskwright.models.detection.mask_rcnn:mask_rcnn_v2",
        description="torchvision's maskrcnn_resnet50_fpn (v2); its weights load",
        **_LIVE_R50,
    ),
    "matterport": ModelSpec(
        task="segment",
        network="maskwright.models.matterport.detector:matterport",
        backbone_builders={"resnet101": "", "resnet50": ""},
        size=1024,
        batch=2,
        lr=1e-4,
        description="matterport's Mask R-CNN as TensorFlow computed it; its .h5 files load",
        mean=(123.7, 116.8, 103.9),
        std=(1.0, 1.0, 1.0),
    ),
    "faster_rcnn_r50": ModelSpec(
        task="detect",
        network="maskwright.models.detection.mask_rcnn:faster_rcnn",
        description="torchvision's fasterrcnn_resnet50_fpn; its weights load",
        **_FROZEN_R50,
    ),
    "faster_rcnn_r50_v2": ModelSpec(
        task="detect",
        network="maskwright.models.detection.mask_rcnn:faster_rcnn_v2",
        description="torchvision's fasterrcnn_resnet50_fpn (v2); its weights load",
        **_LIVE_R50,
    ),
    "ssd300_vgg16": ModelSpec(
        task="detect",
        network="maskwright.models.detection.ssd:ssd300",
        backbone_builders={"vgg16": f"{_BACKBONES}.vgg:SSDVGG"},
        size=320,
        batch=4,
        lr=1e-4,
        description="torchvision's SSD; its weights load",
        pretrained=("coco", "imagenet"),
        mean=(0.48235 * 255, 0.45882 * 255, 0.40784 * 255),
        std=(1.0, 1.0, 1.0),
    ),
    "ssdlite320_mobilenet_v3_large": ModelSpec(
        task="detect",
        network="maskwright.models.detection.ssd:ssdlite320",
        backbone_builders={"mobilenet_v3_large": f"{_BACKBONES}.mobilenet:mobilenet_ssdlite"},
        size=320,
        batch=8,
        lr=1e-3,
        description="torchvision's SSDLite, the fastest here; its weights load",
        pretrained=("coco", "imagenet"),
        mean=(127.5, 127.5, 127.5),
        std=(127.5, 127.5, 127.5),
    ),
    "torchvision:retinanet_resnet50_fpn": ModelSpec(
        task="detect",
        network="maskwright.models.external.detectors:retinanet",
        description="RetinaNet; needs the package torchvision; its weights load",
        **_FROZEN_R50,
    ),
    "torchvision:retinanet_resnet50_fpn_v2": ModelSpec(
        task="detect",
        network="maskwright.models.external.detectors:retinanet_v2",
        description="RetinaNet, improved; needs the package torchvision; its weights load",
        **_LIVE_R50,
    ),
    "torchvision:fcos_resnet50_fpn": ModelSpec(
        task="detect",
        network="maskwright.models.external.detectors:fcos",
        description="FCOS; needs the package torchvision; its weights load",
        **_FROZEN_R50,
    ),
}


# The backbone is frozen, so its maps are computed once, of four views of each image.
_HEAD: dict[str, Any] = {
    "stages": (("heads", 30, 1e-3),),
    "cached_views": 4,
}
# RMSprop at one small lr from the first step to the last, as the tutorials on small sets have it.
_CLASSIC: dict[str, Any] = {
    "stages": (("heads", 30, 2e-5),),
    "cached_views": 4,
    "optimizer": "rmsprop",
    "schedule": "constant",
    "warmup_steps": 0,
    "ema": 0.0,
    "weight_decay": 0.0,
}
_MEAN_POOLED: dict[str, Any] = {
    "task": "classify",
    "network": "maskwright.models.classification.classifier:mean_pooled",
    "size": 224,
    "batch": 16,
    "lr": 1e-3,
    "recipe": _HEAD,
}
_VGG: dict[str, Any] = {
    "task": "classify",
    "network": "maskwright.models.classification.classifier:flat",
    "size": 150,
    "batch": 20,
    "lr": 2e-5,
    "description": "the classic recipe: frozen base, 256 dense units, RMSprop",
    "pretrained": ("imagenet",),
    "recipe": _CLASSIC,
}

CLASSIFIERS = {
    "small": ModelSpec(
        task="classify",
        network="maskwright.models.classification.classifier:spread_pooled",
        backbone_builders=_MOBILE,
        size=320,
        batch=16,
        lr=1e-3,
        description="the backbone of the small that finds objects: what comes with the package serves as a start",
        pretrained=("bundled", "imagenet"),
        recipe=_HEAD,
    ),
    "mobilenet_v2": ModelSpec(
        backbone_builders={"mobilenet_v2": f"{_BACKBONES}.mobilenet:mobilenet_last"},
        description="torchvision's mobilenet_v2; its weights load",
        pretrained=("imagenet",),
        **_MEAN_POOLED,
    ),
    "mobilenet_v3_large": ModelSpec(
        backbone_builders={"mobilenet_v3_large": f"{_BACKBONES}.mobilenet:mobilenet_last"},
        description="torchvision's mobilenet_v3_large; its weights load",
        pretrained=("imagenet", "bundled"),
        **_MEAN_POOLED,
    ),
    "resnet50": ModelSpec(
        backbone_builders={"resnet50": f"{_BACKBONES}.resnet:resnet_last"},
        description="torchvision's resnet50; its weights load",
        pretrained=("imagenet",),
        **_MEAN_POOLED,
    ),
    "vgg16": ModelSpec(backbone_builders={"vgg16": f"{_BACKBONES}.vgg:VGGLast"}, **_VGG),
    "vgg19": ModelSpec(backbone_builders={"vgg19": f"{_BACKBONES}.vgg:VGGLast"}, **_VGG),
}


def find(name: str, task: str = "segment") -> ModelSpec:
    """The row of a network; `small` names one for objects and one for classes.

    A classifier may also be another package's: torchvision:NAME, timm:NAME. Of detectors the table has torchvision's
    RetinaNet and FCOS.
    """
    table = MODELS if kind_of(task).objects else CLASSIFIERS
    if name not in table and name.startswith(EXTERNAL):
        _check_external(name, task)
        return ModelSpec(
            backbone_builders={name: "maskwright.models.external.backbone:External"},
            description="another package's network, as an extra",
            **_MEAN_POOLED,
        )
    if name not in table:
        raise UnknownName("model", name, table, "`maskwright models` lists them all")
    return table[name]


EXTERNAL = ("torchvision:", "timm:")
OURS = {  # torchvision's networks for objects that we have too
    "torchvision:maskrcnn_resnet50_fpn": "mask_rcnn_r50",
    "torchvision:maskrcnn_resnet50_fpn_v2": "mask_rcnn_r50_v2",
    "torchvision:fasterrcnn_resnet50_fpn": "faster_rcnn_r50",
    "torchvision:fasterrcnn_resnet50_fpn_v2": "faster_rcnn_r50_v2",
    "torchvision:ssd300_vgg16": "ssd300_vgg16",
    "torchvision:ssdlite320_mobilenet_v3_large": "ssdlite320_mobilenet_v3_large",
}


def _check_external(name: str, task: str) -> None:
    """Of other packages' networks we train all that name whole images, and the detectors of the table."""
    detects = re.search("rcnn|retinanet|fcos|ssd", name) is not None
    if not kind_of(task).objects and not detects:
        return
    if name in MODELS:
        headline, fix = f"{name} finds objects and names no whole images", "--task detect"
    elif detects:
        headline = f"{name} finds objects, and is not among those that are trained here"
        fix = f"--model {OURS[name]}, which is the same network" if name in OURS else "--task detect, and one of these"
    else:
        headline, fix = f"{name} names whole images and finds no objects", "--task classify, or one of these"
    masks = kind_of(task).masks
    fitting = [item for item, spec in MODELS.items() if kind_of(spec.task).masks == masks]
    raise RecipeError(headline, field="model", expected=", ".join(fitting), got=f"{name} with --task {task}", fix=fix)


def task_of(model: str) -> str:
    """The task of a network where none is given; `small`, which serves every task, segments.

    >>> task_of("ssd300_vgg16"), task_of("vgg16"), task_of("small")
    ('detect', 'classify', 'segment')
    """
    if model in MODELS:
        return MODELS[model].task
    if model in CLASSIFIERS or model.startswith(EXTERNAL):
        return "classify"
    raise UnknownName("model", model, (*MODELS, *CLASSIFIERS), "`maskwright models` lists them all")


def build(task: str, model: str, backbone: str | None, classes: int, size: int, multi_label: bool = False) -> Any:
    """The network that a card or a recipe names, with fresh weights."""
    spec = find(model, task)
    if not kind_of(task).objects:
        return spec.build(classes, backbone, size=size, multi_label=multi_label)
    if not kind_of(spec.task).masks:
        return spec.build(classes, backbone)
    return spec.build(classes, backbone, masks=kind_of(task).masks)
