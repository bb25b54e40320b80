"""Anchors of a feature pyramid (Ren et al. 2015)."""

from __future__ import annotations

import torch
from torch import Tensor


def make_anchors(
    network_input: tuple[int, int],
    shapes: list[tuple[int, int]],
    sizes: tuple[tuple[float, ...], ...],
    ratios: tuple[float, ...],
) -> list[Tensor]:
    """One k×4 float32 tensor a level, in network input pixels: line by line, column by column, then size within ratio.

    network_input and shapes are (height, width). A cell's anchors are centered on its top left corner, their corners
    rounded to whole pixels; the stride is the network input's side over the map's, cut to whole pixels (torchvision's
    rules).
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
