"""VGG Image Annotator (VIA) 1 and 2: one file for a folder of images.

Looks like   {"a.jpg1024": {"filename": "a.jpg", "size": 1024, "regions": [{"shape_attributes": {"name": "polygon",
             "all_points_x": [...], "all_points_y": [...]}, "region_attributes": {"class": "rust"}}]}}
             VIA 1: "regions" is {"0": {...}, "1": {...}}; a project: the same under "_via_img_metadata";
             CSV: filename, file_size, file_attributes, region_count, region_id, region_shape_attributes, ...
Known by     "_via_img_metadata"; or "filename" and "regions"; or a CSV column region_shape_attributes
Holds        polygons, polylines (closed here), rectangles, circles, ellipses; any attributes of regions and
             images; a class of whole images (a file attribute called class, label ...); images with no regions
Cannot hold  scores, holes, objects in several parts, empty-versus-unlabeled. On writing: outlines go out with the
             points that were drawn, other masks along their pixels' edges; scores and holes are dropped, parts become
             regions of their own, unlabeled images are left out; all of it is counted
In the wild  "size" and the number in the key belong to another copy of the image: never trusted; the class under any
             attribute name, as text, choice or ticked box, with blanks at its end, or an attribute of its own
             (via_classes.py); no class at all; one image in two records; attribute values
             that are not JSON ({"type":undefined}); projects saved as exports; files of attribute definitions only
Source       VIA 2.0.12, via.js: via_load_project, export_annotations_to_csv, import_annotations_from_json
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from maskwright.errors import AnnotationError
from maskwright.files import write_text
from maskwright.formats import via_classes
from maskwright.formats.image_classes import classified
from maskwright.formats.losses import ATTRIBUTES_LOST, HOLES_LOST, IMAGE_ATTRIBUTES_LOST, UNIONS_LOST
from maskwright.formats.reading import (
    Draft,
    Evidence,
    Faults,
    Head,
    ImageFinder,
    Losses,
    Regions,
    data_name,
    data_root,
    natural,
    plain,
    written_names,
)
from maskwright.formats.shapes import LINES_UNUSED, POINTS_UNUSED
from maskwright.formats.via_records import ViaImage, ViaRegion, attributes_of, read_records
from maskwright.geometry import polygons
from maskwright.issues import Kind
from maskwright.types import Annotation, Dataset, Instances, Record

CLASS_NAME_BLANKS = Kind(
    "class_name_blanks", "warning", 'class "{written}" was read as "{name}": blanks around a name do not count'
)
CLASS_IMPLIED = Kind(
    "class_implied", "warning",
    'its regions have no class: they were read as "{name}", the only class of the other files',
)  # fmt: skip

_SHAPES = ("polygon", "polyline", "rect", "circle", "ellipse")
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
    if re.match(r'\s*\{\s*"(region|file)"\s*:\s*\{', text) and ('"region"' in text and '"file"' in text):
        return Evidence(0.6, "VIA's attribute definitions only, no regions", dataset=False)
    return None


# --- reading ----------------------------------------------------------------------------------------
def survey(paths: Sequence[Path], class_attribute: str | None = None) -> via_classes.Location:
    """Where the class stands, in all files of a dataset alike. A file that cannot be read says so when it is read."""
    regions: list[via_classes.Attributes] = []
    for path in paths:
        with contextlib.suppress(AnnotationError):
            regions += attributes_of(read_records(path, Faults(path))[0])
    return via_classes.find(regions, class_attribute, paths[0])


def read(
    path: Path, faults: Faults, class_attribute: str | None = None, location: via_classes.Location | None = None
) -> Dataset:
    """class_attribute  the region attribute that holds the class; None: found out, and told where there are several
    location         what `survey` found, where the dataset has several files
    """
    images, options = read_records(path, faults)
    root = data_root(path)
    regions = attributes_of(images)
    if location is None:
        location = via_classes.find(regions, class_attribute, faults.file)
    attribute = location.report(regions, class_attribute)
    if attribute is not None:
        faults.report(attribute)
    implied = _implied(images, location, root, faults)
    finder = ImageFinder(root, faults, near=path.parent, names=[image.filename for image in images])
    whole = (
        via_classes.of_images((image.attributes for image in images), class_attribute)
        if not regions
        else via_classes.Location(None)
    )
    labels: dict[Path, tuple[str, ...]] = {}
    drafts, used, written = [], set(), set()
    for image in _present(images, finder, faults):
        found = finder.image(image.filename, regions=len(image.regions))
        if found is None:
            continue
        regions = Regions(faults, found, whole_pixels=True)
        for region in image.regions:
            label = implied or _label(region, location, regions)
            if label is None or not _draw(region, label.strip(), regions, location.note(region.attributes)):
                continue
            used.add(label.strip())
            written.add(label)
        drafts.append(Draft(found, regions, attributes=whole.others(image.attributes)))
        if several := tuple(label.strip() for label in whole.labels(image.attributes)):
            labels[found.path] = several
    for label in sorted(written):
        if label != label.strip():
            faults.report(CLASS_NAME_BLANKS(written=label, name=label.strip()))
    declared = [name for name in options.get(location.attribute or "", []) if name in used]
    names = dict.fromkeys([*declared, *sorted(used, key=natural)])
    return classified(data_name(root), names, drafts, labels, "via", faults, join=True)


def _present(images: list[ViaImage], finder: ImageFinder, faults: Faults) -> Iterator[ViaImage]:
    """Without the records of an absent image that is called like another: of two of one name the size in bytes says
    which is here. Where it is the size of neither, the image was saved anew, and both are its records."""
    sizes: dict[str, set[int]] = {}
    for image in images:
        sizes.setdefault(image.filename, set()).add(image.bytes)
    for image in images:
        path = finder.find(image.filename) if len(sizes[image.filename] - {0}) > 1 else None
        here = 0 if path is None else path.stat().st_size
        if path is not None and here in sizes[image.filename] and image.bytes not in (0, here):
            faults.absent(f"{image.filename} of {image.bytes:,} bytes", f"{path.name} of {here:,} bytes")
        else:
            yield image


# --- the class --------------------------------------------------------------------------------------
def _implied(images: list[ViaImage], location: via_classes.Location, root: Path, faults: Faults) -> str | None:
    """The class of a file without any attribute: the one that the other files know, or the folder's name."""
    if any(location.labels(attributes) for attributes in attributes_of(images)):
        return None
    if not location.known:
        return data_name(root)
    if len(location.known) > 1 or any(via_classes.values(value) for attributes in attributes_of(images)
                                   for value in (attributes or {}).values()):  # fmt: skip
        return None  # each region lacks one
    (label,) = location.known
    if any(image.regions for image in images):
        faults.report(CLASS_IMPLIED(name=label))
    return label


