"""Boxes as deltas from a reference box, and back (Faster R-CNN, equation 2)."""

from __future__ import annotations

import math

import torch
from torch import Tensor

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
