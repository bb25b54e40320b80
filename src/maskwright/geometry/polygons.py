"""Outlines to run lengths. An outline is k×2 float (x, y) in image pixels: pixel edges are integers, so the upper left
corner of the image is (0, 0) and the center of its first pixel (0.5, 0.5). The last point is connected to the first.

The inverse, run lengths to outlines, is `trace`; `parts` splits a mask into connected parts (both in tracing.py).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from maskwright.geometry import filling
from maskwright.geometry.ragged import Ragged
from maskwright.geometry.tracing import Outline, parts, trace

__all__ = ["Outline", "area", "circle", "ellipse", "fill", "length", "parts", "rectangle", "trace"]


def fill(outlines: Sequence[Sequence[np.ndarray]], size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Run lengths (counts, offsets) of n objects, each a list of parts, each part an outline; clipped to the image.

    A pixel belongs if its center is inside: even-odd rule within one part, union of the parts. The area of a mask is
    therefore that of its outline, and two outlines with a common edge share no pixel.

    An object too thin to contain a pixel center (a line, a point, a sliver) gets the pixels that its outlines pass
    through instead. Only an object entirely outside the image (or without points) has an empty mask.

    >>> counts, offsets = fill([[rectangle(1, 1, 2, 3)], [np.array([[0.2, 0.2], [0.3, 0.2]])]], size=(5, 5))
    >>> counts
    array([ 6,  3,  2,  3, 11,  0,  1, 24])
    """
    height, width = size
    count = len(outlines)
    heights, widths = np.full(count, height, np.int64), np.full(count, width, np.int64)
    filled = filling.fill(Ragged.of(outlines), heights, widths)
    return filled.counts, filled.offsets


def length(outlines: Sequence[np.ndarray], size: tuple[int, int]) -> float:
    """Total length of all edges inside the image, each as the larger of its x and y extent: the cost of filling them.

    No outline along pixel edges is longer than four times the number of pixels of the image.
    """
    return float(lengths(Ragged.of([outlines]), np.array([size[0]]), np.array([size[1]]))[0])


def lengths(shapes: Ragged, heights: np.ndarray, widths: np.ndarray) -> np.ndarray:
    """The same of n objects, each with the height and width of its image; n float64."""
    owners = shapes.owners
    limits = np.stack([widths, heights], 1)[owners]
    here, there = np.clip(shapes.points, 0, limits), np.clip(shapes.following(), 0, limits)
    return shapes.totals(np.abs(here - there).max(1))


def area(outline: np.ndarray) -> float:
    """Signed area by the shoelace formula: positive if the points are clockwise as seen on the image.

    >>> area(rectangle(10, 10, 4, 3))
    12.0
    """
    x, y = np.asarray(outline, np.float64).reshape(-1, 2).T
    return float(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2


def rectangle(x: float, y: float, w: float, h: float) -> np.ndarray:
    """4×2 corners, clockwise from the upper left."""
    return np.array([[x, y], [x + w, y], [x + w, y + h], [x, y + h]], np.float64)


def circle(cx: float, cy: float, r: float, points: int | None = None) -> np.ndarray:
    """A circle of radius r around (cx, cy), as `ellipse` gives it."""
    return ellipse(cx, cy, r, r, points=points)


def ellipse(cx: float, cy: float, rx: float, ry: float, theta: float = 0.0, points: int | None = None) -> np.ndarray:
    """points×2 on an ellipse whose axis rx is rotated by `theta` radians, clockwise as seen on the image.

    points  default: as many as keep the chords within 1/20 pixel of the ellipse
    """
    if points is None:
        points = int(np.clip(np.pi * np.sqrt(max(abs(rx), abs(ry), 1.0) / 0.1), 16, 4096))
    angle = np.arange(points) * (2 * np.pi / points)
    along, across = rx * np.cos(angle), ry * np.sin(angle)
    cos, sin = np.cos(theta), np.sin(theta)
    return np.stack([cx + along * cos - across * sin, cy + along * sin + across * cos], axis=1)
