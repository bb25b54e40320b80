"""CreateML JSON: one file for a folder of images, as Apple's Create ML and Roboflow write it.

Looks like   [{"image": "a.jpg", "annotations": [{"label": "rust", "coordinates": {"x": 50, "y": 40, "width": 20,
             "height": 10}}]}]
Known by     a .json list with "annotations", "coordinates" and "label"
Holds        boxes and their classes; images without objects
Cannot hold  masks, scores, crowds, attributes, class ids, empty versus unlabeled. On writing they, and unlabeled and
             skipped images, are dropped and counted
In the wild  "imagefilename" or "filename" for "image", "annotation" for "annotations"; images that are absent
Coordinates  x and y are the center of the box, in pixels
Source       developer.apple.com: "Building an object detector data source"; Roboflow's exports
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from maskwright.errors import AnnotationError
from maskwright.files import write_text
from maskwright.formats.losses import OUTLINES_LOST
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
    written_names,
)
from maskwright.formats.shapes import numbers
from maskwright.types import Dataset

_IMAGE = ("image", "imagefilename", "filename")
_SIDES = ("x", "y", "width", "height")


def sniff(head: Head) -> Evidence | None:
    words = all(f'"{word}"' in head.text for word in ("coordinates", "label"))
    if head.ending == ".json" and words and '"annotation' in head.text and head.text.lstrip().startswith("["):
        return Evidence(0.9, 'its records have "annotations" with "label" and "coordinates"')
    return None


def read(path: Path, faults: Faults) -> Dataset:
    data = read_json(path)
    if not isinstance(data, list):
        raise AnnotationError("not CreateML JSON", file=path, expected="a list of images", got=type(data).__name__)
    root = data_root(path)
    images: list[tuple[str, list[Any]]] = []
    for number, record in enumerate(data):
        name = next((record[key] for key in _IMAGE if key in record), None) if isinstance(record, dict) else None
        drawn = record.get("annotations", record.get("annotation", [])) if isinstance(record, dict) else None
        if not isinstance(name, str) or not name.strip() or not isinstance(drawn, list):
            faults.saw()
            faults.add(f"record {number}", "image", "a file name and a list of annotations", record)
            continue
        images.append((name, drawn))
    finder = ImageFinder(root, faults, near=path.parent, names=[name for name, _ in images])
    drafts: list[Draft] = []
    used: set[str] = set()
    for name, drawn in images:
        image = finder.image(name, regions=len(drawn))
        if image is None:
            continue
        regions = Regions(faults, image)
        for number, item in enumerate(drawn):
            _draw(item, number, regions, used)
        drafts.append(Draft(image, regions))
    return assemble(data_name(root), sorted(used, key=natural), drafts, "create_ml", faults)


def _draw(item: Any, number: int, regions: Regions, used: set[str]) -> None:
    label = item.get("label") if isinstance(item, dict) else None
    if not isinstance(label, str) or not label.strip():
        regions.lacks(number, "label", "a class name", "none" if label is None else label, "name the class there")
        return
    sides = numbers(item.get("coordinates"), _SIDES)
    if sides is None:
        got = item.get("coordinates")
        regions.lacks(number, "coordinates", "four numbers x, y, width, height", got, "draw that box again")
        return
    x, y, width, height = sides
    regions.box(number, label.strip(), x - width / 2, y - height / 2, x + width / 2, y + height / 2)
    used.add(label.strip())


# --- writing ----------------------------------------------------------------------------------------
def write(dataset: Dataset, path: Path, losses: Losses) -> None:
    """One file; objects with masks are written as their boxes."""
    losses.class_order(dataset)
    drawn = []
    for record in dataset.records:
        if record.instances is None or record.skipped:
            losses.image(record)
        else:
            drawn.append((record.image, record.instances))
    pages = []
    names = written_names([image for image, _ in drawn], path)
    for (_, instances), name in zip(drawn, names, strict=True):
        losses.attributes(instances)
        losses.scores_and_crowds(instances)
        losses.add(OUTLINES_LOST, 0 if instances.masks is None else len(instances))
        boxes = []
        for label, (x1, y1, x2, y2) in zip(instances.labels, instances.boxes.tolist(), strict=True):
            sides = dict(zip(_SIDES, ((x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1), strict=True))
            boxes.append({"label": label, "coordinates": sides})
        pages.append({"image": name, "annotations": boxes})
    write_text(path, json.dumps(pages, ensure_ascii=False))
