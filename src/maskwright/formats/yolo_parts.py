"""Which images data.yaml puts into train, val and test, and where the data lie that it speaks of."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from maskwright.errors import AnnotationError
from maskwright.formats import label_texts, lists, yolo_config
from maskwright.formats.links import scope, stays
from maskwright.formats.listing import IMAGE_ENDINGS
from maskwright.formats.naming import read_names
from maskwright.formats.reading import Faults, Head
from maskwright.formats.yolo_config import Config
from maskwright.issues import Kind
from maskwright.types import Dataset

SPLIT_PATH_ABSENT = Kind(
    "split_path_absent",
    "warning",
    '{config} names "{path}" for {split}, which is not there: the folders\' names were used',
)
SPLITS_SHARE_IMAGES = Kind(
    "splits_share_images", "warning",
    "{config} names {count} image for {splits:&}: the name of its folder decides",
    "{config} names {count} images for {splits:&}: the names of their folders decide",
)  # fmt: skip


def config_of(path: Path) -> Config | None:
    """The data.yaml itself; the one of a folder; or the one above a part of a dataset (train, labels)."""
    if path.is_file() and yolo_config.is_config(Head(path)):
        return yolo_config.read(path)
    folder = path if path.is_dir() else path.parent
    for parent in (folder, *yolo_config.above(folder)):
        found = [yolo_config.read(head.path) for head in yolo_config.configs(Head(parent))]
        if len({tuple(config.names.items()) for config in found}) > 1:
            raise AnnotationError(
                "several files name the classes, and differently", file=parent, expected="one data.yaml",
                got=", ".join(config.file.name for config in found), fix=f"name the one to use: {found[0].file}",
            )  # fmt: skip
        if found:
            return found[0]
    return None


def root_of(path: Path, config: Config | None) -> Path:
    """The folder of a data.yaml that was named; where its key "path" leads out, and links may be followed, that one."""
    current = scope()
    elsewhere = None if config is None else outside(config)
    return elsewhere if elsewhere is not None and current is not None and current.follow else path.parent


def outside(config: Config) -> Path | None:
    """The folder that the key "path" names, where it exists and is not in the folder of the data.yaml."""
    folder = config.file.parent
    there = Path(os.path.normpath(folder / config.path))
    try:
        inside = there.resolve().is_relative_to(folder.resolve())
        return None if inside or not there.is_dir() else there
    except (OSError, ValueError, RuntimeError):
        return None


def apply(dataset: Dataset, root: Path, config: Config, faults: Faults) -> Dataset:
    """The dataset with the splits that data.yaml names; those of which it says nothing keep none."""
    folders: dict[Path, list[str]] = {}
    files: dict[Path, list[str]] = {}
    for split, entries in config.parts:
        for entry in entries:
            found = next(_candidates(entry, root, config), None)
            if found is None and root in config.file.parents:
                faults.report(SPLIT_PATH_ABSENT(config=config.file.name, path=entry, split=split))
            elif found is not None and found.suffix.lower() == ".txt":
                files.setdefault(found, []).append(split)
            elif found is not None:
                folders.setdefault(found, []).append(split)
    listed = {file: splits[0] for file, splits in files.items() if len(set(splits)) == 1}
    dataset = lists.apply(dataset, root, listed, once=True)
    shared: dict[tuple[str, ...], list[Path]] = {}
    records = []
    for record in dataset.records:
        splits = dict.fromkeys(
            split for above in (record.image, *record.image.parents) for split in folders.get(above, ())
        )
        if len(splits) > 1:
            shared.setdefault(tuple(splits), []).append(record.image)
        elif splits and record.split is None:
            record = replace(record, split=next(iter(splits)))
        records.append(record)
    for splits, images in shared.items():
        faults.report(SPLITS_SHARE_IMAGES(images=images, count=len(images), config=config.file.name, splits=[*splits]))
    for file, splits in files.items():
        if len(set(splits)) > 1:
            lines = label_texts.lines(file, faults) or []
            faults.report(
                SPLITS_SHARE_IMAGES(count=len(lines), config=config.file.name, splits=[*dict.fromkeys(splits)])
            )
    return replace(dataset, records=tuple(records))


def _candidates(entry: str, root: Path, config: Config) -> Iterator[Path]:
    """Folders, lists and images inside the data that this path may mean, the surest first.

    "../" before it does not count (Roboflow); a path of another machine, and Darknet's, which begins at the program's
    own folder, count by their end; others may begin with the name of the data's folder.
    """
    darknet = config.file.suffix.lower() == ".data"
    base = config.path.replace("\\", "/")
    names = [name for text in dict.fromkeys((f"{base}/{entry}" if base else entry, entry)) for name in read_names(text)]
    for text in dict.fromkeys((entry, entry.replace("\\", "/"))):
        for folder in dict.fromkeys((config.file.parent / base, config.file.parent, root)):
            path = Path(os.path.normpath(folder / text))
            if _there(path, root):
                yield path
    for name in names:
        parts = (*name.folders, name.last)
        for first in range(len(parts)):
            if first and not (name.absolute or darknet or parts[first - 1].casefold() == root.name.casefold()):
                continue
            for folder in dict.fromkeys((config.file.parent, root)):
                path = folder.joinpath(*parts[first:])
                if _there(path, root):
                    yield path


def _there(path: Path, root: Path) -> bool:
    """A folder, or a list or image, in the data (or the data themselves)."""
    if path != root and root not in path.parents:
        return False
    try:
        kind = path.is_dir() or (path.is_file() and path.suffix.lower() in (".txt", *IMAGE_ENDINGS))
        return kind and (path == root or stays(path, root))
    except (OSError, ValueError):
        return False
