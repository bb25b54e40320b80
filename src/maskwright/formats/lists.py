"""Lists of a split: train.txt, val.txt and test.txt beside the images, or in VOC's ImageSets; one image a line."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

from maskwright.errors import DatasetError
from maskwright.formats.reading import SPLIT_FOLDERS, Faults, Head, ImageFinder, read_text
from maskwright.issues import Kind
from maskwright.types import Dataset

LISTED_IMAGES_ABSENT = Kind("listed_images_absent", "warning", "{list} names {named:image}, {count} of them absent")
LISTED_TWICE = Kind(
    "listed_twice", "warning", "{count} image of {file} is in {first}, too, and stays there",
    "{count} images of {file} are in {first}, too, and stay there",
)  # fmt: skip


def beside(root: Path) -> Iterator[tuple[str, Path]]:
    """("val", path of valid.txt), for each list that lies in the folder."""
    for name in Head(root).files(".txt"):
        split = SPLIT_FOLDERS.get(PurePosixPath(name).stem.casefold())
        if split is not None:
            yield split, root / name


def apply(dataset: Dataset, root: Path, files: Mapping[Path, str], *, once: bool) -> Dataset:
    """The dataset with the splits that these lists (file -> split) name, and issues on what they name in vain.

    A line names an image as an annotation file does: with its folders where it has any, perhaps without its ending.
    once  an image in two lists is an error; otherwise it stays in the first, and an issue says so
    """
    known = {record.image for record in dataset.records}
    first: dict[Path, Path] = {}
    issues = []
    for file in files:
        found = _lines(file)
        finder = ImageFinder(root, Faults(root), names=[way for line in found for way in line])
        absent, twice = 0, []
        for line in found:
            image = _image(line, finder, file)
            absent += image is None
            if image is None or image not in known:
                continue
            if first.setdefault(image, file) != file:
                twice.append(image)
        name = file.relative_to(root).as_posix()
        if absent:
            issues.append(LISTED_IMAGES_ABSENT(list=name, count=absent, named=len(found)))
        if twice and once:
            raise DatasetError("an image stands in two lists", file=root, record=f'image "{twice[0].name}"',
                               expected=f"one of {first[twice[0]].name} and {file.name}", got="both",
                               fix="take it out of one of them")  # fmt: skip
        if twice:
            issues.append(LISTED_TWICE(images=twice, count=len(twice), file=file.name, first=first[twice[0]].name))
    records = tuple(replace(record, split=files[first[record.image]]) if record.image in first else record
                    for record in dataset.records)  # fmt: skip
    return replace(dataset, records=records).with_issues(*issues)


def _lines(file: Path) -> list[tuple[str, ...]]:
    """Each line in the ways it may be meant: as it stands, without the 1 or -1 at its end, its first word."""
    if not file.is_file():
        return []
    lines = dict.fromkeys(line.strip() for line in read_text(file).splitlines() if line.strip())
    return [tuple(dict.fromkeys((line, _unmarked(line), line.split(maxsplit=1)[0]))) for line in lines]


def _unmarked(line: str) -> str:
    """Without the number of one digit at its end, as VOC's lists of a class have it."""
    *before, last = line.rsplit(maxsplit=1)
    return before[0] if before and re.fullmatch(r"-?\d", last) else line


def _image(line: Sequence[str], finder: ImageFinder, file: Path) -> Path | None:
    for way in line:
        if several := finder.several(way):
            raise DatasetError("a list names an image that is there more than once", file=file, record=f'line "{way}"',
                               expected="one image", got=", ".join(path.relative_to(finder.folder).as_posix()
                                                                 for path in several[:3]),
                               fix="name it with its folder")  # fmt: skip
        image = finder.find(way)
        if image is not None:
            return image
    return None