def _label(region: ViaRegion, location: via_classes.Location, regions: Regions) -> str | None:
    """The class as written; None (and a fault) where there is none, or more than one box is ticked."""
    labels = location.labels(region.attributes)
    if len(labels) == 1:
        return labels[0]
    if isinstance(region.shape, dict) and region.shape.get("name") == "point":
        return "point"  # left out below, whatever it is called
    field = "region_attributes" if location.attribute is None else f"region_attributes.{location.attribute}"
    regions.lacks(region.number, field, "one class, as other regions have",
                  " and ".join(labels) or "none", "choose its class in VIA and save")  # fmt: skip
    return None


# --- the shape --------------------------------------------------------------------------------------
def _draw(region: ViaRegion, label: str, regions: Regions, note: Annotation | None) -> bool:
    """Hand one shape to `regions`; False where it cannot be an object."""
    shape, number = region.shape, region.number
    kind = shape.get("name") if isinstance(shape, dict) else None
    if kind == "point":
        regions.unused(POINTS_UNUSED)
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
            expected = f"{len(xs)} numbers, as many as all_points_x"
            regions.lacks(number, "shape_attributes.all_points_y", expected, len(ys), _REDRAW)
        elif kind == "polyline" and len({*map(str, zip(xs, ys, strict=True))}) < 3:
            regions.unused(LINES_UNUSED)
            return False
        else:
            regions.outline(number, label, [list(zip(xs, ys, strict=True))], note=note)
        return True
    numbers = _numbers(shape, kind, number, regions)
    if numbers is None:
        return True
    if kind == "rect":
        x, y, width, height = numbers
        regions.box(number, label, x, y, x + width, y + height, note=note)
    elif kind == "circle":
        cx, cy, r = numbers
        regions.outline(number, label, [polygons.circle(cx, cy, r)], note=note)
    else:
        cx, cy, rx, ry = numbers
        theta = shape.get("theta", 0.0)  # radians; older files have none
        theta = float(theta) if isinstance(theta, int | float) and abs(theta) < 1e4 else 0.0
        regions.outline(number, label, [polygons.ellipse(cx, cy, rx, ry, theta)], note=note)
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
    """A VIA 2 export: masks as polygons, boxes as rectangles; the class, of regions or images, as "class"."""
    losses.class_order(dataset)
    labeled = []
    for record in dataset.records:
        if record.skipped or record.state == "unlabeled":
            losses.image(record)
        else:
            labeled.append(record)
    records: dict[str, Any] = {}
    for record, name in zip(labeled, written_names([record.image for record in labeled], path), strict=True):
        size = record.image.stat().st_size if record.image.is_file() else -1
        regions = [] if record.instances is None else list(_regions(record.instances, losses))
        attributes = _more(record.attributes, IMAGE_ATTRIBUTES_LOST, losses) | _image_class(record, dataset.names)
        records[f"{name}{size}"] = {"filename": name, "size": size, "regions": regions, "file_attributes": attributes}
    write_text(path, json.dumps(records, ensure_ascii=False))


