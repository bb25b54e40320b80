"""Reference boxes in numpy: anchors of a feature pyramid (Ren et al. 2015), default boxes of SSD (Liu et al. 2016)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

SIDES = (32.0, 64.0, 128.0, 256.0, 512.0)  # of square anchors, a pyramid level each (torchvision's Mask R-CNN)
FINE_SIDES = (24.0, 48.0, 96.0, 192.0, 384.0)  # of the network `small`, whose input is half as large
RATIOS = (0.5, 1.0, 2.0)  # height / width


def make_anchors(
    network_input: tuple[int, int],
    shapes: Sequence[tuple[int, int]],
    sizes: Sequence[Sequence[float]],
    ratios: Sequence[float],
) -> list[np.ndarray]:
    """One k×4 float32 x1 y1 x2 y2 a level, network input pixels: row, column, then size within ratio.

    network_input, shapes  (height, width), of the maps one a level
    sizes                  of each level the sides of its square anchors
    ratios                 height / width

    >>> make_anchors((32, 64), [(2, 4)], [(16.0,)], (1.0,))[0][:2]
    array([[-8., -8.,  8.,  8.],
           [ 8., -8., 24.,  8.]], dtype=float32)
    """
    levels = []
    for (height, width), scale in zip(shapes, sizes, strict=True):
        root, side = np.sqrt(np.array(ratios, np.float32)), np.array(scale, np.float32)
        heights, widths = (root[:, None] * side).reshape(-1), (side / root[:, None]).reshape(-1)
        # torchvision's rules, because its weights were trained with them: anchors centered on a cell's top left corner,
        # corners rounded to whole pixels, the stride cut to whole pixels.
        cell = np.round(np.stack([-widths, -heights, widths, heights], 1) / 2)  # (ratios·sizes)×4
        y = np.arange(height, dtype=np.float32) * (network_input[0] // height)
        x = np.arange(width, dtype=np.float32) * (network_input[1] // width)
        y, x = np.meshgrid(y, x, indexing="ij")
        corner = np.stack([x, y, x, y], 2).reshape(-1, 1, 4)  # cells×1×4
        levels.append((corner + cell).reshape(-1, 4))
    return levels


def default_boxes(
    side: int,
    shapes: Sequence[tuple[int, int]],
    ratios: Sequence[Sequence[float]],
    scales: Sequence[float],
    strides: Sequence[int | None],
) -> np.ndarray:
    """All default boxes of SSD (2.2, "Choosing scales and aspect ratios"): k×4 float32 x1 y1 x2 y2, pixels of a network
    input of side×side, by map, row, column, then shape.

    shapes   (height, width) of each map
    ratios   per map: long side over short side; each gives a lying and a standing box
    scales   per map, and one more: side of its square as a fraction of the network input's. A second square lies
             between the map's scale and the next
    strides  per map: pixels from cell to cell; None where the cells divide the network input evenly

    No box is wider or higher than the network input.

    >>> default_boxes(300, [(1, 1)], [()], (0.5, 0.5), [None])[0]
    array([ 75.,  75., 225., 225.], dtype=float32)
    """
    levels = []
    for (height, width), longs, scale, above, stride in zip(shapes, ratios, scales, scales[1:], strides, strict=False):
        between = math.sqrt(scale * above)
        sides = [(scale, scale), (between, between)]
        for ratio in longs:
            long, short = scale * math.sqrt(ratio), scale / math.sqrt(ratio)
            sides += [(long, short), (short, long)]
        half = np.minimum(np.array(sides, np.float32), 1) * side / 2  # shapes×2
        y = (np.arange(height, dtype=np.float32) + np.float32(0.5)) * np.float32(stride or side / height)
        x = (np.arange(width, dtype=np.float32) + np.float32(0.5)) * np.float32(stride or side / width)
        center = np.stack(np.meshgrid(y, x, indexing="ij")[::-1], 2).reshape(-1, 1, 2)  # cells×1×2
        levels.append(np.concatenate([center - half, center + half], 2).reshape(-1, 4))
    return np.concatenate(levels)
