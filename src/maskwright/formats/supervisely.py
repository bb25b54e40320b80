"""Supervisely JSON: a project of datasets, each with ann/ and img/, one JSON file an image.

Looks like   meta.json: {"classes": [{"title": "rust", "shape": "polygon"}], "tags": [...]}
             dataset/ann/a.jpg.json: {"size": {"height": 480, "width": 640}, "objects": [{"classTitle": "rust",
             "geometryType": "polygon", "points": {"exterior": [[x, y], ...], "interior": [[[x, y], ...]]}}]}
Known by     folders ann and img side by side, here or one level down
Holds        polygons with holes, bitmaps (base64 of a zlib-packed PNG, and where its corner lies), rectangles; tags of
             objects and images, as their attributes (train, val and test are splits); images with no objects
Cannot hold  scores, crowds, class ids, attributes that are lists or objects. On writing they, and skipped images, are
             dropped and counted; one outline goes out with its points, other masks as bitmaps, which lose nothing;
             splits become datasets and tags. An image without a file in ann is unlabeled
Not used     points, lines and cuboids: counted
In the wild  a.json for a.jpg (older exports) or a.jpg.json; no geometryType, so that the class in meta.json says which
             shape an object is; datasets with equal file names, which stay apart; datasets in datasets
Coordinates  pixels of the image after EXIF's turn; a rectangle's corners are pixels, both inside: its edges reach
             one further
Source       supervisely's SDK: project.py, annotation/label.py, geometry/bitmap.py (base64_2_data)
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from maskwright.errors import AnnotationError, DatasetError, OutputError
from maskwright.escaping import percent_encoded
from maskwright.files import write_text
from maskwright.formats import supervisely_bitmap
from maskwright.formats.losses import ATTRIBUTES_LOST, IMAGE_ATTRIBUTES_LOST, VERTICES_LOST
from maskwright.formats.object_pages import page_of_objects
from maskwright.formats.reading import (
    SPLIT_FOLDERS,
    Draft,
    Evidence,
    Faults,
    FoundImage,
    Head,
    ImageFinder,
    Losses,
    Regions,
    assemble,
    data_name,
    images_in,
    measured,
    natural,
    plain,
    read_json,
)
from maskwright.formats.shapes import (
    CUBOIDS_UNUSED,
    KEYPOINTS_UNUSED,
    LINES_UNUSED,
    POINTS_UNUSED,
    placed,
    stated_size,
    with_holes,
)
from maskwright.issues import Kind
from maskwright.types import Annotation, Dataset, Instances, Record

TAGS_UNUSED = Kind(
    "tags_unused", "info", "{count} tag without a name, or of a name that stands twice, was not read",
    "{count} tags without a name, or of a name that stands twice, were not read",
)  # fmt: skip

_ANN, _IMG, _NESTED = "ann", "img", "datasets"
_UNUSED = {"point": POINTS_UNUSED, "line": LINES_UNUSED, "polyline": LINES_UNUSED, "cuboid": CUBOIDS_UNUSED,
           "cuboid_2d": CUBOIDS_UNUSED, "graph": KEYPOINTS_UNUSED, "keypoints": KEYPOINTS_UNUSED}  # fmt: skip
_REDRAW = "draw that object again in Supervisely and download, or delete it"
_DEEPEST = 4  # project/dataset/datasets/nested, and one more


def sniff(head: Head) -> Evidence | None:
    if head.is_folder and any(True for _ in _datasets(head)):
        return Evidence(0.9, "it holds folders ann and img, as Supervisely writes them")
    return None


def read(path: Path, faults: Faults) -> Dataset:
    datasets = list(_datasets(Head(path)))
    shapes = _shapes(path)
    drafts: list[Draft] = []
    used: set[str] = set()
    for dataset in datasets:
        pages = {
            name: page_of_objects(dataset.path / _ANN / name, faults, "download it again")
            for name in dataset.child(_ANN).files(".json")
        }
        names = {name: name[: -len(".json")] for name in pages}
        finder = ImageFinder(dataset.path, faults, near=dataset.path / _IMG, names=names.values())
        for name, page in pages.items():
            objects = [] if page is None else page["objects"]
            image = finder.image(names[name], regions=len(objects))
            if image is None:
                continue
            if page is None:
                regions = Regions(faults, image)
                regions.saw()  # its fault is noted: the image is skipped, not empty
                drafts.append(Draft(image, regions))
            else:
                split, attributes = _tags(page, faults)
                regions = _regions(page, image, shapes, faults, used)
                drafts.append(Draft(image, regions, split, attributes=attributes))
    declared = [name for name in shapes if name in used]
    names = dict.fromkeys([*declared, *sorted(used, key=natural)])
    found = assemble(data_name(path), names, drafts, "supervisely", faults)
    return _with_unlabeled(found, datasets, faults)


def _datasets(head: Head) -> Iterator[Head]:
    """The folders with ann and img: this one, its sub-folders, and those in a folder `datasets` of one of them."""
    level = [head]
    for depth in range(_DEEPEST):
        for item in level:
            # looking for two names is quick where listing all sub-folders of all sub-folders is not
            if all(map(_is_folder, (item.path / _ANN, item.path / _IMG))) and item.child(_ANN).files(".json"):
                yield item
        above = level if depth == 0 else [item.child(_NESTED) for item in level if _is_folder(item.path / _NESTED)]
        level = [item.child(name) for item in above for name in item.folders if name not in (_ANN, _IMG)]


def _is_folder(path: Path) -> bool:
    return os.path.isdir(path)  # noqa: PTH112 (never raises)


def _shapes(path: Path) -> dict[str, str]:
    """Class -> shape, by the nearest meta.json here or above; {} where there is none."""
    for folder in (path, path.parent, path.parent.parent):
        file = folder / "meta.json"
        if file.is_file():
            data = read_json(file)
            classes = data.get("classes") if isinstance(data, dict) else None
            if not isinstance(classes, list):
                raise AnnotationError("not Supervisely's meta.json", file=file, field="classes", expected="a list",
                                      got=type(classes).__name__)  # fmt: skip
            return {str(item.get("title")): str(item.get("shape")) for item in classes if isinstance(item, dict)}
    return {}


def _tags(page: dict[str, Any], faults: Faults) -> tuple[str | None, dict[str, Any]]:
    """The split and the attributes that the tags of an image say; of several splits none is meant."""
    listed = _listed(page.get("tags"))
    found = _said(listed)
    faults.count(TAGS_UNUSED, len(listed) - len(found))
    splits = {SPLIT_FOLDERS[name.casefold()] for name in found if name.casefold() in SPLIT_FOLDERS}
    if len(splits) != 1:
        return None, found
    return splits.pop(), {name: value for name, value in found.items() if name.casefold() not in SPLIT_FOLDERS}


def _regions(
    page: dict[str, Any], image: FoundImage, shapes: dict[str, str], faults: Faults, used: set[str]
) -> Regions:
    regions = Regions(faults, image, stated=stated_size(page.get("size")))
    for number, item in enumerate(page["objects"]):
        label = item.get("classTitle") if isinstance(item, dict) else None
        if not isinstance(label, str) or not label.strip():
            regions.lacks(number, "classTitle", "a class name", "none", "choose its class in Supervisely and download")
        elif _draw(item, number, label.strip(), regions, shapes):
            used.add(label.strip())
    return regions


def _draw(item: dict[str, Any], number: int, label: str, regions: Regions, shapes: dict[str, str]) -> bool:
    """Hand one object to `regions`; False where it cannot be one."""
    bitmap = item.get("bitmap")
    kind = item.get("geometryType") or ("bitmap" if isinstance(bitmap, dict) else shapes.get(label, "polygon"))
    if kind == "any":
        kind = "polygon"
    if isinstance(kind, str) and kind in _UNUSED:
        regions.unused(_UNUSED[kind])
        return False
    note = _note(item)
    if kind == "bitmap":
        _bitmap(bitmap, number, label, regions, note)
        return True
    points = item.get("points")
    outside = _outline(points.get("exterior")) if isinstance(points, dict) else None
    inside = [_outline(hole) for hole in _listed(points.get("interior"))] if isinstance(points, dict) else []
    if outside is None or any(hole is None for hole in inside):
        regions.lacks(number, "points", "an exterior and interiors, lists of [x, y]", points, _REDRAW)
    elif kind == "rectangle":
        low, high = outside.min(0), outside.max(0)
        if len(outside) == 2:
            regions.box(number, label, *low.tolist(), *(high + 1).tolist(), note=note)
        else:
            regions.lacks(number, "points.exterior", "two corners", f"{len(outside)} points", _REDRAW)
    elif kind != "polygon":
        regions.lacks(number, "geometryType", "polygon, bitmap or rectangle", kind, _REDRAW)
    elif any(hole is not None and not _within(hole, outside) for hole in inside):
        regions.lacks(number, "points.interior", "holes inside the exterior", "one that lies elsewhere", _REDRAW)
    else:
        regions.outline(number, label, [with_holes(outside, [hole for hole in inside if hole is not None])], note=note)
    return True


def _outline(points: Any) -> np.ndarray | None:
    """k×2 numbers, or None."""
    if not isinstance(points, list) or not points:
        return None
    if not all(isinstance(pair, list) and len(pair) == 2 and {*map(type, pair)} <= {int, float} for pair in points):
        return None
    return np.array([[float(side) if abs(side) < 1e9 else 1e9 for side in pair] for pair in points])


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _within(hole: np.ndarray, outside: np.ndarray) -> bool:
    return bool((hole.min(0) >= outside.min(0) - 1).all() and (hole.max(0) <= outside.max(0) + 1).all())


def _bitmap(bitmap: Any, number: int, label: str, regions: Regions, note: Annotation | None) -> None:
    height, width = regions.frame
    origin = bitmap.get("origin") if isinstance(bitmap, dict) else None
    if (
        not isinstance(origin, list)
        or len(origin) != 2
        or not all(type(at) is int and 0 <= at < 10**6 for at in origin)
    ):
        regions.lacks(number, "bitmap.origin", "a pixel [x, y] of the image", origin, _REDRAW)
        return
    left, top = origin
    drawn = supervisely_bitmap.decode(bitmap.get("data"), (height - top, width - left))
    if isinstance(drawn, np.ndarray) and not drawn.any():
        drawn = "no pixel"
    if isinstance(drawn, str):
        expected = f"a PNG of at most {max(width - left, 0)} x {max(height - top, 0)} pixels, packed and in base64"
        regions.lacks(number, "bitmap.data", expected, drawn, _REDRAW)
        return
    mask = placed(regions, drawn, left, top)
    assert mask is not None
    regions.mask(number, label, mask, note=note)


def _note(item: dict[str, Any]) -> Annotation | None:
    found = _said(_listed(item.get("tags")))
    return Annotation(attributes=found) if found else None


def _said(tags: list[Any]) -> dict[str, Any]:
    """Tags as attributes; one without a value is true."""
    named = [tag for tag in tags if isinstance(tag, dict) and isinstance(tag.get("name"), str)]
    return {tag["name"]: True if tag.get("value") is None else tag["value"] for tag in named}


def _with_unlabeled(dataset: Dataset, heads: list[Head], faults: Faults) -> Dataset:
    """Images in img without a file in ann."""
    known = {record.image for record in dataset.records}
    put_aside = {name for record in faults.records for name in record.images}
    others = [path for head in heads for path in images_in(head.path / _IMG)
              if path not in known and not {path.name, path.stem} & put_aside]  # fmt: skip
    found = (measured(path, faults) for path in others)
    records = tuple(Record(image.path, image.size, None) for image in found if image is not None)
    return replace(dataset, records=dataset.records + records)


# --- writing ----------------------------------------------------------------------------------------
def write(dataset: Dataset, path: Path, losses: Losses) -> None:
    """A project: meta.json, and for each split DATASET/ann/a.jpg.json for DATASET/img/a.jpg, which is not copied."""
    if path.suffix.lower() == ".json":
        raise OutputError("a Supervisely project is a folder of several files", file=path, fix="name a folder")
    pages: dict[Path, Record] = {}
    for record in dataset.records:
        if record.skipped or record.instances is None:
            losses.image(record)
            continue
        below = record.image.parent.name == _IMG and record.image.is_relative_to(path)
        folder = record.image.parent.parent if below else path / (record.split or "data")
        page = folder / _ANN / f"{percent_encoded(record.image.name)}.json"
        if pages.setdefault(page, record) is not record:
            raise DatasetError("two images would share one JSON file", file=page, fix="rename one of them",
                               expected="different names", got=record.image.name)  # fmt: skip
    tags: dict[str, str] = {}
    for page, record in pages.items():
        write_text(page, json.dumps(_written(record, tags, losses), ensure_ascii=False))
    classes = [{"title": name, "shape": "any", "color": f"#{(number * 0x2F6B35 + 0xE8112D) % 2**24:06X}"}
               for number, name in enumerate(dataset.names)]  # fmt: skip
    known = [{"name": name, "value_type": kind, "color": "#8A0F12"} for name, kind in tags.items()]
    write_text(path / "meta.json", json.dumps({"classes": classes, "tags": known}, ensure_ascii=False))


def _written(record: Record, tags: dict[str, str], losses: Losses) -> dict[str, Any]:
    """What stands in the file of one image. `tags` takes the name and the type of each tag."""
    assert record.instances is not None
    height, width = record.size
    splits = {} if record.split is None else {record.split: True}
    facts = {name: value for name, value in record.attributes.items() if name.casefold() not in SPLIT_FOLDERS}
    losses.add(IMAGE_ATTRIBUTES_LOST, len(record.attributes) - len(facts))
    told = _tags_of(splits | facts, tags, losses, IMAGE_ATTRIBUTES_LOST)
    objects = list(_objects(record.instances, tags, losses))
    return {"description": "", "tags": told, "size": {"height": height, "width": width}, "objects": objects}


def _tags_of(facts: Mapping[str, Any], tags: dict[str, str], losses: Losses, kind: Kind) -> list[dict[str, Any]]:
    """Attributes as tags; `kind` counts those whose values no tag can have."""
    told = []
    for name, value in facts.items():
        if not isinstance(value, str | int | float):
            losses.add(kind)
            continue
        type = "none" if value is True else "any_string" if isinstance(value, str) else "any_number"
        tags[name] = type if tags.setdefault(name, type) == type else "any_string"
        told.append({"name": name, "value": None if value is True else value})
    return told


def _objects(instances: Instances, tags: dict[str, str], losses: Losses) -> Iterator[dict[str, Any]]:
    losses.scores_and_crowds(instances)
    outlines, notes = instances.outlines(), instances.annotations or [None] * len(instances)
    for row, label in enumerate(instances.labels):
        note = notes[row]
        told = _tags_of({} if note is None else note.attributes, tags, losses, ATTRIBUTES_LOST)
        parts = outlines[row]
        losses.add(VERTICES_LOST, int(parts is not None and len(parts) > 1))
        yield {"classTitle": label, "tags": told, **_shape(instances, row, parts)}


def _shape(instances: Instances, row: int, parts: tuple[np.ndarray, ...] | None) -> dict[str, Any]:
    if instances.masks is None:
        x1, y1, x2, y2 = instances.boxes[row].tolist()  # corners are pixels, both inside
        corners = [[x1, y1], [max(x1, x2 - 1), max(y1, y2 - 1)]]
        return {"geometryType": "rectangle", "points": {"exterior": corners, "interior": []}}
    if parts is not None and len(parts) == 1:
        points = [plain(point) for point in parts[0]]
        return {"geometryType": "polygon", "points": {"exterior": points, "interior": []}}
    left, top, right, bottom = (int(side) for side in instances.masks.boxes[row])
    drawn = instances.masks[row].crop((left, top, right, bottom)).dense()[0]
    return {"geometryType": "bitmap", "bitmap": {"data": supervisely_bitmap.encode(drawn), "origin": [left, top]}}
