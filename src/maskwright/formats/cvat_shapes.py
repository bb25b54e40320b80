"""Shapes of CVAT XML: one element, with its points and attributes, into the regions of an image."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any
from xml.etree.ElementTree import Element

import numpy as np

from maskwright.formats.reading import Regions
from maskwright.formats.shapes import (
    BOXES_ROTATED,
    CUBOIDS_UNUSED,
    KEYPOINTS_UNUSED,
    LINES_UNUSED,
    POINTS_UNUSED,
    placed,
    rotated_box,
)
from maskwright.geometry import polygons
from maskwright.geometry.filling import MAX_COORDINATE
from maskwright.issues import Kind
from maskwright.types import Annotation

GROUPS_APART = Kind(
    "groups_apart", "warning", "{count} shape of a group was read as an object of its own",
    "{count} shapes of groups were read as objects of their own",
)  # fmt: skip

SHAPES = ("box", "polygon", "polyline", "points", "ellipse", "mask", "cuboid", "skeleton")
_UNUSED = {"points": POINTS_UNUSED, "cuboid": CUBOIDS_UNUSED, "skeleton": KEYPOINTS_UNUSED}
_NUMBERS = {"box": ("xtl", "ytl", "xbr", "ybr"), "ellipse": ("cx", "cy", "rx", "ry")}
_MASK = ("left", "top", "width", "height")
_REDRAW = "draw that shape again in CVAT and export, or delete it"
_LONGEST_NUMBER = 12  # digits of a whole number that is worth reading


def draw(shape: Element, number: object, label: str | None, regions: Regions, more: dict[str, Any]) -> bool:
    """Hand one shape to `regions`; False where it cannot be an object.

    more  facts that the shape itself does not hold (of its track)
    """
    kind = shape.tag
    if kind in _UNUSED:
        regions.unused(_UNUSED[kind])
        return False
    if not label:
        regions.lacks(number, "label", "a class name", "none", "choose its label in CVAT and export")
    elif kind == "mask":
        _mask(shape, number, label, regions, note(shape, more))
    elif kind in _NUMBERS:
        _box_or_ellipse(shape, number, label, regions, note(shape, more))
    else:
        points = pairs(shape.get("points", ""))
        if points is None:
            regions.lacks(number, "points", "pairs x,y between semicolons", shape.get("points"), _REDRAW)
        elif kind == "polyline" and (len(points) < 4 or points[0] != points[-1]):
            regions.unused(LINES_UNUSED)
            return False
        else:
            regions.outline(number, label, [points], note=note(shape, more))
    if shape.get("group_id") not in (None, "", "0"):
        regions.faults.count(GROUPS_APART)
    return True


def pairs(text: str) -> list[list[float]] | None:
    """ "1.5,2;3,4" -> [[1.5, 2], [3, 4]]; None where it is anything else."""
    try:
        points = [[float(number) for number in pair.split(",")] for pair in text.split(";")]
    except ValueError:
        return None
    return points if all(len(pair) == 2 for pair in points) else None


def note(shape: Element, more: dict[str, Any]) -> Annotation | None:
    """The attributes that people gave it, and what CVAT says of it where that says something."""
    found = dict(more)
    for attribute in shape.findall("attribute"):
        if attribute.get("name") and (attribute.text or "").strip():
            found[str(attribute.get("name"))] = (attribute.text or "").strip()
    if shape.get("occluded") == "1":
        found["occluded"] = 1
    if re.fullmatch(r"-?[0-9]{1,9}", depth := shape.get("z_order", "0")) and int(depth):
        found["z_order"] = int(depth)
    if shape.get("group_id") not in (None, "", "0"):
        found["group_id"] = str(shape.get("group_id"))
    return Annotation(attributes=found) if found else None


def number_of(shape: Element, name: str, default: str = "") -> float | None:
    """An attribute as a finite number; None where it is none."""
    try:
        value = float(shape.get(name, default))
    except ValueError:
        return None
    return value if np.isfinite(value) else None


def whole(text: str | None) -> int | None:
    """A whole number, 0 or above, or None."""
    text = (text or "").strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _LONGEST_NUMBER else None


def _box_or_ellipse(shape: Element, number: object, label: str, regions: Regions, about: Annotation | None) -> None:
    names = (*_NUMBERS[shape.tag], "rotation")
    values = [number_of(shape, name, "0" if name == "rotation" else "") for name in names]
    if None in values:
        wrong = names[values.index(None)]
        regions.lacks(number, wrong, "a number", shape.get(wrong), _REDRAW)
        return
    a, b, c, d, degrees = (value for value in values if value is not None)
    if shape.tag == "box" and degrees % 360 == 0:
        regions.box(number, label, a, b, c, d, note=about)
        return
    sides = (c - a, d - b) if shape.tag == "box" else (c, d)
    if min(sides) <= 0:
        expected = "width and height above 0" if shape.tag == "box" else "rx and ry above 0"
        regions.lacks(number, shape.tag, expected, f"{sides[0]:g} x {sides[1]:g}", _REDRAW)
    elif shape.tag == "box":
        regions.faults.count(BOXES_ROTATED)
        corners = rotated_box(a, b, *sides, degrees, around=((a + c) / 2, (b + d) / 2))
        regions.outline(number, label, [corners], note=about)
    elif max(map(abs, (a, b, c, d))) > MAX_COORDINATE:
        regions.lacks(number, shape.tag, "numbers of pixels", (a, b, c, d), _REDRAW)
    else:
        regions.outline(number, label, [polygons.ellipse(a, b, c, d, np.radians(degrees))], note=about)


def _mask(shape: Element, number: object, label: str, regions: Regions, about: Annotation | None) -> None:
    """Run lengths along the rows of a small frame, zeros first."""
    values = [whole(shape.get(name)) for name in _MASK]
    if None in values:
        wrong = _MASK[values.index(None)]
        regions.lacks(number, wrong, "a whole number of pixels", shape.get(wrong), _REDRAW)
        return
    left, top, width, height = (value for value in values if value is not None)
    rows, columns = regions.frame
    if not (width and height and left + width <= columns and top + height <= rows):
        got = f"left {left}, top {top}, width {width}, height {height}"
        regions.lacks(number, "mask", f"a frame inside {columns} x {rows}", got, _REDRAW)
        return
    runs = [whole(text) for text in shape.get("rle", "").split(",")]
    crop = None if None in runs else _decoded([run for run in runs if run is not None], height, width)
    if crop is None:
        got = "no whole numbers" if None in runs else f"{sum(run for run in runs if run is not None):,} pixels"
        regions.lacks(number, "rle", f"run lengths of {width * height:,} pixels in all", got, _REDRAW)
        return
    mask = placed(regions, crop, left, top)
    if mask is None or not mask.area.sum():
        regions.lacks(number, "rle", "at least one pixel", "none", _REDRAW)
    else:
        regions.mask(number, label, mask, note=about)


def _decoded(runs: Sequence[int], height: int, width: int) -> np.ndarray | None:
    if sum(runs) != height * width:
        return None
    return np.repeat(np.arange(len(runs)) % 2 == 1, runs).reshape(height, width)
