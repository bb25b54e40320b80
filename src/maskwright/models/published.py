"""torchvision's detectors with the COCO weights it published, as models to use: a file makes card and network."""

from __future__ import annotations

from pathlib import Path

from torch import nn

from maskwright.errors import WeightsError
from maskwright.models import registry
from maskwright.models.backbones.resnet import FrozenBatchNorm
from maskwright.weights import checkpoint
from maskwright.weights.card import Card
from maskwright.weights.sources import PUBLISHED, published_as
from maskwright.weights.transfer import COCO_NAMES, coco_classes, transfer

COCO = tuple(name for name in COCO_NAMES if name != "-")
NORMS_WITHOUT_EPS = ("mask_rcnn_r50", "faster_rcnn_r50", "torchvision:retinanet_resnet50_fpn")


def card_of(file: Path) -> Card:
    """The card of a published file, by its name; the file need not be there.

    >>> card_of(Path("maskrcnn_resnet50_fpn_coco-bf2d0c1e.pth")).model
    'mask_rcnn_r50'
    """
    key = published_as(file)
    if key is None:
        raise WeightsError(
            "this file does not say which network it is of",
            file=file,
            expected="a model folder, a run's folder, or a published file under its own name",
            got=Path(file).name,
            fix="start a training from it: maskwright train DATA --model NAME --weights FILE",
        )
    name = key[1] if key[1] in registry.MODELS else f"torchvision:{key[1]}"
    spec = registry.MODELS[name]
    return Card(
        name,
        spec.backbones[0],
        spec.task,
        COCO,
        spec.size,
        mean=spec.mean,
        std=spec.std,
        license=PUBLISHED[key].license,
        trained_on="COCO, by torchvision",
        started_from=Path(file).name,
    )


def open_published(file: Path) -> tuple[nn.Module, Card]:
    """Network and card of a file that is here; every tensor of the network must come out of it."""
    card = card_of(file)
    network = registry.build(card.task, card.model, card.backbone, len(card.classes), card.size)
    tensors = checkpoint.load(file)
    transferred = transfer(network, tensors, coco_classes(tensors), card.classes)
    missing = transferred.fresh or transferred.classes_fresh
    if missing:
        raise WeightsError(
            f"the file is not whole weights of {card.model}",
            file=file,
            field=missing[0],
            expected=f"COCO's {len(COCO)} classes and every layer",
            got=str(transferred),
        )
    if card.model in NORMS_WITHOUT_EPS:
        without_eps(network)
    return network.eval(), card


def without_eps(network: nn.Module) -> None:
    """torchvision trained its first COCO weights with a batch norm that added nothing to the variance."""
    for module in network.modules():
        if isinstance(module, FrozenBatchNorm):
            module.leave_out_eps()
