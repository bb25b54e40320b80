"""What each anchor and proposal should have said: matching, sampling, deltas, mask targets."""

from __future__ import annotations

import torch
from torch import Tensor

from maskwright.models.base import Targets
from maskwright.models.detection.box_coder import encode
from maskwright.models.ops import box_iou

NEAR = 0.1  # IoU from which a box counts as surroundings of an object


def match(
    boxes: Tensor, target: Targets, low: float, high: float, allow_low_quality_matches: bool
) -> tuple[Tensor, Tensor]:
    """For each box its most overlapping ground truth, and its label: 1 from `high` up, 0 below `low`, -1 between.

    allow_low_quality_matches  a ground truth that no box reaches with `high` still gets the boxes that overlap it most
                               (Faster R-CNN, 3.1.2)
    Boxes that lie half or more in a crowd, and are not positive, get -1; where objects may be undrawn, so do boxes that
    are nowhere near a drawn one.
    """
    labels = torch.zeros(len(boxes), dtype=torch.long, device=boxes.device)
    matched_idxs = torch.zeros_like(labels)
    if target.incomplete and not len(target.boxes):
        labels[:] = -1
    if len(target.boxes):
        overlap = box_iou(target.boxes, boxes)
        best, matched_idxs = overlap.max(0)
        labels[best >= low] = -1
        if target.incomplete:
            labels[best < NEAR] = -1
        labels[best >= high] = 1
        if allow_low_quality_matches:
            peak = overlap.amax(1, keepdim=True)
            labels[((overlap == peak) & (peak > 1e-6)).any(0)] = 1
    if len(target.crowd):
        top_left = torch.maximum(boxes[:, None, :2], target.crowd[None, :, :2])
        bottom_right = torch.minimum(boxes[:, None, 2:], target.crowd[None, :, 2:])
        inside = (bottom_right - top_left).clamp(min=0).prod(2).amax(1)
        half = inside >= 0.5 * (boxes[:, 2:] - boxes[:, :2]).prod(1)
        labels[half & (labels == 0)] = -1
    return matched_idxs, labels


def sample(labels: Tensor, count: int, positive_fraction: float, generator: torch.Generator | None) -> Tensor:
    """At most `count` rows, at most `positive_fraction` of them positive, the rest background: the others become -1."""
    positive, negative = (labels == 1).nonzero()[:, 0], (labels == 0).nonzero()[:, 0]
    take_positive = min(len(positive), int(count * positive_fraction))
    take_negative = min(len(negative), count - take_positive)
    chosen = torch.full_like(labels, -1)
    for rows, take, label in ((positive, take_positive, 1), (negative, take_negative, 0)):
        order = torch.randperm(len(rows), generator=generator)[:take].to(labels.device)
        chosen[rows[order]] = label
    return chosen


def class_labels(target: Targets, matched_idxs: Tensor, labels: Tensor) -> Tensor:
    """(n,) the class of each box's ground truth, counted from 1; 0, background, where its label is not 1."""
    if not len(target.classes):
        return torch.zeros_like(labels)
    return torch.where(labels == 1, target.classes[matched_idxs] + 1, 0)


def deltas_for(
    boxes: Tensor, target: Targets, matched_idxs: Tensor, weights: tuple[float, float, float, float]
) -> Tensor:
    """n×4 deltas from each box to its ground truth; zeros where there is none."""
    if not len(target.boxes):
        return boxes.new_zeros((len(boxes), 4))
    return encode(boxes, target.boxes[matched_idxs], weights)


def mask_targets(boxes: Tensor, target: Targets, matched_idxs: Tensor, side: int = 28) -> Tensor:
    """n×side×side of 0 and 1: the ground truth's mask seen through each box, sampled at the middles of the box's
    cells."""
    assert target.patches is not None
    patches, frames = target.patches[matched_idxs], target.boxes[matched_idxs]
    steps = (torch.arange(side, device=boxes.device, dtype=boxes.dtype) + 0.5) / side
    span = (frames[:, 2:] - frames[:, :2]).clamp(min=1e-6)
    x = (boxes[:, :1] + (boxes[:, 2] - boxes[:, 0])[:, None] * steps - frames[:, :1]) / span[:, :1]
    y = (boxes[:, 1:2] + (boxes[:, 3] - boxes[:, 1])[:, None] * steps - frames[:, 1:2]) / span[:, 1:]
    # grid_sample runs from -1 (left edge) to 1 (right edge) and gives 0 outside: outside its box an object is absent
    grid = torch.stack([x[:, None, :].expand(-1, side, -1), y[:, :, None].expand(-1, -1, side)], 3) * 2 - 1
    seen = torch.nn.functional.grid_sample(patches[:, None], grid, align_corners=False, padding_mode="zeros")
    return (seen[:, 0] >= 0.5).float()


def among_labelled_classes(logits: Tensor, classes: Tensor, images: Tensor, targets: list[Targets]) -> Tensor:
    """Class logits n×(C+1) of which each row keeps background, the classes sought on its image, and its own class.

    classes  n, 0 for background     images  n, each row's place in `targets`
    The others become -inf: no gradient reaches them, so that an image on which nobody looked for cars does not teach
    that a car is background.
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
    kept = allowed[images].scatter(1, classes[:, None], True)
    return logits.masked_fill(~kept, float("-inf"))
