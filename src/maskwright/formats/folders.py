"""What a folder says by itself: splits by sub-folder or list file, images that nobody has labeled."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath, PureWindowsPath

import numpy as np

from maskwright.formats import lists
from maskwright.formats.faults import FAULTY_RECORD, IMAGES_ABSENT
from maskwright.formats.listing import folder_split
from maskwright.formats.reading import (
    SPLIT_FOLDERS,
    Faults,
    Head,
    data_name,
    images_below,
    images_in,
    measured,
    spelt_alike,
)
from maskwright.issues import Kind
from maskwright.types import Dataset, Record

CLASS_NAMES_ALIKE = Kind(
    "class_names_alike", "warning", "classes {names!q:&} differ only by case or blanks: are they one?"
)
IMAGES_IN_NO_SPLIT = Kind(
    "images_in_no_split", "warning",
    "{count} labeled image is in no list and no folder of a split, and is not used for training: {images:3}",
    "{count} labeled images are in no list and no folder of a split, and are not used for training: {images:3}",
)  # fmt: skip


# --- splits -----------------------------------------------------------------------------------------
def splits(head: Head) -> Iterator[tuple[str, Path]]:
    """Sub-folders named train, val (valid, validation), test: ("val", path of "valid"), in this order."""
    for split in ("train", "val", "test"):
        for name in head.folders:
            if SPLIT_FOLDERS.get(re.sub(r"[_-]?\d+$", "", name.casefold())) == split:  # train2017, too
                yield split, head.path / name


def with_split(dataset: Dataset, split: str) -> Dataset:
    """All records of a split, but for those that name their own."""
    return replace(dataset, records=tuple(
        record if record.split else replace(record, split=split) for record in dataset.records
    ))  # fmt: skip


def joinable(datasets: Sequence[Dataset | None]) -> bool:
    """Several files make one dataset when all could be read, in one format, and no image is named twice."""
    read = [dataset for dataset in datasets if dataset is not None]
    images = [record.image for dataset in read for record in dataset.records]
    return len(read) == len(datasets) and len({item.format for item in read}) == 1 and len(images) == len(set(images))


def agreeing(datasets: Sequence[Dataset]) -> bool:
    """All of them say the same: the same objects on the same images, boxes within a pixel."""
    first, *others = ({record.image: _objects(record) for record in dataset.records if record.instances}
                      for dataset in datasets)  # fmt: skip
    for other in others:
        if first.keys() != other.keys():
            return False
        for image, (labels, boxes) in first.items():
            more, placed = other[image]
            if labels != more or np.abs(boxes - placed).max(initial=0) > 1:
                return False
    return bool(first)


def _objects(record: Record) -> tuple[list[str], np.ndarray]:
    """Labels and boxes in an order of their own, whatever that of the file."""
    drawn = record.instances
    assert drawn is not None
    order = sorted(range(len(drawn)), key=lambda row: (
        drawn.labels[row], *np.round(drawn.boxes[row] / 4).tolist()))  # fmt: skip
    return [drawn.labels[row] for row in order], drawn.boxes[order].reshape(-1, 4)


def fullest(datasets: Sequence[Dataset]) -> int:
    """Which of several that say the same says most: with outlines, then of the most images, then the first."""
    return max(range(len(datasets)), key=lambda index: (datasets[index].has_masks, len(datasets[index]), -index))


def report_unsplit(dataset: Dataset) -> Dataset:
    """An issue on labeled images that no split has, where there are splits to train and evaluate with."""
    left = [record.image for record in dataset.usable() if record.split is None]
    if not left or "train" not in dataset.splits():
        return dataset
    return dataset.with_issues(IMAGES_IN_NO_SPLIT(images=left, count=len(left)))


def complete(dataset: Dataset, root: Path, *, everywhere: bool, unlabeled: bool = True) -> Dataset:
    """What the folder adds to the annotations: unlabeled images, list files, splits by folder.

    everywhere  look for unlabeled images beside all labeled ones; otherwise not in the folders of splits
                (who names one annotation file asked for that file)
    unlabeled  False for formats that read whole folders: they alone know which pictures are masks
    """
    if unlabeled:
        dataset = _with_unlabeled(dataset, root, everywhere)
    dataset = lists.apply(dataset, root, {file: split for split, file in lists.beside(root)}, once=True)
    records = tuple(
        record if record.split else replace(record, split=folder_split(record.image, root))
        for record in dataset.records
    )
    return replace(dataset, records=records)


# --- unlabeled images ------------------------------------------------------------------------------
def unlabeled(folder: Path) -> Dataset:
    """All images of a folder without annotations, and in the folders below."""
    faults = Faults(folder, allow_faulty=True)
    records = _records(images_below(folder), faults)
    return faults.into(Dataset(data_name(folder), (), tuple(records)))


def _with_unlabeled(dataset: Dataset, root: Path, everywhere: bool) -> Dataset:
    known = {record.image for record in dataset.records}
    # an image put aside because it cannot be opened has its fault already
    put_aside = [*IMAGES_ABSENT.among(dataset.issues), *FAULTY_RECORD.among(dataset.issues)]
    broken = {PureWindowsPath(name).name for issue in put_aside for name in issue.images}
    beside = {image.parent for image in known if everywhere or folder_split(image, root) is None} | {root}
    faults = Faults(root, allow_faulty=True)
    more = (image for folder in sorted(beside) for image in images_in(folder)
            if image not in known and image.name not in broken)  # fmt: skip
    records = _records(more, faults)
    return faults.into(replace(dataset, records=dataset.records + tuple(records)))


def _records(images: Iterable[Path], faults: Faults) -> list[Record]:
    found = (measured(image, faults) for image in images)
    return [Record(image.path, image.size, None) for image in found if image is not None]


# --- words ------------------------------------------------------------------------------------------
def report_alike(dataset: Dataset) -> Dataset:
    """Names of classes that differ only by case or blanks, in one file, in two folders or in two splits: an issue."""
    return dataset.with_issues(*(CLASS_NAMES_ALIKE(names=several) for several in spelt_alike(dataset.names)))


def marked(dataset: Dataset, where: str) -> Dataset:
    """Its issues say where they come from: "train: 13 outlines ..."; single records name their file already."""
    single = {*FAULTY_RECORD.among(dataset.issues)}
    issues = (issue if issue in single else issue.within(where) for issue in dataset.issues)
    return replace(dataset, issues=tuple(issues))


def nearest(path: Path) -> str | None:
    """Did you mean: the likest name in the folder above."""
    near = difflib.get_close_matches(path.name, [name.rstrip("/") for name in Head(path.parent).entries], n=1)
    return f"did you mean {path.parent / near[0]}?" if near else None


def inventory(head: Head) -> str:
    """What a folder holds, in half a sentence: "3 images, 2 .txt files, folders a, b"."""
    images = head.images
    others: dict[str, int] = {}
    for name in head.files():
        if name not in images:
            ending = PurePosixPath(name).suffix.lower() or "endless"
            others[ending] = others.get(ending, 0) + 1
    parts = [f"{len(images)} images"] if images else []
    parts += [f"{count} {ending} file{'s' * (count > 1)}" for ending, count in sorted(others.items())]
    if head.folders:
        parts.append("folders " + ", ".join(head.folders[:8]) + (", ..." if len(head.folders) > 8 else ""))
    return ", ".join(parts) or "nothing"
