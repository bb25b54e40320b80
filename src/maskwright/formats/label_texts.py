"""Texts with the labels of one image each (YOLO, DOTA), and which image each of them speaks of.

A text lies beside its image, in a folder inside the folder of images, or in a folder of labels that mirrors the one of
the images: labels/train/a.txt and images/train/a.jpg. Image and text are called the same but for their endings.
"""

from __future__ import annotations

import itertools
import os
import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from maskwright.errors import AnnotationError
from maskwright.files import open_file
from maskwright.formats.links import scope
from maskwright.formats.listing import (
    IMAGE_FOLDERS,
    LABEL_FOLDERS,
    SPLIT_FOLDERS,
    folder_word,
    folders_in,
    images_below,
    images_here,
    is_label_folder,
)
from maskwright.formats.reading import Faults, Head, data_root, measured, read_text
from maskwright.issues import Kind
from maskwright.types import Dataset, Record

IMAGES_WITHOUT_TEXT = Kind(
    "images_without_text", "warning",
    "{count} image without a label file, taken as unlabeled (Ultralytics takes it as empty): {images:3}; {fix}",
    "{count} images without a label file, taken as unlabeled (Ultralytics takes them as empty): {images:3}; {fix}",
    fix="an image that shows nothing has an empty label file",
)  # fmt: skip
MOST_FOLDERS = 20_000
SAMPLED, LOOKED_INTO, DEPTH = 4, 60, 5  # texts of a folder, and folders, that show what a dataset is
_LABELS = re.compile(r"(?<![a-z])labels?(?![a-z])|label_?txt", re.IGNORECASE)  # DOTA: labelTxt, labelTxt-v1.5
_KIND = re.compile("|".join(sorted(
    {"label_?txt", "labels", *(name.casefold() for name in (*IMAGE_FOLDERS, *LABEL_FOLDERS))}, key=len, reverse=True,
)))  # fmt: skip
_ASIDE = re.compile(r"(readme|licen[sc]e|requirements|notes?|log|about|info)\b|(?:[\w-]*classes|[\w-]*names|train|"
                    r"training|val|valid|validation|test|testing|trainval|flags)\.txt$", re.IGNORECASE)  # fmt: skip


def is_labels(name: str) -> bool:
    """A folder of this name holds labels."""
    return is_label_folder(name) or bool(_LABELS.search(name))


def is_generic(name: str) -> bool:
    """The name of a folder that is a part of a dataset: of labels, of images, or of one split."""
    usual = {*(folder.casefold() for folder in IMAGE_FOLDERS), *SPLIT_FOLDERS}
    return name.casefold() in usual or is_labels(name) or folder_word(name) is not None


def lines_of(text: str) -> list[str]:
    """The first lines of a text, but for one that may be cut off."""
    lines = [line.strip() for line in text.splitlines()]
    lines = lines[:-1] if len(lines) > 1 and len(text) > 60_000 else lines
    return [line for line in lines if line][:20]


# --- which texts ------------------------------------------------------------------------------------
def sample(root: Path, known: Callable[[Head], bool]) -> Iterator[Head]:
    """Some texts in and below a folder, the nearest first; an empty one counts where it is called like an image."""
    images = Images(root)
    for number, folder in enumerate(_folders(root, DEPTH)):
        if number == LOOKED_INTO:
            return
        texts = _texts(folder, images, known, 5 * SAMPLED)
        yield from itertools.islice((text for text in texts if text.text.strip() or images.of(text.path)), SAMPLED)


def belongs(text: Path, root: Path) -> bool:
    """The text lies where `root` is the folder of its data: not in a folder of labels of another one below."""
    parts = text.parent.relative_to(root).parts
    first = next((index for index, part in enumerate(parts) if is_labels(part)), 0)
    return all(map(is_generic, parts[:first]))


def find(root: Path, known: Callable[[Head], bool]) -> list[Path]:
    """All texts below `root` that hold labels: those in folders of labels, those called like an image, and those whose
    content is `known`."""
    images = Images(root)
    return [text.path for folder in _folders(root) for text in _texts(folder, images, known)]


def _texts(folder: Path, images: Images, known: Callable[[Head], bool], most: int | None = None) -> Iterator[Head]:
    head = Head(folder)
    labels = any(_LABELS.search(part) for part in folder.relative_to(images.root.parent).parts)
    for name in head.files(".txt")[:most]:
        text = head.child(name)
        if images.of(text.path) or (not _ASIDE.match(name) and (labels or known(text))):
            yield text


def _folders(root: Path, depth: int = 40) -> Iterator[Path]:
    """The folder and those below, each once, the nearest first."""
    seen: set[str] = set()
    level = [root]
    for _ in range(depth):
        below = []
        for folder in level:
            real = os.path.realpath(folder)
            if real in seen or len(seen) > MOST_FOLDERS:
                continue
            seen.add(real)
            yield folder
            below += folders_in(folder)
        level = below


