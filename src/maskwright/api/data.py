"""The data of a run: read, found usable for the task, divided into train, val and test."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from maskwright.api.reading import dataset_of
from maskwright.curate.check import empty, leaks, paired, spellings, unused
from maskwright.curate.duplicates import Duplicates, find_duplicates
from maskwright.curate.split import split
from maskwright.curate.unreadable import readable
from maskwright.errors import DatasetError, TooFewGroups
from maskwright.formats.faults import summarized
from maskwright.formats.reading import spelt_alike
from maskwright.images.decode import decode, is_deep
from maskwright.issues import Issues, Kind, Log, warn
from maskwright.progress import Progress, silent
from maskwright.tasks.base import Task
from maskwright.tasks.classification.data import is_multi_label
from maskwright.tasks.registry import find_task
from maskwright.types import Dataset, Record

MOST_COMPARED = 3000  # images with named splits that are compared before a training, about ten seconds of work

BOXES_WITHOUT_OUTLINES = Kind(
    "boxes_without_outlines", "warning",
    "{count} image has boxes and no outlines: boxes are learned from them, masks from the others",
    "{count} images have boxes and no outlines: boxes are learned from them, masks from the others",
)  # fmt: skip
ONLY_VALIDATION_NAMED = Kind(
    "only_validation_named",
    "warning",
    "only validation images are named: the other image is for training",
    "only validation images are named: the {count} others are for training",
)
NOTHING_HELD_BACK = Kind(
    "nothing_held_back", "warning",
    "1 image of one group (a series, or copies of each other): none can be held back, so all are trained on and "
    "nothing is validated; {fix}",
    "all {count} images of one group (a series, or copies of each other): none can be held back, so all are trained on "
    "and nothing is validated; {fix}",
    fix="to validate, label images of other series, or name train and val by folders",
)  # fmt: skip
DIVIDED = Kind(
    "divided", "info",
    "no validation images are named: {train:image} to train on, {val} held back, near-duplicates together "
    "(seed {seed})",
)  # fmt: skip
DUPLICATES_TOGETHER = Kind("duplicates_together", "info", "the same picture, kept in one part: {pairs:5}")
NOT_COMPARED = Kind(
    "not_compared", "warning", "{count:,} images were not compared: {fix}",
    fix="`maskwright check` finds copies on two sides of the split",
)  # fmt: skip


def open_data(
    data: str | Path | Dataset,
    task: str,
    *,
    seed: int = 0,
    allow_faulty: bool = False,
    class_attribute: str | None = None,
    connected_components: bool = False,
    annotations: str | None = None,
    follow_links: bool = False,
    log: Log = warn,
    validate: bool = True,
    progress: Progress = silent,
) -> dict[str, Dataset]:
    """{"train": ..., "val": ..., perhaps "test": ...}, every record labeled and usable for `task`.

    Splits that the data name themselves are used as they are; otherwise (or where only train is named) the images are
    divided 80 / 20 with near-duplicates kept together, and `log` is told. Without `validate` everything that is not
    named val or test is trained on, and nothing is evaluated on the way.
    """
    whole = dataset_of(
        data,
        allow_faulty=allow_faulty,
        class_attribute=class_attribute,
        connected_components=connected_components,
        annotations=annotations,
        follow_links=follow_links,
    )
    report(whole, log)
    for issue in (*unused(whole), *empty(whole)):
        log(issue.within(whole.name))
    task_of_run = find_task(task)
    usable = task_of_run.prepare(whole).usable()
    if bare := len(usable) - len(task_of_run.evaluable(usable)):
        log(BOXES_WITHOUT_OUTLINES(whole.name, count=bare))
    _enough(whole, usable, data)
    if not allow_faulty:
        one_name_a_class(usable, data)
    compared = validate and not _too_many(usable)
    duplicates = _duplicates(usable, log, progress) if validate else Duplicates((), ())
    usable, left_out = readable(usable, duplicates.unread if compared else None, progress)
    if left_out is not None:
        log(left_out.within(whole.name))
        duplicates = _duplicates(usable, Issues(), progress) if validate else duplicates
        _enough(whole, usable, data)
    parts = usable.splits()
    if not validate:
        return _all_of(usable, data)
    rest = usable.where(lambda record: record.split is None)
    if "val" in parts and "train" not in parts and len(rest):
        log(ONLY_VALIDATION_NAMED(whole.name, count=len(rest)))
        parts = {"train": rest, **parts}
    if "val" not in parts:
        test = parts.pop("test", None)
        rest = parts.get("train") or usable.where(lambda record: record.split is None)
        if not len(rest):
            raise DatasetError(
                "there is nothing to train on", file=data_name(data), expected="a train folder or list", got="test"
            )
        try:
            divided = split(rest, val=0.2, seed=seed, group_by=_groups(duplicates), progress=progress).splits()
        except TooFewGroups:
            log(NOTHING_HELD_BACK(whole.name, count=len(rest)))
            return _all_of(usable, data)
        parts = {name: divided[name] for name in ("train", "val")} | ({"test": test} if test else {})
        for issue in divided["train"].issues[len(rest.issues) :]:
            log(issue.within(whole.name))
        log(DIVIDED(train=len(parts["train"]), val=len(parts["val"]), seed=seed))
        if duplicates.exact:
            log(DUPLICATES_TOGETHER(whole.name, pairs=paired(duplicates.exact, duplicates.images)))
    elif "train" not in parts:
        raise DatasetError(
            "there is nothing to train on",
            file=data_name(data),
            expected="a train folder or list",
            got=", ".join(parts),
        )
    for leak in leaks(usable, duplicates):  # by the splits that the data name
        log(leak.within(whole.name))
    for conflict in task_of_run.label_conflicts(usable, duplicates):
        log(conflict.within(whole.name))
    task_of_run.check_training(parts["train"], data_name(data))
    parts |= _evaluable(parts, task_of_run, data)
    _known(parts, data)
    return parts


def report(data: Dataset, log: Log) -> None:
    """What the reader has to report; of faulty records only how many there are."""
    for issue in summarized(data.issues):
        log(issue.within(data.name))


def _all_of(usable: Dataset, data: str | Path | Dataset) -> dict[str, Dataset]:
    """Everything that is not named val or test to train on, and nothing to validate by."""
    train = usable.where(lambda record: record.split not in ("val", "test"))
    if not len(train):
        raise DatasetError("there is nothing to train on", file=data_name(data), got=", ".join(usable.splits()))
    return {"train": train, "val": train.where(lambda record: False)}


def _duplicates(data: Dataset, log: Log, progress: Progress) -> Duplicates:
    """Images that show the same; not looked for among very many whose splits are named."""
    if _too_many(data):
        log(NOT_COMPARED(count=len(data)))
        return Duplicates((), ())
    return find_duplicates(data, progress=progress)


def _too_many(data: Dataset) -> bool:
    return data.splits().keys() >= {"train", "val"} and len(data) > MOST_COMPARED


def _groups(duplicates: Duplicates) -> Callable[[Record], object]:
    """A rule for `split`: images that show the same belong together, all others stand alone."""
    group = {duplicates.images[index]: number for number, rows in enumerate(duplicates.groups) for index in rows}
    return lambda record: group.get(record.image)


def common_window(data: Dataset) -> tuple[float, float] | None:
    """One gray window (low, high) for images of more than 8 bits, so that a gray value means the same on all of them.

    The middle of the windows that up to 20 images would have by themselves; None where there are ordinary images: then
    each deep one has its own.
    """
    if not len(data) or not all(is_deep(record.image) for record in data):  # it would turn ordinary ones black
        return None
    windows = [decode(record.image).window for record in data.records[:: max(len(data) // 20, 1)]]
    ends = np.array([(window.low, window.high) for window in windows if window is not None])
    low, high = np.median(ends, 0)
    return float(low), float(high)


def data_name(data: str | Path | Dataset) -> str:
    return data.name if isinstance(data, Dataset) else str(data)


def _enough(whole: Dataset, usable: Dataset, data: str | Path | Dataset) -> None:
    if not len(usable):
        states = ", ".join(f"{count} {state}" for state, count in whole.state_counts().items() if count) or "no images"
        raise DatasetError(
            "no image here can be trained on", file=data_name(data), expected="labeled images", got=states
        )
    if any(record.labels is not None for record in usable):
        _two_classes(usable, data)
        return
    if not usable.instance_count:
        raise DatasetError(
            "nothing is drawn on these images",
            file=data_name(data),
            expected="at least one object",
            got=f"{len(usable)} images, all empty",
        )


def _two_classes(usable: Dataset, data: str | Path | Dataset) -> None:
    """A classifier must have something to tell apart."""
    counts = {name: count for name, count in usable.class_counts().items() if count}
    if len(counts) > 1 or (counts and is_multi_label(usable)):
        return
    raise DatasetError(
        "there is one class only: nothing to tell apart" if counts else "no image is in any class",
        file=data_name(data),
        expected="images of two classes or more",
        got=", ".join(f"{name} ({count} images)" for name, count in counts.items()) or "none",
        fix="add a folder with images of the other class",
    )


def one_name_a_class(usable: Dataset, data: str | Path | Dataset) -> None:
    """Refuses classes that differ only by case or blanks."""
    for issue in spellings(usable):
        raise DatasetError(
            "one class is named in two ways",
            file=data_name(data),
            expected="one name a class",
            got=f"classes {' and '.join(issue.values['classes'])} differ only by case or blanks",
            fix=f"{issue.fix}; or keep them apart with --allow-faulty",
        )


def same_spelling(known: Sequence[str], labeled: Dataset, data: str | Path | Dataset) -> None:
    """Refuses a class of the data that differs from one of the model's by case or blanks only: it would count as
    another, and never be found."""
    used = [name for name, count in labeled.class_counts().items() if count]
    for several in spelt_alike([*known, *used]):
        others = [name for name in several if name not in known]
        if 0 < len(others) < len(several):
            raise DatasetError(
                "the model and the data name one class in two ways", file=data_name(data),
                expected=", ".join(name for name in several if name in known),
                got=", ".join(others), fix="rename it in the annotations; or keep them apart with --allow-faulty",
            )  # fmt: skip


def _evaluable(parts: dict[str, Dataset], task: Task[Any, Any], data: str | Path | Dataset) -> dict[str, Dataset]:
    """val and test without the images that have boxes and no outlines: those are only trained on."""
    evaluated = {name: task.evaluable(part) for name, part in parts.items() if name != "train"}
    if len(parts["val"]) and not len(evaluated["val"]):
        raise DatasetError(
            "no val image has outlines to evaluate masks by",
            file=data_name(data),
            expected="outlines, for --task segment",
            got=f"{len(parts['val'])} val images with boxes only",
            fix="draw outlines on some of them, or train a box detector with --task detect",
        )
    return evaluated


def _known(parts: dict[str, Dataset], data: str | Path | Dataset) -> None:
    """A class that only the validation images have cannot be learned: usually the same class written in two ways."""
    trained = {name for name, count in parts["train"].class_counts().items() if count}
    for which in parts.keys() - {"train"}:
        for name, count in parts[which].class_counts().items():
            if count and name not in trained:
                raise DatasetError(
                    f'the {which} images have a class that no training image has: "{name}"',
                    file=data_name(data),
                    expected=", ".join(sorted(trained)),
                    got=f"{name} ({count} objects)",
                    fix="name it the same way on both sides, or divide anew",
                )


def relative(record_path: Path, root: Path | None) -> str:
    """The way to an image from its dataset's folder (or the folder of its annotation file), with forward slashes; its
    whole path where there is no way, on another drive; its own name where the data are in memory (no root)."""
    if root is None:
        return record_path.name
    root = root.parent if root.is_file() else root
    try:
        return Path(os.path.relpath(record_path.resolve(), root.resolve())).as_posix()
    except ValueError:
        return record_path.resolve().as_posix()
