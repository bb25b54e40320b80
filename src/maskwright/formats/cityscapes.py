"""Cityscapes polygons: one JSON file an image in gtFine, the images in leftImg8bit.

Looks like   gtFine/train/aachen/aachen_000000_000019_gtFine_polygons.json for leftImg8bit/train/aachen/
             aachen_000000_000019_leftImg8bit.png: {"imgHeight": 1024, "imgWidth": 2048, "objects": [{"label": "car",
             "polygon": [[x, y], ...]}]}
Known by     files *_polygons.json with "imgHeight" and "objects" in the folder, up to four folders down
Holds        one polygon for each object, in the order of drawing: what comes later lies in front. An object that is
             partly behind others is what remains of it, as in Cityscapes' own pictures of instances; a label "cargroup"
             is a crowd of cars
Cannot hold  holes, several parts, attributes, empty versus unlabeled. It is only read, not written
Not used     labels that have no instances in Cityscapes (road, sky, traffic sign, ...), but as what hides objects:
             counted. Labels that Cityscapes does not have are objects. *_labelIds.png and the other pictures
Unlabeled    the images of its test set, whose files hold "out of roi" and the like only
Coordinates  pixels of the image; the points are taken as places, not as pixels
Source       mcordts/cityscapesScripts: helpers/labels.py, preparation/json2instanceImg.py
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from maskwright.formats import mask_files
from maskwright.formats.listing import folder_split
from maskwright.formats.object_pages import page_of_objects
from maskwright.formats.reading import (
    Draft,
    Evidence,
    Faults,
    FoundImage,
    Head,
    ImageFinder,
    Regions,
    assemble,
    data_name,
    natural,
)
from maskwright.formats.shapes import stated_size
from maskwright.geometry import polygons
from maskwright.issues import Kind
from maskwright.types import Dataset, RleMasks

LABELS_WITHOUT_INSTANCES = Kind(
    "labels_without_instances", "warning", "{count} region of a label without instances (road, sky, ...) was left out",
    "{count} regions of labels without instances (road, sky, ...) were left out",
)  # fmt: skip
OBJECTS_HIDDEN = Kind(
    "objects_hidden", "info", "{count} object wholly behind others was left out",
    "{count} objects wholly behind others were left out",
)  # fmt: skip

_ENDING = "_polygons.json"
_STUFF = frozenset((
    "unlabeled", "ego vehicle", "rectification border", "out of roi", "static", "dynamic", "ground", "road", "sidewalk",
    "parking", "rail track", "building", "wall", "fence", "guard rail", "bridge", "tunnel", "pole", "polegroup",
    "traffic light", "traffic sign", "vegetation", "terrain", "sky", "license plate",
))  # fmt: skip
_THINGS = ("person", "rider", "car", "truck", "bus", "caravan", "trailer", "train", "motorcycle", "bicycle")
_FRAME = frozenset(("ego vehicle", "rectification border", "out of roi"))
_DEPTH, _MOST_FOLDERS = 4, 2000  # root, gtFine, train, aachen
_MOST_COVERED = 500  # times its pixels may the objects of an image cover it
_REDRAW = "draw that object again, or delete it"


def sniff(head: Head) -> Evidence | None:
    if not head.is_folder:
        return None
    first = next(_files(head), None)
    if first is not None and all(f'"{word}"' in Head(first).text for word in ("imgHeight", "objects")):
        return Evidence(0.95, f"it holds files *{_ENDING}, as Cityscapes does")
    return None


def _files(head: Head) -> Iterator[Path]:
    """The JSON files of a folder and of the folders below, by path."""
    level, looked_into = [head], 0
    for _ in range(_DEPTH):
        for item in level:
            yield from (item.path / name for name in item.files(_ENDING))
        looked_into += len(level)
        if looked_into > _MOST_FOLDERS:
            return
        level = [item.child(name) for item in level for name in item.folders]


def read(path: Path, faults: Faults) -> Dataset:
    files = sorted(_files(Head(path)))
    names = {file: _image_name(file) for file in files}
    finder = ImageFinder(path, faults, names=names.values())
    drafts: list[Draft] = []
    for file, name in names.items():
        page = page_of_objects(file, faults, "copy it again")
        objects = [] if page is None else [item for item in page["objects"] if not _deleted(item)]
        image = finder.image(name, regions=len(objects))
        if image is None:
            continue
        split = folder_split(file, path)
        if page is None:
            regions = Regions(faults, image)
            regions.saw()  # its fault is noted: the image is skipped, not empty
            drafts.append(Draft(image, regions, split))
        elif objects and all(_is_frame(item) for item in objects):
            drafts.append(Draft(image, None, split))
        else:
            drafts.append(Draft(image, _regions(objects, page, image, faults), split))
    used = {label for draft in drafts if draft.regions is not None for label in draft.regions.labels}
    names_of = [*(label for label in _THINGS if label in used), *sorted(used - {*_THINGS}, key=natural)]
    return assemble(data_name(path), names_of, drafts, "cityscapes", faults)


def _image_name(file: Path) -> str:
    """aachen_000000_000019_gtFine_polygons.json -> aachen_000000_000019_leftImg8bit.png"""
    stem = file.name.removesuffix(_ENDING)
    return f"{stem.rpartition('_')[0] or stem}_leftImg8bit.png"


def _deleted(item: Any) -> bool:
    return isinstance(item, dict) and item.get("deleted") in (1, True)


def _is_frame(item: Any) -> bool:
    label = item.get("label") if isinstance(item, dict) else None
    return isinstance(label, str) and label in _FRAME


# --- objects ----------------------------------------------------------------------------------------
def _regions(objects: list[Any], page: dict[str, Any], image: FoundImage, faults: Faults) -> Regions:
    regions = Regions(faults, image, stated=stated_size(page, ("imgHeight", "imgWidth")))
    drawn: list[tuple[int, str, np.ndarray]] = []
    for number, item in enumerate(objects):
        label = item.get("label") if isinstance(item, dict) else None
        points = _points(item.get("polygon")) if isinstance(item, dict) else None
        if not isinstance(label, str) or not label.strip():
            regions.lacks(number, "label", "a class name", "none" if label is None else label, "name the class there")
        elif points is None or polygons.length([points], image.size) > 4 * image.size[0] * image.size[1]:
            got = "none" if not isinstance(item, dict) else item.get("polygon")
            regions.lacks(number, "polygon", "pairs of numbers around pixels", got, _REDRAW)
        else:
            drawn.append((number, label.strip(), points))
    faults.count(LABELS_WITHOUT_INSTANCES, sum(label in _STUFF for _, label, _ in drawn))
    visible = _visible([points for _, _, points in drawn], [label in _STUFF for _, label, _ in drawn], regions.frame)
    if visible is None:
        got = f"objects that cover it more than {_MOST_COVERED} times"
        regions.lacks("all", "objects", "objects of one image", got, "copy the file again")
        return regions
    for (number, label, points), rest in zip(drawn, visible, strict=True):
        if label in _STUFF:
            continue
        bare = label.removesuffix("group")
        crowd = bare != label and bare in _THINGS
        label = bare if crowd else label
        if rest is None:
            regions.outline(number, label, [points], crowd=crowd)
        elif rest.area[0]:
            regions.mask(number, label, rest, crowd=crowd)
        else:
            faults.count(OBJECTS_HIDDEN)
    return regions


def _points(polygon: Any) -> np.ndarray | None:
    """k×2 plain numbers, or None."""
    if not isinstance(polygon, list) or len(polygon) < 3:
        return None
    if not all(isinstance(pair, list) and len(pair) == 2 and {*map(type, pair)} <= {int, float} for pair in polygon):
        return None
    points = np.array([[float(side) if abs(side) < 1e9 else 1e9 for side in pair] for pair in polygon])
    return points if np.abs(points).max() < 1e6 else None


def _visible(outlines: list[np.ndarray], stuff: list[bool], size: tuple[int, int]) -> list[RleMasks | None] | None:
    """Of each object what those behind it in the list leave of it; None where that is all of it.

    None as a whole where the objects cover the image too often to be objects of it.
    """
    first = stuff.index(False) if False in stuff else len(stuff)  # what is before the first object hides none
    masks = RleMasks.from_polygons([[points] for points in outlines[first:]], size)
    areas, boxes = masks.area, masks.boxes.astype(np.int64)
    if areas.sum() > _MOST_COVERED * size[0] * size[1]:
        return None
    owner = np.zeros(size, np.int32)
    for row, (left, top, right, bottom) in enumerate(boxes.tolist()):
        if areas[row]:
            owner[top:bottom, left:right][masks[row].patches(boxes[row : row + 1])[0]] = row + 1
    numbers, rests = mask_files.rows(owner)
    row_of = {number - 1: row for row, number in enumerate(numbers)}
    visible: list[RleMasks | None] = [None] * len(outlines)
    for row, area in enumerate(areas.tolist()):
        rest = rests[row_of[row]] if row in row_of else RleMasks.from_dense(np.zeros((1, *size), bool))
        if area and int(rest.area[0]) < area:
            visible[first + row] = rest
    return visible
