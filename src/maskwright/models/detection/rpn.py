"""The region proposal network (Faster R-CNN, Ren et al. 2015): where there may be an object of any class."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from maskwright.geometry.anchors import RATIOS, SIDES
from maskwright.models import ops
from maskwright.models.conv import Conv, PlainConv, zero_bias
from maskwright.models.detection.box_coder import UNIT, clip, decode


class ProposalHead(nn.Module):
    """3x3 convolutions shared by all levels, then objectness and deltas for each anchor of a cell."""

    def __init__(self, width: int, anchors: int, depth: int = 1, conv: Conv = PlainConv) -> None:
        super().__init__()
        self.conv = nn.Sequential(*(conv(width, width, 3, relu=True) for _ in range(depth)))
        self.cls_logits = nn.Conv2d(width, anchors, 1)
        self.bbox_pred = nn.Conv2d(width, anchors * 4, 1)
        for layer in (self.cls_logits, self.bbox_pred):
            nn.init.normal_(layer.weight, std=0.01)
            zero_bias(layer)

    def forward(self, pyramid: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """Per level: objectness logits (B, k) and deltas (B, k, 4), in the anchors' order."""
        logits, deltas = [], []
        for level in pyramid:
            hidden = self.conv(level)
            batch = len(hidden)
            logits.append(self.cls_logits(hidden).permute(0, 2, 3, 1).reshape(batch, -1).float())
            deltas.append(self.bbox_pred(hidden).permute(0, 2, 3, 1).reshape(batch, -1, 4).float())
        return logits, deltas


@dataclass(frozen=True)
class ProposalConfig:
    """Which anchors become proposals."""

    sizes: tuple[tuple[float, ...], ...] = tuple((side,) for side in SIDES)
    ratios: tuple[float, ...] = RATIOS
    pre_nms_top_n: int = 1000  # of each level
    post_nms_top_n: int = 1000  # of all levels together
    nms_thresh: float = 0.7


@torch.no_grad()
def propose(
    anchors: list[Tensor],
    logits: list[Tensor],
    deltas: list[Tensor],
    sizes: list[tuple[int, int]],
    config: ProposalConfig,
) -> list[Tensor]:
    """The best boxes of every image: at most (post_nms_top_n, 4) each, network input pixels, by falling objectness.

    Per level the best `pre_nms_top_n`, decoded and clipped to the image's part of the network input, boxes without
    area dropped, suppressed within their level, then the best over all levels.
    """
    images = []
    for image, size in enumerate(sizes):
        boxes, scores = [], []
        for anchor, logit, delta in zip(anchors, logits, deltas, strict=True):
            score, best = logit[image].topk(min(config.pre_nms_top_n, len(anchor)))
            box = clip(decode(anchor[best], delta[image, best], UNIT), size)  # (k, 4)
            # Clipped away in the padding, or not a number: neither can be pooled.
            solid = (box[:, 2:] - box[:, :2] >= 1e-3).all(1).nonzero()[:, 0]
            # Within a level only, as in torchvision: boxes of two levels rarely overlap enough to suppress each other.
            solid = solid[ops.nms(box[solid], score[solid], config.nms_thresh)[: config.post_nms_top_n]]
            boxes.append(box[solid])
            scores.append(score[solid])
        best = torch.cat(scores).argsort(descending=True, stable=True)[: config.post_nms_top_n]
        images.append(torch.cat(boxes)[best])
    return images


def proposal_losses(logits: Tensor, deltas: Tensor, labels: Tensor, targets: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Cross entropy over the sampled anchors, smooth L1 over the positive ones, and the number of sampled anchors, by
    which equation 1 divides both.

    logits (n,), deltas (n, 4), labels (n,) 1 object, 0 background, -1 not sampled; targets (n, 4)
    """
    sampled, positive = labels >= 0, labels == 1
    objectness = F.binary_cross_entropy_with_logits(logits[sampled], labels[sampled].float(), reduction="sum")
    box = F.smooth_l1_loss(deltas[positive], targets[positive], beta=1 / 9, reduction="sum")
    return objectness, box, sampled.sum()
