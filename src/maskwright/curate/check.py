"""Checking a dataset before anybody trains on it: what would make a metric wrong, and what one should know.

Each finding is one sentence with names. It is serious where a figure measured on these data would be wrong (the same
image on both sides of a split, or in two classes; one class under two names), and a note otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from maskwright.curate.duplicates import Duplicates, Pair, find_duplicates
from maskwright.formats.reading import spelt_alike
from maskwright.types import Dataset, Record

SHOWN = 5  # names in a sentence; the others are counted
TINY = 32  # pixels of the shorter side
UNEVEN = 4  # the most frequent class by the rarest
MANY_EMPTY = 0.3  # fraction of images in a VIA file without any region


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was found.

    kind     a word for programs: "leak", "conflict", "duplicates", "one-image", ...
    text     one sentence for people
    serious  a figure measured on these data would be wrong
    images   the images it is about, the duplicates side by side
    """

    kind: str
    text: str
    serious: bool = False
    images: tuple[Path, ...] = ()


def check(dataset: Dataset, duplicates: Duplicates | None = None) -> tuple[Finding, ...]:
    """All findings, the serious ones first; `duplicates` of the same records in the same order, where they are known.

    >>> for finding in check(formats.read("rust/download")):
    ...     print(finding.text)
    5 pairs of images in norust are the same picture: norust.1.jpg = norust.56.jpg, ...
    """
    duplicates = find_duplicates(dataset) if duplicates is None else duplicates
    findings = [
        *leaks(dataset, duplicates),
        *conflicts(dataset, duplicates),
        *_duplicates(dataset, duplicates),
        *_unread(duplicates),
        *_unlabeled(dataset),
        *empty(dataset),
        *_classes(dataset),
        *_tiny(dataset),
        *_told(dataset),
    ]
    return tuple(sorted(findings, key=lambda finding: not finding.serious))


# --- duplicates --------------------------------------------------------------------------------------
def leaks(dataset: Dataset, duplicates: Duplicates) -> Iterator[Finding]:
    """Images that stand on two sides of the split that the data name."""
    records = dataset.records
    sides = ("train", "val", "test")
    for index, one in enumerate(sides):
        for other in sides[index + 1 :]:
            both = {one, other}
            pairs = [
                pair for pair in duplicates.pairs if {records[pair.first].split, records[pair.second].split} == both
            ]
            if pairs:
                what = f"{one} and {other} share {_many(len(pairs), 'image')}: {told(pairs, duplicates.images)}"
                yield Finding("leak", f"{what}; metrics on {other} would be too good", True, _images(pairs, duplicates))


def conflicts(dataset: Dataset, duplicates: Duplicates) -> Iterator[Finding]:
    """One picture, two answers."""
    said = [_answer(record, dataset.names) for record in dataset]
    differ = [(pair, {said[pair.first], said[pair.second]}) for pair in duplicates.pairs]
    differ = [(pair, answers - {None}) for pair, answers in differ if len(answers - {None}) == 2]
    for exact in (True, False):
        pairs = [pair for pair, _ in differ if pair.exact == exact]
        kinds = {" and ".join(sorted(filter(None, answers))) for pair, answers in differ if pair.exact == exact}
        between = f" ({kinds.pop()})" if len(kinds) == 1 else ""
        if pairs and exact:
            what = f"{_are(len(pairs), 'image')} labeled in two ways{between}: {told(pairs, duplicates.images)}"
            yield Finding("conflict", what, True, _images(pairs, duplicates))
        elif pairs:
            what = f"{_many(len(pairs), 'pair')} of near-duplicates labeled differently{between}"
            yield Finding(
                "near-conflict", f"{what}: {told(pairs, duplicates.images)}", False, _images(pairs, duplicates)
            )


def _answer(record: Record, names: tuple[str, ...]) -> str | None:
    """What is said about an image, as far as it must be the same on a copy: its classes."""
    if record.skipped:
        return None
    if record.labels is not None:
        return ", ".join(sorted(names[label] for label in record.labels))
    if record.instances is None:
        return None
    return ", ".join(sorted(record.instances.counts())) or "empty"


