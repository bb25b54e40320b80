"""matterport's own arithmetic between the convolutions: padding, boxes, proposals, pooling, detections, targets.

Boxes are y1 x1 y2 x2, normalized (0..1, y2 and x2 inside the box), in float32 and in the order of the original's
operations, because the last bit decides which side of an edge or of a pyramid level a box falls on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from maskwright.models import ops

# Multiplying by a power of two changes no bit of an overlap, but keeps tiny normalized areas away from ops.box_iou's
# floor of 1e-9.
GROW = 1024.0


def same_padding(x: Tensor, kernel: int, stride: int) -> Tensor:
    """B×C×H×W with TensorFlow's 'same' padding around it: the smaller half of an odd rest at the top and left."""
    pads: list[int] = []
    for side in (x.shape[3], x.shape[2]):
        rest = max((-(-side // stride) - 1) * stride + kernel - side, 0)
        pads += [rest // 2, rest - rest // 2]
    return F.pad(x, pads)


# --- boxes ------------------------------------------------------------------------------------------
def apply_deltas(boxes: Tensor, deltas: Tensor) -> Tensor:
    """n×4 boxes moved by (dy, dx, log dh, log dw)."""
    y1, x1, y2, x2 = boxes.unbind(-1)
    dy, dx, dh, dw = deltas.unbind(-1)
    height, width = y2 - y1, x2 - x1
    middle_y, middle_x = y1 + 0.5 * height + dy * height, x1 + 0.5 * width + dx * width
    height, width = height * dh.exp(), width * dw.exp()
    y1, x1 = middle_y - 0.5 * height, middle_x - 0.5 * width
    return torch.stack([y1, x1, y1 + height, x1 + width], -1)


def deltas_to(boxes: Tensor, ground_truth: Tensor) -> Tensor:
    """The deltas that turn n×4 boxes into n×4 ground truth: apply_deltas' inverse."""
    side, ground_truth_side = boxes[:, 2:] - boxes[:, :2], ground_truth[:, 2:] - ground_truth[:, :2]
    middle, ground_truth_middle = boxes[:, :2] + 0.5 * side, ground_truth[:, :2] + 0.5 * ground_truth_side
    return torch.cat([(ground_truth_middle - middle) / side, (ground_truth_side / side).log()], 1)


def clip(boxes: Tensor, window: Tensor) -> Tensor:
    """Boxes held inside a window (y1 x1 y2 x2)."""
    low, high = window[..., :2].repeat_interleave(2, -1), window[..., 2:].repeat_interleave(2, -1)
    order = [0, 2, 1, 3]  # (y, y, x, x) -> (y, x, y, x)
    return torch.maximum(torch.minimum(boxes, high[..., order]), low[..., order])


def norm_boxes(boxes: Tensor, size: tuple[float, float]) -> Tensor:
    """Pixels (y2, x2 outside) -> normalized (inside), float32."""
    scale = torch.tensor([size[0], size[1], size[0], size[1]], dtype=torch.float32, device=boxes.device) - 1.0
    return (boxes.float() - boxes.new_tensor([0.0, 0.0, 1.0, 1.0], dtype=torch.float32)) / scale


def denorm_boxes(boxes: Tensor, size: tuple[float, float]) -> Tensor:
    """Normalized -> whole pixels, halves to even."""
    scale = boxes.new_tensor([size[0], size[1], size[0], size[1]]) - 1.0
    return torch.round(boxes * scale + boxes.new_tensor([0.0, 0.0, 1.0, 1.0])).int()


def overlaps(a: Tensor, b: Tensor) -> Tensor:
    """a×b intersection over union."""
    return ops.box_iou(a * GROW, b * GROW)


def trim_zeros(boxes: Tensor) -> tuple[Tensor, Tensor]:
    """The rows that are not all zero, and which these are."""
    real = boxes.abs().sum(1) != 0
    return boxes[real], real


def suppress(boxes: Tensor, threshold: float, count: int, block: int = 1024) -> Tensor:
    """Indices of the first `count` boxes that greedy suppression keeps; the boxes come best first.

    Block by block, so that what is never looked at costs nothing: 6000 boxes at once would be 36 million overlaps.
    """
    kept = torch.zeros(0, dtype=torch.long, device=boxes.device)
    for start in range(0, len(boxes), block):
        free = torch.arange(start, min(start + block, len(boxes)), device=boxes.device)
        if len(kept):
            free = free[~(overlaps(boxes[free], boxes[kept]) > threshold).any(1)]
        falling = -free.float()
        kept = torch.cat([kept, free[ops.nms(boxes[free] * GROW, falling, threshold)]])
        if len(kept) >= count:
            break
    return kept[:count]


def padded(rows: Tensor, count: int) -> Tensor:
    """n×... with rows of zeros up to `count`."""
    return F.pad(rows, [0, 0] * (rows.dim() - 1) + [0, count - len(rows)])


# --- proposals, detections --------------------------------------------------------------------------
def propose(
    probs: Tensor, deltas: Tensor, anchors: Tensor, std: Tensor, limit: int, count: int, threshold: float
) -> Tensor:
    """The region proposals: B×count×4, best first, zero rows at the end.

    probs B×L×2 (background, object), deltas B×L×4, anchors B×L×4;  limit: how many anchors are looked at
    """
    window = anchors.new_tensor([0.0, 0.0, 1.0, 1.0])
    detections = []
    for score, delta, anchor in zip(probs[..., 1], deltas * std, anchors, strict=True):
        best = score.argsort(descending=True, stable=True)[:limit]
        boxes = clip(apply_deltas(anchor[best], delta[best]), window)
        detections.append(padded(boxes[suppress(boxes.detach(), threshold, count)], count))
    return torch.stack(detections)


def detect(
    rois: Tensor,
    probs: Tensor,
    deltas: Tensor,
    windows: Tensor,
    std: Tensor,
    confidence: float,
    threshold: float,
    count: int,
) -> Tensor:
    """The final detections: B×count×6 (y1 x1 y2 x2, class, score), best first, zero rows at the end.

    rois B×N×4, probs B×N×C, deltas B×N×C×4, windows B×4 normalized: the image's part of the image
    """
    detections = []
    for roi, prob, delta, window in zip(rois, probs, deltas, windows, strict=True):
        classes = prob.argmax(1)
        rows = torch.arange(len(classes), device=classes.device)
        scores = prob[rows, classes]
        boxes = clip(apply_deltas(roi, delta[rows, classes] * std), window)
        keep = classes > 0
        if confidence:
            keep &= scores >= confidence
        rows = keep.nonzero()[:, 0]
        rows = rows[ops.nms_by_group(boxes[rows] * GROW, scores[rows], classes[rows], threshold)].sort().values
        rows = rows[scores[rows].argsort(descending=True, stable=True)][:count]
        detections.append(padded(torch.cat([boxes[rows], classes[rows, None].float(), scores[rows, None]], 1), count))
    return torch.stack(detections)


# --- pooling ----------------------------------------------------------------------------------------
def crop_and_resize(table: Tensor, first: Tensor, height: Tensor, width: Tensor, boxes: Tensor, out: int) -> Tensor:
    """One bilinear sample a cell, corners on corners, 0 outside the map: n×C×out×out.

    table  feature vectors as rows;  first, height, width  n: where each box's map starts and how large it is
    """
    y, inside_y = _samples(boxes[:, 0], boxes[:, 2], height, out)
    x, inside_x = _samples(boxes[:, 1], boxes[:, 3], width, out)
    values = ops.look_up(table, first, height, width, y, x, out, 1)
    inside = inside_y[:, None, :, None] & inside_x[:, None, None, :]
    return values if inside.all() else values * inside


def _samples(low: Tensor, high: Tensor, length: Tensor, out: int) -> tuple[Tensor, Tensor]:
    last = (length - 1).to(low.dtype)
    if out > 1:
        step = (high - low) * last / (out - 1)
        at = (low * last)[:, None] + torch.arange(out, dtype=low.dtype, device=low.device) * step[:, None]
    else:
        at = (0.5 * (low + high) * last)[:, None]
    inside = (at >= 0) & (at <= last[:, None])
    return torch.where(inside, at, torch.zeros_like(at)), inside


def pyramid_level(boxes: Tensor, area: float) -> Tensor:
    """2..5 for each box (FPN paper, equation 1, rounded half to even); `area` of the image in pixels. Empty: 2."""
    side = ((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])).sqrt()
    unit = 224.0 / torch.tensor(area, dtype=torch.float32, device=boxes.device).sqrt()
    level = torch.round(torch.log(side / unit) / torch.log(torch.tensor(2.0, device=boxes.device)))
    return (4 + torch.nan_to_num(level, nan=-9.0, neginf=-9.0, posinf=9.0)).clamp(2, 5).long()


def pool(table: Tensor, layout: Tensor, boxes: Tensor, area: float, out: int) -> Tensor:
    """B×N×4 boxes pooled from P2..P5: (B·N)×C×out×out. No gradient to the boxes.

    table, layout  ops.feature_table([P2, P3, P4, P5])
    """
    flat = boxes.detach().reshape(-1, 4)
    first, height, width = layout[pyramid_level(flat, area) - 2].unbind(1)
    image = torch.arange(len(boxes), device=boxes.device).repeat_interleave(boxes.shape[1])
    return crop_and_resize(table, first + image * height * width, height, width, flat, out)


def rows_in_use(boxes: Tensor) -> int:
    """How many of N rows (B×N×4) one must look at: all real ones of every image, and one zero row for the others."""
    real = (boxes != 0).any(2).any(0).nonzero()[:, 0]
    return min(int(real[-1]) + 2 if len(real) else 1, boxes.shape[1])


# --- training targets -------------------------------------------------------------------------------
class Targets(NamedTuple):
    """What the proposals of a batch should have said; every column B×T×..., positives first, zero rows last."""

    rois: Tensor
    class_ids: Tensor
    deltas: Tensor
    masks: Tensor


def detection_targets(
    proposals: Tensor,
    class_ids: Tensor,
    boxes: Tensor,
    masks: Tensor,
    *,
    count: int,
    positive_fraction: float,
    std: Tensor,
    mask_side: int,
    mini: bool,
    near: Sequence[float] | None = None,
    generator: torch.Generator | None = None,
) -> Targets:
    """Choose `count` proposals an image and say what each should have been.

    proposals  B×N×4;  class_ids  B×G (0: no object, negative: crowd);  boxes  B×G×4;  masks  B×h×w×G
    mini       the masks fill their boxes instead of the image
    near       B: background must overlap an object by at least this; None: by nothing
    """
    images = []
    near = [-1.0] * len(proposals) if near is None else near
    for roi, ids, box, mask, least in zip(proposals, class_ids, boxes, masks, near, strict=True):
        roi, _ = trim_zeros(roi)
        real = trim_zeros(box)[1]
        crowd = box[real & (ids < 0)]
        real &= ids > 0
        ids, box, mask = ids[real], box[real], mask.permute(2, 0, 1)[real]
        with torch.no_grad():
            overlap = overlaps(roi, box)
            best = _largest(overlap)
            positive = (best >= 0.5).nonzero()[:, 0]
            free = _largest(overlaps(roi, crowd)) < 0.001
            negative = ((best < 0.5) & (best >= least) & free).nonzero()[:, 0]
            positive = _shuffled(positive, generator)[: int(count * positive_fraction)]
            expected = int(np.float32(1.0 / positive_fraction) * np.float32(len(positive))) - len(positive)
            negative = _shuffled(negative, generator)[: max(expected, 0)]
            own = overlap[positive].argmax(1) if len(box) else positive
        chosen = roi[positive]
        deltas = deltas_to(chosen, box[own]) / std
        seen = _mask_targets(chosen.detach(), box[own], mask, own, mask_side, mini)
        images.append(
            (
                padded(torch.cat([chosen, roi[negative]]), count),
                padded(ids[own][:, None], count)[:, 0],
                padded(deltas, count),
                padded(seen, count),
            )
        )
    return Targets(*(torch.stack(column) for column in zip(*images, strict=True)))


def _largest(overlap: Tensor) -> Tensor:
    """Row maxima, -1 where there are no columns."""
    return F.pad(overlap, (1, 0), value=-1.0).amax(1)


def _shuffled(rows: Tensor, generator: torch.Generator | None) -> Tensor:
    return rows[torch.randperm(len(rows), generator=generator).to(rows.device)]


def _mask_targets(rois: Tensor, ground_truth: Tensor, masks: Tensor, own: Tensor, side: int, mini: bool) -> Tensor:
    """n×side×side of 0 and 1: each roi's own object as seen through the roi."""
    if mini:
        corner, size = ground_truth[:, :2].repeat(1, 2), (ground_truth[:, 2:] - ground_truth[:, :2]).repeat(1, 2)
        rois = (rois - corner) / size
    height, width = (torch.full_like(own, length) for length in masks.shape[1:])
    table = masks.reshape(-1, 1).float()
    return torch.round(crop_and_resize(table, own * height * width, height, width, rois, side)[:, 0])
