"""RetinaNet (Lin et al. 2017) and FCOS (Tian et al. 2019) as torchvision has them, as networks of ours.

An extra: pyramid, heads, anchors, losses and the choice of detections are torchvision's code; the backbone is our own,
under the same names, so that its weights and layers are selected and stored as everywhere here. Three things are ours:
crowds, objects that may be undrawn and classes that were not labelled are not trained on; background is never detected;
boxes are computed in float32 whatever the network runs in.
"""

from __future__ import annotations

from collections import OrderedDict
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor

from maskwright.models.base import Backbone, DetectionNetwork, Detections, Generators, Loss, Targets
from maskwright.models.detection import matcher
from maskwright.models.external.backbone import load_package

SILENT = -20.0  # a logit of probability 2e-9: no loss where it should be 0, and never a detection
NAMES = {"classification": "cls", "bbox_regression": "box", "bbox_ctrness": "center"}  # of losses: theirs, ours


class OneStage(DetectionNetwork):
    """backbone  images (B, 3, H, W) to maps of strides 4, 8, 16, 32; the pyramid stands on the last three
    fpn       torchvision's pyramid: maps of strides 8 to 128
    head      torchvision's network without its backbone. Its classes begin with background, which is never a target:
              an anchor is background where every class has a low score
    """

    def __init__(self, name: str, backbone: Backbone, classes: int) -> None:
        super().__init__()
        net = load_package("torchvision").models.get_model(
            name, weights=None, weights_backbone=None, num_classes=classes + 1
        )
        self.backbone, self.fpn = backbone, net.backbone.fpn
        net.backbone, net.transform = None, None  # preprocessing is ours
        self.head = net

    def outputs(self, maps: list[Tensor]) -> tuple[dict[str, Tensor], list[Tensor]]:
        """Outputs of the heads for every anchor, (B, k, ...), level after level; and the maps of the pyramid."""
        levels = list(self.fpn(OrderedDict((str(index), level) for index, level in enumerate(maps[1:]))).values())
        return {name: value.float() for name, value in self.head.head(levels).items()}, levels

    def _outputs(self, maps: list[Tensor], count: int) -> tuple[dict[str, Tensor], list[Tensor], list[int]]:
        """The outputs; the anchors (k, 4) of each of `count` images, network input pixels; and how many of the k belong
        to each level."""
        outputs, levels = self.outputs(maps)
        finest = self.backbone.strides[0]
        images = torch.empty((0, maps[0].shape[2] * finest, maps[0].shape[3] * finest))  # only the shape is used
        anchors = self.head.anchor_generator(
            SimpleNamespace(tensors=images, image_sizes=[()] * count), [level.float() for level in levels]
        )
        cells = [level.shape[2] * level.shape[3] for level in levels]
        per_cell = len(anchors[0]) // sum(cells)
        return outputs, anchors, [number * per_cell for number in cells]

    # --- prediction ------------------------------------------------------------------------------------
    @torch.no_grad()
    def predict(self, images: Tensor, sizes: list[tuple[int, int]]) -> list[Detections]:
        outputs, anchors, counts = self._outputs(self.backbone(images), len(sizes))
        outputs["cls_logits"][..., 0] = SILENT
        by_level = {name: list(value.split(counts, 1)) for name, value in outputs.items()}
        detections = self.head.postprocess_detections(
            by_level, [list(anchor.split(counts)) for anchor in anchors], sizes
        )
        results = []
        for detection in detections:
            solid = (detection["boxes"][:, 2:] > detection["boxes"][:, :2]).all(1)  # not clipped away in the padding
            labels = detection["labels"][solid] - 1
            results.append(Detections(detection["boxes"][solid], detection["scores"][solid], labels))
        return results

    # --- training -------------------------------------------------------------------------------
    def losses_from_features(
        self,
        features: list[Tensor],
        sizes: list[tuple[int, int]],
        targets: list[Targets],
        generators: Generators | None = None,
    ) -> dict[str, Loss]:
        """The focal loss of the classes ("cls"), torchvision's of the boxes ("box"), and with FCOS the centerness
        ("center"). Nothing is sampled at random."""
        outputs, anchors, counts = self._outputs(features, len(targets))
        by_points = "bbox_ctrness" in outputs
        ignored = torch.zeros_like(outputs["cls_logits"], dtype=torch.bool)
        expected: list[dict[str, Tensor]] = []
        for row, boxes, target in zip(ignored, anchors, targets, strict=True):
            solid = (target.boxes[:, 2:] > target.boxes[:, :2]).all(1)  # of one without area the logarithm is infinite
            expected.append({"boxes": target.boxes[solid], "labels": target.classes[solid] + 1})
            if target.labelled_classes is not None:
                row[:] = True
                row[:, torch.cat([target.labelled_classes + 1, expected[-1]["labels"]])] = False
                row[:, 0] = False
            if len(target.crowd) or target.incomplete:
                row[(_ignored_points if by_points else _ignored)(boxes, target)] = True
        outputs["cls_logits"] = outputs["cls_logits"].masked_fill(ignored, SILENT)
        more: tuple[Any, ...] = (counts,) if by_points else ()
        losses = self.head.compute_loss(expected, outputs, anchors, *more)
        # FCOS' means are over the cells of objects, whose number torchvision keeps to itself: over several processes
        # its losses differ a little from those of one.
        return {NAMES[name]: Loss(value * len(targets), len(targets)) for name, value in losses.items()}


def _ignored(anchors: Tensor, target: Targets) -> Tensor:
    """(k,) bool: the anchors that are neither object nor background, by overlap as RetinaNet matches them."""
    return matcher.match(anchors, target, 0.4, 0.5, allow_low_quality_matches=True)[1] == -1


def _ignored_points(cells: Tensor, target: Targets) -> Tensor:
    """The same for FCOS, whose cells belong to the object that their middle lies in: those in a crowd and in no drawn
    box; where objects may be undrawn, also those outside of the drawn boxes made twice as wide and high."""
    middles, half = (cells[:, :2] + cells[:, 2:]) / 2, (target.boxes[:, 2:] - target.boxes[:, :2]) / 2
    around = torch.cat([target.boxes[:, :2] - half, target.boxes[:, 2:] + half], 1)
    ignored = _inside(middles, target.crowd)
    if target.incomplete:
        ignored |= ~_inside(middles, around)
    return ignored & ~_inside(middles, target.boxes)


def _inside(points: Tensor, boxes: Tensor) -> Tensor:
    """(k,) bool: which of (k, 2) points lie in any of (n, 4) boxes."""
    after, before = points[:, None] >= boxes[:, :2], points[:, None] <= boxes[:, 2:]
    return (after & before).all(2).any(1)


# --- networks ---------------------------------------------------------------------------------------
def retinanet(backbone: Backbone, classes: int) -> OneStage:
    return OneStage("retinanet_resnet50_fpn", backbone, classes)


def retinanet_v2(backbone: Backbone, classes: int) -> OneStage:
    """Norms in the heads, trained norms in the backbone, and a loss of boxes by generalized IoU."""
    return OneStage("retinanet_resnet50_fpn_v2", backbone, classes)


def fcos(backbone: Backbone, classes: int) -> OneStage:
    return OneStage("fcos_resnet50_fpn", backbone, classes)