def _duplicates(dataset: Dataset, duplicates: Duplicates) -> Iterator[Finding]:
    """Copies by class where images have one, so that a split can keep them together."""
    groups: dict[tuple[str, bool], list[Pair]] = {}
    for pair in duplicates.pairs:
        records = dataset.records[pair.first], dataset.records[pair.second]
        said = {_answer(record, dataset.names) for record in records if record.labels is not None}
        where = f" in {said.pop()}" if len(said) == 1 else ""
        groups.setdefault((where, pair.exact), []).append(pair)
    for (where, exact), pairs in sorted(groups.items(), key=lambda group: (not group[0][1], group[0][0])):
        same = "the same picture" if exact else "nearly the same picture"
        what = f"{_many(len(pairs), 'pair')} of images{where} {'is' if len(pairs) == 1 else 'are'} {same}"
        kind = "duplicates" if exact else "near-duplicates"
        yield Finding(kind, f"{what}: {told(pairs, duplicates.images)}", False, _images(pairs, duplicates))


def shared(
    one: Sequence[Record], other: Sequence[Record], names: tuple[str, str], duplicates: Duplicates
) -> Iterator[Finding]:
    """Images of one dataset that another one has too; `duplicates` of the records of both, one after the other."""
    pairs = [pair for pair in duplicates.pairs if pair.first < len(one) <= pair.second]
    mine, theirs = {pair.first for pair in pairs}, {pair.second for pair in pairs}
    if not pairs:
        return
    first, second = names
    exact = ", equal in every pixel" if all(pair.exact for pair in pairs) else ""
    if len(mine) == len(one):
        what = f"all {len(one)} images of {first} are contained in {second}{exact}"
    elif len(theirs) == len(other):
        what = f"all {len(other)} images of {second} are contained in {first}{exact}"
    else:
        count = _many(min(len(mine), len(theirs)), "image")
        what = f"{first} and {second} share {count}{exact}: {told(pairs, duplicates.images)}"
    yield Finding(
        "contained", f"{what}; do not evaluate by one what was trained on the other", False, _images(pairs, duplicates)
    )


# --- classes ------------------------------------------------------------------------------------
def _classes(dataset: Dataset) -> Iterator[Finding]:
    whole = any(record.labels is not None for record in dataset)
    counts = {name: count for name, count in dataset.class_counts().items() if count}
    listed = ", ".join(f"{name} {count:,}" for name, count in sorted(counts.items(), key=lambda item: -item[1]))
    if whole and len(counts) == 1:
        yield Finding("one-class", f"there is one class only ({listed}): a classifier has nothing to tell apart")
    for name in dataset.names:
        images = [record.image for record in dataset if _has(record, name, dataset.names)]
        if len(images) == 1 and len(dataset) > 1:
            what = f'class "{name}" is on one image only ({images[0].name}): it can be learned or evaluated, not both'
            yield Finding("one-image", what, False, (images[0],))
    if len(counts) > 1 and max(counts.values()) >= UNEVEN * min(counts.values()):
        ratio = max(counts.values()) / min(counts.values())
        yield Finding("imbalance", f"the classes are uneven, {ratio:.0f} to 1: {listed}")
    for what, fix, images in spellings(dataset):
        yield Finding("class-duplicates", f"{what}: {fix}", True, images)


def spellings(dataset: Dataset) -> Iterator[tuple[str, str, tuple[Path, ...]]]:
    """One class named in two ways: (what is there, what to rename, the images with a rarer name).

    Two classes that mean one thing teach the network to doubt, and each find of one is a false positive of the other.
    """
    counts = {name: count for name, count in dataset.class_counts().items() if count}
    for several in spelt_alike(counts):
        usual, *others = sorted(several, key=lambda name: -counts[name])
        images = [[record.image for record in dataset if _has(record, name, dataset.names)] for name in others]
        told = [f'"{name}" ({counts[name]:,}, on {named(on)})' for name, on in zip(others, images, strict=True)]
        what = " and ".join([f'"{usual}" ({counts[usual]:,})', *told])
        rename = " and ".join(f'"{name}"' for name in others)
        where = "among the folders" if dataset.format == "class_folders" else "in the annotations"
        fix = f'rename {rename} to "{usual}" {where}'
        yield f"classes {what} differ only by case or blanks", fix, tuple(image for on in images for image in on)


