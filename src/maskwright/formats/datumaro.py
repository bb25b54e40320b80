"""Datumaro JSON: one file a subset in annotations, images beside it; also what CVAT exports as "Datumaro 1.0".

Looks like   {"categories": {"label": {"labels": [{"name": "rust"}]}}, "items": [{"id": "a", "image": {"path": "a.jpg",
             "size": [480, 640]}, "annotations": [{"type": "polygon", "label_id": 0, "group": 1, "points": [x, y, ...],
             "attributes": {"occluded": false}}, {"type": "bbox", "bbox": [x, y, width, height]}]}]}
Known by     a .json file with "dm_format_version", or with "categories", "items" and "label"
Holds        polygons (several of one group are one object), masks as COCO run lengths, boxes, rotated ones (as outlines
             of four corners), ellipses; labels, which are classes of whole images where nothing is drawn; crowds, ids
             and attributes as JSON values
Cannot hold  scores, empty versus unlabeled, class ids, which classes were looked for. On writing they, and unlabeled
             and skipped images, are dropped and counted; outlines go out with their points, other masks as run
             lengths, which lose nothing
Not used     points, lines, cuboids, captions and the like: counted
In the wild  paths of another machine; no path but an id; sizes left out; CVAT's rotation as an attribute of a box;
             the shapes of a group with different labels (which stay objects of their own)
Coordinates  pixels, edges
Source       openvinotoolkit/datumaro: plugins/data_formats/datumaro/exporter.py and base.py
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from maskwright.errors import AnnotationError
from maskwright.files import write_text
from maskwright.formats.image_classes import classified
from maskwright.formats.losses import ANNOTATION_IDS_LOST, SCORES_LOST
from maskwright.formats.reading import (
    Draft,
    Evidence,
    Faults,
    FoundImage,
    Head,
    ImageFinder,
    Losses,
    Regions,
    data_name,
    data_root,
    plain,
    read_json,
    written_names,
)
from maskwright.formats.shapes import (
    BOXES_ROTATED,
    CUBOIDS_UNUSED,
    KEYPOINTS_UNUSED,
    LINES_UNUSED,
    POINTS_UNUSED,
    rotated_box,
)
from maskwright.geometry import polygons
from maskwright.issues import Kind
from maskwright.types import Annotation, Dataset, Instances

TEXTS_UNUSED = Kind(
    "texts_unused", "warning", "{count} annotation that is neither a shape nor a class was left out",
    "{count} annotations that are neither shapes nor classes were left out",
)  # fmt: skip

_SHAPES = ("polygon", "mask", "bbox", "rotated_bbox", "ellipse")
_UNUSED = {"polyline": LINES_UNUSED, "cuboid_3d": CUBOIDS_UNUSED, "cuboid_2d": CUBOIDS_UNUSED,
           "skeleton": KEYPOINTS_UNUSED, "point": POINTS_UNUSED}  # fmt: skip
_REDRAW = "draw it again and export, or delete it"

_PARENT = "supercategory"  # as COCO calls what Datumaro calls the parent

_Shape = dict[str, Any]


def sniff(head: Head) -> Evidence | None:
    if head.ending != ".json":
        return None
    words = [word for word in ("dm_format_version", "categories", "items", "label") if f'"{word}"' in head.text]
    if "dm_format_version" in words or (len(words) == 3 and re.search(r'"(infos?|label_groups|label_id)"', head.text)):
        return Evidence(0.97, f"it has {', '.join(words)}, as Datumaro writes them")
    return None


# --- reading ----------------------------------------------------------------------------------------
def read(path: Path, faults: Faults) -> Dataset:
    data = read_json(path)
    items, classes = _lists(path, data)
    root = data_root(path)
    items = {index: item for index, item in enumerate(items) if _sound(item, index, faults)}
    names = {index: _name(item, root, path) for index, item in items.items()}
    finder = ImageFinder(root, faults, near=path.parent, names=names.values())
    drafts: list[Draft] = []
    labels: dict[Path, tuple[str, ...]] = {}
    used: set[str] = set()
    for index, item in items.items():
        annotations = item.get("annotations") or []
        shapes = [shape for shape in annotations if not _is_label(shape)]
        image = finder.image(names[index], regions=len(shapes))
        if image is None:
            continue
        regions = _regions(shapes, _stated(item), image, classes, faults)
        used.update(regions.labels)
        given = [_label(label, classes) for label in annotations if _is_label(label)]
        if several := tuple(label for label in given if label is not None):
            labels[image.path] = (*labels.get(image.path, ()), *several)
        facts = _facts(item)
        drafts.append(Draft(image, regions, id=facts.pop("id", None), attributes=facts))
    names = [name for name in classes if name in used]
    return _with_facts(classified(data_name(root), names, drafts, labels, "datumaro", faults), data)


def _lists(path: Path, data: Any) -> tuple[list[Any], list[str]]:
    """The items, and the names of the classes by their number."""
    items = data.get("items") if isinstance(data, dict) else None
    if not isinstance(items, list):
        raise AnnotationError("not a Datumaro file", file=path, field="items", expected="a list of items",
                              got=type(items).__name__)  # fmt: skip
    categories = data.get("categories")
    listed = categories.get("label") if isinstance(categories, dict) else None
    listed = listed.get("labels") if isinstance(listed, dict) else [] if listed is None else listed
    if not isinstance(listed, list):
        raise AnnotationError("not a Datumaro file", file=path, field="categories.label.labels", expected="a list",
                              got=type(listed).__name__)  # fmt: skip
    names = [label.get("name") if isinstance(label, dict) else None for label in listed]
    for index, name in enumerate(names):
        if not isinstance(name, str) or not name.strip():
            raise AnnotationError("a class without a name", file=path, record=f"label {index}", field="name",
                                  expected="a text", got=str(name))  # fmt: skip
    return items, [str(name).strip() for name in names]


def _sound(item: Any, index: int, faults: Faults) -> bool:
    record = item if isinstance(item, dict) else {}
    named = _path(record) or record.get("id")
    if isinstance(named, str) and named.strip() and isinstance(record.get("annotations"), list | None):
        return True
    faults.saw()
    faults.add(f"item {index}", "id", "an id and a list of annotations", item, "export the data again")
    return False


def _path(item: dict[str, Any]) -> str | None:
    for key in ("image", "media"):
        media = item.get(key)
        found = media.get("path") if isinstance(media, dict) else None
        if isinstance(found, str) and found.strip():
            return found
    return None


def _name(item: dict[str, Any], root: Path, path: Path) -> str:
    """How to look for the image: in images/SUBSET where it is there, else as the file calls it."""
    name = _path(item) or str(item["id"])
    own = f"images/{path.stem}/{name}"
    return own if len(own) < 4096 and "\0" not in own and os.path.isfile(root / own) else name  # noqa: PTH113 (never raises)


def _facts(item: dict[str, Any]) -> dict[str, Any]:
    """What it says of the image; `id` is the one of COCO, where it was read from COCO."""
    found = item.get("attr")
    found = dict(found) if isinstance(found, dict) else {}
    if not isinstance(found.get("id", 0), int | str) or isinstance(found.get("id"), bool):
        del found["id"]
    return found


def _with_facts(dataset: Dataset, data: dict[str, Any]) -> Dataset:
    """With what is said of the whole, and of the classes."""
    infos = data.get("infos")
    listed = data["categories"]["label"]["labels"] if dataset.names else []
    parents = {label["name"].strip(): label.get("parent") for label in listed}
    facts = [{_PARENT: parents[name]} if parents.get(name) else {} for name in dataset.names]
    return replace(dataset, class_attributes=tuple(facts) if any(facts) else (),
                   attributes=dict(infos) if isinstance(infos, dict) else {})  # fmt: skip


def _stated(item: dict[str, Any]) -> tuple[int, int] | None:
    """(height, width) as stated, None where it is absent or nonsense."""
    image = item.get("image")
    size = image.get("size") if isinstance(image, dict) else None
    whole = [side for side in size if type(side) is int and 0 < side < 10**6] if isinstance(size, list) else []
    return (whole[0], whole[1]) if len(whole) == 2 else None


def _regions(
    shapes: list[Any], stated: tuple[int, int] | None, image: FoundImage, classes: list[str], faults: Faults
) -> Regions:
    regions = Regions(faults, image, stated=stated)
    groups: dict[tuple[str, object], list[_Shape]] = {}
    for index, shape in enumerate(shapes):
        kind = shape.get("type") if isinstance(shape, dict) else None
        if kind == "points":
            several = isinstance(shape.get("points"), list) and len(shape["points"]) > 2
            regions.unused(KEYPOINTS_UNUSED if several else POINTS_UNUSED)
        elif isinstance(kind, str) and kind not in _SHAPES:
            regions.unused(_UNUSED.get(kind, TEXTS_UNUSED))
        elif kind is None:
            regions.lacks(index, "type", f"one of {', '.join(_SHAPES)}", shape, _REDRAW)
        else:
            label, group = _label(shape, classes), shape.get("group")
            if label is None:
                expected = f"a class, 0 to {len(classes) - 1}"
                regions.lacks(index, "label_id", expected, shape.get("label_id"), "choose its class and export")
                continue
            alone = type(group) is not int or group == 0
            groups.setdefault((label, ("", index) if alone else group), []).append(shape | {"number": index})
    for (label, _), several in groups.items():
        _draw_group(several, label, regions)
    return regions


def _is_label(annotation: Any) -> bool:
    return isinstance(annotation, dict) and annotation.get("type") == "label"


def _label(shape: Any, classes: list[str]) -> str | None:
    number = shape.get("label_id") if isinstance(shape, dict) else None
    return classes[number] if type(number) is int and 0 <= number < len(classes) else None


def _draw_group(shapes: list[_Shape], label: str, regions: Regions) -> None:
    """Polygons of one group are one object, and a box beside them is its box; all else is an object by itself."""
    outlines = [shape for shape in shapes if shape["type"] == "polygon"]
    boxes = [shape for shape in shapes if shape["type"] == "bbox"]
    drawn = [shape for shape in shapes if shape["type"] != "bbox"]
    box = _sides(boxes[0].get("bbox"), 4) if len(boxes) == 1 and drawn else None
    own = None if box is None else [box[0], box[1], box[0] + box[2], box[1] + box[3]]
    if len(outlines) == len(drawn) > 0 and (own is not None or not boxes):
        _draw_outlines(outlines, label, regions, own)
        return
    mask = len(drawn) == 1 and drawn[0]["type"] == "mask" and own is not None
    for shape in drawn if mask else shapes:
        _draw(shape, label, regions, own if mask else None)


def _draw_outlines(shapes: list[_Shape], label: str, regions: Regions, box: list[float] | None) -> None:
    parts = []
    for shape in shapes:
        points = shape.get("points")
        if not isinstance(points, list) or len(points) % 2 or not points:
            regions.lacks(shape["number"], "points", "pairs of x and y", points, _REDRAW)
            return
        parts.append(list(zip(points[::2], points[1::2], strict=True)))
    regions.outline(shapes[0]["number"], label, parts, box=box, crowd=_crowd(shapes[0]), note=_note(shapes[0]))


def _draw(shape: _Shape, label: str, regions: Regions, box: list[float] | None) -> None:
    kind, number, crowd, note = shape["type"], shape["number"], _crowd(shape), _note(shape)
    if kind == "polygon":
        _draw_outlines([shape], label, regions, None)
    elif kind == "mask":
        if not isinstance(shape.get("rle"), dict):
            regions.lacks(number, "rle", "run lengths", shape.get("rle"), _REDRAW)
        else:
            regions.runs(number, label, shape["rle"], crowd=crowd, box=box, note=note)
    elif kind == "bbox":
        _draw_box(shape, label, regions)
    elif kind == "ellipse":
        sides = _sides(shape.get("points"), 4)
        if sides is None or not (sides[2] > sides[0] and sides[3] > sides[1]):
            regions.lacks(number, "points", "two corners x1, y1, x2, y2", shape.get("points"), _REDRAW)
            return
        x1, y1, x2, y2 = sides
        outline = polygons.ellipse((x1 + x2) / 2, (y1 + y2) / 2, (x2 - x1) / 2, (y2 - y1) / 2)
        regions.outline(number, label, [outline], crowd=crowd, note=note)
    else:
        sides = _sides(shape.get("bbox", shape.get("points")), 5)
        if sides is None or min(sides[2:4]) <= 0:
            regions.lacks(number, "bbox", "center x, y, width, height and degrees", shape.get("bbox"), _REDRAW)
            return
        x, y, width, height, degrees = sides
        regions.faults.count(BOXES_ROTATED)
        corners = rotated_box(x - width / 2, y - height / 2, width, height, degrees, around=(x, y))
        regions.outline(number, label, [corners], crowd=crowd, note=note)


def _draw_box(shape: _Shape, label: str, regions: Regions) -> None:
    """CVAT gives the box unrotated, and its rotation in degrees among the attributes."""
    number, sides = shape["number"], _sides(shape.get("bbox"), 4)
    if sides is None:
        regions.lacks(number, "bbox", "four numbers x, y, width, height", shape.get("bbox"), _REDRAW)
        return
    x, y, width, height = sides
    attributes = shape.get("attributes")
    rotation = attributes.get("rotation") if isinstance(attributes, dict) else None
    degrees = (_sides([rotation], 1) or [0.0])[0]
    if degrees % 360 and min(width, height) > 0:
        regions.faults.count(BOXES_ROTATED)
        center = (x + width / 2, y + height / 2)
        corners = rotated_box(x, y, width, height, degrees, around=center)
        regions.outline(number, label, [corners], crowd=_crowd(shape), note=_note(shape))
    else:
        regions.box(number, label, x, y, x + width, y + height, crowd=_crowd(shape), note=_note(shape))


def _sides(values: Any, count: int) -> list[float] | None:
    """So many plain numbers of a size that an image may have, or None."""
    if not isinstance(values, list) or len(values) != count:
        return None
    sound = all(type(value) in (int, float) and abs(value) < 1e7 for value in values)
    return [float(value) for value in values] if sound else None


def _crowd(shape: _Shape) -> bool:
    attributes = shape.get("attributes")
    return isinstance(attributes, dict) and attributes.get("is_crowd") in (True, 1)


def _note(shape: _Shape) -> Annotation | None:
    """Its id, and the attributes that say something: CVAT writes "occluded" and "rotation" of every shape."""
    attributes, number = shape.get("attributes"), shape.get("id")
    attributes = dict(attributes) if isinstance(attributes, dict) else {}
    attributes.pop("is_crowd", None)
    for name in ("occluded", "rotation"):
        if not attributes.get(name, True):
            del attributes[name]
    number = number if type(number) is int and number else None
    return Annotation((), number, attributes) if attributes or number is not None else None


# --- writing ----------------------------------------------------------------------------------------
def write(dataset: Dataset, path: Path, losses: Losses) -> None:
    """One file, which is a subset: annotations/train.json for images/train, or any file beside its images."""
    records = []
    for record in dataset.records:
        if record.skipped or record.state == "unlabeled":
            losses.image(record)
        else:
            records.append(record)
    losses.class_attributes(dataset, kept=[_PARENT])
    beside = path.parent.parent / "images" / path.name if path.parent.name == "annotations" else path
    names = written_names([record.image for record in records], beside)
    items: list[dict[str, Any]] = []
    for record, name in zip(records, names, strict=True):
        annotations = [_written("label", label, {}) for label in record.labels or ()]
        if record.instances is not None:
            annotations += _shapes(record.instances, losses)
        item = {"id": name.rpartition(".")[0] or name, "annotations": annotations}
        facts = ({} if record.id is None else {"id": record.id}) | {**record.attributes}
        item |= {"attr": facts} if facts else {}
        items.append(item | {"image": {"path": name, "size": list(record.size)}})
    parents = [facts.get(_PARENT, "") for facts in dataset.class_attributes] or [""] * len(dataset.names)
    labels = [{"name": name, "parent": parent, "attributes": []}
              for name, parent in zip(dataset.names, parents, strict=True)]  # fmt: skip
    categories = {"label": {"labels": labels, "label_groups": [], "attributes": []}}
    written = {"dm_format_version": "1.0", "media_type": 2, "infos": {**dataset.attributes},
               "categories": categories, "items": items}  # fmt: skip
    write_text(path, json.dumps(written, ensure_ascii=False))


def _written(kind: str, label: int, attributes: dict[str, Any], *, id: object = 0, group: int = 0) -> _Shape:
    return {"id": id if type(id) is int else 0, "type": kind, "attributes": attributes, "group": group,
            "label_id": label}  # fmt: skip


def _shapes(instances: Instances, losses: Losses) -> Iterator[_Shape]:
    losses.add(SCORES_LOST, 0 if instances.scores is None else len(instances))
    ids = [note.id for note in instances.annotations or () if note is not None]
    losses.add(ANNOTATION_IDS_LOST, sum(isinstance(id, str) for id in ids))
    outlines, notes = instances.outlines(), instances.annotations or [None] * len(instances)
    for row, label in enumerate(instances.classes.tolist()):
        note = notes[row]
        crowd = instances.crowd is not None and bool(instances.crowd[row])
        attributes = ({} if note is None else dict(note.attributes)) | ({"is_crowd": True} if crowd else {})
        drawn = list(_drawn(instances, row, outlines[row]))
        for kind, content in drawn:
            group = row + 1 if len(drawn) > 1 else 0
            shape = _written(kind, label, attributes, id=None if note is None else note.id, group=group)
            yield shape | content | {"z_order": 0}


def _drawn(instances: Instances, row: int, parts: Sequence[np.ndarray] | None) -> Iterator[tuple[str, _Shape]]:
    """An object as one shape, or as several of one group: its outlines, and its box where that is finer than they."""
    x1, y1, x2, y2 = instances.boxes[row].tolist()
    box = {"bbox": [x1, y1, x2 - x1, y2 - y1]}
    if instances.masks is None:
        yield "bbox", box
        return
    for part in parts or ():
        yield "polygon", {"points": plain(part.reshape(-1))}
    if not parts:
        yield "mask", {"rle": instances.masks[row].to_coco()[0]}
    if not np.array_equal(instances.boxes[row], instances.masks.boxes[row]):
        yield "bbox", box
