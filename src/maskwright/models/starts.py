"""Which weights a network can start from, and which of them need no network: known without torch."""

from __future__ import annotations

from maskwright.models import registry
from maskwright.weights import sources
from maskwright.weights.card import read_card

DOWNLOADED = ("coco", "imagenet")


def starts(model: str, task: str, backbone: str = "") -> tuple[str, ...]:
    """The kinds of weights there are for a network, the best first; `none` is always the last.

    >>> starts("mask_rcnn_r50", "segment"), starts("vgg16", "classify")
    (('coco', 'imagenet', 'none'), ('imagenet', 'none'))
    """
    row = registry.find(model, task)
    backbone = backbone or row.backbones[0]
    if backbone.startswith(registry.EXTERNAL):
        return ("imagenet", "none")  # the other package fetches its own
    fitting = {
        "coco": "coco" in row.pretrained and sources.fits("coco", model, backbone),
        "imagenet": "imagenet" in row.pretrained and sources.fits("imagenet", model, backbone),
        "bundled": bool(bundled_for(model, task, backbone)),
    }
    return (*(kind for kind, fits in fitting.items() if fits), "none")


def bundled_for(model: str, task: str, backbone: str) -> list:
    """The folders of bundled models whose weights fit; a classifier takes the backbone of any."""
    folders = sources.bundled_with(backbone)
    return [folder for folder in folders if task == "classify" or read_card(folder).model == model]


def at_hand(model: str, task: str, backbone: str = "") -> str:
    """The best start that needs no network: what was downloaded before, what came with the package, or none."""
    backbone = backbone or registry.find(model, task).backbones[0]
    for kind in starts(model, task, backbone):
        external = backbone.startswith(registry.EXTERNAL)
        if kind in DOWNLOADED and (external or not sources.published(kind, model, backbone).cached.is_file()):
            continue
        return kind
    return "none"


def advice(model: str, task: str, backbone: str = "") -> str:
    """How one comes to a start where nothing is at hand; "" where nothing better is published.

    >>> advice("vgg16", "classify")
    '`maskwright download imagenet vgg16` (528 MB) fetches a start, and is then taken by itself'
    """
    backbone = backbone or registry.find(model, task).backbones[0]
    if backbone.startswith(registry.EXTERNAL):
        return "--weights imagenet fetches the other package's own"
    for kind in starts(model, task, backbone):
        if kind in DOWNLOADED:
            whose = model if (kind, model.removeprefix("torchvision:")) in sources.PUBLISHED else backbone
            size = sources.published(kind, model, backbone).megabytes
            return f"`maskwright download {kind} {whose}` ({size} MB) fetches a start, and is then taken by itself"
    return ""


def without_network(model: str, task: str, backbone: str = "") -> str:
    """Which --weights this network can start from at once, for a message."""
    return "; ".join(
        {"bundled": "--weights bundled needs no network", "none": "--weights none starts at random"}[kind]
        for kind in starts(model, task, backbone)
        if kind not in DOWNLOADED
    )
