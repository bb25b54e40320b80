"""A cleaned copy of a dataset: what can be put right without a guess is, everything else is left and named."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from maskwright.curate.check import CLASS_DUPLICATES, DUPLICATES, IMAGES_SKIPPED, IMAGES_UNREADABLE
from maskwright.curate.duplicates import Duplicates
from maskwright.curate.faults import KINDS
from maskwright.curate.objects import OBJECTS_REPEATED, repeated
from maskwright.curate.relabel import relabelled
from maskwright.formats.faults import FAULTY_RECORD, FAULTY_RECORDS, IMAGES_ABSENT
from maskwright.formats.region_rows import OUTLINES_CLIPPED
from maskwright.issues import Issue
from maskwright.types import Dataset, Instances, Record


@dataclass(frozen=True, slots=True)
class Change:
    """One line of the log.

    action  "removed": not in the copy; "changed": in it, otherwise than in the data; "read": how the reader took what
            the file says; "left": as it was, because only a person can decide
    code    of the issue that it is about
    image   the image, "" where it is about none or many
    object  its number on the image in the data, from 1; None where it is about none
    what    before and after, or the reason
    """

    action: Literal["removed", "changed", "read", "left"]
    code: str
    image: str
    object: int | None
    what: str

    def to_dict(self) -> dict[str, Any]:
        return {"action": self.action, "code": self.code, "image": self.image, "object": self.object,
                "what": self.what}  # fmt: skip


def fixed(dataset: Dataset, issues: Iterable[Issue], duplicates: Duplicates) -> tuple[Dataset, tuple[Change, ...]]:
    """The cleaned dataset, and what was done and what was not.

    issues, duplicates  of a check of these very records

    Left out are images that cannot be read or whose labels cannot be used, second copies of an image in the same split
    with the same labels, and objects drawn twice exactly. Class names that differ by case or blanks become the more
    frequent one. Copies in two splits or with different labels, near-duplicates and odd outlines are left: nobody but
    a person knows which is right.
    """
    issues = list(issues)
    changes = [*_by_reader(dataset)]
    dropped = _dropped(dataset, duplicates, changes)
    kept = tuple(record for index, record in enumerate(dataset) if index not in dropped)
    cleaned = _one_spelling(replace(dataset, records=kept), issues, changes)
    cleaned = replace(cleaned, records=tuple(_cleaned(record, changes) for record in cleaned))
    settled = {DUPLICATES.code, IMAGES_UNREADABLE.code, IMAGES_SKIPPED.code, CLASS_DUPLICATES.code,
               OBJECTS_REPEATED.code, *(kind.code for kind in KINDS.values()),
               *(issue.code for issue in dataset.issues)}  # fmt: skip
    changes += [Change("left", issue.code, "", None, str(issue)) for issue in issues if issue.code not in settled]
    return replace(cleaned, issues=()), tuple(changes)


def _by_reader(dataset: Dataset) -> Iterator[Change]:
    """What the reader put aside, and what it mended."""
    for issue in dataset.issues:
        if issue.code == FAULTY_RECORD.code:
            yield Change("removed", issue.code, _first_image(issue), None, str(issue))
        elif issue.code == IMAGES_ABSENT.code:
            yield from (Change("removed", issue.code, str(image), None, "not there") for image in issue.images)
        elif issue.code != FAULTY_RECORDS.code:
            yield Change("read", issue.code, _first_image(issue) if len(issue.images) == 1 else "", None, str(issue))


def _first_image(issue: Issue) -> str:
    return str(issue.images[0]) if issue.images else ""


def _dropped(dataset: Dataset, duplicates: Duplicates, changes: list[Change]) -> set[int]:
    """Indices of the records that are not in the copy."""
    unread, dropped = set(duplicates.unread), set()
    for index, record in enumerate(dataset):
        code = IMAGES_UNREADABLE.code if record.image in unread else IMAGES_SKIPPED.code if record.skipped else ""
        if code:
            dropped.add(index)
            what = "cannot be read" if record.image in unread else "what was annotated on it cannot be used"
            changes.append(Change("removed", code, str(record.image), None, what))
    for pair in duplicates.exact:
        first, second = dataset.records[pair.first], dataset.records[pair.second]
        if pair.first in dropped or pair.second in dropped:
            continue
        if first.split == second.split and _same_labels(first, second):
            dropped.add(pair.second)
            what = f"the same picture with the same labels as {first.image}"
            changes.append(Change("removed", DUPLICATES.code, str(second.image), None, what))
        elif first.split == second.split:
            what = f"the same picture as {first.image}, labeled differently"
            changes.append(Change("left", DUPLICATES.code, str(second.image), None, what))
    return dropped


def _same_labels(one: Record, other: Record) -> bool:
    """The same classes, and the same objects in the same order, to the pixel and with the same attributes."""
    if one.labels != other.labels or one.state != other.state:
        return False
    if one.instances is None or other.instances is None:
        return one.instances is other.instances
    return (
        np.array_equal(one.instances.classes, other.instances.classes)
        and np.allclose(one.instances.boxes, other.instances.boxes, atol=1)
        and _same_masks(one.instances, other.instances)
        and _attributes(one.instances) == _attributes(other.instances)
    )


def _same_masks(one: Instances, other: Instances) -> bool:
    if one.masks is None or other.masks is None:
        return one.masks is other.masks
    return one.masks.size == other.masks.size and np.array_equal(one.masks.counts, other.masks.counts)


def _attributes(drawn: Instances) -> list[Mapping[str, Any]]:
    return [{} if note is None else note.attributes for note in drawn.annotations or [None] * len(drawn)]


def _cleaned(record: Record, changes: list[Change]) -> Record:
    """Without objects that are drawn twice exactly; outlines end at the edge of the image."""
    if record.instances is None or not len(record.instances):
        return record
    drawn = _within(record.instances, record, changes)
    kept = np.ones(len(drawn), bool)
    for first, second in repeated(drawn):
        same = _same_before(drawn, second, kept)
        kept[second] = same is None
        what = f"nearly the same as object {first + 1}" if same is None else f"the same as object {same + 1}"
        action = "left" if same is None else "removed"
        changes.append(Change(action, OBJECTS_REPEATED.code, str(record.image), second + 1, what))
    return replace(record, instances=drawn if kept.all() else drawn[kept])


def _same_before(drawn: Instances, row: int, kept: np.ndarray) -> int | None:
    """The first object before this one that is kept and equal to it: class, box, mask and attributes."""
    alike = kept[:row] & (drawn.classes[:row] == drawn.classes[row]) & (drawn.boxes[:row] == drawn.boxes[row]).all(1)
    if drawn.crowd is not None:
        alike &= ~drawn.crowd[:row]
    attributes = _attributes(drawn)
    return next((other for other in np.flatnonzero(alike).tolist() if attributes[other] == attributes[row]
                 and _same_masks(drawn[[other]], drawn[[row]])), None)  # fmt: skip


def _within(drawn: Instances, record: Record, changes: list[Change]) -> Instances:
    """The same with the points of outlines moved to the edge where they lie beyond it."""
    if drawn.annotations is None:
        return drawn
    sides = np.array(record.size[::-1], np.float64)
    notes = list(drawn.annotations)
    for row, note in enumerate(notes):
        if note is None or not any(((part < 0) | (part > sides)).any() for part in note.outlines):
            continue
        notes[row] = replace(note, outlines=tuple(part.clip(0, sides) for part in note.outlines))
        beyond = sum(int(((part < 0) | (part > sides)).any(1).sum()) for part in note.outlines)
        what = f"{beyond} points beyond the edge were moved to it"
        changes.append(Change("changed", OUTLINES_CLIPPED.code, str(record.image), row + 1, what))
    return replace(drawn, annotations=tuple(notes))


def _one_spelling(dataset: Dataset, issues: Iterable[Issue], changes: list[Change]) -> Dataset:
    """The rarer spellings of a class become the usual one."""
    rename: dict[str, str] = {}
    for issue in CLASS_DUPLICATES.among(issues):
        usual, *others = issue.values["names"]
        rename |= dict.fromkeys(others, usual)
    if not rename:
        return dataset
    for record in dataset:
        what = [] if record.instances is None else list(enumerate(record.instances.labels, 1))
        what += [(None, dataset.names[label]) for label in record.labels or ()]
        changes += [Change("changed", CLASS_DUPLICATES.code, str(record.image), number, f'"{name}" to "{rename[name]}"')
                    for number, name in what if name in rename]  # fmt: skip
    return relabelled(dataset, rename)
