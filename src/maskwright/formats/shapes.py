"""What several tools draw: rotated boxes, polygons with holes, small masks at a place; and what no task can use."""

from __future__ import annotations

from typing import Any

import numpy as np

from maskwright.formats.losses import HOLES_LOST, Losses
from maskwright.formats.regions import Regions
from maskwright.geometry import polygons
from maskwright.issues import Kind
from maskwright.types import Instances, RleMasks

POINTS_UNUSED = Kind(
    "points_unused", "warning", "{count} point cannot be used here: left out",
    "{count} points cannot be used here: left out",
)  # fmt: skip
LINES_UNUSED = Kind(
    "lines_unused", "warning", "{count} line cannot be used here: left out",
    "{count} lines cannot be used here: left out",
)  # fmt: skip
KEYPOINTS_UNUSED = Kind(
    "keypoints_unused", "warning", "{count} set of key points cannot be used here: left out",
    "{count} sets of key points cannot be used here: left out",
)  # fmt: skip
CUBOIDS_UNUSED = Kind(
    "cuboids_unused", "warning", "{count} cuboid cannot be used here: left out",
    "{count} cuboids cannot be used here: left out",
)  # fmt: skip
STUFF_UNUSED = Kind(
    "stuff_unused", "warning", "{count} stuff segment cannot be used here: left out",
    "{count} stuff segments cannot be used here: left out",
)  # fmt: skip
BOXES_ROTATED = Kind(
    "boxes_rotated", "info", "{count} rotated box was read as an outline of four corners",
    "{count} rotated boxes were read as outlines of four corners",
)  # fmt: skip


def rotated_box(
    x: float, y: float, width: float, height: float, degrees: float, around: tuple[float, float]
) -> np.ndarray:
    """4×2 corners of the box at (x, y), rotated clockwise as seen on the image, around a point in pixels.

    >>> rotated_box(0, 0, 4, 2, 90, around=(0, 0)).round(6).tolist()
    [[0.0, 0.0], [0.0, 4.0], [-2.0, 4.0], [-2.0, 0.0]]
    """
    angle = np.radians(degrees)
    cos, sin = np.cos(angle), np.sin(angle)
    return (polygons.rectangle(x, y, width, height) - around) @ np.array([[cos, sin], [-sin, cos]]) + around


def with_holes(outline: np.ndarray, holes: list[np.ndarray]) -> np.ndarray:
    """One outline that runs from its first point around each hole and back: inside one outline even-odd counts, so the
    holes stay open, and the way there and back has no area.

    >>> with_holes(polygons.rectangle(0, 0, 4, 4), [polygons.rectangle(1, 1, 2, 2)]).shape
    (11, 2)
    """
    if not holes:
        return outline
    ways = [np.concatenate([hole, hole[:1], outline[:1]]) for hole in holes]
    return np.concatenate([outline, outline[:1], *ways])


def numbers(record: Any, names: tuple[str, ...]) -> list[float] | None:
    """These fields of a JSON object, None where one is no number (true is none) or beyond any image.

    >>> numbers({"x": 1, "y": 2.5}, ("x", "y")), numbers({"x": True}, ("x",))
    ([1.0, 2.5], None)
    """
    values = [record.get(name) for name in names] if isinstance(record, dict) else [None]
    if any(type(value) not in (int, float) for value in values):
        return None
    found = [float(value) for value in values if value is not None and abs(value) < 1e9]
    return found if len(found) == len(names) else None


def stated_size(record: Any, names: tuple[str, str] = ("height", "width")) -> tuple[int, int] | None:
    """(height, width) as a JSON object states it; None where it does not, or not in whole pixels."""
    sides = [record.get(name) for name in names] if isinstance(record, dict) else []
    whole = [side for side in sides if type(side) is int and 0 < side < 10**6]
    return (whole[0], whole[1]) if len(whole) == 2 else None


def placed(regions: Regions, crop: np.ndarray, left: int, top: int) -> RleMasks | None:
    """The mask of h×w bool `crop` at a place in the image; None where it would reach out of the frame."""
    height, width = regions.frame
    if min(left, top) < 0 or left + crop.shape[1] > width or top + crop.shape[0] > height:
        return None
    return RleMasks.from_dense(crop[None]).place((left, top), (height, width))


def outer_outlines(instances: Instances, losses: Losses) -> list[tuple[np.ndarray, ...] | None]:
    """Of each object the outlines as drawn, else those along the edges of its mask, whose holes count as lost; None
    where only its box is known."""
    if instances.masks is None:
        return [None] * len(instances)
    drawn, masks = instances.outlines(), instances.masks
    traced = polygons.trace(masks.counts, masks.offsets, masks.size)
    found: list[tuple[np.ndarray, ...] | None] = []
    for parts, outlines in zip(drawn, traced, strict=True):
        outer = tuple(outline.points for outline in outlines if not outline.hole)
        losses.add(HOLES_LOST, 0 if parts is not None else len(outlines) - len(outer))
        found.append(outer if parts is None else parts)
    return found
