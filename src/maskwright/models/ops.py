"""What detection needs beyond torch's own operations: IoU, non-maximum suppression, RoI Align.

RoI Align is written as one weighted look-up: every output cell is a sum of at most 16 rows of a table whose rows are
feature vectors, which is exactly `embedding_bag`. The table holds all pyramid levels of all images, so one call pools
everything, and its gradient comes for free.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F


def box_iou(a: Tensor, b: Tensor) -> Tensor:
    """(a, 4) and (b, 4) boxes, x1 y1 x2 y2 or y1 x1 y2 x2 in any unit -> (a, b) intersection over union.

    Boxes without area give 0. The longer list is better the second one.

    >>> box_iou(torch.tensor([[0.0, 0, 2, 2]]), torch.tensor([[0.0, 0, 2, 1], [5.0, 5, 6, 6]]))
    tensor([[0.5000, 0.0000]])
    """
    # By coordinate, not as corners of (a, b, 2): a fifth of the time. The floor only keeps 0 / 0 from being no number;
    # it is far below the areas of normalized boxes (0..1), of which some are smaller than 1e-9.
    x1, y1, x2, y2 = a[:, :, None].unbind(1)
    u1, v1, u2, v2 = b.T.contiguous().unbind(0)
    width = (torch.minimum(x2, u2) - torch.maximum(x1, u1)).clamp_(min=0)
    height = (torch.minimum(y2, v2) - torch.maximum(y1, v1)).clamp_(min=0)
    inter = width.mul_(height)
    return inter / ((x2 - x1) * (y2 - y1) + (u2 - u1) * (v2 - v1)).sub_(inter).clamp_(min=1e-30)


def nms(boxes: Tensor, scores: Tensor, threshold: float, at_once: int = 256) -> Tensor:
    """Indices of the boxes that greedy non-maximum suppression keeps, by falling score: (k,) int64.

    A box is suppressed where its IoU with a better one that is kept exceeds `threshold`.

    >>> nms(torch.tensor([[0.0, 0, 9, 9], [0.0, 0, 9, 8], [20.0, 20, 29, 29]]), torch.tensor([0.5, 0.9, 0.7]), 0.5)
    tensor([1, 2])
    """
    # The best `at_once` boxes are settled among themselves, what overlaps one of the kept is dropped from the rest, and
    # so on with the rest: what is dropped early is never compared again.
    rest = scores.argsort(descending=True, stable=True)
    parts = [rest[:0]]
    while len(rest):
        best, rest = rest[:at_once], rest[at_once:]
        best = best[_survivors(boxes[best], threshold)]
        parts.append(best)
        rest = rest[(box_iou(boxes[best], boxes[rest]) <= threshold).all(0)]
    return torch.cat(parts)


def _survivors(ranked: Tensor, threshold: float) -> Tensor:
    """Which of the boxes, best first, greedy suppression keeps: (n,) bool."""
    # It is the one fixed point of "a box survives if no better survivor overlaps it", reached by iterating that
    # sentence: each round settles at least the next box, in practice nearly all of them. A loop over boxes would take
    # a hundred times as long.
    overlaps = (box_iou(ranked, ranked) > threshold).triu_(1).float()  # row: the better box
    survives = torch.ones(len(ranked), device=ranked.device)
    while True:
        after = (survives @ overlaps == 0).float()
        if torch.equal(after, survives):
            return survives.bool()
        survives = after


def nms_by_group(boxes: Tensor, scores: Tensor, groups: Tensor, threshold: float) -> Tensor:
    """Suppression within each group (a class, a pyramid level) only; indices by falling score over all groups."""
    parts = [
        members[nms(boxes[members], scores[members], threshold)]
        for members in (torch.nonzero(groups == group)[:, 0] for group in groups.unique())
    ]
    if not parts:
        return torch.zeros(0, dtype=torch.long, device=boxes.device)
    together = torch.cat(parts)
    return together[scores[together].argsort(descending=True, stable=True)]


def pyramid_levels(
    boxes: Tensor, count: int, canonical: float = 224.0, canonical_level: int = 4, lowest: int = 2
) -> Tensor:
    """Which pyramid level pools each box: (n,) int64, 0 is the finest.

    >>> pyramid_levels(torch.tensor([[0.0, 0, 32, 32], [0.0, 0, 224, 224], [0.0, 0, 900, 900]]), count=4)
    tensor([0, 2, 3])
    """
    side = (boxes[:, 2:] - boxes[:, :2]).prod(1).clamp(min=0).sqrt()
    # Feature Pyramid Networks, equation 1: a box of ImageNet's 224 pixels goes to P4; torchvision's epsilon
    level = torch.floor(canonical_level + torch.log2(side / canonical + 1e-6))
    return level.clamp(lowest, lowest + count - 1).long() - lowest


def feature_table(pyramid: list[Tensor]) -> tuple[Tensor, Tensor]:
    """All feature vectors as rows: (rows, C), and their layout.

    pyramid  levels of (B, C, H, W)
    layout   (levels, 3) int64: first row of the level, height, width; rows go image, line, column
    """
    rows, layout, first = [], [], 0
    for level in pyramid:
        batch, channels, height, width = level.shape
        rows.append(level.permute(0, 2, 3, 1).reshape(-1, channels))
        layout.append((first, height, width))
        first += batch * height * width
    return torch.cat(rows), torch.tensor(layout, device=pyramid[0].device)


def roi_align(
    pyramid: list[Tensor],
    strides: Sequence[int],
    boxes: Tensor,
    images: Tensor,
    levels: Tensor,
    out: int,
    samples: int = 2,
) -> Tensor:
    """RoI Align over a pyramid (Mask R-CNN, section 3): (n, C, out, out).

    pyramid  levels of (B, C, H, W), strides in network input pixels
    boxes    (n, 4) x1 y1 x2 y2, network input pixels
    images   (n,) int64, which image of the batch;  levels  (n,) int64, which level
    samples  points per cell and axis, averaged

    The rule is torchvision's roi_align(aligned=False): points are not shifted by half a pixel, a box is at least one
    feature cell large, points beyond the map's last row or column take its value.
    """
    table, layout = feature_table(pyramid)
    scale = 1.0 / torch.tensor(strides, dtype=boxes.dtype, device=boxes.device)[levels]
    first, height, width = layout[levels].unbind(1)
    start = boxes[:, :2] * scale[:, None]
    span = (boxes[:, 2:] * scale[:, None] - start).clamp(min=1.0)
    steps = (torch.arange(out * samples, device=boxes.device, dtype=boxes.dtype) + 0.5) / (out * samples)
    x = start[:, :1] + span[:, :1] * steps  # n × out*samples
    y = start[:, 1:] + span[:, 1:] * steps
    first = first + images * height * width
    return look_up(table, first, height, width, y, x, out, samples)


def look_up(
    table: Tensor, first: Tensor, height: Tensor, width: Tensor, y: Tensor, x: Tensor, out: int, samples: int
) -> Tensor:
    """Bilinear values at the grid y × x of each box, averaged over samples×samples points a cell: (n, C, out, out).

    y, x  (n, out·samples), in cells of the box's own level, where 0 is the middle of the first one
    """
    n, channels = len(y), table.shape[1]
    if n == 0:
        return table.new_zeros((0, channels, out, out))
    y0, y1, wy = _neighbors(y, height)
    x0, x1, wx = _neighbors(x, width)
    ys, xs = torch.stack([y0, y1], 2), torch.stack([x0, x1], 2)  # n × points × 2
    weights_y, weights_x = torch.stack([1 - wy, wy], 2), torch.stack([1 - wx, wx], 2)
    # cell row, cell column, then the points of the cell: (samples*2) lines × (samples*2) columns
    ys, weights_y = ys.view(n, out, 1, samples * 2, 1), weights_y.view(n, out, 1, samples * 2, 1)
    xs, weights_x = xs.view(n, 1, out, 1, samples * 2), weights_x.view(n, 1, out, 1, samples * 2)
    index = first.view(n, 1, 1, 1, 1) + ys * width.view(n, 1, 1, 1, 1) + xs
    weight = weights_y * weights_x / samples**2
    points = (samples * 2) ** 2
    pooled: Tensor = _LookUp.apply(table, index.reshape(-1, points), weight.reshape(-1, points).to(table.dtype))
    return pooled.view(n, out, out, channels).permute(0, 3, 1, 2)


class _LookUp(torch.autograd.Function):
    """Weighted sums of the table's rows. Twice as fast a gradient as embedding_bag's own, and its sums are not rounded
    to bf16 at each step: the gradient of a row is again a look-up, of the cells that used it."""

    @staticmethod
    def forward(ctx: Any, table: Tensor, index: Tensor, weight: Tensor) -> Tensor:
        """table (rows, C), index and weight (cells, points) -> (cells, C)"""
        ctx.save_for_backward(index, weight)
        ctx.rows = len(table)
        return F.embedding_bag(index, table, mode="sum", per_sample_weights=weight)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor, None, None]:
        (grad,), (index, weight) = grad_outputs, ctx.saved_tensors
        used, order = index.flatten().sort(stable=True)
        counts = torch.bincount(used, minlength=ctx.rows)
        to_table = F.embedding_bag(
            order // index.shape[1],
            grad.contiguous(),
            counts.cumsum(0) - counts,  # where each row's users begin
            mode="sum",
            per_sample_weights=weight.flatten()[order],
        )
        return to_table, None, None


def _neighbors(at: Tensor, length: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The two cells around each coordinate and the weight of the second; coordinates are held inside the map."""
    last = (length - 1).to(at.dtype)[:, None]
    at = torch.minimum(at.clamp(min=0), last)
    low = at.floor()
    high = torch.minimum(low + 1, last)
    return low.long(), high.long(), at - low