def _has(record: Record, name: str, names: tuple[str, ...]) -> bool:
    if record.labels is not None:
        return any(names[label] == name for label in record.labels)
    return record.instances is not None and name in record.instances.counts()


# --- images -------------------------------------------------------------------------------------
def _unread(duplicates: Duplicates) -> Iterator[Finding]:
    if duplicates.unread:
        what = f"{_many(len(duplicates.unread), 'image')} cannot be opened: {named(duplicates.unread)}"
        yield Finding("unread", what, False, duplicates.unread)


def _unlabeled(dataset: Dataset) -> Iterator[Finding]:
    whole = any(record.labels is not None for record in dataset)
    for state, what in (
        ("unlabeled", "in no class" if whole else "unlabeled: nobody trains on them"),
        ("skipped", "left out, because every region of them is faulty or their size does not fit"),
    ):
        images = [record.image for record in dataset if record.state == state]
        if images:
            text = f"{_are(len(images), 'image')} {what}: {named(images)}"
            yield Finding(state, text, False, tuple(images))


def empty(dataset: Dataset) -> Iterator[Finding]:
    """VIA lists every image that was loaded: without regions it may be empty, or nobody came to it."""
    bare = [record.image for record in dataset if record.state == "empty"]
    if "via" in dataset.format and len(bare) > 2 and len(bare) >= MANY_EMPTY * len(dataset):
        what = f"{len(bare)} of {len(dataset)} images are in the VIA file without an outline, and count as empty"
        fix = "where nobody has looked at them yet, export only the outlined ones"
        yield Finding("empty", f"{what}: {named(bare)}; {fix}", False, tuple(bare))


def _tiny(dataset: Dataset) -> Iterator[Finding]:
    tiny = [record for record in dataset if min(record.size) < TINY]
    if tiny:
        height, width = min((record.size for record in tiny), key=min)
        what = f"{_are(len(tiny), 'image')} less than {TINY} pixels wide or high (the smallest {width} x {height})"
        images = tuple(record.image for record in tiny)
        yield Finding("tiny", f"{what}: {named(images)}", False, images)


def _told(dataset: Dataset) -> Iterator[Finding]:
    """What the reader has to say; class duplicates have a sentence of their own above."""
    for remark in dataset.remarks:
        if not re.search(r'classes ".*" and ".*" differ only by', remark) and "put aside" not in remark:
            yield Finding("remark", remark)
    faults = [fault for fault in dataset.faults if fault.got != "absent"]  # absent images are a remark already
    for fault in faults[:SHOWN]:
        yield Finding("fault", str(fault))
    if len(faults) > SHOWN:
        yield Finding("fault", f"... and {len(faults) - SHOWN} more faulty records (--json names them all)")


# --- words --------------------------------------------------------------------------------------
def told(pairs: Sequence[Pair], images: Sequence[Path]) -> str:
    """a.jpg = b.jpg, c.jpg ~ d.jpg (turned 90), ...: equal in every pixel, or nearly."""
    name = _namer([images[index] for pair in pairs for index in (pair.first, pair.second)])
    said = []
    for pair in pairs[:SHOWN]:
        turn = f" ({pair.turn if pair.turn.startswith('mirrored') else f'turned {pair.turn}'})" if pair.turn else ""
        said.append(f"{name(images[pair.first])} {'=' if pair.exact else '~'} {name(images[pair.second])}{turn}")
    return ", ".join(said) + (", ..." if len(pairs) > SHOWN else "")


def named(images: Sequence[Path]) -> str:
    name = _namer(images)
    return ", ".join(name(image) for image in images[:SHOWN]) + (", ..." if len(images) > SHOWN else "")


def _namer(images: Iterable[Path]) -> Callable[[Path], str]:
    """Images by their bare names, or with their folders where two share a name."""
    images = set(images)
    if len({image.name for image in images}) == len(images):
        return lambda image: image.name
    return lambda image: f"{image.parent.name}/{image.name}"


def _images(pairs: Iterable[Pair], duplicates: Duplicates) -> tuple[Path, ...]:
    return tuple(duplicates.images[index] for pair in pairs for index in (pair.first, pair.second))


def _many(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _are(count: int, noun: str) -> str:
    return f"{_many(count, noun)} {'is' if count == 1 else 'are'}"
