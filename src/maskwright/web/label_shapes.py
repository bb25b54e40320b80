"""What people draw, as rings; rings as masks, and masks as rings.

A ring is a closed line, n×2 (x, y) in image pixels. An object is a list of rings filled by the even-odd rule: holes
and several parts are rings like others. The page draws rings; brushes, cuts, joins and splits are done here, on run
lengths, so that a stroke over an image of 12 megapixels costs as much as over a small one.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import numpy as np

from maskwright.geometry import polygons
from maskwright.geometry.simplify import simplify
from maskwright.types import RleMasks

Ring = np.ndarray  # n×2 float64
TOLERANCE = 0.7  # pixels a ring may deviate from the smoothed edge of the mask it was traced around
STEP, SIDE = 3.0, 8.0  # pixels: shorter edges are steps of a slanted edge, longer ones sides of the object


def fill(rings: Sequence[Ring], size: tuple[int, int]) -> RleMasks:
    """One mask, by the even-odd rule over all rings; clipped to the image.

    The rings become one outline by way of bridges, which are passed twice and so count for nothing.
    """
    start = rings[0][:1]
    outline = [rings[0], start]
    for ring in rings[1:]:
        outline += [ring, ring[:1], start]
    return RleMasks.from_polygons([[np.concatenate(outline)]], size)


def trace(mask: RleMasks) -> list[Ring]:
    """The rings around a single mask and its holes, with few points."""
    (outlines,) = polygons.trace(mask.counts, mask.offsets, mask.size)
    rings = [simplify(_smooth(outline.points), TOLERANCE) for outline in outlines]
    return [ring for ring in rings if len(ring) > 2]


def _smooth(corners: Ring) -> Ring:
    """The line through the middle of each step; sides stay where they are, and corners between two long edges, too.

    A line through the steps' outer corners would be a pixel too far out, and one through all of them never straight.
    """
    edges = np.roll(corners, -1, axis=0) - corners
    length = np.abs(edges).sum(1, keepdims=True)  # they are horizontal or vertical
    inset = 2 * edges / length
    long, side = length[:, 0] >= STEP, length[:, 0] >= SIDE
    sharp = long & np.roll(long, 1)  # corner i lies between edge i - 1 and edge i
    points = np.stack([corners, corners + inset, corners + edges / 2, corners + edges - inset], 1)
    points = points[np.stack([sharp, side, ~long, side], 1)]
    return points if len(points) > 2 else corners


def has_holes(rings: Sequence[Ring]) -> bool:
    """A ring lies inside another one, or they overlap: the parts cannot be written one by one."""
    if len(rings) < 2:
        return False
    low, high = np.array([ring.min(0) for ring in rings]), np.array([ring.max(0) for ring in rings])
    overlap = (low[:, None] < high[None]).all(2) & (low[None] < high[:, None]).all(2)
    return bool(overlap.sum() > len(rings))  # conservative: their boxes overlap


def subtract(mask: RleMasks, other: RleMasks) -> RleMasks:
    """The pixels of a single mask that are not in another single one."""
    if not mask.area[0]:
        return mask
    box = mask.boxes.astype(int)
    left = mask.patches(box)[0] & ~other.patches(box)[0]
    return RleMasks.from_dense(left[None]).place((int(box[0, 0]), int(box[0, 1])), mask.size)


def unite(masks: Sequence[RleMasks]) -> RleMasks:
    return RleMasks.join(masks).union()


def split(mask: RleMasks) -> list[RleMasks]:
    """Each connected part by itself."""
    counts, offsets = polygons.parts(mask.counts, mask.size, connectivity=4)
    several = RleMasks(mask.size, counts, offsets)
    return [several[index] for index in range(len(several))]


def stroke(points: Ring, radius: float, size: tuple[int, int]) -> RleMasks:
    """What a round brush of this radius covers on its way through the points."""
    pieces = [polygons.circle(x, y, radius) for x, y in points.tolist()]
    pieces += list(_ribbons(points, radius))
    return RleMasks.from_polygons([pieces], size)


def _ribbons(points: Ring, radius: float) -> Iterator[Ring]:
    """A rectangle along each step."""
    for start, end in itertools.pairwise(points):
        length = float(np.hypot(*(end - start)))
        if length:
            aside = np.array([start[1] - end[1], end[0] - start[0]]) / length * radius
            yield np.array([start + aside, end + aside, end - aside, start - aside])
