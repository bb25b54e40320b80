"""Class folders: the folder (or the beginning of the file name) says what the whole photo shows.

Looks like   rust/a.jpg, norust/b.jpg; with train, val, test above them or not; or rust.0.jpg, norust.0.jpg side by side
Known by     two or more sub-folders that hold photos and nothing else; a weak claim, for folders of photos can mean
             anything: any annotation file is believed before it. A single photo beside them, a README, folders
             without photos do not matter; two folders of equal names, one of them drawn in a few colours, are photos
             and masks, and refused
Holds        one class a photo
Cannot hold  where in the photo it is; several classes; empty-versus-unlabelled
In the wild  the class folders one level down (download/rust); upper-case endings; Brown_spot11.jpg, Leaf_smut5.JPG
Source       the layout that torchvision's ImageFolder and Keras' image_dataset_from_directory read
"""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

from maskwright.errors import DatasetError
from maskwright.formats import mask_files
from maskwright.formats.listing import PHOTO_FOLDERS
from maskwright.formats.mask_pairs import MARKS
from maskwright.formats.reading import (
    LABEL_FOLDERS,
    SPLIT_FOLDERS,
    Evidence,
    Faults,
    Head,
    data_name,
    measured,
    photos_in,
)
from maskwright.types import Dataset, Record

NO_CLASSES = {name.casefold() for name in (*LABEL_FOLDERS, *PHOTO_FOLDERS, *SPLIT_FOLDERS)} | {
    "masks", "mask", "pedmasks", "segmentationclass", "segmentationobject", "gt", "groundtruth", "ground_truth",
}  # fmt: skip
"""Folder names that say what kind of file is in them, not what the photos show."""
ASIDE = ("__MACOSX", "@eaDir")  # what unpacking and network disks leave behind
NOTES = re.compile(r"(readme|licen[sc]e|notes?|about|info|changelog|requirements)\b", re.IGNORECASE)
MOST_STRAY = 0.05  # photos beside the class folders, by photos in them; a single one is always passed over
MOST_COMPARED = 8  # folders
_MASKS = 'the pictures in "{}" look like masks of the photos in "{}"'
ANNOTATIONS = (".json", ".xml", ".csv", ".txt", ".record", ".tfrecord")
CAMERAS = {"img", "image", "dsc", "dscn", "dscf", "dji", "gopr", "pxl", "photo", "pic", "picture", "frame", "p", "scan",
           "screenshot", "whatsapp image", "vid", "mvi", "cimg", "sam", "imag"}  # fmt: skip
NAMED = re.compile(r"(?P<label>[^\W\d][^.]*?)[ ._(-]*\d+\)?$")


def sniff(head: Head) -> Evidence | None:
    if not head.is_folder:
        return None
    folder = _class_root(head)
    if folder is not None:
        masks = _masks_among(_classes(folder))
        if masks is not None:
            return Evidence(0.4, _MASKS.format(*masks), dataset=False)
        names = [child.path.name for child in _classes(folder)]
        listed = ", ".join(names[:4]) + (", ..." if len(names) > 4 else "")
        return Evidence(0.4, f"its sub-folders hold nothing but photos: {listed}")
    if _file_classes(head):
        return Evidence(0.2, "all photos are called by a class and a number")
    return None


