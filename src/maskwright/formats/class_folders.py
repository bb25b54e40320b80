"""Class folders: the folder (or the beginning of the file name) says what the whole image shows.

Looks like   rust/a.jpg, norust/b.jpg; with train, val, test above them or not; or rust.0.jpg, norust.0.jpg side by side
Known by     two or more sub-folders that hold images and nothing else; a weak claim, for folders of images can mean
             anything: any annotation file is believed before it. A single image beside them, a README, folders
             without images do not matter; two folders of equal names, one of them drawn in a few colors, are images
             and masks, and refused
Holds        one class an image
Cannot hold  more than one class of an image, which is counted on writing: the images are copied into the folders;
             where in the image it is; several classes; empty-versus-unlabeled
In the wild  the class folders one level down (download/rust); upper-case endings; Brown_spot11.jpg, Leaf_smut5.JPG
Source       the layout that torchvision's ImageFolder and Keras' image_dataset_from_directory read
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from pathlib import Path

from maskwright.errors import DatasetError
from maskwright.formats import mask_files
from maskwright.formats.drafts import CLASS_NAMES_NORMALIZED
from maskwright.formats.listing import IMAGE_FOLDERS
from maskwright.formats.losses import BOXES_LOST, OUTLINES_LOST
from maskwright.formats.mask_pairs import MARKS, MASK_FOLDERS
from maskwright.formats.reading import (
    LABEL_FOLDERS,
    SPLIT_FOLDERS,
    Evidence,
    Faults,
    Head,
    Losses,
    data_name,
    images_below,
    images_in,
    measured,
)
from maskwright.issues import Kind
from maskwright.types import Dataset, Record

CLASS_FOLDERS_BELOW = Kind("class_folders_below", "warning", 'the class folders in "{folder}" were read')
IMAGES_IN_NO_CLASS = Kind(
    "images_in_no_class", "warning", "{count} image beside the class folders, in no class: {images:3}",
    "{count} images beside the class folders, in no class: {images:3}",
)  # fmt: skip
CLASSES_FROM_FILE_NAMES = Kind(
    "classes_from_file_names", "warning", "the classes were taken from the beginning of the file names"
)

FURTHER_CLASSES_LOST = Kind(
    "further_classes_lost", "warning", "{count} further class of an image cannot be kept",
    "{count} further classes of images cannot be kept",
)  # fmt: skip

NO_CLASSES = {name.casefold() for name in (*LABEL_FOLDERS, *IMAGE_FOLDERS, *SPLIT_FOLDERS)} | {
    "masks", "mask", "pedmasks", "segmentationclass", "segmentationobject", "gt", "groundtruth", "ground_truth",
}  # fmt: skip
"""Folder names that say what kind of file is in them, not what the images show."""
ASIDE = ("__MACOSX", "@eaDir")  # what unpacking and network disks leave behind
NOTES = re.compile(r"(readme|licen[sc]e|notes?|about|info|changelog|requirements)\b", re.IGNORECASE)
MOST_STRAY = 0.05  # images beside the class folders, by images in them; a single one is always passed over
MOST_COMPARED = 8  # folders
_MASKS = 'the pictures in "{}" look like masks of the images in "{}"'
ANNOTATIONS = (".json", ".xml", ".csv", ".tsv", ".txt", ".record", ".tfrecord")
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
        return Evidence(0.4, f"its sub-folders hold nothing but images: {listed}")
    if _file_classes(head):
        return Evidence(0.2, "all images are called by a class and a number")
    return None


def read(path: Path, faults: Faults) -> Dataset:
    head = Head(path)
    folder = _class_root(head)
    if folder is not None:
        masks = _masks_among(_classes(folder))
        if masks is not None:
            raise DatasetError(_MASKS.format(*masks), file=folder.path, expected="one folder of images a class",
                               got="the same names in both, and pictures of few colors in one",
                               fix=f'rename "{masks[0]}" to masks and "{masks[1]}" to images to have the masks read; '
                               "or take the masks out")  # fmt: skip
        labeled = [(image, child.path.name.strip()) for child in _classes(folder) for image in _below(child.path)]
        if folder.path != path:
            faults.report(CLASS_FOLDERS_BELOW(folder=folder.path.name))
        if folder.images:
            faults.report(IMAGES_IN_NO_CLASS(images=folder.images, count=len(folder.images)))
    else:
        labeled = _file_classes(head)
        if labeled:
            faults.report(CLASSES_FROM_FILE_NAMES())
    if not labeled:
        raise DatasetError("no class folders", file=path, expected="two or more sub-folders that hold only images",
                           got=", ".join(head.folders[:8]) or "no sub-folders")  # fmt: skip
    written = {label for _, label in labeled}
    labeled = [(image, unicodedata.normalize("NFC", label)) for image, label in labeled]
    names = tuple(sorted({label for _, label in labeled}))
    if len(names) < len(written):
        faults.report(CLASS_NAMES_NORMALIZED())
    records = []
    for image, label in labeled:
        found = measured(image, faults, image.relative_to(path).as_posix(), regions=1)
        if found is not None:
            faults.saw()
            records.append(Record(found.path, found.size, None, labels=(names.index(label),)))
    return Dataset(data_name(path), names, tuple(records), "class_folders")


def write(dataset: Dataset, path: Path, losses: Losses) -> None:
    """Nothing but what is lost: the folder in which an image lies already says its class, and that is all there is."""
    for record in dataset.records:
        if record.skipped or not record.labels:
            losses.image(record)
            continue
        losses.add(FURTHER_CLASSES_LOST, len(record.labels) - 1)
        if record.instances is not None:
            losses.add(BOXES_LOST if record.instances.masks is None else OUTLINES_LOST, len(record.instances))


def _class_root(head: Head) -> Head | None:
    """The folder whose sub-folders are classes: this one, or the only one of its sub-folders that is such a folder."""
    if len(_classes(head)) > 1:
        return head
    if len(head.images) > 1 or _masks_beside(head):
        return None
    inside = [head.child(name) for name in head.folders if name.casefold() not in SPLIT_FOLDERS]
    inside = [child for child in inside if len(_classes(child)) > 1]
    return inside[0] if len(inside) == 1 else None


def _masks_beside(head: Head) -> bool:
    """A folder of masks: then folders of images beside it may be anything, but the masks are what was drawn."""
    folders = [head.path / name for name in head.folders if name.casefold() in MASK_FOLDERS]
    return any(all(map(mask_files.drawn, masks[:2])) for folder in folders if (masks := images_below(folder)))


def _classes(head: Head) -> list[Head]:
    """Sub-folders with images; [] where images or annotations beside or in them say that they are no classes."""
    if any(name.casefold() in NO_CLASSES for name in head.folders):
        return []
    children = [(child, _below(child.path)) for child in map(head.child, head.folders) if child.path.name not in ASIDE]
    tables = tuple(ending for ending in ANNOTATIONS if ending != ".txt")  # a folder without images may hold texts
    files = [name for child, images in children for name in child.files(*(ANNOTATIONS if images else tables))]
    if not all(map(NOTES.match, files)):
        return []
    children = [(child, images) for child, images in children if images]
    stray = len(head.images)
    if stray > max(1, sum(len(images) for _, images in children) * MOST_STRAY):
        return []
    return [child for child, _ in children]


def _masks_among(classes: list[Head]) -> tuple[str, str] | None:
    """(masks, images): two folders of the same names, one of them drawn; None for real classes."""
    if len(classes) > MOST_COMPARED:
        return None
    pictures = {
        child.path.name: {MARKS.sub("", image.stem): image for image in _below(child.path)} for child in classes
    }
    drawn = {name: all(map(mask_files.drawn, list(images.values())[:2])) for name, images in pictures.items()}
    for masks, images in ((one, other) for one in pictures for other in pictures if drawn[one] and not drawn[other]):
        if 2 * len(pictures[masks].keys() & pictures[images].keys()) > len(pictures[masks]):
            return masks, images
    return None


def _below(folder: Path) -> list[Path]:
    """Images in a class folder, also one level further down."""
    deeper = [folder / name for name in Head(folder).folders]
    if any(item.name.casefold() in NO_CLASSES for item in deeper):
        return []
    return [image for item in (folder, *deeper) for image in images_in(item)]


def _file_classes(head: Head) -> list[tuple[Path, str]]:
    """rust.0.jpg -> rust: only where every image has such a name, with two classes of two images or more."""
    if head.files(*ANNOTATIONS):
        return []
    images = images_in(head.path)
    found = [NAMED.fullmatch(image.stem) for image in images]
    labels = [match["label"].strip() for match in found if match is not None]
    if len({image.stem.casefold() for image in images}) < len(images):  # a.jpg and a.png: which of them is an image?
        return []
    counts = Counter(labels)
    if len(labels) < len(images) or len(counts) < 2 or min(counts.values()) < 2:
        return []
    if any(label.casefold() in CAMERAS for label in counts):
        return []
    return list(zip(images, labels, strict=True))
