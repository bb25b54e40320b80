"""A dataset's images in a new folder: copied, or as further names of the same files."""

from __future__ import annotations

import errno
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Literal

from maskwright.errors import DatasetError, OutputError
from maskwright.files import folder_of, numbered, writing
from maskwright.progress import Progress, silent
from maskwright.types import Dataset, Record

Placing = Literal["copy", "link"]
"""How an image comes into a folder: as a copy, or as a hard link, which takes no space and needs the same drive."""


def with_copies(
    dataset: Dataset, folder: Path, progress: Progress = silent, by_class: bool = False, placing: Placing = "copy"
) -> Dataset:
    """The same records with their images in `folder`, or in folders below it that are called by their class.

    Images of one name from different folders get the name of their folder and a number: part_7.jpg, belt_part_7_2.jpg.
    """
    taken: set[str] = set()
    records = []
    doing = "copying" if placing == "copy" else "linking"
    for record in progress(dataset.records, total=len(dataset), label=f"{doing} {folder.name}", unit="images"):
        copy = folder / _free_name(record, dataset.names if by_class else (), taken)
        place_image(record.image, copy, placing)
        records.append(replace(record, image=copy))
    return replace(dataset, records=tuple(records))


def place_image(image: Path, copy: Path, placing: Placing = "copy") -> None:
    """OutputError where the drive of `copy` can hold no link to the image."""
    if placing == "link":
        _link(image, copy)
        return
    with writing(copy) as temporary:
        try:
            shutil.copy2(image, temporary)
        except (FileNotFoundError, PermissionError) as error:
            if error.filename != str(image):
                raise
            state = "is no longer there" if isinstance(error, FileNotFoundError) else "may not be read"
            raise DatasetError(f"this image {state}", file=image) from error


def _link(image: Path, link: Path) -> None:
    """A further name of the same file; its rights stay as they are."""
    with folder_of(link):
        try:
            link.hardlink_to(image.resolve())
        except FileNotFoundError as error:
            raise DatasetError("this image is no longer there", file=image) from error
        except OSError as error:
            if error.errno not in (errno.EXDEV, errno.EPERM, errno.ENOTSUP, errno.EMLINK):
                raise
            raise OutputError("no link to this image can be made here", file=link, got=error.strerror,
                              fix="copy the images, or name a folder on the drive of the data") from error  # fmt: skip


def _free_name(record: Record, names: tuple[str, ...], taken: set[str]) -> str:
    """A file name no other image of this part has; some file systems hold A.jpg and a.jpg for the same."""
    below = f"{names[record.labels[0]]}/" if names and record.labels else ""
    name = below + record.image.name
    if name.casefold() in taken:
        stems = numbered(f"{record.image.parent.name}_{record.image.stem}", 250 - len(os.fsencode(record.image.suffix)))
        next(stems)  # they begin with _2: the first image of the name is the one without
        candidates = (f"{below}{stem}{record.image.suffix}" for stem in stems)
        name = next(candidate for candidate in candidates if candidate.casefold() not in taken)
    taken.add(name.casefold())
    return name
