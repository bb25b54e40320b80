"""KITTI object detection: one text file an image in label_2 beside image_2.

Looks like   Car 0.00 0 -1.57 599.41 156.40 629.75 189.25 2.85 2.63 12.34 0.47 1.49 69.44 -1.56
             class, truncated (0..1), occluded (0..3), angle, left, top, right, bottom, seven numbers in space, and in
             results a score
Known by     folders label_2 and image_2 side by side
Holds        boxes; truncated and occluded, as attributes; files without lines, which are images without objects
Cannot hold  masks, unlabeled images (an image without a file is one)
Not used     what is said of space; DontCare, areas in which nobody has labeled: left out and counted, and their images
             count as labeled in part, so that nothing is learned from what surrounds them
Coordinates  pixels, edges
Source       the devkit of the KITTI object benchmark, readme.txt
"""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

from maskwright.errors import AnnotationError
from maskwright.formats.reading import (
    Draft,
    Evidence,
    Faults,
    Head,
    ImageFinder,
    Regions,
    assemble,
    data_name,
    images_in,
    measured,
    natural,
    read_text,
)
from maskwright.issues import Kind
from maskwright.types import Annotation, Dataset, Record

AREAS_IGNORED = Kind(
    "areas_ignored", "warning", "{count} area (DontCare) in which objects are not labeled was left out",
    "{count} areas (DontCare) in which objects are not labeled were left out",
)  # fmt: skip

_LABELS, _IMAGES = "label_2", "image_2"
_COLUMNS = (15, 16)  # the last one is a score


def sniff(head: Head) -> Evidence | None:
    if head.is_folder and {_LABELS, _IMAGES} <= {*head.folders}:
        return Evidence(0.95, f"it holds {_LABELS} and {_IMAGES}, as KITTI does")
    return None


def read(path: Path, faults: Faults) -> Dataset:
    files = [path / _LABELS / name for name in Head(path / _LABELS).files(".txt")]
    finder = ImageFinder(path, faults, near=path / _IMAGES, names=[file.stem for file in files])
    drafts: list[Draft] = []
    used: set[str] = set()
    partly: set[Path] = set()
    for file in files:
        lines = _lines(file, faults)
        image = finder.image(file.stem, regions=len(lines))
        if image is None:
            continue
        regions = Regions(faults, image)
        for number, line in enumerate(lines, 1):
            if line[:1] == ["DontCare"]:
                faults.count(AREAS_IGNORED)
                partly.add(image.path)
            else:
                _draw(line, f"in line {number}", regions, used)
        drafts.append(Draft(image, regions))
    dataset = assemble(data_name(path), sorted(used, key=natural), drafts, "kitti", faults)
    known = {record.image for record in dataset.records}
    put_aside = {name for record in faults.records for name in record.images}
    others = [image for image in images_in(path / _IMAGES) if image not in known and image.stem not in put_aside]
    unlabeled = [Record(image.path, image.size, None) for item in others if (image := measured(item, faults))]
    records = (replace(record, incomplete=record.image in partly) for record in dataset.records)
    return replace(dataset, records=(*records, *unlabeled))


def _lines(file: Path, faults: Faults) -> list[list[str]]:
    """The words of each line; an empty file is an image without objects."""
    try:
        if file.stat().st_size == 0:
            return []
        return [line.split() for line in read_text(file).splitlines() if line.strip()]
    except (AnnotationError, OSError) as error:  # the second one: a link that leads nowhere
        got = error.headline if isinstance(error, AnnotationError) else error.strerror
        faults.saw()
        faults.add(f'file "{file.name}"', "text", "lines of text", got, "copy the file again")
        return [["?"]]


def _draw(line: list[str], number: str, regions: Regions, used: set[str]) -> None:
    values = [_number(word) for word in line[1:]]
    if len(line) not in _COLUMNS or None in values[:7]:
        got = f"{len(line)} columns" if len(line) not in _COLUMNS else " ".join(line[:8])
        regions.lacks(number, "line", "a class and 14 numbers", got, "correct that line")
        return
    label = line[0]
    truncated, occluded = values[0], values[1]
    facts = {"truncated": truncated, "occluded": occluded}
    told = {name: value for name, value in facts.items() if value is not None and value > 0}
    regions.box(number, label, *values[3:7], note=Annotation(attributes=told) if told else None)
    used.add(label)


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
