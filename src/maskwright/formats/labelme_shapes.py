"""The shapes in a LabelMe file: which of them are one object, what they cover; and how an object is written."""

from __future__ import annotations

import base64
import binascii
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from maskwright.errors import ImageError
from maskwright.formats.edits import unchanged
from maskwright.formats.losses import ATTRIBUTES_LOST
from maskwright.formats.reading import Faults, FoundImage, Losses, Regions, plain
from maskwright.formats.shapes import LINES_UNUSED, POINTS_UNUSED, placed
from maskwright.geometry import polygons
from maskwright.images.decode import decode
from maskwright.issues import Kind
from maskwright.types import Annotation, Instances, RleMasks

SHAPES_JOINED = Kind(
    "shapes_joined", "info", "{count} shape was joined to another of its group (group_id)",
    "{count} shapes were joined to others of their groups (group_id)",
)  # fmt: skip
IGNORED_UNUSED = Kind(
    "ignored_unused", "warning", "{count} region marked __ignore__ cannot be used here: left out",
    "{count} regions marked __ignore__ cannot be used here: left out",
)  # fmt: skip

IGNORE = "__ignore__"
_REDRAW = "draw that shape again in LabelMe and save"
_UNUSED = {"point": POINTS_UNUSED, "points": POINTS_UNUSED, "line": LINES_UNUSED, "linestrip": LINES_UNUSED}
_CORNERS = ("polygon", "rectangle", "oriented_rectangle", "rotation", "circle", "mask")


@dataclass
class Group:
    """Shapes that are one object: those of one label and one group_id, else a single one.

    number  of the first shape in the file, by which people find it
    """

    number: int
    label: str
    note: Annotation | None
    shapes: list[dict[str, Any]]


def groups(shapes: Sequence[Any], regions: Regions) -> Iterator[Group]:
    """The objects of one file; what cannot be used is counted, what has no label is a fault."""
    found: dict[tuple[str, object], Group] = {}
    for number, shape in enumerate(shapes):
        label = shape.get("label") if isinstance(shape, dict) else None
        if not isinstance(label, str) or not label.strip():
            field = "label" if isinstance(shape, dict) else "shape"
            regions.lacks(number, field, "the name of a class", "none" if label is None else label, _REDRAW)
            continue
        label, kind = label.strip(), _kind(shape)
        if label == IGNORE:
            regions.unused(IGNORED_UNUSED)
        elif kind in _UNUSED:
            regions.unused(_UNUSED[kind])
        elif kind not in _CORNERS:
            regions.lacks(number, "shape_type", f"one of {', '.join((*_CORNERS, *_UNUSED))}", kind, _REDRAW)
        else:
            id = shape.get("group_id")
            key = (label, f"group {id}" if isinstance(id, int | str) and not isinstance(id, bool) else number)
            if key in found:
                found[key].shapes.append(shape)
                regions.faults.count(SHAPES_JOINED)
            else:
                found[key] = Group(number, label, _note(shape), [shape])
    yield from found.values()


def _kind(shape: dict[str, Any]) -> str:
    """Old files have none: all are polygons."""
    kind = shape.get("shape_type")
    return "polygon" if kind in (None, "") else str(kind)


def _note(shape: dict[str, Any]) -> Annotation | None:
    """Its flags that are set or not, and its description."""
    flags, description = shape.get("flags"), shape.get("description")
    attributes: dict[str, Any] = {}
    if isinstance(flags, dict):
        attributes = {name: value for name, value in flags.items() if isinstance(value, bool)}
    if isinstance(description, str) and description.strip():
        attributes["description"] = description
    return Annotation(attributes=attributes) if attributes else None


