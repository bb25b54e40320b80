"""RetinaNet (Lin et al. 2017) and FCOS (Tian et al. 2019) as torchvision has them, behind our two verbs.

An extra: pyramid, heads, anchors, losses and the choice of finds are torchvision's code; the backbone is our own, under
the same names, so that its weights and layers are chosen, kept and stored as everywhere here. Three things are ours:
crowds, objects that may be undrawn and classes that nobody looked for teach nothing; background is never found; boxes
are computed in float32 whatever the network runs in.
"""

from __future__ import annotations

from collections import OrderedDict
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn

from maskwright.models import targets
from maskwright.models.backbones import FrozenBatchNorm, Norm, ResNet
from maskwright.models.foreign import load_package
from maskwright.models.mask_rcnn import Found

SILENT = -20.0  # a logit that says no so surely that it costs nothing, and is never found
NAMES = {"classification": "label", "bbox_regression": "box", "bbox_ctrness": "centre"}  # of losses: theirs, ours


class OneStage(nn.Module):
    """Two verbs: `losses` for training, `detect` for use; `losses_of` for kept features.

    backbone  canvas B×3×H×W to maps of strides 4, 8, 16, 32; the pyramid stands on the last three
    fpn       torchvision's pyramid: maps of strides 8 to 128
    head      torchvision's network without its backbone. Its classes begin with background, which nothing is ever
              taught to be: there a background is a place where no class says yes
    """

    def __init__(self, name: str, classes: int, norm: Norm) -> None:
        super().__init__()
        net = load_package("torchvision").models.get_model(
            name, weights=None, weights_backbone=None, num_classes=classes + 1
        )
        self.backbone, self.fpn = ResNet(norm=norm), net.backbone.fpn
        net.backbone, net.transform = None, None  # how a photo gets onto its canvas is ours
        self.head = net

    def say(self, maps: list[Tensor], count: int) -> tuple[dict[str, Tensor], list[Tensor], list[int]]:
        """What the heads say of every anchor, B×k×...; the anchors k×4 of each of `count` photos, canvas pixels; and
        how many of the k belong to each level."""
        levels = list(self.fpn(OrderedDict((str(place), level) for place, level in enumerate(maps[1:]))).values())
        said = {name: value.float() for name, value in self.head.head(levels).items()}
        finest = self.backbone.strides[0]
        canvas = torch.empty((0, maps[0].shape[2] * finest, maps[0].shape[3] * finest))  # only its shape is asked for
        anchors = self.head.anchor_generator(
            SimpleNamespace(tensors=canvas, image_sizes=[()] * count), [level.float() for level in levels]
        )
        cells = [level.shape[2] * level.shape[3] for level in levels]
        each = len(anchors[0]) // sum(cells)
        return said, anchors, [cell * each for cell in cells]

    # --- use ------------------------------------------------------------------------------------
    @torch.no_grad()
    def detect(self, canvas: Tensor, sizes: list[tuple[int, int]]) -> list[Found]:
        said, anchors, counts = self.say(self.backbone(canvas), len(sizes))
        said["cls_logits"][..., 0] = SILENT
        by_level = {name: list(value.split(counts, 1)) for name, value in said.items()}
        found = self.head.postprocess_detections(by_level, [list(each.split(counts)) for each in anchors], sizes)
        photos = []
        for each in found:
            real = (each["boxes"][:, 2:] > each["boxes"][:, :2]).all(1)  # not all beyond the photo's edge
            photos.append(Found(each["boxes"][real], each["scores"][real], each["labels"][real] - 1))
        return photos

    # --- training -------------------------------------------------------------------------------
    def losses(
        self,
        canvas: Tensor,
        sizes: list[tuple[int, int]],
        truths: list[targets.Truth],
        generator: torch.Generator | None = None,
    ) -> dict[str, Tensor]:
        """Focal loss of the classes ("label"), torchvision's of the boxes ("box"), and with FCOS how far from its
        object's middle a cell lies ("centre")."""
        return self.losses_of(self.backbone(canvas), sizes, truths, generator)

    def losses_of(
        self,
        maps: list[Tensor],
        sizes: list[tuple[int, int]],
        truths: list[targets.Truth],
        generator: torch.Generator | None = None,
    ) -> dict[str, Tensor]:
        """The same from what the backbone made of the canvases. No part of them is drawn by lot."""
        said, anchors, counts = self.say(maps, len(truths))
        by_points = "bbox_ctrness" in said
        spared = torch.zeros_like(said["cls_logits"], dtype=torch.bool)
        wanted: list[dict[str, Tensor]] = []
        for row, boxes, truth in zip(spared, anchors, truths, strict=True):
            real = (truth.boxes[:, 2:] > truth.boxes[:, :2]).all(1)  # of one without area the logarithm is infinite
            wanted.append({"boxes": truth.boxes[real], "labels": truth.classes[real] + 1})
            if truth.sought is not None:
                row[:] = True
                row[:, torch.cat([truth.sought + 1, wanted[-1]["labels"]])] = False
                row[:, 0] = False
            if len(truth.crowd) or truth.missed:
                row[(_spared_points if by_points else _spared)(boxes, truth)] = True
        said["cls_logits"] = said["cls_logits"].masked_fill(spared, SILENT)
        more: tuple[Any, ...] = (counts,) if by_points else ()
        losses = self.head.compute_loss(wanted, said, anchors, *more)
        return {NAMES[name]: value for name, value in losses.items()}


def _spared(anchors: Tensor, truth: targets.Truth) -> Tensor:
    """k bool: the anchors that are neither object nor background, by overlap as RetinaNet matches them."""
    return targets.match(anchors, truth, 0.4, 0.5, rescue=True)[1] == -1


def _spared_points(cells: Tensor, truth: targets.Truth) -> Tensor:
    """The same for FCOS, whose cells are objects by where their middle lies: in a crowd and in no drawn box; where
    objects may be undrawn, also outside of the drawn boxes made twice as wide and high."""
    middles, half = (cells[:, :2] + cells[:, 2:]) / 2, (truth.boxes[:, 2:] - truth.boxes[:, :2]) / 2
    around = torch.cat([truth.boxes[:, :2] - half, truth.boxes[:, 2:] + half], 1)
    spared = _inside(middles, truth.crowd)
    if truth.missed:
        spared |= ~_inside(middles, around)
    return spared & ~_inside(middles, truth.boxes)


def _inside(points: Tensor, boxes: Tensor) -> Tensor:
    """k bool: k×2 points that lie in any of n×4 boxes."""
    after, before = points[:, None] >= boxes[:, :2], points[:, None] <= boxes[:, 2:]
    return (after & before).all(2).any(1)


# --- put together -----------------------------------------------------------------------------------
def retinanet_resnet50_fpn(classes: int, backbone: str = "resnet50", masks: bool = False) -> OneStage:
    return OneStage("retinanet_resnet50_fpn", classes, FrozenBatchNorm)


def retinanet_resnet50_fpn_v2(classes: int, backbone: str = "resnet50", masks: bool = False) -> OneStage:
    """Norms in the heads, live ones in the backbone, and boxes taught by generalised IoU."""
    return OneStage("retinanet_resnet50_fpn_v2", classes, nn.BatchNorm2d)


def fcos_resnet50_fpn(classes: int, backbone: str = "resnet50", masks: bool = False) -> OneStage:
    return OneStage("fcos_resnet50_fpn", classes, FrozenBatchNorm)
