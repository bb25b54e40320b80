"""What each anchor and proposal should have predicted: matching to the ground truth, sampling, targets."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from maskwright.models.base import Targets
from maskwright.models.ops import box_iou

NEAR = 0.1  # IoU from which a box counts as surroundings of an object


def match_by_iou(iou: Tensor, low: float, high: float, allow_low_quality_matches: bool) -> tuple[Tensor, Tensor]:
    """For each box its most overlapping ground truth, and its label: 1 from `high` up, 0 below `low`, -1 between.

    iou  (g, n) of g ground-truth boxes and n boxes
    allow_low_quality_matches  a ground truth that no box reaches with `high` still gets the boxes that overlap it most

    Returns matched_idxs (n,) and labels (n,), int64; the index means nothing where the label is not 1.

    >>> match_by_iou(torch.tensor([[0.6, 0.4, 0.2], [0.1, 0.1, 0.25]]), 0.3, 0.5, allow_low_quality_matches=True)
    (tensor([0, 0, 1]), tensor([ 1, -1,  1]))
    """
    labels = torch.zeros(iou.shape[1], dtype=torch.long, device=iou.device)
    if not len(iou):
        return torch.zeros_like(labels), labels
    best, matched_idxs = iou.max(0)
    labels[best >= low] = -1
    labels[best >= high] = 1
    if allow_low_quality_matches:
        # Faster R-CNN 3.1.2, rule (i): without it an object between two anchor sizes would have no anchor at all. All
        # anchors of the highest IoU count, as ties are common on a grid; one that no box touches gets none.
        peak = iou.amax(1, keepdim=True)
        labels[((iou == peak) & (peak > 1e-6)).any(0)] = 1
    return matched_idxs, labels


def match(
    boxes: Tensor, target: Targets, low: float, high: float, allow_low_quality_matches: bool
) -> tuple[Tensor, Tensor]:
    """match_by_iou with the ground truth of an image, and -1 also for what is neither object nor background there.

    That is a box that lies half or more in a crowd; and, where objects may be undrawn, one nowhere near a drawn object.
    """
    iou = box_iou(target.boxes, boxes)  # (g, n)
    matched_idxs, labels = match_by_iou(iou, low, high, allow_low_quality_matches)
    background = labels == 0
    if target.incomplete:
        labels[background & (iou < NEAR).all(0)] = -1
    if len(target.crowd):
        # Not IoU: a crowd is large, and what lies in it is a part of it (COCO's rule for evaluation).
        top_left = torch.maximum(boxes[:, None, :2], target.crowd[None, :, :2])
        bottom_right = torch.minimum(boxes[:, None, 2:], target.crowd[None, :, 2:])
        inside = (bottom_right - top_left).clamp(min=0).prod(2).amax(1)  # (n,) area
        half = inside >= 0.5 * (boxes[:, 2:] - boxes[:, :2]).prod(1)
        labels[background & half] = -1
    return matched_idxs, labels


def sample(labels: Tensor, count: int, positive_fraction: float, generator: torch.Generator | None) -> Tensor:
    """At most `count` rows, at most `positive_fraction` of them positive, the rest background: the others become -1.

    Background outnumbers objects a thousandfold: with all of it the loss would teach to predict nothing.
    """
    positive, negative = (labels == 1).nonzero()[:, 0], (labels == 0).nonzero()[:, 0]
    take_positive = min(len(positive), int(count * positive_fraction))
    take_negative = min(len(negative), count - take_positive)
    chosen = torch.full_like(labels, -1)
    for rows, take, label in ((positive, take_positive, 1), (negative, take_negative, 0)):
        # drawn on the CPU, where the generator is: the same on every device
        order = torch.randperm(len(rows), generator=generator)[:take].to(labels.device)
        chosen[rows[order]] = label
    return chosen


def class_labels(target: Targets, matched_idxs: Tensor, labels: Tensor) -> Tensor:
    """(n,) the class of each box's ground truth, counted from 1; 0, background, where its label is not 1."""
    if not len(target.classes):
        return torch.zeros_like(labels)
    return torch.where(labels == 1, target.classes[matched_idxs] + 1, 0)


def mask_targets(boxes: Tensor, target: Targets, matched_idxs: Tensor, side: int = 28) -> Tensor:
    """(n, side, side) of 0 and 1: the part of the ground truth's mask in each box, sampled at the middles of its cells
    (Mask R-CNN, section 3: "the intersection between an RoI and its associated ground-truth mask")."""
    assert target.patches is not None
    patches, frames = target.patches[matched_idxs], target.boxes[matched_idxs]
    steps = (torch.arange(side, device=boxes.device, dtype=boxes.dtype) + 0.5) / side
    span = (frames[:, 2:] - frames[:, :2]).clamp(min=1e-6)
    x = (boxes[:, :1] + (boxes[:, 2] - boxes[:, 0])[:, None] * steps - frames[:, :1]) / span[:, :1]  # (n, side)
    y = (boxes[:, 1:2] + (boxes[:, 3] - boxes[:, 1])[:, None] * steps - frames[:, 1:2]) / span[:, 1:]
    # grid_sample runs from -1 (left edge) to 1 (right edge) and gives 0 outside: outside its box an object is absent
    grid = torch.stack([x[:, None, :].expand(-1, side, -1), y[:, :, None].expand(-1, -1, side)], 3) * 2 - 1
    masks = F.grid_sample(patches[:, None], grid, align_corners=False, padding_mode="zeros")
    return (masks[:, 0] >= 0.5).float()


def among_labelled_classes(logits: Tensor, classes: Tensor, images: Tensor, targets: list[Targets]) -> Tensor:
    """Class logits (n, C+1) of which each row keeps background, the classes labelled on its image, and its own class.

    classes  (n,) 0 for background     images  (n,) index of each row's image in `targets`
    The others become -inf: no gradient reaches them, so that an image on which cars were not annotated does not
    teach that a car is background (the federated loss of LVIS).
    """
    if all(target.labelled_classes is None for target in targets):
        return logits
    allowed = torch.zeros((len(targets), logits.shape[1]), dtype=torch.bool, device=logits.device)
    for row, target in zip(allowed, targets, strict=True):
        if target.labelled_classes is None:
            row[:] = True
        else:
            row[target.labelled_classes + 1] = True
    allowed[:, 0] = True
    allowed = allowed[images].scatter(1, classes[:, None], True)
    return logits.masked_fill(~allowed, float("-inf"))
