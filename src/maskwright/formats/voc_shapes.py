"""Where an object of Pascal VOC lies: a box, outlines, or a turned box, as they stand in the XML.

Looks like   <bndbox><xmin>1</xmin><ymin>1</ymin><xmax>9</xmax><ymax>9</ymax></bndbox>
             <polygon><x1>1</x1><y1>1</y1><x2>9</x2>...</polygon>, or <polygon><pt><x>1</x><y>1</y></pt>...</polygon>
             <robndbox><cx>5</cx><cy>5</cy><w>4</w><h>2</h><angle>0.5</angle></robndbox>
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from xml.etree.ElementTree import Element, SubElement

import numpy as np

from maskwright.formats.reading import Faults, Regions
from maskwright.formats.regions import CORNERS_SWAPPED
from maskwright.issues import Kind
from maskwright.types import Annotation

TURNED_BOXES = Kind(
    "turned_boxes", "info", "turned boxes (robndbox), read as outlines of four corners: {count} ({records:1})"
)

CORNERS = ("xmin", "ymin", "xmax", "ymax")
TURNED = ("cx", "cy", "w", "h", "angle")


@dataclass
class Slips:
    """What was mended, to be reported once with its number and the first example."""

    found: dict[Kind, list[str]] = field(default_factory=dict)

    def add(self, kind: Kind, record: str) -> None:
        self.found.setdefault(kind, []).append(record)

    def report(self, faults: Faults) -> None:
        for kind, records in self.found.items():
            faults.report(kind(count=len(records), records=records))


def draw(element: Element, number: int, label: str, regions: Regions, slips: Slips, note: Annotation | None) -> None:
    """One <object> of this class; the outlines count where it has any, its box lies beside them."""
    turned = element.find("robndbox")
    if turned is not None and element.find("bndbox") is None:
        _draw_turned(turned, number, label, regions, slips, note)
        return
    corners = [_number(text_of(element, f"bndbox/{corner}")) for corner in CORNERS]
    x1, y1, x2, y2 = corners
    outlines = [outline for outline in map(_outline, element.findall("polygon")) if outline]
    if outlines:
        box = None if None in corners else [min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2)]  # type: ignore[type-var]
        regions.outline(number, label, outlines, box=box, note=note)
        return
    if x1 is None or y1 is None or x2 is None or y2 is None:
        got = ", ".join(text_of(element, f"bndbox/{corner}") or "nothing" for corner in CORNERS)
        regions.lacks(number, "bndbox", "four numbers xmin, ymin, xmax, ymax", got, "draw that box again")
        return
    if x1 > x2 or y1 > y2:
        slips.add(CORNERS_SWAPPED, f'image "{regions.image.name}", region {number}')
    regions.box(number, label, min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2), note=note)


def _draw_turned(
    box: Element, number: int, label: str, regions: Regions, slips: Slips, note: Annotation | None
) -> None:
    """roLabelImg's box: center, sides, and an angle in radians, clockwise as seen on the image."""
    sides = [_number(text_of(box, name)) for name in TURNED]
    cx, cy, width, height, angle = sides
    if cx is None or cy is None or width is None or height is None or angle is None:
        got = ", ".join(text_of(box, name) or "nothing" for name in TURNED)
        regions.lacks(number, "robndbox", f"five numbers {', '.join(TURNED)}", got, "draw that box again")
    elif abs(angle) > 2 * np.pi:
        regions.lacks(number, "robndbox/angle", "radians", angle, "divide degrees by 57.3")
    else:
        slips.add(TURNED_BOXES, f'image "{regions.image.name}", region {number}')
        along, across = np.array([np.cos(angle), np.sin(angle)]), np.array([-np.sin(angle), np.cos(angle)])
        ways = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) / 2 * [width, height]
        regions.outline(number, label, [[cx, cy] + ways @ np.stack([along, across])], note=note)


def _outline(polygon: Element) -> list[list[float | str]] | None:
    """The points of <x1>, <y1>, <x2>, ... or of elements that hold <x> and <y>; None where there are none at all."""
    numbered = {child.tag: (child.text or "").strip() for child in polygon if re.fullmatch(r"[xy]\d{1,6}", child.tag)}
    if numbered:
        order = sorted({int(tag[1:]) for tag in numbered})
        texts = [(numbered.get(f"x{index}", ""), numbered.get(f"y{index}", "")) for index in order]
    else:
        texts = [(text_of(child, "x"), text_of(child, "y")) for child in polygon if child.find("x") is not None]
    read = [[_number(text) for text in pair] for pair in texts]
    return [[text if value is None else value for text, value in zip(pair, values, strict=True)]
            for pair, values in zip(texts, read, strict=True)] or None  # fmt: skip


def write(box: np.ndarray, element: Element) -> None:
    """<bndbox>;  box  x1 y1 x2 y2"""
    corners = SubElement(element, "bndbox")
    for corner, value in zip(CORNERS, box, strict=True):
        SubElement(corners, corner).text = np.format_float_positional(value, trim="-")


def text_of(element: Element, path: str) -> str:
    return (element.findtext(path) or "").strip()


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if np.isfinite(value) else None
