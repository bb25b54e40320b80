"""Reference boxes: anchors of a feature pyramid (Ren et al. 2015), default boxes of SSD (Liu et al. 2016)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor


def make_anchors(
    network_input: tuple[int, int],
    shapes: Sequence[tuple[int, int]],
    sizes: Sequence[Sequence[float]],
    ratios: Sequence[float],
) -> list[Tensor]:
    """One (k, 4) float32 x1 y1 x2 y2 a level, network input pixels: row, column, then size within ratio.

    network_input, shapes  (height, width), of the maps one a level
    sizes                  of each level the sides of its square anchors
    ratios                 height / width

    >>> make_anchors((32, 64), [(2, 4)], [(16.0,)], (1.0,))[0][:2]
    tensor([[-8., -8.,  8.,  8.],
            [ 8., -8., 24.,  8.]])
    """
    levels = []
    for (height, width), scale in zip(shapes, sizes, strict=True):
        root, side = torch.tensor(ratios).sqrt(), torch.tensor(scale)
        heights, widths = (root[:, None] * side).reshape(-1), (side / root[:, None]).reshape(-1)
        # torchvision's rules, because its weights were trained with them: anchors centered on a cell's top left corner,
        # corners rounded to whole pixels, the stride cut to whole pixels.
        cell = (torch.stack([-widths, -heights, widths, heights], 1) / 2).round()  # (ratios·sizes, 4)
        y, x = torch.meshgrid(
            torch.arange(height) * (network_input[0] // height),
            torch.arange(width) * (network_input[1] // width),
            indexing="ij",
        )
        corner = torch.stack([x, y, x, y], 2).reshape(-1, 1, 4)  # (cells, 1, 4)
        levels.append((corner + cell).reshape(-1, 4))
    return levels


def default_boxes(
    side: int,
    shapes: Sequence[tuple[int, int]],
    ratios: Sequence[Sequence[float]],
    scales: Sequence[float],
    strides: Sequence[int | None],
) -> Tensor:
    """All default boxes of SSD (2.2, "Choosing scales and aspect ratios"): (k, 4) float32 x1 y1 x2 y2, pixels of a
    network input of side×side, by map, row, column, then shape.

    shapes   (height, width) of each map
    ratios   per map: long side over short side; each gives a lying and a standing box
    scales   per map, and one more: side of its square as a fraction of the network input's. A second square lies
             between the map's scale and the next
    strides  per map: pixels from cell to cell; None where the cells divide the network input evenly

    No box is wider or higher than the network input.

    >>> default_boxes(300, [(1, 1)], [()], (0.5, 0.5), [None])[0]
    tensor([ 75.,  75., 225., 225.])
    """
    levels = []
    for (height, width), longs, scale, above, stride in zip(shapes, ratios, scales, scales[1:], strides, strict=False):
        between = math.sqrt(scale * above)
        sides = [(scale, scale), (between, between)]
        for ratio in longs:
            long, short = scale * math.sqrt(ratio), scale / math.sqrt(ratio)
            sides += [(long, short), (short, long)]
        half = torch.tensor(sides).clamp(max=1) * side / 2  # (shapes, 2)
        y = (torch.arange(height) + 0.5) * (stride or side / height)
        x = (torch.arange(width) + 0.5) * (stride or side / width)
        center = torch.stack(torch.meshgrid(y, x, indexing="ij")[::-1], 2).reshape(-1, 1, 2)  # (cells, 1, 2)
        levels.append(torch.cat([center - half, center + half], 2).reshape(-1, 4))
    return torch.cat(levels)
