"""SSD (Liu et al. 2016) and SSDLite (Sandler et al. 2018): boxes in one pass, from default boxes on maps of six scales.

The networks are torchvision's ssd300_vgg16 and ssdlite320_mobilenet_v3_large, and load their weights. Two things are
ours. The image keeps its proportions: torchvision stretches it to a square, here the network pads its network input to
one.
And an image without objects teaches too, by its hardest places.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from maskwright.models import ops
from maskwright.models.backbones.mobilenet import InvertedResidualV3, MobileNetV3Large
from maskwright.models.backbones.vgg import VGG
from maskwright.models.base import DetectionNetwork, Detections, Targets
from maskwright.models.conv import conv_norm
from maskwright.models.detection import matcher
from maskwright.models.detection.box_coder import clip, decode
from maskwright.models.detection.mask_rcnn import DELTAS_BOX


@dataclass(frozen=True)
class SSDConfig:
    """The numbers that are not weights.

    ratios   per map: the shapes (long side over short side) of a cell's default boxes, besides two squares
    scales   their sides on each map as fractions of the network input's, and one more: the second square lies between
             two scales
    strides  network input pixels from cell to cell; None where a map's cells divide the network input evenly
    min_side pixels that the network input's sides have at least; on fewer nothing is left for the last map
    score_thresh  lowest score of a detection;  nms_thresh  largest IoU of two of a class
    pre_nms_top_n  boxes of each class that suppression looks at;  detections_per_image  how many stay at most
    negatives     default boxes of background that are trained on, for each one with an object
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


def default_boxes(side: int, maps: list[tuple[int, int]], config: SSDConfig) -> Tensor:
    """Every default box, k×4 float32 x1 y1 x2 y2 in pixels of a network input of side×side.

    maps  (height, width) of each. The order is map, line, column, then: a square of the map's scale, one between this
          scale and the next, and for each ratio a lying and a standing box. No box is wider or higher than the network
          input.
    """
    levels = []
    for (height, width), ratios, scale, above, stride in zip(
        maps, config.ratios, config.scales, config.scales[1:], config.strides, strict=False
    ):
        between = math.sqrt(scale * above)
        sides = [(scale, scale), (between, between)]
        for ratio in ratios:
            long, short = scale * math.sqrt(ratio), scale / math.sqrt(ratio)
            sides += [(long, short), (short, long)]
        half = torch.tensor(sides).clamp(max=1) * side / 2
        y = (torch.arange(height) + 0.5) * (stride or side / height)
        x = (torch.arange(width) + 0.5) * (stride or side / width)
        middle = torch.stack(torch.meshgrid(y, x, indexing="ij")[::-1], 2).reshape(-1, 1, 2)
        levels.append(torch.cat([middle - half, middle + half], 2).reshape(-1, 4))
    return torch.cat(levels)


# --- bodies and heads -------------------------------------------------------------------------------
WITH_HEADS = 9  # the stage of what ImageNet weights do not hold: it begins at random, so it learns with the heads


class VGGBody(VGG):
    """VGG16 up to conv5_3, then its two dense layers as convolutions: maps of strides 8 and 16.

    The first map is conv4_3, each of its vectors made as long as `scale` says, for its values are much larger than the
    others'.
    """

    channels, strides = (512, 1024), (8, 16)

    def __init__(self) -> None:
        super().__init__("16")
        self.features = nn.Sequential(*list(self.features)[: self.pools[4]])
        self.features[self.pools[2]].ceil_mode = True  # type: ignore[assignment]  # 300 pixels: 38 cells, not 37
        self.scale = nn.Parameter(torch.full((512,), 20.0))
        self.dense = nn.Sequential(
            nn.MaxPool2d(3, 1, 1),
            nn.Conv2d(512, 1024, 3, padding=6, dilation=6),
            nn.ReLU(inplace=True),
            nn.Conv2d(1024, 1024, 1),
            nn.ReLU(inplace=True),
        )

    def forward(self, x: Tensor) -> list[Tensor]:
        x = self.features[: self.pools[3]](x)
        fine = F.normalize(x.float()) * self.scale[:, None, None]
        return [fine, self.dense(self.features[self.pools[3] :](x))]

    def stage_of(self, name: str) -> int:
        return super().stage_of(name) if name.startswith("features.") else WITH_HEADS