# --- what they cover --------------------------------------------------------------------------------
def draw(group: Group, regions: Regions) -> None:
    """Hand one object to `regions`; where one of its shapes is no sound one, the object is a fault."""
    if len(group.shapes) == 1 and _kind(group.shapes[0]) == "rectangle":
        corners = _points(group.shapes[0], group.number, regions, (2, 4))
        if corners is not None:
            (x1, y1), (x2, y2) = corners.min(0), corners.max(0)
            regions.box(group.number, group.label, x1, y1, x2, y2, note=group.note)
        return
    parts: list[Any] = []
    masks: list[RleMasks] = []
    for shape in group.shapes:
        kind = _kind(shape)
        if kind == "polygon":
            parts.append(shape.get("points"))
        elif kind == "mask":
            mask = _mask(shape, group.number, regions)
            if mask is None:
                return
            masks.append(mask)
        else:
            part = _outline(shape, kind, group.number, regions)
            if part is None:
                return
            parts.append(part)
    if not masks:
        regions.outline(group.number, group.label, parts, note=group.note)
    elif not parts and len(masks) == 1:
        regions.mask(group.number, group.label, masks[0], note=group.note)
    else:
        _draw_together(group, parts, masks, regions)


def _draw_together(group: Group, parts: list[Any], masks: list[RleMasks], regions: Regions) -> None:
    """Masks and outlines of one object: all pixels of any of them."""
    outlines = [_numbers(part) for part in parts]
    sound = [outline for outline in outlines if outline is not None and len(outline) > 2]
    if len(sound) < len(parts):
        regions.lacks(group.number, "points", "at least 3 pairs of numbers", parts[0], _REDRAW)
        return
    dense = np.asarray(RleMasks.join(masks).dense().any(0))
    if sound:
        dense = dense | RleMasks.from_polygons([sound], regions.frame).dense()[0]
    regions.mask(group.number, group.label, RleMasks.from_dense(dense[None]), note=group.note)


def _outline(shape: dict[str, Any], kind: str, number: int, regions: Regions) -> np.ndarray | None:
    """The closed outline of a shape that is no polygon; None, and a fault, where it is not a sound one."""
    points = _points(shape, number, regions, {"circle": (2,), "rectangle": (2, 4)}.get(kind, (4,)))
    if points is None:
        return None
    if kind == "rectangle":
        (x1, y1), (x2, y2) = points.min(0), points.max(0)
        return polygons.rectangle(x1, y1, x2 - x1, y2 - y1)
    if kind != "circle":
        return points
    radius = float(np.hypot(*(points[1] - points[0])))
    if radius == 0:
        regions.lacks(number, "points", "a circle with a radius above 0", 0, _REDRAW)
        return None
    x, y = points[0].tolist()
    return polygons.circle(x, y, radius)


def _points(shape: dict[str, Any], number: int, regions: Regions, counts: tuple[int, ...]) -> np.ndarray | None:
    points = _numbers(shape.get("points"))
    if points is not None and len(points) in counts:
        return points
    expected = f"{' or '.join(map(str, counts))} points, each x and y"
    regions.lacks(number, "points", expected, shape.get("points", "none"), _REDRAW)
    return None


def _numbers(points: Any) -> np.ndarray | None:
    """k×2; None where it is something else than pairs of finite numbers."""
    pairs = isinstance(points, list | np.ndarray) and all(
        isinstance(pair, list | tuple | np.ndarray) and len(pair) == 2 for pair in points
    )
    if not pairs or any(isinstance(value, bool) or not isinstance(value, int | float | np.number)
                        for pair in points for value in pair):  # fmt: skip
        return None
    array = np.array(points, np.float64).reshape(-1, 2)
    return array if (np.abs(array) <= 1e7).all() else None


