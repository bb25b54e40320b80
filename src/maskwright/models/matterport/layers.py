"""matterport's own arithmetic between the convolutions: boxes, proposals, pooling, detections, targets, losses.

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
from maskwright.models.detection import box_coder, matcher

EPSILON = 1e-7  # Keras' own: probabilities stay this far from 0 and 1


# --- boxes ------------------------------------------------------------------------------------------
def apply_deltas(boxes: Tensor, deltas: Tensor) -> Tensor:
    """(n, 4) boxes moved by (dy, dx, log dh, log dw)."""
    center, side = box_coder.decode_centered(boxes, deltas)
    first = center - 0.5 * side
    # not center + 0.5 side as box_coder.decode has it: it differs in the last bit, and the original adds the side
    return torch.cat([first, first + side], -1)


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


def trim_zeros(boxes: Tensor) -> tuple[Tensor, Tensor]:
    """The rows that are not all zero, and which these are."""
    real = boxes.abs().sum(1) != 0
    return boxes[real], real


def suppress(boxes: Tensor, threshold: float, count: int, block: int = 1024) -> Tensor:
    """Indices of the first `count` boxes that greedy suppression keeps; the boxes come best first.

    Block by block, so that boxes beyond the last one cost nothing: 6000 boxes at once would be 36 million overlaps.
    """
    best = torch.zeros(0, dtype=torch.long, device=boxes.device)
    for start in range(0, len(boxes), block):
        rest = torch.arange(start, min(start + block, len(boxes)), device=boxes.device)
        if len(best):
            rest = rest[~(ops.box_iou(boxes[rest], boxes[best]) > threshold).any(1)]
        scores = -rest.float()  # best first, as they came
        best = torch.cat([best, rest[ops.nms(boxes[rest], scores, threshold)]])
        if len(best) >= count:
            break
    return best[:count]


def padded(rows: Tensor, count: int) -> Tensor:
    """n×... with rows of zeros up to `count`."""
    return F.pad(rows, [0, 0] * (rows.dim() - 1) + [0, count - len(rows)])


# --- proposals, detections --------------------------------------------------------------------------
def propose(
    probs: Tensor, deltas: Tensor, anchors: Tensor, std: Tensor, limit: int, count: int, threshold: float
) -> Tensor:
    """The region proposals: (B, count, 4), best first, zero rows at the end.

    probs B×L×2 (background, object), deltas B×L×4, anchors B×L×4;  limit: of the anchors, by score
    """
    window = anchors.new_tensor([0.0, 0.0, 1.0, 1.0])
    proposals = []
    for score, delta, anchor in zip(probs[..., 1], deltas * std, anchors, strict=True):
        best = score.argsort(descending=True, stable=True)[:limit]
        boxes = clip(apply_deltas(anchor[best], delta[best]), window)
        proposals.append(padded(boxes[suppress(boxes.detach(), threshold, count)], count))
    return torch.stack(proposals)


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
        likely = classes > 0  # only the best class of a proposal is detected, unlike in the paper
        if confidence:
            likely &= scores >= confidence
        rows = likely.nonzero()[:, 0]
        rows = rows[ops.nms_by_group(boxes[rows], scores[rows], classes[rows], threshold)].sort().values
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
    """How many of N rows (B×N×4) must be computed: all real ones of every image, and one zero row for the others."""
    real = (boxes != 0).any(2).any(0).nonzero()[:, 0]
    return min(int(real[-1]) + 2 if len(real) else 1, boxes.shape[1])


# --- training targets -------------------------------------------------------------------------------
class ProposalTargets(NamedTuple):
    """What the proposals of a batch should have predicted; every column (B, T, ...), positive ones first, zero rows
    last."""

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
    generators: Sequence[torch.Generator] | None = None,
) -> ProposalTargets:
    """A sample of `count` proposals an image, and what each should have predicted.

    proposals  B×N×4;  class_ids  B×G (0: no object, negative: crowd);  boxes  B×G×4;  masks  B×h×w×G
    mini       the masks fill their boxes instead of the image
    near       B: background must overlap an object by at least this IoU; None: 0
    generators B: each draws the sample of its image
    """
    images = []
    near = [0.0] * len(proposals) if near is None else near
    draws = generators or [None] * len(proposals)
    for roi, ids, box, mask, min_iou, generator in zip(proposals, class_ids, boxes, masks, near, draws, strict=True):
        roi, _ = trim_zeros(roi)
        real = trim_zeros(box)[1]
        crowd = box[real & (ids < 0)]
        real &= ids > 0
        ids, box, mask = ids[real], box[real], mask.permute(2, 0, 1)[real]
        with torch.no_grad():
            iou = ops.box_iou(box, roi)  # (G, N)
            matched_idxs, labels = matcher.match_by_iou(iou, 0.5, 0.5, allow_low_quality_matches=False)
            in_crowd = (ops.box_iou(crowd, roi) >= 0.001).any(0)
            background = (labels == 0) & ~in_crowd
            if min_iou > 0:
                background &= (iou >= min_iou).any(0)
            positive = _shuffled((labels == 1).nonzero()[:, 0], generator)[: int(count * positive_fraction)]
            # a third of the proposals are positive whatever `count` is, as in the original: few objects, few proposals
            negatives = int(np.float32(1.0 / positive_fraction) * np.float32(len(positive))) - len(positive)
            negative = _shuffled(background.nonzero()[:, 0], generator)[: max(negatives, 0)]
            own = matched_idxs[positive]
        chosen = roi[positive]
        deltas = box_coder.encode_matched(chosen, box, own, box_coder.UNIT) / std
        mask_targets = _mask_targets(chosen.detach(), box[own], mask, own, mask_side, mini)
        images.append(
            (
                padded(torch.cat([chosen, roi[negative]]), count),
                padded(ids[own][:, None], count)[:, 0],
                padded(deltas, count),
                padded(mask_targets, count),
            )
        )
    return ProposalTargets(*(torch.stack(column) for column in zip(*images, strict=True)))


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


# --- losses: each a mean over the whole batch, 0 where nothing contributes ---------------------------
def smooth_l1(target: Tensor, predicted: Tensor) -> Tensor:
    """Per coordinate: 0.5 d² below 1, d - 0.5 above."""
    return F.smooth_l1_loss(predicted, target, reduction="none")


def _mean(values: Tensor) -> Tensor:
    return values.mean() if values.numel() else values.sum()


def rpn_class_loss(match: Tensor, logits: Tensor) -> Tensor:
    """match B×L (1 object, -1 background, 0 neither), logits B×L×2."""
    sampled = match != 0
    return _mean(F.cross_entropy(logits[sampled], (match[sampled] == 1).long(), reduction="none"))


def rpn_bbox_loss(target: Tensor, match: Tensor, predicted: Tensor) -> Tensor:
    """target B×T×4: row k belongs to the k-th positive anchor of its image; match B×L, predicted B×L×4."""
    positive = match == 1
    return _mean(smooth_l1(packed(target, positive.sum(1)), predicted[positive]))


def packed(rows: Tensor, counts: Tensor) -> Tensor:
    """The first counts[i] rows of each image, one after the other."""
    return rows[torch.arange(rows.shape[1], device=rows.device) < counts[:, None]]


def mrcnn_class_loss(target: Tensor, logits: Tensor, active: Tensor) -> Tensor:
    """target B×N, logits B×N×C; active C: 1 for the classes that the first image's dataset has.

    A row counts where the class it *predicts* is active.
    """
    weight = active.to(logits)[logits.argmax(2)]
    loss = F.cross_entropy(logits.flatten(0, 1), target.flatten().long(), reduction="none") * weight.flatten()
    total = weight.sum()
    return loss.sum() / total if total else loss.sum()


def mrcnn_bbox_loss(target: Tensor, class_ids: Tensor, predicted: Tensor) -> Tensor:
    """target B×N×4, class_ids B×N, predicted B×N×C×4: the positive rows, each by its own class."""
    positive = class_ids > 0
    own = predicted[positive]
    own = own[torch.arange(len(own), device=own.device), class_ids[positive].long()]
    return _mean(smooth_l1(target[positive], own))


def mrcnn_mask_loss(target: Tensor, class_ids: Tensor, predicted: Tensor) -> Tensor:
    """target n×h×w, class_ids n, predicted n×C×h×w (probabilities): binary cross entropy of the positive rows."""
    positive = class_ids > 0
    own = predicted[positive]
    own = own[torch.arange(len(own), device=own.device), class_ids[positive].long()]
    held = own.clamp(EPSILON, 1 - EPSILON)
    return _mean(F.binary_cross_entropy_with_logits(torch.log(held / (1 - held)), target[positive], reduction="none"))
