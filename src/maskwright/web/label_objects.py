"""Objects as the page exchanges them, and as rows of `Instances`.

As JSON {"key": "k3", "class": "balloon", "rings": [[[x, y], ...], ...]}. An object that was read from a file and whose
rings were not changed keeps the mask, the drawn outline and the further attributes of the file.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from maskwright.geometry import polygons
from maskwright.types import Annotation, Instances, RleMasks
from maskwright.web import label_shapes
from maskwright.web.refusal import Refusal

MAX_OBJECTS, MAX_POINTS = 5_000, 100_000  # of an image


@dataclass(frozen=True, eq=False)
class Drawn:
    """An object of an image.

    row  a single row of Instances; its class index means nothing, `label` does
    """

    key: str
    label: str
    rings: list[label_shapes.Ring]
    row: Instances

    def facts(self) -> dict[str, Any]:
        return {"key": self.key, "class": self.label, "rings": [ring.round(2).tolist() for ring in self.rings]}


def of_instances(instances: Instances | None) -> list[Drawn]:
    """The objects of an image as they were read."""
    if instances is None:
        return []
    outlines = instances.outlines()
    return [
        Drawn(key_of(index), label, _rings(instances[index], outlines[index]), instances[index])
        for index, label in enumerate(instances.labels)
    ]


def key_of(row: int) -> str:
    """Of an object that was read, by its number."""
    return f"r{row}"


def _rings(row: Instances, outline: tuple[np.ndarray, ...] | None) -> list[label_shapes.Ring]:
    if outline is not None:
        return [np.asarray(part, np.float64) for part in outline]
    if row.masks is not None:
        return label_shapes.trace(row.masks)
    return [polygons.rectangle(*row.boxes[0].astype(np.float64).tolist())]


def to_instances(objects: Sequence[Drawn], names: tuple[str, ...], size: tuple[int, int], masks: bool) -> Instances:
    """One Instances of all; `masks` False where the data have boxes only."""
    if not objects:
        return Instances.empty(names, size if masks else None)
    rows = [item.row for item in objects]
    joined = None
    if masks:
        joined = RleMasks.join([row.masks or RleMasks.from_boxes(row.boxes, size) for row in rows])
    crowd = None
    if any(row.crowd is not None for row in rows):
        crowd = np.array([row.crowd is not None and bool(row.crowd[0]) for row in rows])
    notes = tuple(None if row.annotations is None else row.annotations[0] for row in rows)
    classes = np.array([names.index(item.label) for item in objects])
    return Instances(np.concatenate([row.boxes for row in rows]), classes, None, joined, names, crowd, notes)


def parsed(rows: Any, known: Sequence[Drawn], size: tuple[int, int], masks: bool) -> list[Drawn]:
    """The objects that the page sent; Refusal where they are not what it sends."""
    if not isinstance(rows, list) or len(rows) > MAX_OBJECTS:
        raise _wrong("objects", f"a list of at most {MAX_OBJECTS}", rows)
    before = {item.key: item for item in known}
    if sum(len(ring) for row in rows if isinstance(row, Mapping) for ring in _listed(row.get("rings"))) > MAX_POINTS:
        raise _wrong("rings", f"at most {MAX_POINTS} points", "more")
    keys = [row.get("key") if isinstance(row, Mapping) else None for row in rows]
    if len(set(map(str, keys))) != len(keys):
        raise _wrong("key", "keys that differ", keys)
    return [_parsed(row, before, size, masks) for row in rows]


def _parsed(row: Any, before: Mapping[str, Drawn], size: tuple[int, int], masks: bool) -> Drawn:
    label, key = (row.get("class"), row.get("key")) if isinstance(row, Mapping) else (None, None)
    label = label_of(label)
    if not isinstance(key, str) or not 0 < len(key) <= 40:
        raise _wrong("key", "a short text", key)
    rings = rings_of(row.get("rings"))
    if (old := before.get(key)) is not None and _equal(rings, old.rings):
        return old if old.label == label else replace(old, label=label)
    note = None if old is None or old.row.annotations is None else old.row.annotations[0]
    return new(key, label, rings, size, masks, note)


def label_of(value: object) -> str:
    """The name of a class; Refusal where it is none."""
    if not isinstance(value, str) or not value.strip() or len(value) > 200 or not value.isprintable():
        raise _wrong("class", "a name", value)
    return value.strip()


def new(
    key: str, label: str, rings: list[label_shapes.Ring], size: tuple[int, int], masks: bool, note: Annotation | None
) -> Drawn:
    """An object from its rings. `note`: what the file said of it before it was changed."""
    mask = label_shapes.fill(rings, size)
    if not mask.area[0]:
        raise _wrong("rings", "an object inside the image", "nothing of it is inside")
    outlines = () if label_shapes.has_holes(rings) else tuple(rings)
    kept = replace(note, outlines=outlines) if note is not None else Annotation(outlines)
    row = Instances(mask.boxes, np.zeros(1, np.int64), None, mask if masks else None, (label,), None, (kept,))
    return Drawn(key, label, rings, row)


def rings_of(value: Any) -> list[label_shapes.Ring]:
    """Rings as the page sends them: at least one, each of at least three points."""
    if not isinstance(value, list) or not value:
        raise _wrong("rings", "at least one ring", value)
    return [points_of(ring, 3) for ring in value]


def points_of(value: Any, fewest: int = 1) -> np.ndarray:
    """n×2 float64 from [[x, y], ...]."""
    points = _listed(value)
    whole = all(isinstance(point, list) and len(point) == 2 and all(map(_is_number, point)) for point in points)
    if not whole or not fewest <= len(points) <= MAX_POINTS:
        raise _wrong("points", f"{fewest} or more points [x, y]", value)
    return np.array(points, np.float64).reshape(-1, 2)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and abs(value) < 1e6


def _equal(rings: Sequence[np.ndarray], others: Sequence[np.ndarray]) -> bool:
    """The same, as the page knows them: rounded to hundredths."""
    return len(rings) == len(others) and all(
        one.shape == other.shape and np.allclose(one, other, atol=0.006)
        for one, other in zip(rings, others, strict=True)
    )


def _wrong(field: str, expected: str, got: object) -> Refusal:
    return Refusal(422, "not an object of this page", field=field, expected=expected, got=str(got)[:80])
