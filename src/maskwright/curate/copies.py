"""Copies of a dataset's images in a new folder."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

from maskwright.errors import DatasetError
from maskwright.files import numbered, writing
from maskwright.progress import Progress, silent
from maskwright.types import Dataset, Record


def with_copies(dataset: Dataset, folder: Path, progress: Progress = silent, by_class: bool = False) -> Dataset:
    """The same records with their images in `folder`, or in folders below it that are called by their class.

    Images of one name from different folders get the name of their folder and a number: part_7.jpg, belt_part_7_2.jpg.
    """
    taken: set[str] = set()
    records = []
    for record in progress(dataset.records, total=len(dataset), label=f"copying {folder.name}", unit="images"):
        copy = folder / _free_name(record, dataset.names if by_class else (), taken)
        copy_image(record.image, copy)
        records.append(replace(record, image=copy))
    return replace(dataset, records=tuple(records))


def copy_image(image: Path, copy: Path) -> None:
    with writing(copy) as temporary:
        try:
            shutil.copy2(image, temporary)
        except (FileNotFoundError, PermissionError) as error:
            if error.filename != str(image):
                raise
            state = "is no longer there" if isinstance(error, FileNotFoundError) else "may not be read"
            raise DatasetError(f"this image {state}", file=image) from error


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