def read(path: Path, faults: Faults) -> Dataset:
    head = Head(path)
    folder = _class_root(head)
    if folder is not None:
        masks = _masks_among(_classes(folder))
        if masks is not None:
            raise DatasetError(_MASKS.format(*masks), file=folder.path, wanted="one folder of photos a class",
                               got="the same names in both, and pictures of few colours in one",
                               fix=f'rename "{masks[0]}" to masks and "{masks[1]}" to images to have the masks read; '
                               "or take the masks out")  # fmt: skip
        labelled = [(photo, child.path.name.strip()) for child in _classes(folder) for photo in _below(child.path)]
        if folder.path != path:
            faults.remark(f'the class folders in "{folder.path.name}" were read')
        if folder.photos:
            count, names = len(folder.photos), ", ".join(folder.photos[:3])
            faults.remark(f"{count} photo{'s' * (count > 1)} beside the class folders, in no class: {names}")
    else:
        labelled = _file_classes(head)
        if labelled:
            faults.remark("the classes were taken from the beginning of the file names")
    if not labelled:
        raise DatasetError("no class folders", file=path, wanted="two or more sub-folders that hold only photos",
                           got=", ".join(head.folders[:8]) or "no sub-folders")  # fmt: skip
    names = tuple(sorted({label for _, label in labelled}))
    records = []
    for photo, label in labelled:
        found = measured(photo, faults, photo.relative_to(path).as_posix(), regions=1)
        if found is not None:
            faults.saw()
            records.append(Record(found.path, found.size, None, labels=(names.index(label),)))
    return Dataset(data_name(path), names, tuple(records), "class_folders")


def _class_root(head: Head) -> Head | None:
    """The folder whose sub-folders are classes: this one, or the only one of its sub-folders that is such a folder."""
    if len(_classes(head)) > 1:
        return head
    if len(head.photos) > 1:
        return None
    inside = [head.child(name) for name in head.folders if name.casefold() not in SPLIT_FOLDERS]
    inside = [child for child in inside if len(_classes(child)) > 1]
    return inside[0] if len(inside) == 1 else None


def _classes(head: Head) -> list[Head]:
    """Sub-folders with photos; [] where photos or annotations beside or in them say that they are no classes."""
    if any(name.casefold() in NO_CLASSES for name in head.folders):
        return []
    children = [(child, _below(child.path)) for child in map(head.child, head.folders) if child.path.name not in ASIDE]
    tables = tuple(ending for ending in ANNOTATIONS if ending != ".txt")  # a folder without photos may hold texts
    files = [name for child, photos in children for name in child.files(*(ANNOTATIONS if photos else tables))]
    if not all(map(NOTES.match, files)):
        return []
    children = [(child, photos) for child, photos in children if photos]
    stray = len(head.photos)
    if stray > max(1, sum(len(photos) for _, photos in children) * MOST_STRAY):
        return []
    return [child for child, _ in children]


def _masks_among(classes: list[Head]) -> tuple[str, str] | None:
    """(masks, photos): two folders of the same names, one of them drawn; None for real classes."""
    if len(classes) > MOST_COMPARED:
        return None
    pictures = {
        child.path.name: {MARKS.sub("", photo.stem): photo for photo in _below(child.path)} for child in classes
    }
    drawn = {name: all(map(mask_files.drawn, list(photos.values())[:2])) for name, photos in pictures.items()}
    for masks, photos in ((one, other) for one in pictures for other in pictures if drawn[one] and not drawn[other]):
        if 2 * len(pictures[masks].keys() & pictures[photos].keys()) > len(pictures[masks]):
            return masks, photos
    return None


def _below(folder: Path) -> list[Path]:
    """Photos in a class folder, also one level further down."""
    deeper = [folder / name for name in Head(folder).folders]
    if any(each.name.casefold() in NO_CLASSES for each in deeper):
        return []
    return [photo for each in (folder, *deeper) for photo in photos_in(each)]


def _file_classes(head: Head) -> list[tuple[Path, str]]:
    """rust.0.jpg -> rust: only where every photo has such a name, with two classes of two photos or more."""
    if head.files(*ANNOTATIONS):
        return []
    photos = photos_in(head.path)
    found = [NAMED.fullmatch(photo.stem) for photo in photos]
    labels = [match["label"].strip() for match in found if match is not None]
    if len({photo.stem.casefold() for photo in photos}) < len(photos):  # a.jpg and a.png: which of them is a photo?
        return []
    counts = Counter(labels)
    if len(labels) < len(photos) or len(counts) < 2 or min(counts.values()) < 2:
        return []
    if any(label.casefold() in CAMERAS for label in counts):
        return []
    return list(zip(photos, labels, strict=True))
