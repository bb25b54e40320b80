"""KITTI object detection: one text file an image in label_2 beside image_2.

Looks like   Car 0.00 0 -1.57 599.41 156.40 629.75 189.25 2.85 2.63 12.34 0.47 1.49 69.44 -1.56
             class, truncated (0..1), occluded (0..3), angle, left, top, right, bottom, seven numbers in space, and in
             results a score
Known by     folders label_2 and image_2 side by side
Holds        boxes; truncated and occluded, as attributes; files without lines, which are images without objects
Cannot hold  masks, crowds, other attributes, class ids, class names with blanks; an image without a file is
             unlabeled. On writing they are dropped and counted (a class with a blank is an error); splits become lists
             of images beside the folders
Not used     what is said of space; DontCare, areas in which nobody has labeled: left out and counted, and their images
             count as labeled in part, so that nothing is learned from what surrounds them
Coordinates  pixels, edges
Source       the devkit of the KITTI object benchmark, readme.txt
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from maskwright.errors import AnnotationError, DatasetError, OutputError
from maskwright.escaping import percent_encoded
from maskwright.files import write_text
from maskwright.formats.losses import ATTRIBUTES_LOST, OUTLINES_LOST
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
    images_in,
    measured,
    natural,
    read_text,
)
from maskwright.issues import Kind
from maskwright.types import Annotation, Dataset, Instances, Record

AREAS_IGNORED = Kind(
    "areas_ignored", "warning", "{count} area (DontCare) in which objects are not labeled was left out",
    "{count} areas (DontCare) in which objects are not labeled were left out",
)  # fmt: skip

_LABELS, _IMAGES = "label_2", "image_2"
_COLUMNS = (15, 16)  # the last one is a score
_NOWHERE = "-1 -1 -1 -1000 -1000 -1000 -10"  # height, width, length, place and angle in space, where nobody knows them
_MARKS = ("truncated", "occluded")
_YES, _MOST_MARK = ("1", "true", "yes"), 3


def sniff(head: Head) -> Evidence | None:
    if _folders(head) is not None:
        return Evidence(0.95, f"it holds {_LABELS} and {_IMAGES}, as KITTI does")
    return None


def _folders(head: Head) -> tuple[Path, Path] | None:
    """Those of labels and of images, however they are capitalized."""
    called = {name.casefold(): name for name in head.folders}
    return (head.path / called[_LABELS], head.path / called[_IMAGES]) if {_LABELS, _IMAGES} <= {*called} else None


def read(path: Path, faults: Faults) -> Dataset:
    labels, pictures = _folders(Head(path)) or (path / _LABELS, path / _IMAGES)
    files = [labels / name for name in Head(labels).files(".txt")]
    finder = ImageFinder(path, faults, near=pictures, names=[file.stem for file in files])
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
    others = [image for image in images_in(pictures) if image not in known and image.stem not in put_aside]
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
    told = {name: int(value) if value.is_integer() else value for name, value in facts.items() if value and value > 0}
    regions.box(number, label, *values[3:7], note=Annotation(attributes=told) if told else None)
    used.add(label)


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


# --- writing ----------------------------------------------------------------------------------------
def write(dataset: Dataset, path: Path, losses: Losses) -> None:
    """A folder: label_2/<stem>.txt for image_2/<stem>, which is not copied, and train.txt where records name splits."""
    if path.suffix.lower() == ".txt":
        raise OutputError("KITTI is a folder of several files", file=path, fix="name a folder")
    for name in dataset.names:
        if not name or name == "DontCare" or any(map(str.isspace, name)):
            raise DatasetError("this class cannot stand in KITTI's lines", file=dataset.name, record=f"class {name!r}",
                               expected="a word without blanks, but not DontCare", got=repr(name),
                               fix="rename it")  # fmt: skip
    losses.class_order(dataset)
    texts: dict[str, Record] = {}
    for record in dataset.records:
        if record.instances is None or record.skipped:
            losses.image(record)
            continue
        stem = percent_encoded(record.image.stem)
        if texts.setdefault(stem, record) is not record:
            raise DatasetError("two images would share one label file", file=dataset.name, got=stem,
                               record=f'image "{percent_encoded(record.image.name)}"', fix="rename one of them",
                               expected="different names, folder and ending apart")  # fmt: skip
    for stem, record in texts.items():
        assert record.instances is not None
        lines = "".join(f"{line}\n" for line in _written(record.instances, losses))
        write_text(path / _LABELS / f"{stem}.txt", lines)
    for split, part in dataset.splits().items():
        names = "".join(f"{percent_encoded(record.image.name)}\n" for record in part)
        write_text(path / f"{split}.txt", names)


def _written(instances: Instances, losses: Losses) -> Iterator[str]:
    losses.scores_and_crowds(instances)
    losses.attributes(instances, _MARKS)
    losses.add(OUTLINES_LOST, 0 if instances.masks is None else len(instances))
    notes = instances.annotations or [None] * len(instances)
    for label, note, box in zip(instances.labels, notes, instances.boxes, strict=True):
        truncated, occluded = (_mark({} if note is None else note.attributes, name, losses) for name in _MARKS)
        corners = " ".join(np.format_float_positional(side, trim="-") for side in box)
        yield f"{label} {truncated:g} {occluded:g} -10 {corners} {_NOWHERE}"


def _mark(attributes: Mapping[str, Any], name: str, losses: Losses) -> float:
    """A number above 0, or 1 for what says yes; else 0, which is read as nothing said."""
    value = attributes.get(name)
    if isinstance(value, str) and value.casefold() in _YES:
        return 1
    if isinstance(value, int | float) and 0 < value <= _MOST_MARK:
        return float(value)
    losses.add(ATTRIBUTES_LOST, int(name in attributes))
    return 0
