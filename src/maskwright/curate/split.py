"""Splitting: images into train, val and test so that what belongs together stays together.

    records -> groups (a series, one original's copies) -> parts of the wanted shares, classes spread evenly

Groups are indivisible, so the shares are met as well as they allow. One cost says how far a division is from the one
that was asked for, and the division goes downhill from a shuffled start until no move of one or two groups helps.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from maskwright.curate.duplicates import find_duplicates, joined
from maskwright.errors import RecipeError, TooFewGroups, UnknownName
from maskwright.issues import Issue, Kind
from maskwright.progress import Progress, silent
from maskwright.types import Dataset, Record

CLASSES_ABSENT = Kind("classes_absent", "warning", "{part} has no {classes}: too few groups of images show it")

RULES = ("near-duplicate", "folder", "series", "video")
Rule = str | re.Pattern[str] | Callable[[Record], object]

OTHERWISE = "choose another --group-by, or label images of other series"  # of the command `split`

EMPTY = 1e6  # a part without images costs more than everything else,
MISSING = 1e3  # and a part without a class that could be there more than any uneven share
ROBOFLOW = re.compile(r"_(?:jpe?g|png|webp|bmp)\.rf\.[0-9A-Za-z]+$")
FRAME_NUMBER = re.compile(
    r"(?:(?:^|[ _.\-(\[]+)(?:frames?|frm|fr|img|image|time|sec|f|t))?[ _.\-(\[]*\d+(?:[.,]\d+)?(?:s|ms)?[)\]]*$",
    re.IGNORECASE,
)
VIDEO_ENDING = re.compile(r"[._\-](?:mp4|mov|avi|mkv|m4v|webm|mpe?g)$", re.IGNORECASE)
RUNNING_NUMBER = re.compile(r"[ _.\-(\[]*\d+[)\]]*$")


def split(
    dataset: Dataset,
    val: float = 0.2,
    test: float = 0.0,
    seed: int = 0,
    group_by: Rule = "near-duplicate",
    progress: Progress = silent,
    otherwise: str = OTHERWISE,
) -> Dataset:
    """The same dataset with every usable record's `split` set to train, val or test.

    val, test  fractions of images held back, 0..1; what is left is train
    seed       another seed, another division; the same seed always the same one, whatever the order of the records
    group_by   what may not be divided, on top of `Record.group`, which never is:
               "near-duplicate"  images that show the same, also turned or mirrored (reads the images)
               "folder"          images of one folder
               "series"          images whose names differ in the last number only (C0002_0001, C0002_0002)
               "video"           frames of one video: the same, whatever stands around the number (clip_frame_12,
                                 clip.mp4_t0.5, Roboflow's clip_mp4-12_jpg.rf.0a1b); frames called by numbers alone are
                                 those of their folder
               a regex           images for which it finds the same text (its first group, if it has one) in the path
               a callable        images whose records give the same value; None for "stands alone"
    otherwise  what to advise where too much must stay together: the caller knows what can be chosen

    Every class stands in train; in val too where two groups have it, in test too where three have it, unless
    groups of several classes make that impossible: an issue names what is missing. Unlabeled and skipped records
    get `split=None`.
    """
    for name, fraction in (("val", val), ("test", test)):
        if not 0 <= fraction < 1:
            raise RecipeError("not a fraction of images", field=name, expected="0 or more, less than 1", got=fraction)
    if val + test >= 1:
        raise RecipeError(
            "nothing would be left to train on", field="val + test", expected="less than 1", got=f"{val + test:g}"
        )
    fractions = {"train": 1 - val - test, "val": val, "test": test}
    fractions = {name: fraction for name, fraction in fractions.items() if fraction > 0}
    usable, groups = _groups(dataset, group_by, progress)
    _enough(dataset, len(usable), len(groups), len(fractions), " and ".join(fractions), otherwise)
    groups = _shuffled(usable, groups, seed)
    features = _features(dataset, usable, groups)
    parts = _divide(features, np.array(list(fractions.values())), _missing_in_first(features, len(fractions)))
    split_of = {
        id(usable[member]): tuple(fractions)[part]
        for group, part in zip(groups, parts, strict=True)
        for member in group
    }
    records = tuple(replace(record, split=split_of.get(id(record))) for record in dataset.records)
    divided = replace(dataset, records=records)
    return divided.with_issues(*_missing(divided, tuple(fractions)))


def k_fold(
    dataset: Dataset,
    k: int = 3,
    repeats: int = 1,
    seed: int = 0,
    group_by: Rule = "near-duplicate",
    progress: Progress = silent,
    otherwise: str = OTHERWISE,
) -> list[tuple[Dataset, Dataset]]:
    """k-fold cross-validation: [(train, val), ...], k for each repeat; every usable image is once in a val.

    Groups and classes are treated as by `split`; another repeat is another division of the same groups.

    >>> for train, val in folds(dataset, k=3):
    ...     metrics.append(evaluate(fit(train), val))
    """
    if k < 2 or repeats < 1:
        raise RecipeError(
            "not a number of folds", field="k, repeats", expected="k >= 2, repeats >= 1", got=(k, repeats)
        )
    usable, groups = _groups(dataset, group_by, progress)
    _enough(dataset, len(usable), len(groups), k, f"{k} folds", otherwise)
    pairs = []
    for repeat in range(repeats):
        groups = _shuffled(usable, groups, f"{seed} {repeat}")
        features = _features(dataset, usable, groups)
        parts = _divide(features, np.full(k, 1 / k), _missing_in_any(features, k))
        part = {id(usable[member]): parts[index] for index, group in enumerate(groups) for member in group}
        for fold in range(k):
            train = [replace(record, split="train") for record in usable if part[id(record)] != fold]
            val = [replace(record, split="val") for record in usable if part[id(record)] == fold]
            pairs.append((replace(dataset, records=tuple(train)), replace(dataset, records=tuple(val))))
    return pairs


# --- groups -------------------------------------------------------------------------------------------
def _groups(dataset: Dataset, group_by: Rule, progress: Progress) -> tuple[list[Record], list[tuple[int, ...]]]:
    """The usable records, and their places in groups: every record in exactly one."""
    usable = list(dataset.usable().records)
    keys = [None if record.group is None else ("group", record.group) for record in usable]
    links = _alike(keys)
    if group_by == "near-duplicate":
        duplicates = find_duplicates([record.image for record in usable], progress=progress)
        links += [(pair.first, pair.second) for pair in duplicates.pairs]
    else:
        links += _alike([_key(record, group_by) for record in usable])
    together = joined(len(usable), links)
    members = {member for group in together for member in group}
    return usable, [*together, *((index,) for index in range(len(usable)) if index not in members)]


def _alike(keys: Sequence[object]) -> list[tuple[int, int]]:
    """Each record joined to the first one of the same key; None joins nothing."""
    first: dict[object, int] = {}
    return [(first.setdefault(key, index), index) for index, key in enumerate(keys) if key is not None]


def _key(record: Record, group_by: Rule) -> object:
    """What a rule says about one record; records of equal keys belong together."""
    if callable(group_by):
        return group_by(record)
    if group_by == "folder":
        return record.image.parent
    if group_by == "series":
        return record.image.parent / RUNNING_NUMBER.sub("", record.image.stem)
    if group_by == "video":
        return record.image.parent / video_of(record.image.stem)
    if isinstance(group_by, str) and not set(group_by) & set(r".^$*+?{}[]\|()"):
        raise UnknownName("grouping rule", group_by, RULES, "or a regex, such as '(^[^_]+)_'")
    try:
        found = re.search(group_by, record.image.as_posix())
    except re.error as error:
        raise RecipeError("not a regex", field="group_by", got=group_by, expected=f"a regex ({error})") from error
    return found and found.group(min(1, found.re.groups))


def video_of(stem: str) -> str:
    """What is left of a frame's name without its number and what exporters put around it; "" where nothing is.

    >>> video_of("clip_mp4-12_jpg.rf.0a1b2c"), video_of("walk_frame_0012"), video_of("000123")
    ('clip', 'walk', '')
    """
    bare = ROBOFLOW.sub("", stem)
    return VIDEO_ENDING.sub("", FRAME_NUMBER.sub("", bare))


def _enough(dataset: Dataset, images: int, groups: int, parts: int, expected: str, otherwise: str) -> None:
    if groups < parts:
        counts = ", ".join(f"{count} {state}" for state, count in dataset.state_counts().items() if count)
        raise TooFewGroups(
            "too few groups of images to divide",
            file=dataset.name,
            expected=f"at least {parts} groups that need not stay together, for {expected}",
            got=f"{groups} (images: {counts or 'none'})",
            fix="label more images" if images < parts else otherwise,
        )


def _shuffled(usable: list[Record], groups: list[tuple[int, ...]], seed: object) -> list[tuple[int, ...]]:
    """The groups in an order made of the seed and the images' names, not of the records' order or the machine."""
    try:
        root = os.path.commonpath([record.image.parent for record in usable])
        names = [Path(os.path.relpath(record.image, root)).as_posix() for record in usable]
    except ValueError:  # several drives, or absolute and relative paths together
        names = [record.image.as_posix() for record in usable]

    def draw(group: tuple[int, ...]) -> bytes:
        return hashlib.sha256(
            f"{seed} {min(names[member] for member in group)}".encode("utf-8", "surrogateescape")
        ).digest()

    return sorted(groups, key=draw)


# --- dividing -----------------------------------------------------------------------------------------
def _features(dataset: Dataset, usable: list[Record], groups: list[tuple[int, ...]]) -> np.ndarray:
    """groups × (1 + classes + 1): images, images with each class, images without any object."""
    rows = np.zeros((len(usable), 1 + len(dataset.names) + 1))
    rows[:, 0] = 1
    for row, record in zip(rows, usable, strict=True):
        found = [] if record.instances is None else np.unique(record.instances.classes).tolist()
        row[[1 + label for label in (*found, *(record.labels or ()))] or [-1]] = 1
    return np.array([rows[list(group)].sum(axis=0) for group in groups])


Missing = Callable[[np.ndarray], np.ndarray]
"""What parts have, divisions × parts × kinds -> how many parts lack a kind that they should have, divisions × kinds."""


def _missing_in_first(features: np.ndarray, parts: int) -> Missing:
    """A kind that g groups have must stand in the first g parts: train before val before test."""
    needed = (features > 0).sum(axis=0) > np.arange(parts)[:, None]
    return lambda sums: (needed & (sums <= 0)).sum(axis=1)


def _missing_in_any(features: np.ndarray, parts: int) -> Missing:
    """A kind that g groups have must stand in g parts, whichever: all folds are alike."""
    possible = np.minimum((features > 0).sum(axis=0), parts)
    return lambda sums: possible - (sums > 0).sum(axis=1)


def _divide(features: np.ndarray, fractions: np.ndarray, missing: Missing) -> np.ndarray:
    """The part of each group: 0..len(fractions)-1.

    features  groups × kinds: how many images, images of a class, ... a group brings; kind 0 are the images,
              the last kind those without objects; groups in shuffled order
    fractions    of the images for each part; add up to 1
    """
    total = features.sum(axis=0)
    aims = fractions[:, None] * total
    weight = 1 / np.maximum(total, 1)
    price = np.full(len(total), MISSING)
    price[0], price[-1] = EMPTY, 0  # images without objects are spread, but may be missing

    def moved(parts: np.ndarray) -> np.ndarray:
        """groups × parts: the cost of the division after moving one group to one part (its own: the cost as it is)."""
        sums = np.array([features[parts == part].sum(axis=0) for part in range(len(fractions))])
        after = np.repeat(sums[None], len(features), axis=0)
        after[np.arange(len(features)), parts] -= features
        costs = np.empty((len(features), len(fractions)))
        for part in range(len(fractions)):
            after[:, part] += features
            costs[:, part] = ((after - aims) ** 2 * weight).sum(axis=(1, 2)) + missing(after) @ price
            after[:, part] -= features
        return costs

    def best(costs: np.ndarray) -> tuple[int, int]:
        group, part = np.unravel_index(np.argmin(costs), costs.shape)
        return int(group), int(part)

    parts = _dealt(features[:, 0], aims[:, 0])
    for _ in range(10 * len(features)):  # far more than it ever takes: each step costs strictly less
        costs = moved(parts)
        now = costs[0, parts[0]] - 1e-9
        plans = [[best(costs)]]
        if costs[plans[0][0]] >= now:  # no single move helps: look two moves ahead, from the most promising ones
            costs[np.arange(len(parts)), parts] = np.inf
            plans = []
            for index in np.argsort(costs, axis=None, kind="stable")[:12]:
                group, part = divmod(int(index), len(fractions))
                after = moved(np.where(np.arange(len(parts)) == group, part, parts))
                if after.min() < now:
                    now, plans = after.min(), [[(group, part), best(after)]]
        if not plans:
            break
        for group, part in plans[0]:
            parts[group] = part
    return parts


def _dealt(images: np.ndarray, aims: np.ndarray) -> np.ndarray:
    """A start: groups dealt in their order, first to the last part until it has its share; the rest is part 0."""
    parts = np.zeros(len(images), np.int64)
    for part in range(len(aims) - 1, 0, -1):
        left = np.flatnonzero(parts == 0)
        parts[left[np.cumsum(images[left]) <= aims[part]]] = part
    return parts


def _missing(dataset: Dataset, parts: tuple[str, ...]) -> Iterator[Issue]:
    """One for each part that lacks a class."""
    whole = [name for name, count in dataset.class_counts().items() if count]
    for part in parts:
        counts = dataset.where(lambda record, part=part: record.split == part).class_counts()
        lacking = [name for name in whole if not counts[name]]
        if lacking:
            yield CLASSES_ABSENT(part=part, classes=lacking)
