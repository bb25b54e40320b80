"""Boxes as deltas from a reference box, and back: the one box coder, for anchors, proposals and default boxes.

A box is two corners and a delta a shift and a log of the growth along each axis, so all of this serves x1 y1 x2 y2 and
matterport's y1 x1 y2 x2 alike.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

# A box grows at most this much (log) in one step. Without a bound an untrained head makes boxes of infinite size and
# losses that are not numbers. torchvision's bound: from 16 pixels, the finest anchors, to 1000.
MAX_GROWTH = math.log(1000.0 / 16)

Weights = tuple[float, float, float, float]
UNIT: Weights = (1.0, 1.0, 1.0, 1.0)


def encode(reference: Tensor, boxes: Tensor, weights: Weights) -> Tensor:
    """(n, 4) deltas that turn `reference` into `boxes`, each times its weight (Faster R-CNN, equation 2).

    The weights bring the deltas to about unit variance, so that one smooth L1 fits all four.

    >>> encode(torch.tensor([[0.0, 0, 10, 10]]), torch.tensor([[5.0, 0, 15, 10]]), (10.0, 10.0, 5.0, 5.0))
    tensor([[5., 0., 0., 0.]])
    """
    (center, side), (other_center, other_side) = _centered(reference), _centered(boxes)
    deltas = torch.cat([(other_center - center) / side, torch.log(other_side / side)], -1)
    return deltas * deltas.new_tensor(weights)


def encode_matched(boxes: Tensor, ground_truth: Tensor, matched_idxs: Tensor, weights: Weights) -> Tensor:
    """(n, 4) deltas from each box to its own of the (g, 4) ground truth; zeros where there is none at all."""
    if not len(ground_truth):
        return boxes.new_zeros((len(boxes), 4))
    return encode(boxes, ground_truth[matched_idxs], weights)


def decode(reference: Tensor, deltas: Tensor, weights: Weights) -> Tensor:
    """(..., 4) boxes that `deltas` make of `reference`: encode's inverse up to MAX_GROWTH."""
    center, side = decode_centered(reference, deltas / deltas.new_tensor(weights), MAX_GROWTH)
    return torch.cat([center - side / 2, center + side / 2], -1)


def decode_centered(reference: Tensor, deltas: Tensor, max_growth: float = math.inf) -> tuple[Tensor, Tensor]:
    """Centers (..., 2) and sides (..., 2) of the boxes that unweighted deltas make of `reference`."""
    center, side = _centered(reference)
    return deltas[..., :2] * side + center, torch.exp(deltas[..., 2:].clamp(max=max_growth)) * side


def _centered(boxes: Tensor) -> tuple[Tensor, Tensor]:
    side = boxes[..., 2:] - boxes[..., :2]
    return boxes[..., :2] + side / 2, side


def clip(boxes: Tensor, size: tuple[int, int]) -> Tensor:
    """Boxes x1 y1 x2 y2 held inside a (height, width) region that begins at 0, 0."""
    height, width = size
    return torch.minimum(boxes.clamp(min=0), boxes.new_tensor([width, height, width, height]))
