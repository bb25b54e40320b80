"""Label Studio, JSON and JSON-MIN: one file for all tasks of a project.

Looks like   [{"id": 1, "data": {"image": "/data/upload/1/1a2b3c4d-a.jpg"}, "annotations": [{"was_cancelled": false,
             "result": [{"id": "x1", "type": "rectanglelabels", "original_width": 640, "original_height": 480, "value":
             {"x": 10, "y": 20, "width": 5, "height": 5, "rotation": 0, "rectanglelabels": ["rust"]}}]}]}]
             JSON-MIN: [{"id": 1, "image": "...", "label": [{"x": 10, ..., "rectanglelabels": ["rust"]}]}]
Known by     a .json file with "completed_by", "from_name", "annotation_id", "original_width" or another of its words
Holds        rectangles, rotated ones (as outlines of four corners), ellipses, polygons, brushes; choices of a region,
             as its attributes; choices of the task, which are classes of whole images where nothing is drawn
Cannot hold  scores (in annotations), crowds, attributes but choices, class ids, splits. On writing they are dropped and
             counted; one outline goes out with its points, other masks as brushes, which lose nothing. Unlabeled images
             are tasks without an annotation, skipped ones tasks that were cancelled
Not used     predictions, key points, relations, texts, ratings and taxonomies: counted
Annotations  of several of one task the one marked as ground truth counts; without a mark all must say the same, else
             the image is skipped: nobody can tell who is right. A cancelled one does not count, and an image with
             cancelled ones only is skipped
In the wild  names with eight random letters before them, as uploads get them; addresses of a server or a bucket; one
             region twice, with and without its class; images scaled since (percent hold where the shape is the same)
Coordinates  percent of the image's width and height; a rotation in degrees, clockwise, around the upper left corner
Source       label-studio-converter, converter.py and brush.py; labelstud.io/guide/export
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from maskwright.files import write_text
from maskwright.formats import label_studio_brush
from maskwright.formats.image_classes import classified
from maskwright.formats.label_studio_tasks import LabelingTask, Shape, tasks
from maskwright.formats.losses import VERTICES_LOST
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
    natural,
    read_json,
    written_names,
)
from maskwright.formats.shapes import BOXES_ROTATED, LINES_UNUSED, POINTS_UNUSED, placed, rotated_box, stated_size
from maskwright.geometry import polygons
from maskwright.issues import Kind
from maskwright.types import Annotation, Dataset, Instances, Record

TASKS_CANCELLED = Kind(
    "tasks_cancelled", "warning", "{count} task was cancelled by who annotated: its image is skipped",
    "{count} tasks were cancelled by who annotated: their images are skipped",
)  # fmt: skip
UPLOADS_RENAMED = Kind(
    "uploads_renamed", "info", "{count} image was found without the letters that the upload put before its name",
    "{count} images were found without the letters that the upload put before their names",
)  # fmt: skip
IMAGES_SCALED = Kind(
    "images_scaled", "warning",
    "{count} image has another size than it was annotated in, and the same shape: its percent were kept",
    "{count} images have another size than they were annotated in, and the same shape: their percent were kept",
)  # fmt: skip

_WORDS = re.compile(r'"(completed_by|from_name|lead_time|annotation_id|original_width|completions|was_cancelled)"')
_UPLOADED = re.compile(r"^(?:.*[\\/])?[0-9a-f]{8}-([^\\/]+)$")
_REDRAW = "draw that region again in Label Studio and export, or delete it"


def sniff(head: Head) -> Evidence | None:
    if head.ending != ".json":
        return None
    found = _WORDS.search(head.text) or re.search(r'"format":\s*"(rle)"', head.text)
    if found is not None:
        return Evidence(0.9, f'its tasks have "{found[1]}"')
    if all(f'"{word}"' in head.text for word in ("data", "annotations", "predictions")):
        return Evidence(0.9, 'its tasks have "data", "annotations" and "predictions"')
    return None


def read(path: Path, faults: Faults) -> Dataset:
    found = tasks(path, read_json(path), faults)
    root = data_root(path)
    names = _names(found, root, path, faults)
    finder = ImageFinder(root, faults, near=path.parent, names=names.values())
    drafts: list[Draft] = []
    used: set[str] = set()
    labels: dict[Path, tuple[str, ...]] = {}
    skipped: set[Path] = set()
    for task in found:
        answers = task.counted()
        name = names.get(task.image or "")
        if name is None or name.startswith("data:"):
            _nameless(task, faults)
            continue
        image = finder.image(name, regions=sum(len(answer.shapes) for answer in answers[:1]))
        if image is None:
            continue
        if len(answers) > 1:
            regions = Regions(faults, image)
            regions.lacks(
                "all",
                "annotations",
                "one annotation of the task, or one marked as ground truth",
                f"{len(answers)} that differ",
                "mark the right one with the star, or delete the others",
            )
            drafts.append(Draft(image, regions))
            continue
        if task.cancelled:
            faults.count(TASKS_CANCELLED)
            skipped.add(image.path)
        if not answers:
            drafts.append(Draft(image, None))
            continue
        drafts.append(Draft(image, _regions(answers[0].shapes, image, faults, used)))
        if answers[0].choices:
            labels[image.path] = (*labels.get(image.path, ()), *answers[0].choices)
    dataset = classified(data_name(root), sorted(used, key=natural), drafts, labels, "label_studio", faults)
    records = (replace(item, skipped=item.skipped or item.image in skipped) for item in dataset.records)
    return replace(dataset, records=tuple(records))


def _nameless(task: LabelingTask, faults: Faults) -> None:
    inside = task.image is not None
    number = sum(len(answer.shapes) for answer in task.counted()[:1])
    faults.saw(number)
    faults.add(f"task {task.number}", "data", "the address of one image",
               "the image itself" if inside else "none, or several",
               "save the image as a file and name it" if inside else "", regions=number)  # fmt: skip


def _names(found: Sequence[LabelingTask], root: Path, path: Path, faults: Faults) -> dict[str, str]:
    """How to look for each image: as it is called, or (where that is absent) without the letters of an upload."""
    names = {task.image: task.image for task in found if task.image is not None}
    bare = {name: match[1] for name in names if (match := _UPLOADED.match(name)) is not None}
    if not bare:
        return names
    probe = ImageFinder(root, Faults(faults.file), near=path.parent, names=names)
    absent = {name: own for name, own in bare.items() if probe.find(name) is None and not probe.several(name)}
    others = [absent.get(name, name) for name in names]
    there = ImageFinder(root, Faults(faults.file), near=path.parent, names=others)
    # two uploads of one name cannot be told apart: both stay absent
    renamed = {name: own for name, own in absent.items() if others.count(own) == 1 and there.find(own) is not None}
    faults.count(UPLOADS_RENAMED, len(renamed))
    return names | renamed


# --- regions ----------------------------------------------------------------------------------------
def _regions(shapes: Sequence[Shape], image: FoundImage, faults: Faults, used: set[str]) -> Regions:
    stated = next((size for shape in shapes if (size := _size(shape)) is not None), None)
    scaled = stated is not None and stated != image.size and _alike(stated, image.size)
    regions = Regions(faults, image, stated=None if scaled else stated)
    faults.count(IMAGES_SCALED, int(scaled))
    for shape in shapes:
        if _size(shape) not in (None, stated):
            regions.lacks(shape.number, "original_width", "one size of the image in all regions", _size(shape), _REDRAW)
        elif _draw(shape, regions, image.size if scaled or stated is None else stated):
            used.update(label.strip() for label in shape.labels)
    return regions


def _size(shape: Shape) -> tuple[int, int] | None:
    return stated_size(shape.item, ("original_height", "original_width"))


def _alike(one: tuple[int, int], other: tuple[int, int]) -> bool:
    """Sizes of the same shape, give or take the rounding of the smaller one."""
    smaller, larger = sorted((one, other))
    scale = larger[0] / smaller[0]
    return abs(larger[1] - scale * smaller[1]) <= scale


def _draw(shape: Shape, regions: Regions, size: tuple[int, int]) -> bool:
    """Hand one region to `regions`; False where it cannot be an object of a class.

    size  (height, width) of which the numbers are percent
    """
    value, number = shape.value, shape.number
    corner = "x" in value and "y" in value
    if corner and "height" not in value and "radiusX" not in value:
        regions.unused(POINTS_UNUSED)
        return False
    if "vertices" in value or value.get("closed") is False:
        regions.unused(LINES_UNUSED)
        return False
    if len(shape.labels) != 1 or not shape.labels[0].strip():
        regions.lacks(number, "labels", "one class", " and ".join(shape.labels) or "none", "choose one and export")
        return False
    if shape.item.get("image_rotation") not in (None, 0):
        regions.lacks(number, "image_rotation", "0", shape.item.get("image_rotation"),
                      "turn the image back in Label Studio, or turn its file")  # fmt: skip
        return False
    label = shape.labels[0].strip()
    note = Annotation(attributes=dict(shape.attributes)) if shape.attributes else None
    percent = np.array(size[::-1]) / 100
    if "rle" in value:
        _brush(shape, label, regions, note)
    elif "points" in value:
        listed = value["points"] if isinstance(value["points"], list) else [None]
        points = [_numbers(pair) for pair in listed]
        if any(pair is None or len(pair) != 2 for pair in points):
            regions.lacks(number, "points", "pairs of numbers", value["points"], _REDRAW)
        else:
            # to a millionth, so that a place that was a whole number before it was divided is one again
            pixels = [np.round(pair * percent, 6) for pair in points if pair is not None]
            regions.outline(number, label, [pixels], note=note)
    elif corner:
        _box_or_ellipse(shape, label, regions, percent, note)
    else:
        regions.lacks(number, "value", "a rectangle, an ellipse, a polygon or a brush", list(value), _REDRAW)
    return True


def _box_or_ellipse(shape: Shape, label: str, regions: Regions, percent: np.ndarray, note: Annotation | None) -> None:
    value = shape.value
    sides = ("radiusX", "radiusY") if "radiusX" in value else ("width", "height")
    names = ("x", "y", *sides)
    numbers = _numbers([value.get(name) for name in names])
    rotation = _numbers([value.get("rotation") or 0])
    if numbers is None or rotation is None:
        regions.lacks(shape.number, ", ".join(names), "numbers", [value.get(name) for name in (*names, "rotation")],
                      _REDRAW)  # fmt: skip
        return
    x, y, width, height = (numbers * np.tile(percent, 2)).tolist()
    degrees = float(rotation[0])
    if "radiusX" in value and min(width, height) > 0:
        outline = polygons.ellipse(x, y, width, height, np.radians(degrees))
        regions.outline(shape.number, label, [outline], note=note)
    elif degrees % 360 and min(width, height) > 0:
        regions.faults.count(BOXES_ROTATED)
        corners = rotated_box(x, y, width, height, degrees, around=(x, y))
        regions.outline(shape.number, label, [corners], note=note)
    else:
        regions.box(shape.number, label, x, y, x + width, y + height, note=note)


def _brush(shape: Shape, label: str, regions: Regions, note: Annotation | None) -> None:
    painted = label_studio_brush.decode(shape.value["rle"], regions.frame)
    if isinstance(painted, np.ndarray) and not painted.any():
        painted = "no pixel"
    if isinstance(painted, str):
        regions.lacks(shape.number, "rle", "the pixels of a brush", painted, _REDRAW)
        return
    rows, columns = np.flatnonzero(painted.any(1)), np.flatnonzero(painted.any(0))
    top, left = int(rows[0]), int(columns[0])
    mask = placed(regions, painted[top : rows[-1] + 1, left : columns[-1] + 1], left, top)
    assert mask is not None
    regions.mask(shape.number, label, mask, note=note)


def _numbers(values: Any) -> np.ndarray | None:
    """Plain numbers of a size that a percentage can have, or None."""
    plain = isinstance(values, list) and all(type(value) in (int, float) and abs(value) < 1e5 for value in values)
    return np.array(values, np.float64) if plain else None


# --- writing ----------------------------------------------------------------------------------------
def write(dataset: Dataset, path: Path, losses: Losses) -> None:
    """One file of tasks, which Label Studio imports once the names of the images are addresses that it serves."""
    losses.class_order(dataset)
    names = written_names([record.image for record in dataset.records], path)
    written = [_task(number, record, name, dataset.names, losses)
               for number, (record, name) in enumerate(zip(dataset.records, names, strict=True), 1)]  # fmt: skip
    write_text(path, json.dumps(written, ensure_ascii=False))


def _task(number: int, record: Record, name: str, names: tuple[str, ...], losses: Losses) -> dict[str, Any]:
    result = [] if record.instances is None else list(_results(record.instances, record.size, losses))
    if record.labels:
        choices = {"choices": [names[label] for label in record.labels]}
        result.append({"id": "choice", "type": "choices", "from_name": "choice", "to_name": "image", "value": choices})
    labeled = record.skipped or record.state != "unlabeled"
    answer = {"id": number, "completed_by": 1, "was_cancelled": record.skipped, "result": result}
    return {"id": number, "data": {"image": name}, "annotations": [answer] if labeled else [], "predictions": []}


def _results(instances: Instances, size: tuple[int, int], losses: Losses) -> Iterator[dict[str, Any]]:
    losses.attributes(instances)
    losses.scores_and_crowds(instances)
    height, width = size
    percent = 100 / np.array([width, height], np.float64)
    for row, (label, parts) in enumerate(zip(instances.labels, instances.outlines(), strict=True)):
        value: dict[str, Any]
        losses.add(VERTICES_LOST, int(parts is not None and len(parts) > 1))
        if instances.masks is None:
            corners = instances.boxes[row].astype(np.float64).reshape(2, 2) * percent
            sides = zip(("x", "y", "width", "height"), [*corners[0], *(corners[1] - corners[0])], strict=True)
            kind, value = "rectanglelabels", {**{name: float(side) for name, side in sides}, "rotation": 0}
        elif parts is not None and len(parts) == 1:
            kind, value = "polygonlabels", {"points": (parts[0] * percent).tolist(), "closed": True}
        else:
            kind = "brushlabels"
            value = {"format": "rle", "rle": label_studio_brush.encode(instances.masks[row].dense()[0])}
        yield {"id": f"r{row}", "type": kind, "from_name": "label", "to_name": "image", "original_width": width,
               "original_height": height, "image_rotation": 0, "value": value | {kind: [label]}}  # fmt: skip
