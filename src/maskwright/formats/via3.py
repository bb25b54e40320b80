"""VIA 3 projects of images: one file for all images, as VIA's image annotator saves it.

Looks like   {"project": {"vid_list": ["1"]}, "attribute": {"1": {"aname": "class", "anchor_id": "FILE1_Z0_XY1",
             "type": 4, "options": {"0": "rust"}}}, "file": {"1": {"fid": "1", "fname": "a.jpg", "type": 2, "src": ""}},
             "view": {"1": {"fid_list": ["1"]}}, "metadata": {"1_x": {"vid": "1", "z": [], "xy": [2, x, y, w, h],
             "av": {"1": "0"}}}}
Known by     "vid_list" in a .json file
Holds        rectangles, circles, ellipses, polygons, polylines (closed here), rectangles and circles of extreme points;
             attributes as text, choice or ticked boxes, of regions and of whole images, which are classes where nothing
             is drawn
Cannot hold  scores, holes, empty versus unlabeled. It is only read: VIA 2 files, which VIA 3 imports, are written
Not used     points and lines: counted; videos and sound, and what was said of times in them: counted
Numbers      shapes are 1 point, 2 rectangle, 3 circle, 4 ellipse, 5 line, 6 polyline, 7 polygon, 8 extreme rectangle,
             9 extreme circle; kinds of attributes 1 text, 2 checkbox, 3 radio, 4 select, 5 image; of files 2 image
In the wild  views of several files (a fault: of which one it speaks is not said); addresses as src
Source       VIA 3.0.11: _via_metadata.js, _via_attribute.js, _via_file.js; CodeDoc.md
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from maskwright.errors import AnnotationError
from maskwright.formats import via_classes
from maskwright.formats.image_classes import classified
from maskwright.formats.reading import (
    Draft,
    Evidence,
    Faults,
    Head,
    ImageFinder,
    Regions,
    data_name,
    data_root,
    natural,
    read_json,
)
from maskwright.formats.shapes import LINES_UNUSED, POINTS_UNUSED
from maskwright.geometry import polygons
from maskwright.issues import Kind
from maskwright.types import Dataset

TIMES_UNUSED = Kind(
    "times_unused", "warning", "{count} entry about videos or sound cannot be used here: left out",
    "{count} entries about videos or sound cannot be used here: left out",
)  # fmt: skip

_POINT, _RECT, _CIRCLE, _ELLIPSE, _LINE, _POLYLINE, _POLYGON, _EXTREME_RECT, _EXTREME_CIRCLE = range(1, 10)
_LENGTHS = {_RECT: 4, _CIRCLE: 3, _ELLIPSE: 4, _EXTREME_RECT: 8, _EXTREME_CIRCLE: 6}
_TEXT, _CHECKBOX = 1, 2
_IMAGE = 2
_REDRAW = "draw that region again in VIA and save"


def sniff(head: Head) -> Evidence | None:
    if head.ending == ".json" and '"vid_list"' in head.text:
        return Evidence(0.97, 'a VIA 3 project: it has "vid_list"')
    return None


@dataclass
class _Entry:
    """One entry of "metadata". xy: the shape, [] where it speaks of the whole image."""

    key: str
    xy: Any
    attributes: dict[str, Any]


@dataclass
class _Project:
    """images   name -> what was said of it, in the file's order
    times     entries about videos and sound
    declared  the options of each attribute, by its name
    """

    images: dict[str, list[_Entry]] = field(default_factory=dict)
    times: int = 0
    declared: dict[str, list[str]] = field(default_factory=dict)

    def attributes(self, drawn: bool) -> list[via_classes.Attributes]:
        """Of all regions, or of all whole images."""
        return [entry.attributes for entries in self.images.values() for entry in entries if bool(entry.xy) == drawn]


def survey(paths: Sequence[Path], class_attribute: str | None = None) -> via_classes.Location:
    """Where the class stands, in all files of a dataset alike. A file that cannot be read says so when it is read."""
    regions: list[via_classes.Attributes] = []
    for path in paths:
        with contextlib.suppress(AnnotationError):
            regions += _project(path, Faults(path)).attributes(drawn=True)
    return via_classes.find(regions, class_attribute, paths[0])


def read(
    path: Path, faults: Faults, class_attribute: str | None = None, location: via_classes.Location | None = None
) -> Dataset:
    """class_attribute  the attribute that holds the class; None: found out, and told where there are several
    location         what `survey` found, where the dataset has several files
    """
    project = _project(path, faults)
    faults.count(TIMES_UNUSED, project.times)
    root = data_root(path)
    regions = project.attributes(drawn=True)
    if location is None or not regions:
        location = via_classes.find(regions or project.attributes(drawn=False), class_attribute, faults.file)
    found_in = location.report(regions, class_attribute)
    if found_in is not None:
        faults.report(found_in)
    implied = None if location.known or any(item for item in regions) else data_name(root)
    finder = ImageFinder(root, faults, near=path.parent, names=project.images)
    drafts: list[Draft] = []
    labels: dict[Path, tuple[str, ...]] = {}
    for name, entries in project.images.items():
        drawn = [entry for entry in entries if entry.xy]
        image = finder.image(name, regions=len(drawn))
        if image is None:
            continue
        of_image = Regions(faults, image, whole_pixels=True)
        for entry in drawn:
            _draw(entry, implied, location, of_image)
        drafts.append(Draft(image, of_image))
        whole = [] if regions else [label.strip() for entry in entries for label in location.labels(entry.attributes)]
        if whole:
            labels[image.path] = tuple(whole)
    used = {label for draft in drafts if draft.regions is not None for label in draft.regions.labels}
    declared = [name for name in project.declared.get(location.attribute or "", []) if name in used]
    names = dict.fromkeys([*declared, *sorted(used, key=natural)])
    return classified(data_name(root), names, drafts, labels, "via3", faults)


# --- the project ------------------------------------------------------------------------------------
def _project(path: Path, faults: Faults) -> _Project:
    data = read_json(path)
    for name in ("file", "view", "attribute", "metadata"):
        part = data.get(name) if isinstance(data, dict) else None
        if not isinstance(part, dict) or not all(isinstance(item, dict) for item in part.values()):
            raise AnnotationError("not a VIA 3 project", file=path, field=name, expected="an object of objects",
                                  got=type(part).__name__)  # fmt: skip
    names = _names(data["file"])
    project = _Project({name: [] for name in names.values()})
    for item in data["attribute"].values():
        options = item.get("options")
        if isinstance(item.get("aname"), str) and isinstance(options, dict):
            project.declared[item["aname"]] = [str(option).strip() for option in options.values()]
    for key, item in data["metadata"].items():
        view = data["view"].get(str(item.get("vid")), {})
        files = view.get("fid_list") if isinstance(view, dict) else None
        files = [str(file) for file in files] if isinstance(files, list) else []
        xy = item.get("xy")
        if item.get("z") or (len(files) == 1 and files[0] in data["file"] and files[0] not in names):
            project.times += 1
        elif len(files) != 1 or files[0] not in names or not isinstance(xy, list):
            faults.saw()
            expected, got = ("a view of one image", f"{len(files)} files") if isinstance(xy, list) else ("a list", xy)
            field = "vid" if isinstance(xy, list) else "xy"
            faults.add(f'entry "{key}"', field, expected, got, "open the project in VIA and save it again")
        else:
            project.images[names[files[0]]].append(_Entry(key, xy, _attributes(item.get("av"), data["attribute"])))
    if not names and project.times:
        raise AnnotationError(
            "a VIA 3 project of videos or sound", file=path, expected="a project of images",
            got=f"{project.times} entries about times", fix="extract the frames, and annotate them",
        )  # fmt: skip
    return project


def _names(files: dict[str, dict[str, Any]]) -> dict[str, str]:
    """File id -> how to look for the image: fname, or src where two images have one name."""
    images = {key: item for key, item in files.items() if item.get("type", _IMAGE) == _IMAGE}
    counts = Counter(str(item.get("fname")) for item in images.values())
    names = {}
    for key, item in images.items():
        name, source = item.get("fname"), item.get("src")
        sound = isinstance(name, str) and bool(name.strip()) and counts[name] == 1
        names[key] = name if sound else source if isinstance(source, str) and source.strip() else str(name)
    return names


def _attributes(values: Any, declared: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """What was said, by the names of attributes and options: {"class": "rust", "marks": {"old": True}}."""
    found: dict[str, Any] = {}
    for key, value in values.items() if isinstance(values, dict) else ():
        item = declared.get(key, {})
        name, options = item.get("aname"), item.get("options")
        options = options if isinstance(options, dict) else {}
        if not isinstance(name, str):
            continue
        if item.get("type") == _CHECKBOX:
            ticked = str(value).split(",") if isinstance(value, str) and value else []
            found[name] = {str(options.get(option.strip(), option)): True for option in ticked}
        elif item.get("type") == _TEXT or not isinstance(value, str):
            found[name] = value if isinstance(value, str | int | float) else None
        else:
            found[name] = options.get(value, value)
    return found


# --- shapes -----------------------------------------------------------------------------------------
def _draw(entry: _Entry, implied: str | None, location: via_classes.Location, regions: Regions) -> None:
    """Hand one shape to `regions`."""
    kind, numbers = entry.xy[0], entry.xy[1:]
    if kind in (_POINT, _LINE) and type(kind) is int:
        regions.unused(POINTS_UNUSED if kind == _POINT else LINES_UNUSED)
        return
    labels = [implied] if implied is not None else location.labels(entry.attributes)
    note = location.note(entry.attributes)
    sound = all(type(number) in (int, float) and abs(number) < 1e7 for number in numbers)
    if len(labels) != 1:
        regions.lacks(entry.key, "av", "one class, as other regions have", " and ".join(labels) or "none",
                      "choose its class in VIA and save")  # fmt: skip
    elif type(kind) is not int or not _RECT <= kind <= _EXTREME_CIRCLE:
        regions.lacks(entry.key, "xy", "the number of a shape, 1 to 9", kind, _REDRAW)
    elif not sound or len(numbers) != _LENGTHS.get(kind, len(numbers)) or (kind not in _LENGTHS and len(numbers) % 2):
        regions.lacks(entry.key, "xy", "the numbers of its shape", entry.xy, _REDRAW)
    elif kind == _RECT:
        x, y, width, height = numbers
        regions.box(entry.key, labels[0].strip(), x, y, x + width, y + height, note=note)
    elif kind == _EXTREME_RECT:
        low, high = np.reshape(numbers, (4, 2)).min(0), np.reshape(numbers, (4, 2)).max(0)
        regions.box(entry.key, labels[0].strip(), *low.tolist(), *high.tolist(), note=note)
    else:
        points = _outline(kind, [float(number) for number in numbers])
        if points is None:
            regions.lacks(entry.key, "xy", "a length above 0", entry.xy, _REDRAW)
        elif kind == _POLYLINE and len({*map(tuple, points.tolist())}) < 3:
            regions.unused(LINES_UNUSED)
        else:
            regions.outline(entry.key, labels[0].strip(), [points], note=note)


def _outline(kind: int, numbers: list[float]) -> np.ndarray | None:
    if kind in (_POLYLINE, _POLYGON):
        return np.reshape(numbers, (-1, 2))
    if kind == _EXTREME_CIRCLE:
        circle = _circle_through(np.reshape(numbers, (3, 2)))
        return None if circle is None else polygons.circle(*circle)
    if min(numbers[2:]) <= 0:
        return None
    x, y, rx, ry = (*numbers, numbers[-1])[:4]  # a circle has one radius
    return polygons.ellipse(x, y, rx, ry)


def _circle_through(points: np.ndarray) -> tuple[float, float, float] | None:
    """Center and radius of the circle through three points; None where they lie on one line."""
    rows = 2 * (points[1:] - points[0])
    if abs(np.linalg.det(rows)) < 1e-6:
        return None
    x, y = np.linalg.solve(rows, (points[1:] ** 2).sum(1) - (points[0] ** 2).sum()).tolist()
    radius = float(np.hypot(*(points[0] - (x, y))))
    return (x, y, radius) if 0 < radius < 1e6 else None
