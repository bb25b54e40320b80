"""LVIS: COCO JSON that says of each image which classes were looked for.

Looks like   {"images": [{"id": 1, "coco_url": "http://images.cocodataset.org/train2017/1.jpg", "neg_category_ids": [3],
             "not_exhaustive_category_ids": [7]}], "annotations": [...], "categories": [{"id": 3, "name": "rust"}]}
Known by     lists of these two names in the images of a COCO file
Holds        besides what COCO holds: the labelled classes of an image, which are those of its objects and the negative
             ones (looked for, and not there), and whether all objects of them are drawn
Cannot hold  that objects of only some classes are undrawn is read for the image as a whole (`Record.incomplete`)
Source       lvisdataset.org/dataset; lvis-api, lvis/lvis.py
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from maskwright.formats.losses import LABELLED_CLASSES_LOST
from maskwright.formats.reading import Losses
from maskwright.types import Dataset, Record

NEGATIVE, NOT_EXHAUSTIVE = "neg_category_ids", "not_exhaustive_category_ids"


def file_name(image: Mapping[str, Any]) -> Any:
    """How the file calls an image: LVIS knows only its address."""
    return image.get("file_name", image.get("coco_url"))


def with_labelled_classes(
    dataset: Dataset, images: Mapping[Path, Mapping[str, Any]], classes: Mapping[str | None, str]
) -> Dataset:
    """The dataset, with the classes that were looked for on each image that says so.

    images   what the file says of each image
    classes  the name of each category id, as a text
    """
    index = {name: number for number, name in enumerate(dataset.names)}
    records = []
    for record in dataset.records:
        image = images.get(record.image, {})
        lists = [image.get(NEGATIVE), image.get(NOT_EXHAUSTIVE)]
        if not any(isinstance(item, list) for item in lists):
            records.append(record)
            continue
        named = [classes.get(str(id)) for item in lists if isinstance(item, list) for id in item]
        drawn = [] if record.instances is None else record.instances.labels
        labelled = {index[name] for name in (*named, *drawn) if name in index}
        records.append(replace(record, labelled_classes=tuple(sorted(labelled)), incomplete=bool(lists[1])))
    return replace(dataset, records=tuple(records))


def written(record: Record, ids: Sequence[int | str], losses: Losses) -> dict[str, list[int | str]]:
    """What an image says of the classes that were looked for; {} where all were, and all is drawn.

    ids  of all classes
    """
    if record.labelled_classes is None and not record.incomplete:
        return {}
    drawn = set() if record.instances is None else {*record.instances.classes.tolist()}
    labelled = range(len(ids)) if record.labelled_classes is None else record.labelled_classes
    losses.add(LABELLED_CLASSES_LOST, int(record.incomplete and not labelled))
    negative = [ids[number] for number in labelled if number not in drawn]
    unfinished = [ids[number] for number in labelled if number in drawn] or negative
    return {NEGATIVE: negative, NOT_EXHAUSTIVE: unfinished if record.incomplete else []}