class MobileBody(MobileNetV3Large):
    """MobileNetV3-Large, its last blocks half as wide: maps of strides 16 (inside block 13) and 32."""

    channels, strides = (672, 480), (16, 32)

    def __init__(self) -> None:
        super().__init__(_norm)
        self.features = nn.Sequential(
            *list(self.features)[:13],
            InvertedResidualV3(112, 5, 672, 80, 1, 1, 2, _norm),
            InvertedResidualV3(80, 5, 480, 80, 1, 1, 1, _norm),
            InvertedResidualV3(80, 5, 480, 80, 1, 1, 1, _norm),
            conv_norm(80, 480, 1, 1, _norm, nn.Hardswish),
        )

    def forward(self, x: Tensor) -> list[Tensor]:
        block: nn.Sequential = self.features[13].block  # type: ignore[assignment]
        fine = block[0](self.features[:13](x))
        return [fine, self.features[14:](block[1:](fine))]

    @classmethod
    def stage_of(cls, name: str) -> int:
        return WITH_HEADS if int(name.split(".")[1]) >= 13 else super().stage_of(name)


def _norm(channels: int) -> nn.Module:
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.03)


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
        conv_norm(inputs, width, 1, 1, _norm, nn.ReLU6),
        conv_norm(width, width, 3, 2, _norm, nn.ReLU6, groups=width),
        conv_norm(width, outputs, 1, 1, _norm, nn.ReLU6),
    )


def _plain_head(inputs: int, outputs: int) -> nn.Module:
    return nn.Conv2d(inputs, outputs, 3, padding=1)


def _light_head(inputs: int, outputs: int) -> nn.Module:
    return nn.Sequential(conv_norm(inputs, inputs, 3, 1, _norm, nn.ReLU6, groups=inputs), nn.Conv2d(inputs, outputs, 1))


class BoxHeads(nn.Module):
    """For every default box of a cell: logits of background and all classes, and deltas. One head a map."""

    def __init__(
        self, channels: list[int], boxes: list[int], classes: int, head: Callable[[int, int], nn.Module]
    ) -> None:
        super().__init__()
        pairs = list(zip(channels, boxes, strict=True))
        self.cls_score = nn.ModuleList([head(width, count * (classes + 1)) for width, count in pairs])
        self.bbox_pred = nn.ModuleList([head(width, count * 4) for width, count in pairs])
        self.classes = classes

    def forward(self, maps: list[Tensor]) -> tuple[Tensor, Tensor]:
        """Maps B×C×H×W -> logits B×k×(classes+1), deltas B×k×4, in the order of `default_boxes`."""
        return _rows(self.cls_score, maps, self.classes + 1), _rows(self.bbox_pred, maps, 4)


def _rows(heads: nn.ModuleList, maps: list[Tensor], columns: int) -> Tensor:
    said = [
        head(feature_map).permute(0, 2, 3, 1).reshape(len(feature_map), -1, columns)
        for head, feature_map in zip(heads, maps, strict=True)
    ]
    return torch.cat(said, 1).float()


