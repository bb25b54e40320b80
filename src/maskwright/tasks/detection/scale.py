"""Before the first step: how large are the objects on the network input?"""

from __future__ import annotations

import numpy as np

from maskwright.issues import Issue, Kind
from maskwright.types import Dataset

LEGIBLE = 10  # network input pixels: of what is smaller a map of stride 4 keeps two or three cells
GOOD = 32  # network input pixels: about the second smallest anchor
SMALL_OBJECTS = Kind(
    "small_objects",
    "warning",
    "half of the objects are less than {pixels} pixels large on this network input: "
    "--tile {tile} would show them {factor} times as large",
)


def advice(data: Dataset, size: int) -> Issue | None:
    """Where half of the objects are too small on a network input of `size`, and tiles of the images would help."""
    sides, scales = [], []
    for record in data:
        if record.instances is not None and len(record.instances):
            corners = record.instances.boxes
            sides.append(np.sqrt(np.prod(np.maximum(corners[:, 2:] - corners[:, :2], 0), axis=1)))
            scales.append(np.full(len(corners), size / max(record.size)))
    if not sides:
        return None
    side, scale = np.concatenate(sides), np.concatenate(scales)
    seen = float(np.median(side * scale))
    tile = max(round(size * float(np.median(side)) / GOOD / 64), 1) * 64
    larger = size / tile / float(np.median(scale))
    if seen >= LEGIBLE or larger < 1.5:
        return None
    return SMALL_OBJECTS(pixels=round(seen + 0.5), tile=tile, factor=round(larger))
