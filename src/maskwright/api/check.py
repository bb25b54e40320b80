"""Check: every dataset below a folder, each by itself and against the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from maskwright import formats
from maskwright.curate.check import check, shared
from maskwright.curate.duplicates import Duplicates, Pair, find_duplicates
from maskwright.errors import AnnotationError, DatasetError
from maskwright.formats.listing import IMAGE_FOLDERS
from maskwright.formats.reading import LABEL_FOLDERS, SPLIT_FOLDERS, Head
from maskwright.issues import Issue, Kind
from maskwright.progress import Progress, silent
from maskwright.types import Dataset

TOO_MANY_FAULTS = Kind(
    "too_many_faults", "warning", "is not read without --allow-faulty: {reason}", fix="correct the records named below"
)


@dataclass(frozen=True)
class Checked:
    """data: what was read; issues: of each by its name, and under "" what several share."""

    data: tuple[Dataset, ...]
    issues: dict[str, tuple[Issue, ...]]

    @property
    def serious(self) -> bool:
        """A metric measured on these data would be wrong."""
        return any(issue.severity == "error" for issues in self.issues.values() for issue in issues)


def check_data(
    data: str | Path | Dataset,
    *,
    class_attribute: str | None = None,
    connected_components: bool = False,
    annotations: str | None = None,
    follow_links: bool = False,
    progress: Progress = silent,
) -> Checked:
    """Everything that is wrong or worth knowing, in one dataset or in several below one folder.

    A folder may hold several (class folders, boxes, a TFRecord of the same images): each is checked, and images that
    two of them share are named. Faulty regions are issues here, however many they are. class_attribute,
    connected_components, annotations and follow_links: see formats.read.

    >>> check_data("rust/").serious
    False
    """
    several = (
        [data]
        if isinstance(data, Dataset)
        else _data_sets(
            Path(data).expanduser(),
            {
                "class_attribute": class_attribute,
                "connected_components": connected_components,
                "annotations": annotations,
                "follow_links": follow_links,
            },
        )
    )
    images = [record.image for item in several for record in item]
    duplicates = find_duplicates(images, progress=progress)
    starts = [sum(map(len, several[:index])) for index in range(len(several) + 1)]
    issues: dict[str, tuple[Issue, ...]] = {}
    for item, start in zip(several, starts, strict=False):
        issues[item.name] = check(item, _part(duplicates, [(start, len(item))]))
    across = [
        issue
        for one in range(len(several))
        for other in range(one + 1, len(several))
        for issue in shared(
            several[one].records,
            several[other].records,
            (several[one].name, several[other].name),
            _part(duplicates, [(starts[one], len(several[one])), (starts[other], len(several[other]))]),
        )
    ]
    return Checked(tuple(several), issues | ({"": tuple(across)} if len(several) > 1 else {}))


def _part(duplicates: Duplicates, stretches: Sequence[tuple[int, int]]) -> Duplicates:
    """The duplicates among some stretches (start, length) of the images, numbered anew."""
    places = [index for start, length in stretches for index in range(start, start + length)]
    anew = {place: number for number, place in enumerate(places)}
    pairs = [
        replace(pair, first=anew[pair.first], second=anew[pair.second])
        for pair in duplicates.pairs
        if pair.first in anew and pair.second in anew
    ]
    images = tuple(duplicates.images[place] for place in places)
    unread = set(duplicates.unread)
    return Duplicates(images, tuple(sorted(pairs, key=_order)), tuple(image for image in images if image in unread))


def _order(pair: Pair) -> tuple[int, int]:
    return pair.first, pair.second


# --- reading ------------------------------------------------------------------------------------
def _data_sets(path: Path, options: dict[str, Any]) -> list[Dataset]:
    """What the folder itself is read as, then each folder in it that holds a dataset of its own."""
    if not Head(path).is_folder:
        return [_read(path, options)]
    found, error = [], None
    try:
        found.append(_read(path, options))
    except DatasetError as caught:
        error = caught  # perhaps because there are several
    taken = {record.image for item in found for record in item}
    for name in () if options["annotations"] else Head(path).folders:
        ordinary = {*SPLIT_FOLDERS, *LABEL_FOLDERS, *(item.casefold() for item in IMAGE_FOLDERS)}
        inside = path / name
        if name.casefold() in ordinary or any(inside in image.parents for image in taken) or not _holds(inside):
            continue
        found.append(replace(_read(inside, options), name=name))
    if error is not None and len(found) < 2:
        raise error
    if error is None and len(found) > 1:  # "rust" alone would be everything
        found[0] = replace(found[0], name=f"{found[0].name} ({found[0].format})")
    return found


def _holds(folder: Path) -> bool:
    """A dataset stands here, or in its train and test."""
    places = [folder, *(folder / name for name in Head(folder).folders if name.casefold() in SPLIT_FOLDERS)]
    return any(claim.evidence.dataset for place in places for claim in formats.identify(place))


def _read(path: Path, options: dict[str, Any]) -> Dataset:
    """With all its faults; that there are too many of them is an issue."""
    try:
        return formats.read(path, **options)
    except AnnotationError as error:
        try:
            dataset = formats.read(path, allow_faulty=True, **options)
        except AnnotationError:
            raise error from None  # not a matter of single records
        return replace(dataset, issues=(TOO_MANY_FAULTS(reason=error.headline), *dataset.issues))
