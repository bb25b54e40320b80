"""Split: one dataset into train, val and test, near-duplicates on one side."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Unpack

from maskwright import files, formats
from maskwright.api.reading import ReadOptions, dataset_of
from maskwright.curate import split as splitting
from maskwright.curate.copies import with_copies
from maskwright.errors import UnknownName
from maskwright.formats.faults import summarized
from maskwright.issues import Issue, Kind, Log, warn
from maskwright.progress import Progress
from maskwright.reporting import automatic
from maskwright.types import Dataset

IMAGES_NOT_COPIED = Kind("images_not_copied", "warning", "{count} unlabeled or skipped images were not copied")
DIVIDED_ANEW = Kind("divided_anew", "warning", "the data came divided ({splits}) and were divided anew")

ANNOTATION_FILES = {  # how each format's own tools call it
    "coco": "annotations.json",
    "via": "via_region_data.json",
    "labels-csv": "labels.csv",
}


@dataclass(frozen=True)
class SplitResult:
    """dataset: every labeled record with its split; out: the folder that was written, None where none was."""

    dataset: Dataset
    out: Path | None

    @property
    def parts(self) -> dict[str, Dataset]:
        """{"train": ..., "val": ..., perhaps "test": ...}"""
        return self.dataset.splits()

    def to_dict(self) -> dict[str, Any]:
        splits = {name: {"images": len(part), "objects": part.class_counts()} for name, part in self.parts.items()}
        return {"out": self.out, "splits": splits}


def split(
    data: str | Path | Dataset,
    out: str | Path | None = None,
    *,
    val: float = 0.2,
    test: float = 0.0,
    group_by: splitting.Rule = "near-duplicate",
    seed: int = 0,
    format: str | None = None,
    progress: Progress = automatic,
    log: Log = warn,
    **reading: Unpack[ReadOptions],
) -> SplitResult:
    """Divide a dataset so that near-identical images never end up on both sides.

    out        a new folder: images are copied into out/train, out/val (and out/test), each with its annotations;
               without it nothing is written
    val, test  fractions of the images, 0..1
    group_by   what is never divided: "near-duplicate", "folder", "series", a pattern for the path, or a function of
               the record
    format     of the annotations: coco, via or labels-csv; default coco, and for classes of whole images folders
    reading    as for maskwright.read

    >>> {name: len(part) for name, part in maskwright.split("party/", val=0.25).parts.items()}
    {'train': 9, 'val': 3}
    """
    if format is not None and format.replace("_", "-") not in ANNOTATION_FILES:
        raise UnknownName("format that can be written", format, ANNOTATION_FILES)
    if out is not None:
        files.refuse_filled(Path(out))
    dataset = dataset_of(data, **reading)
    divided = splitting.split(dataset, val, test, seed, group_by, progress=progress)
    issues = [*summarized(divided.issues), *_changes(dataset, divided.splits(), copied=out is not None)]
    if out is not None:
        issues += _write(divided.splits(), Path(out), _format(dataset.usable(), format), progress)
    for issue in dict.fromkeys(issues):
        log(issue)
    return SplitResult(divided, None if out is None else Path(out))


def _write(parts: dict[str, Dataset], out: Path, format: str | None, progress: Progress) -> list[Issue]:
    """The folders, and what their annotation files cannot hold."""
    issues = []
    with files.writing_folder(out) as temporary:
        for name, part in parts.items():
            copied = with_copies(part, temporary / name, progress, by_class=format is None)
            if format is not None:
                lost = formats.write(copied, temporary / name / ANNOTATION_FILES[format], format.replace("-", "_"))
                issues += [issue.within(name) for issue in lost]
    return issues


def _format(dataset: Dataset, chosen: str | None) -> str | None:
    """The format of the annotations; None where folders called by the classes hold everything."""
    chosen = chosen and chosen.replace("_", "-")
    if chosen == "labels-csv" or any(record.instances is not None for record in dataset):
        return chosen or "coco"
    folders = all(re.fullmatch(r'(?!\.)[^<>:"/\\|?*\x00-\x1f]+', name) for name in dataset.names)
    return None if folders and all(len(record.labels or ()) == 1 for record in dataset) else "labels-csv"


def _changes(dataset: Dataset, parts: dict[str, Dataset], copied: bool) -> Iterator[Issue]:
    """What was left out, and which splits were given up."""
    left = len(dataset) - sum(map(len, parts.values()))
    if left and copied:
        yield IMAGES_NOT_COPIED(count=left)
    if dataset.splits():
        yield DIVIDED_ANEW(splits={name: len(part) for name, part in dataset.splits().items()})
