"""One annotation file for all images, to which labels are saved."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from maskwright.errors import OutputError
from maskwright.formats.registry import write
from maskwright.issues import Issue
from maskwright.types import Dataset, Record

CHANGED_BY_OTHERS = "another program has changed the annotation file meanwhile"
Stamp = tuple[int, int] | None  # time of the last change (ns) and size in bytes; None: there is no file


@dataclass(eq=False)
class LabelFile:
    """
    dataset  images and the labels that there are
    file     where labels are saved, in this format
    """

    dataset: Dataset
    file: Path
    format: str
    fixed_classes = False  # they can be moved and removed

    def __post_init__(self) -> None:
        self.overwrite()

    @property
    def name(self) -> str:
        return self.file.name

    @property
    def journal(self) -> Path:
        return self.file.with_name(f".{self.file.name}.journal")

    def classes(self) -> Mapping[str, int]:
        """Those of the dataset are all."""
        return {}

    def overwrite(self) -> None:
        """The file is taken as it is now, whoever has changed it."""
        self._stamp = stamp(self.file)

    def check(self, index: int, record: Record, ids: Mapping[str, int | str]) -> None:
        """Nothing is refused: what the file cannot hold is reported when it is written."""

    def save(self, dataset: Dataset, changed: Collection[int]) -> tuple[Issue, ...]:
        """Writes the file as a whole; OutputError where it cannot be written.

        Where nothing is labeled any more there is no file: one without images could not be read again.
        """
        if stamp(self.file) != self._stamp:
            raise OutputError(CHANGED_BY_OTHERS, file=self.file.name)
        keep_original(self.file)
        losses: tuple[Issue, ...] = ()
        if any(record.state != "unlabeled" for record in dataset):
            losses = write(dataset, self.file, self.format)
        else:
            self.file.unlink(missing_ok=True)
        self.overwrite()
        return losses


def keep_original(file: Path) -> None:
    """A copy of the file as it was before the first change, where there is none yet."""
    original = file.with_name(f"{file.name}.original")
    if file.is_file() and not original.exists():
        shutil.copy2(file, original)


def stamp(file: Path) -> Stamp:
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size