# --- the network ------------------------------------------------------------------------------------
class SSD(DetectionNetwork):
    """images  (B, 3, H, W); padded with zeros to a square here, for which default boxes are made"""

    trains_from_features = False  # the side of that square does not follow from the features

    def __init__(self, backbone: nn.Module, extra: list[nn.Sequential], box_head: BoxHeads, config: SSDConfig) -> None:
        super().__init__()
        self.backbone, self.extra, self.box_head, self.config = backbone, nn.ModuleList(extra), box_head, config

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Logits B×k×(classes+1), deltas B×k×4 and the default boxes k×4 in network input pixels."""
        side = max(*images.shape[2:], self.config.min_side)
        maps = self.backbone(F.pad(images, (0, side - images.shape[3], 0, side - images.shape[2])))
        for block in self.extra:
            maps.append(block(maps[-1]))
        boxes = default_boxes(side, [(feature_map.shape[2], feature_map.shape[3]) for feature_map in maps], self.config)
        return *self.box_head(maps), boxes.to(images.device)

    # --- use ------------------------------------------------------------------------------------
    @torch.no_grad()
    def predict(self, images: Tensor, sizes: list[tuple[int, int]]) -> list[Detections]:
        logits, deltas, reference = self(images)
        detections = []
        for probs, delta, size in zip(F.softmax(logits, 2), deltas, sizes, strict=True):
            boxes = clip(decode(reference, delta, DELTAS_BOX), size)
            best, places = probs[:, 1:].topk(min(self.config.pre_nms_top_n, len(boxes)), 0)
            likely, classes = (best > self.config.score_thresh).nonzero(as_tuple=True)
            scores, boxes = best[likely, classes], boxes[places[likely, classes]]
            kept = ops.nms_by_group(boxes, scores, classes, self.config.nms_thresh)[: self.config.detections_per_image]
            detections.append(Detections(boxes[kept], scores[kept], classes[kept]))
        return detections

    # --- training -------------------------------------------------------------------------------
    def losses(
        self,
        images: Tensor,
        sizes: list[tuple[int, int]],
        targets: list[Targets],
        generator: torch.Generator | None = None,
    ) -> dict[str, Tensor]:
        """Cross entropy over objects and the hardest background, smooth L1 over objects, both per object's place."""
        logits, deltas, reference = self(images)
        parts = [_match(reference, target) for target in targets]
        labels = torch.stack([label for _, label in parts])
        classes = torch.stack(
            [matcher.class_labels(target, *part) for part, target in zip(parts, targets, strict=True)]
        )
        expected = torch.stack(
            [
                matcher.deltas_for(reference, target, matched_idxs, DELTAS_BOX)
                for (matched_idxs, _), target in zip(parts, targets, strict=True)
            ]
        )
        rows_image = torch.arange(len(targets), device=labels.device).repeat_interleave(len(reference))
        class_logits = matcher.among_labelled_classes(logits.flatten(0, 1), classes.flatten(), rows_image, targets)
        cross_entropy = F.cross_entropy(class_logits, classes.flatten(), reduction="none").view_as(labels)
        positive = labels == 1
        trained = positive | _hardest(cross_entropy.detach(), labels, self.config.negatives)
        count = positive.sum().clamp(min=1)
        return {
            "cls": cross_entropy[trained].sum() / count,
            "box": F.smooth_l1_loss(deltas[positive], expected[positive], reduction="sum") / count,
        }


def _match(reference: Tensor, target: Targets) -> tuple[Tensor, Tensor]:
    """For each default box the index of its ground truth and its label (1, 0, -1 for neither): an object has all boxes
    of IoU 0.5 and more, and the one that overlaps it most whatever that is."""
    matched_idxs, labels = matcher.match(reference, target, 0.5, 0.5, allow_low_quality_matches=False)
    if len(target.boxes):
        best = ops.box_iou(target.boxes, reference).argmax(1)
        matched_idxs[best] = torch.arange(len(best), device=best.device)
        labels[best] = 1
    return matched_idxs, labels


def _hardest(loss: Tensor, labels: Tensor, times: int) -> Tensor:
    """B×k bool: the background of largest loss, `times` as many in each image as it has positive places, or `times`
    in an image without any."""
    background = labels == 0
    rank = loss.masked_fill(~background, -1.0).argsort(1, descending=True).argsort(1)
    return background & (rank < times * (labels == 1).sum(1, keepdim=True).clamp(min=1))


# --- put together -----------------------------------------------------------------------------------
def ssd300(classes: int) -> SSD:
    body = VGGBody()
    extra = [
        _plain_extra(1024, 256, 512, 2),
        _plain_extra(512, 128, 256, 2),
        _plain_extra(256, 128, 256, 1),
        _plain_extra(256, 128, 256, 1),
    ]
    head = BoxHeads([*body.channels, 512, 256, 256, 256], SSD300.boxes_per_cell, classes, _plain_head)
    for part in (body.dense, *extra, head):
        _initialize(part, nn.init.xavier_uniform_)
    return SSD(body, extra, head, SSD300)


def ssdlite320(classes: int) -> SSD:
    body = MobileBody()
    extra = [_light_extra(480, 512), _light_extra(512, 256), _light_extra(256, 256), _light_extra(256, 128)]
    head = BoxHeads([*body.channels, 512, 256, 256, 128], SSDLITE.boxes_per_cell, classes, _light_head)
    for part in (body, *extra, head):
        _initialize(part, lambda weight: nn.init.normal_(weight, std=0.03))
    return SSD(body, extra, head, SSDLITE)


def _initialize(part: nn.Module, rule: Callable[[Tensor], Tensor]) -> None:
    for layer in part.modules():
        if isinstance(layer, nn.Conv2d):
            rule(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
