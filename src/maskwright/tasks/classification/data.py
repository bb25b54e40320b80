"""Annotated images as classification sees them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from maskwright.curate.duplicates import find_duplicates, joined
from maskwright.issues import Kind
from maskwright.progress import Progress
from maskwright.types import Dataset, Record

LABELS_OF_OBJECTS = Kind("labels_of_objects", "info", "an image's labels are the classes drawn on it")


def prepare(data: Dataset) -> Dataset:
    """Each labeled image with labels of its own; where objects were drawn, the classes of its objects."""
    if all(record.labels is not None for record in data):
        return data
    records = tuple(replace(record, labels=_labels(record), instances=None) for record in data)
    return replace(data, records=records).with_issues(LABELS_OF_OBJECTS())


def _labels(record: Record) -> tuple[int, ...] | None:
    if record.labels is not None or record.instances is None:
        return record.labels
    return tuple(np.unique(record.instances.classes).tolist())


def is_multi_label(data: Dataset) -> bool:
    """An image has none or several of the classes."""
    return any(len(record.labels) != 1 for record in data if record.labels is not None)


def group_duplicates(data: Dataset, progress: Progress) -> Dataset:
    """The same images, near-duplicates in one group each; a group that the data name swallows what is joined to it."""
    images = [record.image for record in data]
    links = [(pair.first, pair.second) for pair in find_duplicates(images, progress=progress).pairs]
    first: dict[str, int] = {}
    links += [
        (first.setdefault(record.group, index), index) for index, record in enumerate(data) if record.group is not None
    ]
    records = list(data.records)
    for number, indices in enumerate(joined(len(records), links)):
        for index in indices:
            records[index] = replace(records[index], group=f"group {number}")
    return replace(data, records=tuple(records))
