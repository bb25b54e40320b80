"""KITTI MOTS (and MOTSChallenge): masks of tracked objects, as pictures of numbers or as text of run lengths.

Looks like   instances/0002/000017.png for image_02/0002/000017.png: 16 bits, 1000 x class + number of the object
             instances_txt/0002.txt: frame, 1000 x class + number, class, height, width and COCO run lengths
             17 2005 2 375 1242 WSV:2d;1O10000O10000O1O100O100O1O100O...
Known by     a folder instances (with such values) or instances_txt (with such lines) beside a folder of images
             (image_02, images), with equal sub-folders
Holds        masks; the number of a track, as the attribute track_id; sequences, which are groups no split divides
Cannot hold  overlapping masks, classes but car and pedestrian, images of which nothing is known beside empty ones in
             the text: a frame without lines is one without objects. It is only read, not written
Not used     regions of class 10, in which nobody has labeled: counted, and their images count as labeled in part
Where both are there the pictures are read; an image without a picture is unlabeled
Source       vision.rwth-aachen.de/page/mots; VisualComputingInstitute/mots_tools, mots_common/io.py
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from maskwright.errors import AnnotationError
from maskwright.formats import mask_files
from maskwright.formats.reading import (
    Draft,
    Evidence,
    Faults,
    FoundImage,
    Head,
    Regions,
    assemble,
    data_name,
    images_in,
    measured,
    read_text,
)
from maskwright.issues import Kind
from maskwright.types import Annotation, Dataset

REGIONS_IGNORED = Kind(
    "regions_ignored", "warning", "{count} region in which objects are not labeled was left out",
    "{count} regions in which objects are not labeled were left out",
)  # fmt: skip
SEQUENCES_WITHOUT_IMAGES = Kind(
    "sequences_without_images", "warning", "sequences of which there is no folder of images: {count} ({names:3})"
)

_PICTURES, _TEXTS = "instances", "instances_txt"
_IMAGES = ("image_02", "images", "image_2", "training/image_02", "training/image_2", "train/images")
_CLASSES = {1: "car", 2: "pedestrian"}
_IGNORED = 10
_LONGEST = 10**7  # characters of run lengths
_COPY = "copy the file again"


def sniff(head: Head) -> Evidence | None:
    if not head.is_folder or not {_PICTURES, _TEXTS} & {*head.folders}:
        return None
    sequences = [name for name in _sequences(head) if _image_folder(head.path, name) is not None]
    pictures = [file for name in sequences for file in images_in(head.path / _PICTURES / name)[:5]][:5]
    texts = any(_is_text(head.child(_TEXTS).child(f"{name}.txt")) for name in sequences[:5])
    if texts or mask_files.numbers_tracks(pictures):
        return Evidence(0.92, f"it holds {_PICTURES if _PICTURES in head.folders else _TEXTS} of sequences of images")
    return None


def _is_text(head: Head) -> bool:
    return re.match(r"\s*(\d{1,9}\s+){5}\S+\s", head.text) is not None


def _sequences(head: Head) -> list[str]:
    """Names of sequences that have pictures or a text."""
    texts = (name.removesuffix(".txt") for name in head.child(_TEXTS).files(".txt"))
    return sorted({*head.child(_PICTURES).folders, *texts})


def _image_folder(root: Path, sequence: str) -> Path | None:
    folders = (root / name / sequence for name in _IMAGES)
    return next((folder for folder in folders if images_in(folder)), None)


def read(path: Path, faults: Faults) -> Dataset:
    drafts: list[Draft] = []
    partly: set[Path] = set()
    without: list[str] = []
    for sequence in _sequences(Head(path)):
        folder = _image_folder(path, sequence)
        if folder is None:
            without.append(sequence)
            continue
        pictures, text = path / _PICTURES / sequence, path / _TEXTS / f"{sequence}.txt"
        frames = dict(_from_pictures(folder, pictures) if pictures.is_dir() else _from_text(folder, text, faults))
        for file in images_in(folder):
            image = measured(file, faults, file.relative_to(path).as_posix())
            if image is None:
                continue
            drawn = frames.get(file)
            if isinstance(drawn, Path):
                regions, ignored = _picture(drawn, image, faults)
            else:
                regions, ignored = (None, 0) if drawn is None else _lines(drawn, image, faults)
            faults.count(REGIONS_IGNORED, ignored)
            partly |= {image.path} if ignored else set()
            drafts.append(Draft(image, regions, group=sequence))
    if without:
        faults.report(SEQUENCES_WITHOUT_IMAGES(count=len(without), names=without))
    used = {label for draft in drafts if draft.regions is not None for label in draft.regions.labels}
    dataset = assemble(data_name(path), sorted(used), drafts, "kitti_mots", faults)
    records = (replace(record, incomplete=record.image in partly) for record in dataset.records)
    return replace(dataset, records=tuple(records))


# --- pictures ---------------------------------------------------------------------------------------
def _from_pictures(folder: Path, pictures: Path) -> Iterator[tuple[Path, Path]]:
    """Each image with the picture of its stem."""
    known = {file.stem: file for file in images_in(pictures)}
    return ((image, known[image.stem]) for image in images_in(folder) if image.stem in known)


def _picture(file: Path, image: FoundImage, faults: Faults) -> tuple[Regions, int]:
    size = mask_files.measured_mask(file, faults, image.name)
    regions = Regions(faults, image, stated=size)
    ids = mask_files.read_ids(file, faults, image.name) if size in (image.size, image.size[::-1]) else None
    if ids is None:
        regions.saw()
        return regions, 0
    numbers, rows = mask_files.rows(ids)
    ignored = 0
    for row, number in enumerate(numbers):
        kind, track = divmod(number, 1000)
        if kind == _IGNORED:
            ignored += 1
        elif kind not in _CLASSES:
            expected = "1000 x class + number, class 1 or 2"
            regions.lacks(number, "value", expected, number, _COPY)
        else:
            regions.mask(number, _CLASSES[kind], rows[row], note=Annotation(attributes={"track_id": track}))
    return regions, ignored


# --- text -------------------------------------------------------------------------------------------
def _from_text(folder: Path, file: Path, faults: Faults) -> dict[Path, list[tuple[int, list[str]]]]:
    """Each image with its lines, and their numbers; [] for one without. {} where the file cannot be read."""
    try:
        text = read_text(file)
    except AnnotationError as error:
        faults.saw()
        faults.add(f'file "{file.name}"', "text", "lines of text", error.headline, _COPY)
        return {}
    images = {int(image.stem): image for image in images_in(folder) if image.stem.isdecimal() and len(image.stem) < 19}
    found: dict[Path, list[tuple[int, list[str]]]] = {image: [] for image in images.values()}
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split()
        frame = int(words[0]) if words and words[0].isdecimal() and len(words[0]) < 19 else None
        if frame in images:
            found[images[frame]].append((number, words))
        elif words:
            faults.saw()
            got = f"{len(words)} words" if frame is None else f"frame {frame}"
            faults.add(
                f'file "{file.name}", line {number}', "frame", "the number of an image that is there", got, _COPY
            )
    return found


def _lines(lines: list[tuple[int, list[str]]], image: FoundImage, faults: Faults) -> tuple[Regions, int]:
    regions = Regions(faults, image)
    ignored = 0
    for number, words in lines:
        where = f"in line {number}"
        whole = [int(word) for word in words[1:5] if word.isdecimal() and len(word) < 10]
        if len(words) != 6 or len(whole) != 4 or len(words[5]) > _LONGEST:
            regions.lacks(where, "line", "five whole numbers and run lengths", f"{len(words)} words", _COPY)
            continue
        track, kind, height, width = whole
        if kind == _IGNORED:
            ignored += 1
        elif kind not in _CLASSES:
            regions.lacks(where, "class", "1 (car), 2 (pedestrian) or 10 (ignored)", kind, _COPY)
        else:
            note = Annotation(attributes={"track_id": track % 1000})
            segmentation = {"size": [height, width], "counts": words[5]}
            regions.runs(where, _CLASSES[kind], segmentation, note=note)
    return regions, ignored
