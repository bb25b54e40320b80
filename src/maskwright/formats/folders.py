"""What a folder says by itself: splits by sub-folder or list file, photos that nobody has labelled."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

from maskwright.errors import DatasetError
from maskwright.formats.reading import (
    SPLIT_FOLDERS,
    Faults,
    Head,
    data_name,
    measured,
    photos_below,
    photos_in,
    read_text,
)
from maskwright.types import Dataset, Record

_SPLIT_WORD = re.compile(r"(?<![a-z])(train|training|val|valid|validation|test)(?![a-z])", re.IGNORECASE)


# --- splits -----------------------------------------------------------------------------------------
def splits(head: Head) -> Iterator[tuple[str, Path]]:
    """Sub-folders named train, val (valid, validation), test: ("val", path of "valid"), in this order."""
    for split in ("train", "val", "test"):
        for name in head.folders:
            if SPLIT_FOLDERS.get(name.casefold()) == split:
                yield split, head.path / name


def split_word(path: Path) -> str | None:
    """instances_val2017.json -> "val"; None where the name holds none of the words, or several."""
    words = {SPLIT_FOLDERS[word.lower()] for word in _SPLIT_WORD.findall(path.stem)}
    return words.pop() if len(words) == 1 else None


def with_split(dataset: Dataset, split: str) -> Dataset:
    """All records of a split, but for those that name their own."""
    return replace(dataset, records=tuple(
        record if record.split else replace(record, split=split) for record in dataset.records
    ))  # fmt: skip


def joinable(datasets: Sequence[Dataset | None]) -> bool:
    """Several files make one data set when all could be read, in one format, and no photo is named twice."""
    read = [dataset for dataset in datasets if dataset is not None]
    photos = [record.photo for dataset in read for record in dataset.records]
    return len(read) == len(datasets) and len({each.format for each in read}) == 1 and len(photos) == len(set(photos))


def complete(dataset: Dataset, root: Path, *, everywhere: bool, unlabelled: bool = True) -> Dataset:
    """What the folder adds to the annotations: unlabelled photos, list files, splits by folder.

    everywhere  look for unlabelled photos beside all labelled ones; otherwise not in the folders of splits
                (who names one annotation file asked for that file)
    unlabelled  False for formats that read whole folders: they alone know which pictures are masks
    """
    if unlabelled:
        dataset = _with_unlabelled(dataset, root, everywhere)
    for split, names in _lists(root):
        dataset = _by_list(dataset, root, split, names)
    records = tuple(
        record if record.split else replace(record, split=_folder_split(record.photo, root))
        for record in dataset.records
    )
    return replace(dataset, records=records)


def _folder_split(photo: Path, root: Path) -> str | None:
    try:
        above = photo.relative_to(root).parts[:-1]
    except ValueError:
        return None
    return next((SPLIT_FOLDERS[part.casefold()] for part in above if part.casefold() in SPLIT_FOLDERS), None)


def _lists(root: Path) -> Iterator[tuple[str, set[str]]]:
    """train.txt, val.txt, test.txt: photo names (or their stems), one a line."""
    for name in Head(root).files(".txt"):
        split = SPLIT_FOLDERS.get(PurePosixPath(name).stem.casefold())
        if split is not None:
            lines = [line.strip().replace("\\", "/") for line in read_text(root / name).splitlines()]
            yield split, {PurePosixPath(line).name.casefold() for line in lines if line}


def _by_list(dataset: Dataset, root: Path, split: str, names: set[str]) -> Dataset:
    records = []
    for record in dataset.records:
        if {record.photo.name.casefold(), record.photo.stem.casefold()} & names:
            if record.split not in (None, split):
                raise DatasetError("a photo stands in two lists", file=root, record=f'photo "{record.photo.name}"',
                                   wanted=f"one of {record.split}.txt and {split}.txt", got="both",
                                   fix="take it out of one of them")  # fmt: skip
            record = replace(record, split=split)
        records.append(record)
    return replace(dataset, records=tuple(records))


# --- unlabelled photos ------------------------------------------------------------------------------
def unlabelled(folder: Path) -> Dataset:
    """All photos of a folder without annotations, and in the folders below."""
    faults = Faults(folder, allow_faulty=True)
    records = _records(photos_below(folder), faults)
    return faults.into(Dataset(data_name(folder), (), tuple(records)))


def _with_unlabelled(dataset: Dataset, root: Path, everywhere: bool) -> Dataset:
    known = {record.photo for record in dataset.records}
    # a photo put aside because it cannot be opened has its fault already
    broken = {re.sub(r'^photo "(.*)"$', r"\1", fault.record) for fault in dataset.faults if fault.field == "photo"}
    beside = {photo.parent for photo in known if everywhere or _folder_split(photo, root) is None} | {root}
    faults = Faults(root, allow_faulty=True)
    more = (photo for folder in sorted(beside) for photo in photos_in(folder)
            if photo not in known and not any(name.endswith(photo.name) for name in broken))  # fmt: skip
    records = _records(more, faults)
    return faults.into(replace(dataset, records=dataset.records + tuple(records)))


def _records(photos: Iterable[Path], faults: Faults) -> list[Record]:
    found = (measured(photo, faults) for photo in photos)
    return [Record(photo.path, photo.size, None) for photo in found if photo is not None]


# --- words ------------------------------------------------------------------------------------------
def remark(dataset: Dataset, sentence: str) -> Dataset:
    return replace(dataset, remarks=(*dataset.remarks, sentence))


def marked(dataset: Dataset, where: str) -> Dataset:
    """Its remarks say where they come from: "train: 13 outlines ..."."""
    return replace(dataset, remarks=tuple(f"{where}: {each}" for each in dataset.remarks))


def nearest(path: Path) -> str | None:
    """Did you mean: the likest name in the folder above."""
    near = difflib.get_close_matches(path.name, [name.rstrip("/") for name in Head(path.parent).entries], n=1)
    return f"did you mean {path.parent / near[0]}?" if near else None


def inventory(head: Head) -> str:
    """What a folder holds, in half a sentence: "3 photos, 2 .txt files, folders a, b"."""
    photos = head.photos
    others: dict[str, int] = {}
    for name in head.files():
        if name not in photos:
            ending = PurePosixPath(name).suffix.lower() or "endless"
            others[ending] = others.get(ending, 0) + 1
    told = [f"{len(photos)} photos"] if photos else []
    told += [f"{count} {ending} file{'s' * (count > 1)}" for ending, count in sorted(others.items())]
    if head.folders:
        told.append("folders " + ", ".join(head.folders[:8]) + (", ..." if len(head.folders) > 8 else ""))
    return ", ".join(told) or "nothing"
