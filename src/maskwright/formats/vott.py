"""VoTT 2: the JSON export of a project, one JSON file an image, or a CSV table.

Looks like   {"name": "party", "tags": [{"name": "rust"}], "assets": {"0d3d": {"asset": {"name": "a.jpg", "state": 2,
             "size": {"width": 640, "height": 480}}, "regions": [{"type": "RECTANGLE", "tags": ["rust"], "boundingBox":
             {"left": 5, "top": 10, "width": 10, "height": 2}, "points": [{"x": 5, "y": 10}, ...]}]}}}
             CSV: "image","xmin","ymin","xmax","ymax","label"
Known by     a .json file with "asset" and "regions"; a .csv file with exactly these columns
Holds        rectangles, polygons; which images nobody has visited
Cannot hold  masks, scores, holes, objects in several parts, crowds, attributes, class ids. On writing outlines go out
             with their points, other masks along their pixels' edges; holes are dropped, parts become regions of
             their own; all of it is counted, and skipped images are left out. Unlabeled images are kept
Not used     points and open lines: counted. The project file (.vott) names images, but holds no regions
In the wild  a region with several tags, which VoTT itself exports as one object a tag, as is done here, and reported; a
             region without a tag (a fault); names with %20
Source       github.com/microsoft/VoTT: src/providers/export/vottJson.ts, csv.ts, models/applicationState.ts
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from maskwright import tables
from maskwright.errors import AnnotationError
from maskwright.files import write_text
from maskwright.formats.losses import UNIONS_LOST
from maskwright.formats.reading import (
    Draft,
    Evidence,
    Faults,
    Head,
    ImageFinder,
    Losses,
    Regions,
    assemble,
    data_name,
    data_root,
    natural,
    read_json,
    read_table,
    written_names,
)
from maskwright.formats.shapes import LINES_UNUSED, POINTS_UNUSED, numbers, outer_outlines, stated_size
from maskwright.issues import Kind
from maskwright.types import Dataset, Instances

REGIONS_OF_SEVERAL_TAGS = Kind(
    "regions_of_several_tags", "warning", "{count} region has several tags: read as one object for each of them",
    "{count} regions have several tags: read as one object for each of them",
)  # fmt: skip

_CORNERS = ("xmin", "ymin", "xmax", "ymax")
_COLUMNS = ("image", *_CORNERS, "label")
_BOX = ("left", "top", "width", "height")
_UNUSED = {"POINT": POINTS_UNUSED, "POLYLINE": LINES_UNUSED}
_NOT_VISITED, _VISITED, _TAGGED = 0, 1, 2
_COLORS = ("#5db300", "#e81123", "#6917aa", "#015cda", "#4894fe", "#e8a500")


def sniff(head: Head) -> Evidence | None:
    if head.ending == ".csv" and {name.casefold() for name in tables.columns(head.text)[1]} == {*_COLUMNS}:
        return Evidence(0.9, "a table with the columns image, xmin, ymin, xmax, ymax, label")
    if head.ending == ".json" and '"asset"' in head.text and '"regions"' in head.text:
        return Evidence(0.9, 'it has "asset" and "regions"')
    return None


@dataclass(frozen=True)
class _Asset:
    """One image. regions None: nobody has looked at it."""

    name: str
    regions: list[dict[str, Any]] | None
    size: tuple[int, int] | None = None


def read(path: Path, faults: Faults) -> Dataset:
    assets, declared = _table(path) if path.suffix.lower() == ".csv" else _export(path, faults)
    root = data_root(path)
    finder = ImageFinder(root, faults, near=path.parent, names=[asset.name for asset in assets])
    drafts: list[Draft] = []
    used: set[str] = set()
    for asset in assets:
        image = finder.image(asset.name, regions=len(asset.regions or ()))
        if image is None:
            continue
        regions = None if asset.regions is None else Regions(faults, image, stated=asset.size)
        for number, region in enumerate(asset.regions or ()):
            assert regions is not None
            _draw(region, number, regions, used)
        drafts.append(Draft(image, regions))
    names = dict.fromkeys([*(name for name in declared if name in used), *sorted(used, key=natural)])
    return assemble(data_name(root), names, drafts, "vott", faults)


def _export(path: Path, faults: Faults) -> tuple[list[_Asset], list[str]]:
    data = read_json(path)
    listed = data.get("assets", {"": data}) if isinstance(data, dict) else None
    if not isinstance(listed, dict):
        raise AnnotationError("not a VoTT export", file=path, field="assets", expected="an object of assets",
                              got=type(listed).__name__, fix="export the project again as VoTT JSON")  # fmt: skip
    tags = data.get("tags")
    declared = [str(tag.get("name")) for tag in tags if isinstance(tag, dict)] if isinstance(tags, list) else []
    return list(_assets(listed, faults)), declared


def _assets(listed: dict[str, Any], faults: Faults) -> Iterator[_Asset]:
    for key, item in listed.items():
        asset = item.get("asset") if isinstance(item, dict) else None
        name = asset.get("name") if isinstance(asset, dict) else None
        regions = item.get("regions") if isinstance(item, dict) else None
        if not isinstance(asset, dict) or not isinstance(name, str) or not isinstance(regions, list | None):
            faults.saw()
            faults.add(f'asset "{key}"', "asset", "an image with a name, and its regions", item)
            continue
        unseen = not regions and asset.get("state") == _NOT_VISITED
        yield _Asset(name, None if unseen else regions or [], stated_size(asset.get("size")))


def _table(path: Path) -> tuple[list[_Asset], list[str]]:
    """One row a rectangle; each as a region of the JSON export."""
    images: dict[str, list[dict[str, Any]]] = {}
    table = read_table(path, _COLUMNS)
    for row in table.rows:
        corners = [_number(table, row[name]) for name in _CORNERS]
        region = {"type": "RECTANGLE", "tags": [row["label"].strip()] if row["label"].strip() else [],
                  "corners": [row[name] for name in _CORNERS] if None in corners else corners}  # fmt: skip
        images.setdefault(row["image"].strip(), []).append(region)
    return [_Asset(name, regions) for name, regions in images.items()], []


def _number(table: tables.CsvTable, cell: str) -> float | None:
    try:
        return table.number(cell)
    except ValueError:
        return None


def _draw(region: Any, number: int, regions: Regions, used: set[str]) -> None:
    kind = region.get("type", "RECTANGLE") if isinstance(region, dict) else None
    if isinstance(kind, str) and kind in _UNUSED:
        regions.unused(_UNUSED[kind])
        return
    tags = region.get("tags") if isinstance(region, dict) else None
    if not isinstance(tags, list) or not tags or not all(isinstance(tag, str) and tag.strip() for tag in tags):
        regions.lacks(number, "tags", "a class", tags or "none", "tag that region in VoTT, and export")
        return
    regions.faults.count(REGIONS_OF_SEVERAL_TAGS, int(len(tags) > 1))
    for tag in dict.fromkeys(tags):
        _draw_as(tag.strip(), region, number, regions, used)


def _draw_as(label: str, region: dict[str, Any], number: int, regions: Regions, used: set[str]) -> None:
    kind, box, points = region.get("type"), region.get("boundingBox"), region.get("points")
    if kind == "POLYGON" and isinstance(points, list):
        pairs = [[point.get("x"), point.get("y")] if isinstance(point, dict) else [None, None] for point in points]
        regions.outline(number, label, [pairs])
    elif "corners" in region:
        regions.box(number, label, *region["corners"])
    else:
        sides = numbers(box, _BOX)
        if sides is None:
            regions.lacks(number, "boundingBox", "four numbers left, top, width, height", box, "draw that box again")
            return
        left, top, width, height = sides
        regions.box(number, label, left, top, left + width, top + height)
    used.add(label)


# --- writing ----------------------------------------------------------------------------------------
def write(dataset: Dataset, path: Path, losses: Losses) -> None:
    """A VoTT JSON export: outlines as polygons, boxes as rectangles."""
    records = [record for record in dataset.records if not record.skipped]
    for record in dataset.records:
        if record.skipped:
            losses.image(record)
    assets: dict[str, Any] = {}
    names = written_names([record.image for record in records], path)
    for record, name in zip(records, names, strict=True):
        regions = [] if record.instances is None else list(_regions(record.instances, losses))
        key = hashlib.md5(name.encode(), usedforsecurity=False).hexdigest()  # as VoTT makes it of the path
        height, width = record.size
        state = _NOT_VISITED if record.instances is None else _TAGGED if regions else _VISITED
        asset = {"id": key, "name": name, "path": f"file:{name}", "format": record.image.suffix.lstrip(".").lower(),
                 "size": {"width": width, "height": height}, "state": state, "type": 1}  # fmt: skip
        assets[key] = {"asset": asset, "regions": regions, "version": "2.2.0"}
    tags = [{"name": name, "color": _COLORS[number % len(_COLORS)]} for number, name in enumerate(dataset.names)]
    project = {"name": dataset.name, "version": "2.2.0", "tags": tags, "assets": assets}
    write_text(path, json.dumps(project, ensure_ascii=False))


def _regions(instances: Instances, losses: Losses) -> Iterator[dict[str, Any]]:
    losses.attributes(instances)
    losses.scores_and_crowds(instances)
    for row, parts in enumerate(outer_outlines(instances, losses)):
        x1, y1, x2, y2 = instances.boxes[row].tolist()
        losses.add(UNIONS_LOST, int(parts is not None and len(parts) > 1))
        corners = [[x1, y1], [x2, y1], [x2, y2], [x1, y2]]
        for number, part in enumerate([corners] if parts is None else [points.tolist() for points in parts]):
            xs, ys = zip(*part, strict=True)
            sides = (min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys))
            yield {
                "id": f"{row}-{number}", "type": "RECTANGLE" if parts is None else "POLYGON",
                "tags": [instances.labels[row]], "boundingBox": dict(zip(_BOX, sides, strict=True)),
                "points": [{"x": x, "y": y} for x, y in part],
            }  # fmt: skip
