"""SSD (Liu et al. 2016) and SSDLite (MobileNetV2, Sandler et al. 2018): boxes in one pass, from maps of six scales.

The networks are torchvision's ssd300_vgg16 and ssdlite320_mobilenet_v3_large, and load their weights. Two things are
ours. The image keeps its proportions: torchvision stretches it to a square, here the network pads its input to one. And
an image without objects is trained on too, by its hardest background.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from maskwright.geometry.anchors import default_boxes
from maskwright.models import ops
from maskwright.models.base import Backbone, DetectionNetwork, Detections, Generators, Loss, Targets
from maskwright.models.conv import conv_norm, ssdlite_norm, zero_bias
from maskwright.models.detection import matcher
from maskwright.models.detection.box_coder import clip, decode, encode_matched

BOX_WEIGHTS = (10.0, 10.0, 5.0, 5.0)  # the "variances" 0.1 and 0.2 of the authors' code


@dataclass(frozen=True)
class SSDConfig:
    """The numbers that are not weights.

    ratios, scales, strides  of the default boxes, see `default_boxes`
    min_side                 pixels that the network input's sides have at least; on fewer nothing is left for the last
                             map
    score_thresh             lowest score of a detection
    nms_thresh               largest IoU of two detections of a class
    pre_nms_top_n            boxes of each class before suppression
    detections_per_image     at most, after it
    negatives                default boxes of background that are trained on, for each one with an object (2.2, "Hard
                             negative mining")
    """

    ratios: tuple[tuple[float, ...], ...]
    scales: tuple[float, ...]
    strides: tuple[int | None, ...]
    min_side: int
    score_thresh: float
    nms_thresh: float
    detections_per_image: int
    pre_nms_top_n: int
    negatives: int = 3

    @property
    def boxes_per_cell(self) -> list[int]:
        return [2 + 2 * len(ratios) for ratios in self.ratios]


SSD300 = SSDConfig(
    ratios=((2,), (2, 3), (2, 3), (2, 3), (2,), (2,)),
    scales=(0.07, 0.15, 0.33, 0.51, 0.69, 0.87, 1.05),
    strides=(8, 16, 32, 64, None, None),
    min_side=300,
    score_thresh=0.01,
    nms_thresh=0.45,
    detections_per_image=200,
    pre_nms_top_n=400,
)
SSDLITE = SSDConfig(
    ratios=((2, 3),) * 6,
    scales=(0.2, 0.35, 0.5, 0.65, 0.8, 0.95, 1.0),
    strides=(None,) * 6,
    min_side=1,
    score_thresh=0.001,
    nms_thresh=0.55,
    detections_per_image=300,
    pre_nms_top_n=300,
)


# --- maps and heads ---------------------------------------------------------------------------------
def _plain_extra(inputs: int, width: int, outputs: int, stride: int) -> nn.Sequential:
    """A 1x1 and a 3x3; without a stride the 3x3 takes no border, so that 5x5 cells become 3x3 and these one."""
    return nn.Sequential(
        nn.Conv2d(inputs, width, 1),
        nn.ReLU(inplace=True),
        nn.Conv2d(width, outputs, 3, stride, padding=stride - 1),
        nn.ReLU(inplace=True),
    )


def _light_extra(inputs: int, outputs: int) -> nn.Sequential:
    width = outputs // 2
    return nn.Sequential(
        conv_norm(inputs, width, 1, 1, ssdlite_norm, nn.ReLU6),
        conv_norm(width, width, 3, 2, ssdlite_norm, nn.ReLU6, groups=width),
        conv_norm(width, outputs, 1, 1, ssdlite_norm, nn.ReLU6),
    )


def _plain_head(inputs: int, outputs: int) -> nn.Module:
    return nn.Conv2d(inputs, outputs, 3, padding=1)


def _light_head(inputs: int, outputs: int) -> nn.Module:
    return nn.Sequential(
        conv_norm(inputs, inputs, 3, 1, ssdlite_norm, nn.ReLU6, groups=inputs), nn.Conv2d(inputs, outputs, 1)
    )


class BoxHeads(nn.Module):
    """For every default box of a cell: logits of background and all classes, and deltas. Each map has its own head."""

    def __init__(
        self, channels: list[int], boxes: list[int], classes: int, head: Callable[[int, int], nn.Module]
    ) -> None:
        super().__init__()
        pairs = list(zip(channels, boxes, strict=True))
        self.cls_score = nn.ModuleList([head(width, count * (classes + 1)) for width, count in pairs])
        self.bbox_pred = nn.ModuleList([head(width, count * 4) for width, count in pairs])
        self.classes = classes

    def forward(self, maps: list[Tensor]) -> tuple[Tensor, Tensor]:
        """Maps (B, C, H, W) -> logits (B, k, classes+1), deltas (B, k, 4), in the order of `default_boxes`."""
        return _rows(self.cls_score, maps, self.classes + 1), _rows(self.bbox_pred, maps, 4)


def _rows(heads: nn.ModuleList, maps: list[Tensor], columns: int) -> Tensor:
    levels = [
        head(feature_map).permute(0, 2, 3, 1).reshape(len(feature_map), -1, columns)
        for head, feature_map in zip(heads, maps, strict=True)
    ]
    return torch.cat(levels, 1).float()


# --- the network ------------------------------------------------------------------------------------
class SSD(DetectionNetwork):
    """images  (B, 3, H, W) float, normalized; padded with zeros to a square here, for which default boxes are made"""

    trains_from_features = False  # the side of that square does not follow from the maps

    def __init__(self, backbone: Backbone, extra: list[nn.Sequential], box_head: BoxHeads, config: SSDConfig) -> None:
        super().__init__()
        self.backbone, self.extra, self.box_head, self.config = backbone, nn.ModuleList(extra), box_head, config

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Logits (B, k, classes+1), deltas (B, k, 4) and the default boxes (k, 4) in network input pixels."""
        config, side = self.config, max(*images.shape[2:], self.config.min_side)
        maps = self.maps(F.pad(images, (0, side - images.shape[3], 0, side - images.shape[2])))
        shapes = [(level.shape[2], level.shape[3]) for level in maps]
        boxes = default_boxes(side, shapes, config.ratios, config.scales, config.strides)
        return *self.box_head(maps), torch.from_numpy(boxes).to(images.device)

    def maps(self, square: Tensor) -> list[Tensor]:
        """(B, 3, side, side) -> six maps, each about half as wide and high as the one before."""
        maps = self.backbone(square)  # two maps
        for block in self.extra:
            maps.append(block(maps[-1]))
        return maps

    # --- prediction -----------------------------------------------------------------------------
    @torch.no_grad()
    def predict(self, images: Tensor, sizes: list[tuple[int, int]]) -> list[Detections]:
        logits, deltas, reference = self(images)  # (B, k, classes+1), (B, k, 4), (k, 4)
        detections = []
        for probs, delta, size in zip(F.softmax(logits, 2), deltas, sizes, strict=True):
            boxes = clip(decode(reference, delta, BOX_WEIGHTS), size)
            best, rows = probs[:, 1:].topk(min(self.config.pre_nms_top_n, len(boxes)), 0)  # (n, classes) each
            likely, classes = (best > self.config.score_thresh).nonzero(as_tuple=True)
            scores, boxes = best[likely, classes], boxes[rows[likely, classes]]
            order = ops.nms_by_group(boxes, scores, classes, self.config.nms_thresh)[: self.config.detections_per_image]
            detections.append(Detections(boxes[order], scores[order], classes[order]))
        return detections

    # --- training -------------------------------------------------------------------------------
    def losses(
        self,
        images: Tensor,
        sizes: list[tuple[int, int]],
        targets: list[Targets],
        generators: Generators | None = None,
    ) -> dict[str, Loss]:
        """Cross entropy over objects and the hardest background, smooth L1 over objects, both per default box that is
        an object's (equations 1 to 3)."""
        logits, deltas, reference = self(images)  # (B, k, classes+1), (B, k, 4), (k, 4)
        all_labels, all_classes, all_deltas = [], [], []
        for target in targets:
            matched_idxs, label = _match(reference, target)
            all_labels.append(label)
            all_classes.append(matcher.class_labels(target, matched_idxs, label))
            all_deltas.append(encode_matched(reference, target.boxes, matched_idxs, BOX_WEIGHTS))
        labels, classes, expected = torch.stack(all_labels), torch.stack(all_classes), torch.stack(all_deltas)
        images_of_rows = torch.arange(len(targets), device=labels.device).repeat_interleave(len(reference))
        class_logits = matcher.among_labelled_classes(logits.flatten(0, 1), classes.flatten(), images_of_rows, targets)
        cross_entropy = F.cross_entropy(class_logits, classes.flatten(), reduction="none").view_as(labels)
        positive = labels == 1
        trained = positive | _hardest(cross_entropy.detach(), labels, self.config.negatives)
        return {
            "cls": Loss(cross_entropy[trained].sum(), positive.sum()),
            "box": Loss(F.smooth_l1_loss(deltas[positive], expected[positive], reduction="sum"), positive.sum()),
        }


def _match(reference: Tensor, target: Targets) -> tuple[Tensor, Tensor]:
    """Index of the ground truth of each default box, and its label (1, 0, -1 for neither): an object has all boxes of
    IoU 0.5 and more, and the one that overlaps it most whatever that is (2.2, "Matching strategy")."""
    matched_idxs, labels = matcher.match(reference, target, 0.5, 0.5, allow_low_quality_matches=False)
    if len(target.boxes):
        best = ops.box_iou(target.boxes, reference).argmax(1)  # (g,)
        # An object's best box is its own even where another object overlaps that box more: no object is left without.
        matched_idxs[best] = torch.arange(len(best), device=best.device)
        labels[best] = 1
    return matched_idxs, labels


def _hardest(loss: Tensor, labels: Tensor, times: int) -> Tensor:
    """(B, k) bool: the background of largest loss, `times` as many in each image as its positive boxes, or `times` in
    an image without any."""
    background = labels == 0
    rank = loss.masked_fill(~background, -1.0).argsort(1, descending=True).argsort(1)
    return background & (rank < times * (labels == 1).sum(1, keepdim=True).clamp(min=1))


# --- networks ---------------------------------------------------------------------------------------
def ssd300(backbone: Backbone, classes: int) -> SSD:
    """torchvision's ssd300_vgg16."""
    extra = [
        _plain_extra(1024, 256, 512, 2),
        _plain_extra(512, 128, 256, 2),
        _plain_extra(256, 128, 256, 1),
        _plain_extra(256, 128, 256, 1),
    ]
    head = BoxHeads([*backbone.channels, 512, 256, 256, 256], SSD300.boxes_per_cell, classes, _plain_head)
    _initialize([*extra, head], nn.init.xavier_uniform_)
    return SSD(backbone, extra, head, SSD300)


def ssdlite320(backbone: Backbone, classes: int) -> SSD:
    """torchvision's ssdlite320_mobilenet_v3_large."""
    extra = [_light_extra(480, 512), _light_extra(512, 256), _light_extra(256, 256), _light_extra(256, 128)]
    head = BoxHeads([*backbone.channels, 512, 256, 256, 128], SSDLITE.boxes_per_cell, classes, _light_head)
    _initialize([*extra, head], lambda weight: nn.init.normal_(weight, std=0.03))
    return SSD(backbone, extra, head, SSDLITE)


def _initialize(parts: Sequence[nn.Module], rule: Callable[[Tensor], Tensor]) -> None:
    for part in parts:
        for layer in part.modules():
            if isinstance(layer, nn.Conv2d):
                rule(layer.weight)
                zero_bias(layer)
