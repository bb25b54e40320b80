"""The table of networks: a name, what it is for, where its builder lives. Reading it needs no torch."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from maskwright.errors import RecipeError, UnknownName


@dataclass(frozen=True)
class Network:
    """One row of `maskwright models`.

    builder    "module:function"; called with classes=, backbone=, masks=
    size       long side of the network input in pixels, the default of --size
    backbones  the first is the default
    batch, lr  what training takes when nothing is said (rate for AdamW)
    plan       other fields of the recipe that are this network's own; stages as (layers, epochs, rate)
    mean, std  of the three channels, 0..255: taken off and divided by before the network
    """

    builder: str
    task: str
    size: int
    backbones: tuple[str, ...]
    batch: int
    lr: float
    words: str
    pretrained: tuple[str, ...] = ()
    mean: tuple[float, float, float] = (123.675, 116.28, 103.53)
    std: tuple[float, float, float] = (58.395, 57.12, 57.375)
    plan: dict[str, Any] = field(default_factory=dict)

    def check_task(self, name: str, task: str) -> None:
        """A network without a mask head is refused for outlines."""
        if task == "segment" and self.task == "detect":
            outlining = [item for item, network in MODELS.items() if network.task == "segment"]
            raise RecipeError(
                f"{name} finds boxes and draws no outlines",
                field="task",
                expected="detect",
                got=task,
                fix=f"--task detect, or a model for outlines: {', '.join(outlining)}",
            )

    def build(self, classes: int, backbone: str | None = None, **facts: Any) -> Any:
        """The network with fresh weights; `classes` without background. Imports torch.

        facts  masks=False leaves the mask head out; a classifier wants size= and multi_label=
        """
        backbone = backbone or self.backbones[0]
        if backbone not in self.backbones:
            raise UnknownName("backbone", backbone, self.backbones)
        module, function = self.builder.split(":")
        make: Callable[..., Any] = getattr(importlib.import_module(module), function)
        return make(classes=classes, backbone=backbone, **facts)


MODELS = {
    "small": Network(
        "maskwright.models.builders:small",
        "segment",
        512,
        ("mobilenet_v3_large", "mobilenet_v2", "efficientnet_lite0"),
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
        "torchvision's maskrcnn_resnet50_fpn (v2); its weights load",
        ("coco", "imagenet"),
    ),
    "matterport": Network(
        "maskwright.models.matterport.detector:matterport",
        "segment",
        1024,
        ("resnet101", "resnet50"),
        2,
        1e-4,
        "matterport's Mask R-CNN as TensorFlow computed it; its .h5 files load",
        mean=(123.7, 116.8, 103.9),
        std=(1.0, 1.0, 1.0),
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
        "torchvision's fasterrcnn_resnet50_fpn (v2); its weights load",
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
        std=(1.0, 1.0, 1.0),
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
        std=(127.5, 127.5, 127.5),
    ),
    **{
        f"torchvision:{name}": Network(
            f"maskwright.models.external.detectors:{name}",
            "detect",
            1024,
            ("resnet50",),
            2,
            1e-4,
            f"{words}; needs the package torchvision; its weights load",
            ("coco", "imagenet"),
        )
        for name, words in {
            "retinanet_resnet50_fpn": "RetinaNet",
            "retinanet_resnet50_fpn_v2": "RetinaNet, improved",
            "fcos_resnet50_fpn": "FCOS",
        }.items()
    },
}


_HEAD = {
    "stages": (("heads", 30, 1e-3),),
    "cached_views": 4,
}  # what a frozen backbone makes of an image is computed four times
_CLASSIC = {  # RMSprop at one small rate from the first step to the last, as the tutorials on small sets have it
    "stages": (("heads", 30, 2e-5),),
    "optimizer": "rmsprop",
    "schedule": "constant",
    "warmup_steps": 0,
    "ema": 0.0,
    "weight_decay": 0.0,
}

CLASSIFIERS = {
    "small": Network(
        "maskwright.models.classification.builders:small",
        "classify",
        320,
        ("efficientnet_lite0", "mobilenet_v3_large", "mobilenet_v2"),
        16,
        1e-3,
        "the backbone of the small that finds objects: what comes with the package serves as a start",
        ("bundled", "imagenet"),
        plan=_HEAD,
    ),
    "mobilenet_v2": Network(
        "maskwright.models.classification.builders:mobilenet_v2",
        "classify",
        224,
        ("mobilenet_v2",),
        16,
        1e-3,
        "torchvision's mobilenet_v2; its weights load",
        ("imagenet",),
        plan=_HEAD,
    ),
    "mobilenet_v3_large": Network(
        "maskwright.models.classification.builders:mobilenet_v3_large",
        "classify",
        224,
        ("mobilenet_v3_large",),
        16,
        1e-3,
        "torchvision's mobilenet_v3_large; its weights load",
        ("imagenet", "bundled"),
        plan=_HEAD,
    ),
    "resnet50": Network(
        "maskwright.models.classification.builders:resnet50",
        "classify",
        224,
        ("resnet50",),
        16,
        1e-3,
        "torchvision's resnet50; its weights load",
        ("imagenet",),
        plan=_HEAD,
    ),
    **{
        name: Network(
            "maskwright.models.classification.builders:vgg",
            "classify",
            150,
            (name,),
            20,
            2e-5,
            "the classic recipe: frozen base, 256 dense units, RMSprop",
            ("imagenet",),
            plan=_HEAD | _CLASSIC,
        )
        for name in ("vgg16", "vgg19")
    },
}


def find(name: str, task: str = "segment") -> Network:
    """The row of a network; `small` names one for objects and one for classes.

    A classifier may also be another package's: torchvision:NAME, timm:NAME. Of detectors the table has torchvision's
    RetinaNet and FCOS.
    """
    table = CLASSIFIERS if task == "classify" else MODELS
    if name not in table and name.startswith(EXTERNAL):
        _check_external(name, task)
        words = "another package's network, as an extra"
        return Network(
            "maskwright.models.external.classifier:classifier", task, 224, (name,), 16, 1e-3, words, plan=_HEAD
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
    if task == "classify" and not detects:
        return
    if name in MODELS:
        headline, fix = f"{name} finds objects and names no whole images", "--task detect"
    elif detects:
        headline = f"{name} finds objects, and is not among those that are trained here"
        fix = f"--model {OURS[name]}, which is the same network" if name in OURS else "--task detect, and one of these"
    else:
        headline, fix = f"{name} names whole images and finds no objects", "--task classify, or one of these"
    fitting = [
        item for item, network in MODELS.items() if network.task == ("segment" if task == "segment" else "detect")
    ]
    raise RecipeError(headline, field="model", expected=", ".join(fitting), got=f"{name} with --task {task}", fix=fix)


def task_of(model: str) -> str:
    """What a network is for where nobody says; `small`, which serves every task, outlines.

    >>> task_of("ssd300_vgg16"), task_of("vgg16"), task_of("small")
    ('detect', 'classify', 'segment')
    """
    if model in MODELS:
        return MODELS[model].task
    if model in CLASSIFIERS or model.startswith(EXTERNAL):
        return "classify"
    raise UnknownName("model", model, (*MODELS, *CLASSIFIERS), "`maskwright models` lists them all")


def build(task: str, model: str, backbone: str | None, classes: int, size: int, multi_label: bool = False) -> Any:
    """The network that a card or a recipe speaks of, with fresh weights."""
    row = find(model, task)
    if task == "classify":
        return row.build(classes, backbone, size=size, multi_label=multi_label)
    return row.build(classes, backbone, masks=task == "segment")
