"""Anchors and the region proposal network (Ren et al. 2015): where there may be something."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from maskwright.models import ops
from maskwright.models.backbones import PlainConv

WIDEST = math.log(1000.0 / 16)  # a box grows at most this much (log) in one step; torchvision's bound


def encode(reference: Tensor, boxes: Tensor, weights: tuple[float, float, float, float]) -> Tensor:
    """The deltas that turn `reference` into `boxes` (Faster R-CNN, equation 2), each times its weight; all n×4."""
    (rx, ry, rw, rh), (x, y, w, h) = _centered(reference), _centered(boxes)
    deltas = torch.stack([(x - rx) / rw, (y - ry) / rh, torch.log(w / rw), torch.log(h / rh)], 1)
    return deltas * deltas.new_tensor(weights)


def decode(reference: Tensor, deltas: Tensor, weights: tuple[float, float, float, float]) -> Tensor:
    """The boxes that `deltas` make of `reference`: encode's inverse within WIDEST."""
    rx, ry, rw, rh = _centered(reference)
    dx, dy, dw, dh = (deltas / deltas.new_tensor(weights)).unbind(-1)
    x, y = dx * rw + rx, dy * rh + ry
    w, h = torch.exp(dw.clamp(max=WIDEST)) * rw, torch.exp(dh.clamp(max=WIDEST)) * rh
    return torch.stack([x - w / 2, y - h / 2, x + w / 2, y + h / 2], -1)


def _centered(boxes: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    w, h = boxes[..., 2] - boxes[..., 0], boxes[..., 3] - boxes[..., 1]
    return boxes[..., 0] + w / 2, boxes[..., 1] + h / 2, w, h


def clip(boxes: Tensor, size: tuple[int, int]) -> Tensor:
    """Boxes held inside a (height, width) region that begins at 0, 0."""
    height, width = size
    return torch.stack(
        [
            boxes[..., 0].clamp(0, width),
            boxes[..., 1].clamp(0, height),
            boxes[..., 2].clamp(0, width),
            boxes[..., 3].clamp(0, height),
        ],
        -1,
    )


def make_anchors(
    network_input: tuple[int, int],
    shapes: list[tuple[int, int]],
    sizes: tuple[tuple[float, ...], ...],
    ratios: tuple[float, ...],
) -> list[Tensor]:
    """One k×4 float32 tensor a level, in network input pixels: line by line, column by column, then size within ratio.

    network input and shapes are (height, width). A cell's anchors are centered on its top left corner, their corners
    rounded
    to whole pixels, the stride is the network input's side over the map's, cut to whole pixels (torchvision's rules).
    """
    levels = []
    for (height, width), scale in zip(shapes, sizes, strict=True):
        root = torch.tensor(ratios).sqrt()
        side = torch.tensor(scale)
        heights, widths = (root[:, None] * side).reshape(-1), (side / root[:, None]).reshape(-1)
        cell = (torch.stack([-widths, -heights, widths, heights], 1) / 2).round()
        y, x = torch.meshgrid(
            torch.arange(height) * (network_input[0] // height),
            torch.arange(width) * (network_input[1] // width),
            indexing="ij",
        )
        shift = torch.stack([x, y, x, y], 2).reshape(-1, 1, 4)
        levels.append((shift + cell).reshape(-1, 4))
    return levels


class ProposalHead(nn.Module):
    """3x3 convolutions shared by all levels, then objectness and deltas for each anchor of a cell."""

    def __init__(self, width: int, anchors: int, depth: int = 1, conv: type[nn.Sequential] = PlainConv) -> None:
        super().__init__()
        self.conv = nn.Sequential(*(conv(width, width, 3, None, True) for _ in range(depth)))  # type: ignore[call-arg]
        self.cls_logits = nn.Conv2d(width, anchors, 1)
        self.bbox_pred = nn.Conv2d(width, anchors * 4, 1)
        for layer in (self.cls_logits, self.bbox_pred):
            nn.init.normal_(layer.weight, std=0.01)
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]

    def forward(self, pyramid: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """Per level: objectness B×k logits and deltas B×k×4, in the anchors' order."""
        logits, deltas = [], []
        for level in pyramid:
            hidden = self.conv(level)
            batch = len(hidden)
            logits.append(self.cls_logits(hidden).permute(0, 2, 3, 1).reshape(batch, -1).float())
            deltas.append(self.bbox_pred(hidden).permute(0, 2, 3, 1).reshape(batch, -1, 4).float())
        return logits, deltas


@dataclass(frozen=True)
class ProposalRules:
    """Which anchors become proposals."""

    sizes: tuple[tuple[float, ...], ...] = ((32.0,), (64.0,), (128.0,), (256.0,), (512.0,))
    ratios: tuple[float, ...] = (0.5, 1.0, 2.0)
    per_level: int = 1000
    kept: int = 1000
    overlap: float = 0.7


@torch.no_grad()
def propose(
    anchors: list[Tensor],
    logits: list[Tensor],
    deltas: list[Tensor],
    sizes: list[tuple[int, int]],
    rules: ProposalRules,
) -> list[Tensor]:
    """The best boxes of every image: at most `kept`×4 each, network input pixels, by falling objectness.

    Per level the best `per_level`, decoded and clipped to the image's part of the network input, boxes without area
    dropped,
    suppressed within their level, then the best over all levels.
    """
    images = []
    for image, size in enumerate(sizes):
        boxes, scores = [], []
        for anchor, logit, delta in zip(anchors, logits, deltas, strict=True):
            score, best = logit[image].topk(min(rules.per_level, len(anchor)))
            box = clip(decode(anchor[best], delta[image, best], (1.0, 1.0, 1.0, 1.0)), size)
            real = ((box[:, 2] - box[:, 0] >= 1e-3) & (box[:, 3] - box[:, 1] >= 1e-3)).nonzero()[:, 0]
            real = real[ops.nms(box[real], score[real], rules.overlap)[: rules.kept]]
            boxes.append(box[real])
            scores.append(score[real])
        best = torch.cat(scores).argsort(descending=True, stable=True)[: rules.kept]
        images.append(torch.cat(boxes)[best])
    return images


def proposal_losses(logits: Tensor, deltas: Tensor, labels: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Cross entropy over the sampled anchors, smooth L1 over the positive ones, both per sampled anchor.

    logits n, deltas n×4, labels n (1 object, 0 background, -1 not sampled), targets n×4
    """
    sampled, positive = labels >= 0, labels == 1
    count = sampled.sum().clamp(min=1)
    objectness = F.binary_cross_entropy_with_logits(logits[sampled], labels[sampled].float(), reduction="sum") / count
    box = F.smooth_l1_loss(deltas[positive], targets[positive], beta=1 / 9, reduction="sum") / count
    return objectness, box
