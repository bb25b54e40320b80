"""Checking a dataset before anybody trains on it: what would make a metric wrong, and what one should know.

Each issue is an error where a metric measured on these data would be wrong (the same image on both sides of a split, or
in two classes; one class under two names), and a warning otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from maskwright.curate.duplicates import Duplicates, Pair, find_duplicates
from maskwright.curate.faults import by_cause
from maskwright.curate.objects import of_objects
from maskwright.formats.faults import FAULTY_RECORDS
from maskwright.formats.folders import CLASS_NAMES_ALIKE
from maskwright.formats.reading import spelt_alike
from maskwright.formats.regions import REGIONS_TURNED
from maskwright.images.kinds import own_ending
from maskwright.issues import Issue, Kind
from maskwright.types import Dataset, Record

TINY = 32  # pixels of the shorter side
UNEVEN = 4  # the most frequent class by the rarest
MANY_EMPTY = 0.3  # fraction of images in a VIA file without any region

SPLIT_LEAK = Kind(
    "split_leak", "error",
    "{first} and {second} share {count} image: {pairs:5}; metrics on {second} would be too good",
    "{first} and {second} share {count:,} images: {pairs:5}; metrics on {second} would be too good",
)  # fmt: skip
LABEL_CONFLICT = Kind(
    "label_conflict", "error", "{count} image is labeled in two ways[ ({labels:&})]: {pairs:5}",
    "{count:,} images are labeled in two ways[ ({labels:&})]: {pairs:5}",
)  # fmt: skip
NEAR_LABEL_CONFLICT = Kind(
    "near_label_conflict", "warning", "{count} pair of near-duplicates labeled differently[ ({labels:&})]: {pairs:5}",
    "{count:,} pairs of near-duplicates labeled differently[ ({labels:&})]: {pairs:5}",
)  # fmt: skip
DUPLICATES = Kind(
    "duplicates", "warning", "{count} pair of images[ in {label}] is the same picture: {pairs:5}",
    "{count:,} pairs of images[ in {label}] are the same picture: {pairs:5}",
)  # fmt: skip
NEAR_DUPLICATES = Kind(
    "near_duplicates", "warning", "{count} pair of images[ in {label}] is nearly the same picture: {pairs:5}",
    "{count:,} pairs of images[ in {label}] are nearly the same picture: {pairs:5}",
)  # fmt: skip
DATASET_CONTAINED = Kind(
    "dataset_contained", "warning", "all {count} images of {inner} are contained in {outer}[, {equal}]; {fix}",
    fix="do not evaluate a model on one that was trained on the other",
)  # fmt: skip
DATASETS_OVERLAP = Kind(
    "datasets_overlap", "warning", "{first} and {second} share {count} image[, {equal}]: {pairs:5}; {fix}",
    "{first} and {second} share {count:,} images[, {equal}]: {pairs:5}; {fix}",
    fix="do not evaluate a model on one that was trained on the other",
)  # fmt: skip
ONE_CLASS_ONLY = Kind(
    "one_class_only", "warning", "there is one class only ({counts}): a classifier has nothing to distinguish"
)
CLASS_ON_ONE_IMAGE = Kind(
    "class_on_one_image", "warning",
    'class "{name}" is on one image only ({images}): it can be learned or evaluated, not both',
)  # fmt: skip
CLASSES_UNEVEN = Kind("classes_uneven", "warning", "the classes are uneven, {ratio:.0f} to 1: {counts}")
CLASSES_ABSENT_FROM_SPLIT = Kind(
    "classes_absent_from_split",
    "warning",
    "{split} has no {classes:&}, which can be neither learned nor measured there",
)
CLASS_DUPLICATES = Kind("class_duplicates", "error", "classes {classes:&} differ only by case or blanks: {fix}")
IMAGES_UNREADABLE = Kind(
    "images_unreadable", "warning", "{count} image cannot be opened: {names:5}",
    "{count:,} images cannot be opened: {names:5}",
)  # fmt: skip
IMAGES_MISNAMED = Kind(
    "images_misnamed", "warning", "{count} image is of another kind than its name says: {kinds:5}",
    "{count:,} images are of another kind than their names say: {kinds:5}",
)  # fmt: skip
IMAGES_UNLABELED = Kind(
    "images_unlabeled", "warning", "{count} image is unlabeled and not used for training: {names:5}",
    "{count:,} images are unlabeled and not used for training: {names:5}",
)  # fmt: skip
IMAGES_WITHOUT_CLASS = Kind(
    "images_without_class", "warning", "{count} image is in no class: {names:5}",
    "{count:,} images are in no class: {names:5}",
)  # fmt: skip
IMAGES_SKIPPED = Kind(
    "images_skipped", "warning",
    "{count} image is skipped, because what was annotated on it cannot be used: {names:5}",
    "{count:,} images are skipped, because what was annotated on them cannot be used: {names:5}",
)  # fmt: skip
IMAGES_EMPTY = Kind(
    "images_empty", "warning",
    "{count} of {total} images are in the VIA file without an outline, and count as empty: {names:5}; {fix}",
    fix="where nobody has looked at them yet, export only the outlined ones",
)  # fmt: skip
IMAGES_TINY = Kind(
    "images_tiny", "warning",
    "{count} image is less than {limit} pixels wide or high (the smallest {width} x {height}): {names:5}",
    "{count:,} images are less than {limit} pixels wide or high (the smallest {width} x {height}): {names:5}",
)  # fmt: skip

PAIRS = (  # codes of issues whose images stand in pairs, as `pairs` names them
    SPLIT_LEAK.code, LABEL_CONFLICT.code, NEAR_LABEL_CONFLICT.code, DUPLICATES.code, NEAR_DUPLICATES.code,
    DATASET_CONTAINED.code, DATASETS_OVERLAP.code,
)  # fmt: skip


def check(dataset: Dataset, duplicates: Duplicates | None = None) -> tuple[Issue, ...]:
    """All issues, errors first; `duplicates` of the same records in the same order, where they are known.

    >>> for issue in check(formats.read("rust/download")):
    ...     print(issue)
    5 pairs of images in norust are the same picture: norust.1.jpg = norust.56.jpg, ...
    """
    duplicates = find_duplicates(dataset) if duplicates is None else duplicates
    issues = [
        *leaks(dataset, duplicates),
        *conflicts(dataset, duplicates),
        *_duplicates(dataset, duplicates),
        *_unread(duplicates),
        *_misnamed(dataset),
        *unused(dataset),
        *empty(dataset),
        *_classes(dataset),
        *_tiny(dataset),
        *of_objects(dataset),
        *by_cause(dataset),
        *_of_reader(dataset),
    ]
    return tuple(sorted(issues, key=lambda issue: issue.severity != "error"))


# --- duplicates --------------------------------------------------------------------------------------
def leaks(dataset: Dataset, duplicates: Duplicates) -> Iterator[Issue]:
    """Images that stand on two sides of the split that the data name."""
    records = dataset.records
    sides = ("train", "val", "test")
    for index, first in enumerate(sides):
        for second in sides[index + 1 :]:
            both = {first, second}
            pairs = [
                pair for pair in duplicates.pairs if {records[pair.first].split, records[pair.second].split} == both
            ]
            if pairs:
                yield SPLIT_LEAK(
                    images=_images(pairs, duplicates), first=first, second=second, count=len(pairs),
                    pairs=paired(pairs, duplicates.images),
                )  # fmt: skip


def conflicts(dataset: Dataset, duplicates: Duplicates) -> Iterator[Issue]:
    """One picture, two answers."""
    answers = [_answer(record, dataset.names) for record in dataset]
    differing = [(pair, {answers[pair.first], answers[pair.second]} - {None}) for pair in duplicates.pairs]
    differing = [(pair, labels) for pair, labels in differing if len(labels) == 2]
    for exact, kind in ((True, LABEL_CONFLICT), (False, NEAR_LABEL_CONFLICT)):
        pairs = [pair for pair, _ in differing if pair.exact == exact]
        combinations = {tuple(sorted(filter(None, labels))) for pair, labels in differing if pair.exact == exact}
        if pairs:
            labels = combinations.pop() if len(combinations) == 1 else ()
            yield kind(
                images=_images(pairs, duplicates), count=len(pairs), labels=labels,
                pairs=paired(pairs, duplicates.images),
            )  # fmt: skip


def _answer(record: Record, names: tuple[str, ...]) -> str | None:
    """What is said about an image, as far as it must be the same on a copy: its classes."""
    if record.skipped:
        return None
    if record.labels is not None:
        return ", ".join(sorted(names[label] for label in record.labels))
    if record.instances is None:
        return None
    return ", ".join(sorted(record.instances.counts())) or "empty"


def _duplicates(dataset: Dataset, duplicates: Duplicates) -> Iterator[Issue]:
    """Copies by class where images have one, so that a split can keep them together."""
    groups: dict[tuple[str, bool], list[Pair]] = {}
    for pair in duplicates.pairs:
        records = dataset.records[pair.first], dataset.records[pair.second]
        answers = {_answer(record, dataset.names) for record in records if record.labels is not None}
        label = (answers.pop() or "") if len(answers) == 1 else ""
        groups.setdefault((label, pair.exact), []).append(pair)
    for (label, exact), pairs in sorted(groups.items(), key=lambda group: (not group[0][1], group[0][0])):
        yield (DUPLICATES if exact else NEAR_DUPLICATES)(
            images=_images(pairs, duplicates), count=len(pairs), label=label, pairs=paired(pairs, duplicates.images)
        )


def shared(
    one: Sequence[Record], other: Sequence[Record], names: tuple[str, str], duplicates: Duplicates
) -> Iterator[Issue]:
    """Images of one dataset that another one has too; `duplicates` of the records of both, one after the other."""
    pairs = [pair for pair in duplicates.pairs if pair.first < len(one) <= pair.second]
    mine, theirs = {pair.first for pair in pairs}, {pair.second for pair in pairs}
    if not pairs:
        return
    first, second = names
    images = _images(pairs, duplicates)
    equal = "equal in every pixel" if all(pair.exact for pair in pairs) else ""
    if len(mine) == len(one):
        yield DATASET_CONTAINED(images=images, count=len(one), inner=first, outer=second, equal=equal)
    elif len(theirs) == len(other):
        yield DATASET_CONTAINED(images=images, count=len(other), inner=second, outer=first, equal=equal)
    else:
        count = min(len(mine), len(theirs))
        yield DATASETS_OVERLAP(
            images=images, first=first, second=second, count=count, equal=equal, pairs=paired(pairs, duplicates.images)
        )


# --- classes ------------------------------------------------------------------------------------
def _classes(dataset: Dataset) -> Iterator[Issue]:
    whole = any(record.labels is not None for record in dataset)
    counts = {name: count for name, count in dataset.class_counts().items() if count}
    counts = dict(sorted(counts.items(), key=lambda item: -item[1]))
    if whole and len(counts) == 1:
        yield ONE_CLASS_ONLY(counts=counts)
    for name in dataset.names:
        images = [record.image for record in dataset if _has(record, name, dataset.names)]
        if len(images) == 1 and len(dataset) > 1:
            yield CLASS_ON_ONE_IMAGE(images=images, name=name)
    if len(counts) > 1 and max(counts.values()) >= UNEVEN * min(counts.values()):
        yield CLASSES_UNEVEN(ratio=max(counts.values()) / min(counts.values()), counts=counts)
    for split, part in dataset.splits().items():
        shown = part.class_counts()
        absent = [name for name in counts if not shown[name]]
        if absent and len(part.usable()):
            yield CLASSES_ABSENT_FROM_SPLIT(split=split, classes=absent)
    yield from spellings(dataset)


def spellings(dataset: Dataset) -> Iterator[Issue]:
    """One class named in two ways; `fix` says what to rename, `images` are those with a rarer name.

    Two classes that mean one thing teach the network to doubt, and each detection of one is a false positive of the
    other.
    """
    counts = {name: count for name, count in dataset.class_counts().items() if count}
    for several in spelt_alike(counts):
        usual, *others = sorted(several, key=lambda name: -counts[name])
        images = [[record.image for record in dataset if _has(record, name, dataset.names)] for name in others]
        rarer = [f'"{name}" ({counts[name]:,}, on {_listed(on)})' for name, on in zip(others, images, strict=True)]
        rename = " and ".join(f'"{name}"' for name in others)
        where = "among the folders" if dataset.format == "class_folders" else "in the annotations"
        yield CLASS_DUPLICATES(
            images=[image for on in images for image in on],
            fix=f'rename {rename} to "{usual}" {where}',
            names=[usual, *others],
            classes=[f'"{usual}" ({counts[usual]:,})', *rarer],
        )


def _has(record: Record, name: str, names: tuple[str, ...]) -> bool:
    if record.labels is not None:
        return any(names[label] == name for label in record.labels)
    return record.instances is not None and name in record.instances.counts()


# --- images -------------------------------------------------------------------------------------
def _unread(duplicates: Duplicates) -> Iterator[Issue]:
    if duplicates.unread:
        yield _about(IMAGES_UNREADABLE, duplicates.unread)


def _misnamed(dataset: Dataset) -> Iterator[Issue]:
    """Images that are of another kind than their names say: readers that go by the name refuse them."""
    own = {record.image: ending for record in dataset if (ending := own_ending(record.image)) is not None}
    if own:
        kinds = [f"{name} is {ending}" for name, ending in zip(named([*own]), own.values(), strict=True)]
        yield IMAGES_MISNAMED(images=[*own], count=len(own), kinds=kinds)


def unused(dataset: Dataset) -> Iterator[Issue]:
    """Images that are neither trained on nor evaluated."""
    whole = any(record.labels is not None for record in dataset)
    for state, kind in (
        ("unlabeled", IMAGES_WITHOUT_CLASS if whole else IMAGES_UNLABELED),
        ("skipped", IMAGES_SKIPPED),
    ):
        images = [record.image for record in dataset if record.state == state]
        if images:
            yield _about(kind, images)


def empty(dataset: Dataset) -> Iterator[Issue]:
    """VIA lists every image that was loaded: without regions it may be empty, or nobody came to it."""
    bare = [record.image for record in dataset if record.state == "empty"]
    if "via" in dataset.format and len(bare) > 2 and len(bare) >= MANY_EMPTY * len(dataset):
        yield _about(IMAGES_EMPTY, bare, total=len(dataset))


def _tiny(dataset: Dataset) -> Iterator[Issue]:
    tiny = [record for record in dataset if min(record.size) < TINY]
    if tiny:
        height, width = min((record.size for record in tiny), key=min)
        yield _about(IMAGES_TINY, [record.image for record in tiny], limit=TINY, width=width, height=height)


def _of_reader(dataset: Dataset) -> Iterator[Issue]:
    """What the reader reports; what has an issue of its own above is left out. Faulty records have one each, too."""
    codes = (CLASS_NAMES_ALIKE.code, FAULTY_RECORDS.code, REGIONS_TURNED.code)
    return (issue for issue in dataset.issues if issue.code not in codes)


# --- words --------------------------------------------------------------------------------------
def _about(kind: Kind, images: Sequence[Path], **values: Any) -> Issue:
    return kind(images=images, count=len(images), names=named(images), **values)


def paired(pairs: Sequence[Pair], images: Sequence[Path]) -> list[str]:
    """a.jpg = b.jpg, c.jpg ~ d.jpg (turned 90), ...: equal in every pixel, or nearly."""
    name = _namer([images[index] for pair in pairs for index in (pair.first, pair.second)])
    texts = []
    for pair in pairs:
        turn = f" ({pair.turn if pair.turn.startswith('mirrored') else f'turned {pair.turn}'})" if pair.turn else ""
        texts.append(f"{name(images[pair.first])} {'=' if pair.exact else '~'} {name(images[pair.second])}{turn}")
    return texts


def named(images: Sequence[Path]) -> list[str]:
    """Images by their bare names, or with their folders where two share a name."""
    return [*map(_namer(images), images)]


def _listed(images: Sequence[Path], most: int = 5) -> str:
    names = named(images)
    return ", ".join([*names[:most], *["..."] * (len(names) > most)])


def _namer(images: Iterable[Path]) -> Callable[[Path], str]:
    images = set(images)
    if len({image.name for image in images}) == len(images):
        return lambda image: image.name
    return lambda image: f"{image.parent.name}/{image.name}"


def _images(pairs: Iterable[Pair], duplicates: Duplicates) -> tuple[Path, ...]:
    return tuple(duplicates.images[index] for pair in pairs for index in (pair.first, pair.second))
