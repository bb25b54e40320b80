"""VGG Image Annotator (VIA) 1 and 2: one file for a folder of photos.

Looks like   {"a.jpg1024": {"filename": "a.jpg", "size": 1024, "regions": [{"shape_attributes": {"name": "polygon",
             "all_points_x": [...], "all_points_y": [...]}, "region_attributes": {"class": "rust"}}]}}
             VIA 1: "regions" is {"0": {...}, "1": {...}}; a project: the same under "_via_img_metadata";
             CSV: filename, file_size, file_attributes, region_count, region_id, region_shape_attributes, ...
Known by     "_via_img_metadata"; or "filename" and "regions"; or a CSV column region_shape_attributes
Holds        polygons, polylines (closed here), rectangles, circles, ellipses; any attributes; photos with no regions
Cannot hold  scores, holes, objects in several parts, empty-versus-unlabelled. On writing: scores and holes are dropped,
             parts become regions of their own, unlabelled photos are left out; all of it is counted
In the wild  "size" and the number in the key belong to another copy of the photo: never trusted; the class under any
             attribute name, as text, choice or ticked box, with blanks at its end; no class at all; attribute values
             that are not JSON ({"type":undefined}); projects saved as exports; files of attribute definitions only
Source       VIA 2.0.12, via.js: via_load_project, export_annotations_to_csv, import_annotations_from_json
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from maskwright.errors import AnnotationError, DatasetError
from maskwright.files import write_text
from maskwright.formats.reading import (
    Draft,
    Evidence,
    Faults,
    Head,
    Losses,
    PhotoFinder,
    Regions,
    assemble,
    data_name,
    data_root,
    natural,
    parse_json,
    read_json,
    read_table,
    written_names,
)
from maskwright.geometry import polygons
from maskwright.types import Dataset, Instances

_SHAPES = ("polygon", "polyline", "rect", "circle", "ellipse")
_LIKELY = ("class", "classname", "classid", "label", "name", "category", "type", "object")
_COLUMNS = ("filename", "region_shape_attributes", "region_attributes")
_REDRAW = "draw that region again in VIA and save"


def sniff(head: Head) -> Evidence | None:
    if head.ending == ".csv" and "region_shape_attributes" in head.text[:1000].casefold():
        return Evidence(0.99, "a CSV file with a column region_shape_attributes")
    if head.ending not in (".json", ""):
        return None
    text = head.text
    if '"_via_img_metadata"' in text or '"_via_settings"' in text:
        return Evidence(0.99, 'a VIA project: it has "_via_img_metadata"')
    if '"filename"' in text and ('"regions"' in text or '"base64_img_data"' in text):
        return Evidence(0.95, 'its records have "filename" and "regions"')
    if '"vid_list"' in text:
        return Evidence(0.6, "a VIA 3 project, which is another format", dataset=False)
    if re.match(r'\s*\{\s*"(region|file)"\s*:\s*\{', text) and ('"region"' in text and '"file"' in text):
        return Evidence(0.6, "VIA's attribute definitions only, no regions", dataset=False)
    return None


# --- reading ----------------------------------------------------------------------------------------
@dataclass
class _Region:
    """One region as the file has it. `attributes` None: not readable."""

    number: object
    shape: Any
    attributes: dict[str, Any] | None


@dataclass
class _Photo:
    filename: str
    regions: list[_Region]


def read(path: Path, faults: Faults, class_attribute: str | None = None) -> Dataset:
    """class_attribute  the region attribute that holds the class; None: found out, and told where there are several"""
    options: dict[str, list[str]] = {}
    if path.suffix.lower() == ".csv":
        photos = _from_csv(path)
    else:
        metadata, options = _metadata(path)
        photos = list(_from_json(metadata, faults))
    root = data_root(path)
    attribute = _class_attribute(photos, faults, class_attribute)
    implied = data_name(root)
    finder = PhotoFinder(root, faults, near=path.parent, names=[photo.filename for photo in photos])
    drafts, used, written = [], set(), set()
    for photo in photos:
        found = finder.photo(photo.filename, regions=len(photo.regions))
        if found is None:
            continue
        regions = Regions(faults, found, whole_pixels=True)
        for region in photo.regions:
            label = implied if attribute is None else _label(region, attribute, regions)
            if label is None or not _draw(region, label.strip(), regions):
                continue
            used.add(label.strip())
            written.add(label)
        drafts.append(Draft(found, regions))
    for label in sorted(written):
        if label != label.strip():
            faults.remark(f'class "{label}" was read as "{label.strip()}": blanks around a name do not count')
    declared = [name for name in options.get(attribute or "", []) if name in used]
    names = dict.fromkeys([*declared, *sorted(used, key=natural)])
    return assemble(data_name(root), names, drafts, "via", faults, join=True)


def _metadata(path: Path) -> tuple[dict[str, Any], dict[str, list[str]]]:
    """The records, and the declared options of each attribute (of a project)."""
    data = read_json(path)
    options: dict[str, list[str]] = {}
    if isinstance(data, dict) and "_via_img_metadata" in data:
        declared = data.get("_via_attributes")
        declared = declared.get("region") if isinstance(declared, dict) else None
        for name, each in (declared if isinstance(declared, dict) else {}).items():
            if isinstance(each, dict) and isinstance(each.get("options"), dict):
                options[name] = [option.strip() for option in each["options"]]
        data = data["_via_img_metadata"]
    if isinstance(data, list):  # some scripts write the records as a list
        data = {str(number): record for number, record in enumerate(data)}
    if not isinstance(data, dict):
        raise AnnotationError("not a VIA file", file=path, wanted="an object of records", got=type(data).__name__)
    if {"project", "config", "metadata"} <= set(data):
        raise AnnotationError("a VIA 3 project, which is another format", file=path, wanted="a file of VIA 1 or 2",
                              got=", ".join(list(data)[:6]), fix="export it as COCO or as a VIA 2 project")  # fmt: skip
    if data and set(data) <= {"region", "file"} and all(isinstance(each, dict) for each in data.values()):
        raise AnnotationError(
            "VIA's attribute definitions, not annotations", file=path, wanted='records with "filename" and "regions"',
            got="definitions of " + ", ".join(name for each in data.values() for name in each or ()),
            fix="name the file that VIA writes by Annotation, Export, or the project itself",
        )  # fmt: skip
    return data, options


def _from_json(metadata: dict[str, Any], faults: Faults) -> Iterator[_Photo]:
    for key, record in metadata.items():
        if not isinstance(record, dict) or not isinstance(record.get("filename"), str):
            faults.saw()
            faults.add(f'record "{key}"', "filename", "a record with a file name", record)
            continue
        regions = record.get("regions", [])
        if isinstance(regions, dict):  # VIA 1
            numbered = list(regions.items())
        elif isinstance(regions, list):
            numbered = list(enumerate(regions))
        else:
            faults.saw()
            faults.add(f'photo "{record["filename"]}"', "regions", "a list or an object of regions", regions)
            continue
        yield _Photo(record["filename"], [_Region(number, *_parts(region)) for number, region in numbered])


def _parts(region: Any) -> tuple[Any, dict[str, Any] | None]:
    if not isinstance(region, dict):
        return None, None
    attributes = region.get("region_attributes", {})
    return region.get("shape_attributes"), attributes if isinstance(attributes, dict) else None


def _from_csv(path: Path) -> list[_Photo]:
    """One row a region; a photo without regions has one row with an empty shape."""
    photos: dict[str, _Photo] = {}
    for row in read_table(path, _COLUMNS, ("region_count", "region_id")).rows:
        name = row["filename"]
        photo = photos.setdefault(name, _Photo(name, []))
        shape, attributes = _cell(row["region_shape_attributes"]), _cell(row["region_attributes"])
        if shape == {} and row.get("region_count", "0") in ("", "0"):
            continue
        number = row.get("region_id", len(photo.regions))
        photo.regions.append(_Region(number, shape, attributes if isinstance(attributes, dict) else None))
    return list(photos.values())


def _cell(text: str) -> Any:
    """JSON, or what VIA writes for it: an attribute never set is `undefined`."""
    try:
        return parse_json(text)
    except ValueError:
        pass
    try:
        return parse_json(re.sub(r":\s*undefined(?=\s*[,}])", ":null", text))
    except ValueError:
        return text


# --- the class --------------------------------------------------------------------------------------
def _class_attribute(photos: list[_Photo], faults: Faults, asked: str | None) -> str | None:
    """The attribute that holds the class; None where no region has any attribute filled in.

    `asked` where somebody says. Else, of several: one whose values look like classes (they repeat), then one that is
    called like a class, then the one most often filled in, then the first. A remark says which.
    """
    values: dict[str, list[str]] = {}
    total = 0
    for region in (region for photo in photos for region in photo.regions):
        total += 1
        for name, value in (region.attributes or {}).items():
            values.setdefault(name, []).extend(_ticked(value)[:1])
    filled = {name: each for name, each in values.items() if each}
    if asked is not None and asked not in filled and total:
        raise AnnotationError(f'no region has an attribute "{asked}"', file=faults.file, field="--class-attribute",
                              wanted=" or ".join(filled) or "none: its regions have no attributes", got=asked,
                              fix=_nearest(asked, filled))  # fmt: skip
    if not filled:
        return None
    most = max(len(each) for each in filled.values())

    def rank(name: str) -> tuple[bool, bool, int]:
        count, different = len(filled[name]), len(set(filled[name]))
        sensible = different <= max(10, count / 2) and count >= most / 2
        return sensible, re.sub(r"[^a-z]", "", name.lower()) in _LIKELY, count

    chosen = max(filled, key=rank) if asked is None else asked
    if len(filled) > 1:
        others = ", ".join(f'"{name}"' for name in filled if name != chosen)
        told = f'the class is taken from attribute "{chosen}" ({len(filled[chosen])} of {total} regions have it)'
        faults.remark(f"{told}, not from {others}" + (": --class-attribute names another" if asked is None else ""))
    return chosen


def _nearest(asked: str, filled: Iterable[str]) -> str | None:
    alike = {name.strip().casefold(): name for name in filled}
    near = difflib.get_close_matches(asked.strip().casefold(), alike, n=1)
    return f'--class-attribute "{alike[near[0]]}"' if near else None


def _ticked(value: Any) -> list[str]:
    """The values of an attribute: a text, a number, or the ticked options of a checkbox; blanks alone are none."""
    if isinstance(value, dict):
        found = [name for name, ticked in value.items() if ticked is True]
    elif isinstance(value, bool) or value is None:
        found = []
    else:
        found = [str(value)] if isinstance(value, str | int | float) else []
    return [name for name in found if name.strip()]


def _label(region: _Region, attribute: str, regions: Regions) -> str | None:
    """The class as written; None (and a fault) where there is none, or more than one box is ticked."""
    value = (region.attributes or {}).get(attribute)
    ticked = _ticked(value)
    if len(ticked) == 1:
        return ticked[0]
    if isinstance(region.shape, dict) and region.shape.get("name") == "point":
        return "point"  # left out below, whatever it is called
    regions.lacks(region.number, f"region_attributes.{attribute}", "one class, as other regions have",
                  " and ".join(ticked) or "none", "choose its class in VIA and save")  # fmt: skip
    return None


# --- the shape --------------------------------------------------------------------------------------
def _draw(region: _Region, label: str, regions: Regions) -> bool:
    """Hand one shape to `regions`; False where it cannot be an object."""
    shape, number = region.shape, region.number
    kind = shape.get("name") if isinstance(shape, dict) else None
    if kind == "point":
        regions.unused("point")
        return False
    if kind not in _SHAPES:
        regions.lacks(number, "shape_attributes.name", f"one of {', '.join(_SHAPES)}", kind or shape, _REDRAW)
        return False
    if kind in ("polygon", "polyline"):
        xs, ys = shape.get("all_points_x"), shape.get("all_points_y")
        if not isinstance(xs, list) or not isinstance(ys, list):
            missing = "all_points_x" if not isinstance(xs, list) else "all_points_y"
            regions.lacks(number, f"shape_attributes.{missing}", "a list of numbers", shape.get(missing), _REDRAW)
        elif len(xs) != len(ys):
            wanted = f"{len(xs)} numbers, as many as all_points_x"
            regions.lacks(number, "shape_attributes.all_points_y", wanted, len(ys), _REDRAW)
        elif kind == "polyline" and len({*map(str, zip(xs, ys, strict=True))}) < 3:
            regions.unused("line")
            return False
        else:
            regions.outline(number, label, [list(zip(xs, ys, strict=True))])
        return True
    numbers = _numbers(shape, kind, number, regions)
    if numbers is None:
        return True
    if kind == "rect":
        x, y, width, height = numbers
        regions.box(number, label, x, y, x + width, y + height)
    elif kind == "circle":
        cx, cy, r = numbers
        regions.outline(number, label, [polygons.circle(cx, cy, r)])
    else:
        cx, cy, rx, ry = numbers
        theta = shape.get("theta", 0.0)  # radians; older files have none
        theta = float(theta) if isinstance(theta, int | float) and abs(theta) < 1e4 else 0.0
        regions.outline(number, label, [polygons.ellipse(cx, cy, rx, ry, theta)])
    return True


_PLACES = {"rect": ("x", "y"), "circle": ("cx", "cy"), "ellipse": ("cx", "cy")}
_LENGTHS = {"rect": ("width", "height"), "circle": ("r",), "ellipse": ("rx", "ry")}


def _numbers(shape: dict[str, Any], kind: str, number: object, regions: Regions) -> list[float] | None:
    """The places, then the lengths of a shape; None (and a fault) where one is no number, or a length not above 0."""
    numbers = []
    for name in _PLACES[kind] + _LENGTHS[kind]:
        value = shape.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) > 1e7:
            regions.lacks(number, f"shape_attributes.{name}", "a number", value, _REDRAW)
            return None
        if name in _LENGTHS[kind] and value <= 0:
            regions.lacks(number, f"shape_attributes.{name}", "a length above 0", value, _REDRAW)
            return None
        numbers.append(float(value))
    return numbers


# --- writing ----------------------------------------------------------------------------------------
def write(dataset: Dataset, path: Path, losses: Losses) -> None:
    """A VIA 2 export: masks as polygons, boxes as rectangles, the class in the attribute "class"."""
    records: dict[str, Any] = {}
    drawn = [record.photo for record in dataset.records if record.instances is not None]
    names = dict(zip(drawn, written_names(drawn, path), strict=True))
    for record in dataset.records:
        if record.instances is None:
            losses.add("skipped photo" if record.skipped else "unlabelled photo")
            continue
        name = names[record.photo]
        size = record.photo.stat().st_size if record.photo.is_file() else -1
        key = f"{name}{size}"
        if key in records:
            raise DatasetError("two photos of one name", file=record.photo, wanted="names that differ", got=name,
                               fix="write the file into the folder above both")  # fmt: skip
        regions = list(_regions(record.instances, losses))
        records[key] = {"filename": name, "size": size, "regions": regions, "file_attributes": {}}
    write_text(path, json.dumps(records, ensure_ascii=False))


def _regions(instances: Instances, losses: Losses) -> Iterator[dict[str, Any]]:
    losses.add("score", 0 if instances.scores is None else len(instances))
    losses.add("crowd mark", 0 if instances.crowd is None else int(instances.crowd.sum()))
    masks = instances.masks
    traced = None if masks is None else polygons.trace(masks.counts, masks.offsets, masks.size)
    for row, label in enumerate(instances.labels):
        attributes = {"class": label}
        if traced is None:
            x1, y1, x2, y2 = (round(float(side), 2) for side in instances.boxes[row])
            box = {"name": "rect", "x": x1, "y": y1, "width": round(x2 - x1, 2), "height": round(y2 - y1, 2)}
            yield {"shape_attributes": box, "region_attributes": attributes}
            continue
        outer = [outline for outline in traced[row] if not outline.hole]
        losses.add("hole", len(traced[row]) - len(outer))
        losses.add("union of several parts", int(len(outer) > 1), "unions of several parts")
        for outline in outer:
            xs, ys = outline.points.T.tolist()
            shape = {"name": "polygon", "all_points_x": xs, "all_points_y": ys}
            yield {"shape_attributes": shape, "region_attributes": attributes}