def _image_class(record: Record, names: tuple[str, ...]) -> dict[str, Any]:
    """As a text; several as ticked boxes."""
    labels = [names[label] for label in record.labels or ()]
    if not labels:
        return {}
    return {"class": labels[0] if len(labels) == 1 else dict.fromkeys(labels, True)}


def _regions(instances: Instances, losses: Losses) -> Iterator[dict[str, Any]]:
    losses.scores_and_crowds(instances)
    masks = instances.masks
    drawn, notes = instances.outlines(), instances.annotations or [None] * len(instances)
    traced = None if masks is None else polygons.trace(masks.counts, masks.offsets, masks.size)
    for row, label in enumerate(instances.labels):
        note = notes[row]
        attributes = {"class": label} | _more({} if note is None else note.attributes, ATTRIBUTES_LOST, losses)
        parts = drawn[row]
        if traced is None:
            x1, y1, x2, y2 = (round(float(side), 2) for side in instances.boxes[row])
            box = {"name": "rect", "x": x1, "y": y1, "width": round(x2 - x1, 2), "height": round(y2 - y1, 2)}
            yield {"shape_attributes": box, "region_attributes": attributes}
            continue
        if parts is None:  # the mask's own edges: VIA has nothing else for it
            parts = tuple(outline.points for outline in traced[row] if not outline.hole)
            losses.add(HOLES_LOST, len(traced[row]) - len(parts))
        losses.add(UNIONS_LOST, int(len(parts) > 1))
        for part in parts:
            shape = {"name": "polygon", "all_points_x": plain(part[:, 0]), "all_points_y": plain(part[:, 1])}
            yield {"shape_attributes": shape, "region_attributes": attributes}


def _more(attributes: Mapping[str, Any], kind: Kind, losses: Losses) -> dict[str, Any]:
    """Further attributes of a region or an image, as VIA shows them: texts and ticked boxes."""
    kept = {name: value for name, value in attributes.items() if name.strip().casefold() != "class"}
    losses.add(kind, len(attributes) - len(kept))
    return {name: value if isinstance(value, str) or _ticked(value) else json.dumps(value)
            for name, value in kept.items()}  # fmt: skip


def _ticked(value: object) -> bool:
    return isinstance(value, dict) and all(type(tick) is bool for tick in value.values()) and any(value.values())