def _mask(shape: dict[str, Any], number: int, regions: Regions) -> RleMasks | None:
    """A PNG in base64, whose upper left pixel is the first point."""
    corners = _points(shape, number, regions, (2,))
    if corners is None:
        return None
    height, width = regions.frame
    try:
        data = base64.b64decode(shape.get("mask") or "", validate=True)
        crop = np.asarray(decode(data, "mask", limit_pixels=(height + 1) * (width + 1)).pixels.any(2))
    except (ImageError, binascii.Error, ValueError, TypeError) as error:
        regions.lacks(number, "mask", "a PNG in base64, within the image", str(error)[:60], _REDRAW)
        return None
    (x1, y1), (x2, y2) = np.floor(corners).astype(int).tolist()
    rows, columns = crop.shape
    if abs(x2 - x1 + 1 - columns) > 1 or abs(y2 - y1 + 1 - rows) > 1:
        expected = f"{x2 - x1 + 1} x {y2 - y1 + 1} pixels, as its two points say"
        regions.lacks(number, "mask", expected, f"{columns} x {rows}", _REDRAW)
        return None
    mask = placed(regions, crop, x1, y1)
    if mask is None:
        regions.lacks(number, "mask", f"a place inside {width} x {height}", f"from {x1}, {y1}", _REDRAW)
    return mask


# --- writing ----------------------------------------------------------------------------------------
def shapes(instances: Instances, losses: Losses) -> Iterator[dict[str, Any]]:
    """Polygons where outlines are known (several parts share a group_id), else masks, else rectangles."""
    losses.scores_and_crowds(instances)
    drawn, notes = instances.outlines(), instances.annotations or [None] * len(instances)
    for row, label in enumerate(instances.labels):
        more = _more(notes[row], losses)
        parts = drawn[row]
        if parts is not None:
            group = row if len(parts) > 1 else None
            for part in parts:
                points = [plain(point) for point in part]
                yield {"label": label, "points": points, "group_id": group, "shape_type": "polygon", **more}
        elif instances.masks is not None:
            yield {"label": label, "group_id": None, "shape_type": "mask", **_crop(instances.masks[row]), **more}
        else:
            x1, y1, x2, y2 = (float(str(side)) for side in instances.boxes[row])
            points = [[x1, y1], [x2, y2]]
            yield {"label": label, "points": points, "group_id": None, "shape_type": "rectangle", **more}


def edited(
    old: Sequence[Any], before: Instances | None, after: Instances, losses: Losses
) -> list[dict[str, Any] | Any]:
    """The shapes of a file whose objects have changed, the others as they stand; then those that are no objects.

    before  the objects of the file; None: all are written anew
    """
    faults = Faults(Path())
    size = (1, 1) if after.masks is None else after.masks.size
    found = [*groups(old, Regions(faults, FoundImage("", Path(), size, False)))]
    objects = [shape for group in found for shape in group.shapes]
    rest = [shape for shape in old if not any(shape is one for one in objects)]
    rows = unchanged(before if before is not None and len(found) == len(before) else None, after)
    ids = [shape.get("group_id") for shape in old if isinstance(shape, dict)]
    free = max((id for id in ids if isinstance(id, int)), default=-1) + 1
    written: list[Any] = []
    for row, (label, same) in enumerate(zip(after.labels, rows, strict=True)):
        if same is not None:
            written += [shape if shape["label"].strip() == label else {**shape, "label": label}
                        for shape in found[same].shapes]  # fmt: skip
            continue
        for shape in shapes(after[row : row + 1], losses):
            written.append(shape if shape["group_id"] is None else {**shape, "group_id": free + row})
    return written + rest


def _crop(mask: RleMasks) -> dict[str, Any]:
    """Its bounding box, both corners included, and the pixels in it."""
    x1, y1, x2, y2 = mask.boxes[0].astype(int).tolist()
    stream = io.BytesIO()
    Image.fromarray(mask.dense()[0, y1:y2, x1:x2].astype(np.uint8) * 255).save(stream, "PNG")
    return {"points": [[x1, y1], [x2 - 1, y2 - 1]], "mask": base64.b64encode(stream.getvalue()).decode()}


def _more(note: Annotation | None, losses: Losses) -> dict[str, Any]:
    attributes = {} if note is None else dict(note.attributes)
    description = attributes.pop("description", "")
    flags = {name: value for name, value in attributes.items() if isinstance(value, bool)}
    lost = len(attributes) - len(flags) + (not isinstance(description, str))
    losses.add(ATTRIBUTES_LOST, lost)
    return {"flags": flags, "description": description if isinstance(description, str) else ""}