def root_of(text: Path) -> Path:
    """The folder of the data of one text that was named: its own, or one above where the image lies there."""
    folder = text.parent
    while not Images(folder).of(text) and is_generic(folder.name) and folder.parent != folder:
        folder = folder.parent
    return folder if Images(folder).of(text) else data_root(text)


def part_of_a_larger(head: Head, claimed: Callable[[Head], bool]) -> bool:
    """A folder of one split, where the folder above was named to be read: that one is the dataset."""
    current = scope()
    above = head.path.parent
    inside = current is not None and current.folder in (above, *above.parents)
    return inside and folder_word(head.path.name) is not None and claimed(Head(above))


# --- their content ----------------------------------------------------------------------------------
def lines(text: Path, faults: Faults) -> list[tuple[int, str]] | None:
    """(number, line) of each line with something in it; [] for an empty file; None (and a fault) for a broken one."""
    try:
        with open_file(text) as stream:
            if not stream.read(4096).strip(b" \t\r\n\xef\xbb\xbf") and not stream.read(1):
                return []
        return [(number, line.strip()) for number, line in enumerate(read_text(text).splitlines(), 1) if line.strip()]
    except (AnnotationError, OSError) as error:
        got = error.parts.get("got", error.headline) if isinstance(error, AnnotationError) else str(error.strerror)
        faults.saw()
        faults.add(f'file "{text.name}"', "text", "lines of text, or an empty file", got,
                   "copy or export the file again")  # fmt: skip
        return None


# --- which image ------------------------------------------------------------------------------------
class Images:
    """The images below a folder as their texts name them; each folder is listed once."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._stems: dict[Path, dict[str, list[Path]]] = {}

    def name(self, text: Path) -> str:
        """How an annotation file would name the image of this text: its path, or (where it is absent, or there are
        several of that stem) the path without its ending."""
        found = self.of(text)
        path = (
            found[0] if len(found) == 1 else (found[0].parent if found else self._folders(text.parent)[0]) / text.stem
        )
        return path.relative_to(self.root).as_posix()

    def of(self, text: Path) -> list[Path]:
        """The images of that stem in the likeliest folder that has any; several where only their endings differ."""
        for folder in self._folders(text.parent):
            found = self._listed(folder).get(text.stem)
            if found:
                return found
        return []

    def _listed(self, folder: Path) -> dict[str, list[Path]]:
        if folder not in self._stems:
            stems: dict[str, list[Path]] = defaultdict(list)
            for image in sorted(images_here(folder)):
                stems[image.stem].append(image)
            self._stems[folder] = dict(stems)
        return self._stems[folder]

    def _folders(self, folder: Path) -> list[Path]:
        """Where the images of the texts in this folder may lie, the likeliest first; always at least one."""
        parts = folder.relative_to(self.root).parts if folder.is_relative_to(self.root) else ()
        for index in reversed(range(len(parts))):
            if is_labels(parts[index]):
                above, below = self.root.joinpath(*parts[:index]), parts[index + 1 :]
                mirrors = [
                    beside.joinpath(*below) for beside in folders_in(above) if _mirrors(beside.name, parts[index])
                ]
                return [*mirrors, above.joinpath(*below), folder]
        return [folder]


def _mirrors(images: str, labels: str) -> bool:
    """ "images" for "labels", "train_images" for "train_labels", "JPEGImages" for "labelTxt"."""
    if is_labels(images) and not folder_word(images):
        return False
    usual = images.casefold() in {name.casefold() for name in IMAGE_FOLDERS}
    stripped = [_KIND.sub("*", name.casefold()) for name in (images, labels)]
    return "*" in stripped[0] and (stripped[0] == stripped[1] or (usual and stripped[1].startswith("*")))


# --- images without a text --------------------------------------------------------------------------
def with_unlabeled(dataset: Dataset, root: Path, faults: Faults) -> Dataset:
    """Images of which no text speaks: beside those that have one, and in folders that are called so (images, train)."""
    known = {record.image for record in dataset.records}
    put_aside = {Path(str(name)).name for issue in faults.records for name in issue.images}  # their fault is noted
    usual, folders = {name.casefold() for name in IMAGE_FOLDERS}, {image.parent for image in known}
    left = [
        path
        for path in images_below(root)
        if (path.parent in folders or path.parent.name.casefold() in usual or folder_word(path.parent.name))
        and path not in known
        and path.name not in put_aside
    ]
    found = [image for path in left if (image := measured(path, faults, path.relative_to(root).as_posix())) is not None]
    if found:
        faults.report(IMAGES_WITHOUT_TEXT(images=[image.path for image in found], count=len(found)))
    records = tuple(Record(image.path, image.size, None) for image in found)
    return replace(dataset, records=dataset.records + records)
