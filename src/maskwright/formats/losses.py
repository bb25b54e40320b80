"""Losses: what the target format cannot hold, counted while it is written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence

import numpy as np

from maskwright.issues import Issue, Kind
from maskwright.types import Dataset, Instances, Record

SKIPPED_IMAGES_LOST = Kind("skipped_images_lost", "warning", "{count:skipped image} cannot be kept")
UNLABELED_IMAGES_LOST = Kind("unlabeled_images_lost", "warning", "{count:unlabeled image} cannot be kept")
EMPTY_IMAGES_LOST = Kind("empty_images_lost", "warning", "{count:empty image} cannot be kept")
SCORES_LOST = Kind("scores_lost", "warning", "{count:score} cannot be kept")
OUTLINES_LOST = Kind("outlines_lost", "warning", "{count:outline} cannot be kept")
BOXES_LOST = Kind("boxes_lost", "warning", "{count} box cannot be kept", "{count} boxes cannot be kept")
CROWD_MARKS_LOST = Kind("crowd_marks_lost", "warning", "{count:crowd mark} cannot be kept")
ATTRIBUTES_LOST = Kind("attributes_lost", "warning", "{count:attribute} cannot be kept")
CLASS_IDS_LOST = Kind("class_ids_lost", "warning", "{count:class id} cannot be kept")
IMAGE_IDS_LOST = Kind("image_ids_lost", "warning", "{count:image id} cannot be kept")
ANNOTATION_IDS_LOST = Kind("annotation_ids_lost", "warning", "{count:annotation id} cannot be kept")
IMAGE_ATTRIBUTES_LOST = Kind(
    "image_attributes_lost", "warning", "{count} attribute of an image cannot be kept",
    "{count} attributes of images cannot be kept",
)  # fmt: skip
CLASS_ATTRIBUTES_LOST = Kind(
    "class_attributes_lost", "warning", "{names:&} of {count} class cannot be kept",
    "{names:&} of {count} classes cannot be kept",
)  # fmt: skip
DATASET_ATTRIBUTES_LOST = Kind(
    "dataset_attributes_lost", "warning", "what the file says of the dataset cannot be kept: {names}"
)
GROUPS_LOST = Kind(
    "groups_lost", "warning", "the group of {count} image cannot be kept", "the groups of {count} images cannot be kept"
)
GIVEN_BOXES_LOST = Kind(
    "given_boxes_lost", "warning", "{count} box beside an outline cannot be kept: it is computed from the outline",
    "{count} boxes beside outlines cannot be kept: they are computed from the outlines",
)  # fmt: skip
CLASS_ORDER_LOST = Kind(
    "class_order_lost", "warning", "the order of the classes cannot be kept: {names} will be read as {sorted}"
)
VERTICES_LOST = Kind(
    "vertices_lost", "warning", "the points of {count} outline cannot be kept, its mask is",
    "the points of {count} outlines cannot be kept, their masks are",
)  # fmt: skip
IMAGE_LABELS_LOST = Kind(
    "image_labels_lost", "warning", "{count} list of image labels cannot be kept",
    "{count} lists of image labels cannot be kept",
)  # fmt: skip
HOLES_LOST = Kind("holes_lost", "warning", "{count:hole} cannot be kept")
UNIONS_LOST = Kind(
    "unions_lost", "warning", "{count} union of several parts cannot be kept",
    "{count} unions of several parts cannot be kept",
)  # fmt: skip

LABELLED_CLASSES_LOST = Kind(
    "labelled_classes_lost", "warning", "{count} list of labelled classes cannot be kept",
    "{count} lists of labelled classes cannot be kept",
)  # fmt: skip

SAME_PLACE = 0.01  # pixels: formats that hold fractions of the image's sides round


class Losses:
    """Counts what the target format cannot hold.

    >>> losses.add(SCORES_LOST); losses.add(SCORES_LOST); [str(issue) for issue in losses.issues]
    ['2 scores cannot be kept']
    """

    def __init__(self) -> None:
        self.counts: Counter[Kind] = Counter()
        self._order: tuple[str, ...] = ()
        self._attributes: tuple[str, ...] = ()
        self._class_attributes: tuple[tuple[str, ...], int] = ((), 0)

    def add(self, kind: Kind, number: int = 1) -> None:
        if number:
            self.counts[kind] += number

    def image(self, record: Record) -> None:
        """An image that has no place in the file, for its state is none that the file can tell."""
        kinds = {"skipped": SKIPPED_IMAGES_LOST, "empty": EMPTY_IMAGES_LOST}
        self.add(kinds.get(record.state, UNLABELED_IMAGES_LOST))

    def class_order(self, dataset: Dataset) -> None:
        """The format lists no classes: those that occur are read in alphabetical order."""
        used = tuple(name for name, count in dataset.class_counts().items() if count)
        self._order = used if list(used) != sorted(used) else ()

    def attributes(self, instances: Instances, kept: Sequence[str] = ()) -> None:
        """The attributes of these objects, but for those that the format has a place for."""
        notes = [note.attributes for note in instances.annotations or () if note is not None]
        self.add(ATTRIBUTES_LOST, sum(name not in kept for attributes in notes for name in attributes))

    def facts(self, dataset: Dataset, holds: Collection[str]) -> None:
        """What a format has no place for at all; `holds` names what it has one for (see `Format` in registry.py)."""
        written = [record for record in dataset if record.state in ("labeled", "empty")]
        drawn = [record.instances for record in written if record.instances is not None]
        notes = [note for instances in drawn for note in instances.annotations or () if note is not None]
        if "image_ids" not in holds:
            self.ids(IMAGE_IDS_LOST, [record.id for record in written])
        if "annotation_ids" not in holds:
            self.ids(ANNOTATION_IDS_LOST, [note.id for note in notes])
        if "class_ids" not in holds:
            self.class_ids(dataset)
        if "no_image_label" not in holds:
            labels = [record.labels for record in written if record.labels is not None]
            self.add(IMAGE_LABELS_LOST, sum(several == () or "image_labels" not in holds for several in labels))
        if "labelled_classes" not in holds:
            partly = (record.labelled_classes is not None or record.incomplete for record in written)
            self.add(LABELLED_CLASSES_LOST, sum(partly))
        if "groups" not in holds:
            self.add(GROUPS_LOST, sum(record.group is not None for record in written))
        if "boxes" not in holds:
            self.add(GIVEN_BOXES_LOST, sum(map(_given_boxes, drawn)))
        if "image_attributes" not in holds:
            self.add(IMAGE_ATTRIBUTES_LOST, sum(len(record.attributes) for record in written))
        if "class_attributes" not in holds:
            self.class_attributes(dataset)
        if "attributes" not in holds:
            self._attributes = tuple(dataset.attributes)

    def class_ids(self, dataset: Dataset) -> None:
        """Unless they only number the classes."""
        self.add(CLASS_IDS_LOST, 0 if only_number_classes(dataset.class_ids) else len(dataset.class_ids))

    def ids(self, kind: Kind, ids: Iterable[int | str | None]) -> None:
        """Of images or objects, unless they only number them."""
        given = [id for id in ids if id is not None]
        self.add(kind, 0 if only_number(given) else len(given))

    def class_attributes(self, dataset: Dataset, kept: Collection[str] = ()) -> None:
        """What is said of classes, but for what the format has a place for."""
        lost = [facts.keys() - kept for facts in dataset.class_attributes]
        self._class_attributes = tuple(sorted(set().union(*lost))), sum(map(bool, lost))

    def scores_and_crowds(self, instances: Instances) -> None:
        self.add(SCORES_LOST, 0 if instances.scores is None else len(instances))
        self.add(CROWD_MARKS_LOST, 0 if instances.crowd is None else int(instances.crowd.sum()))

    @property
    def issues(self) -> tuple[Issue, ...]:
        counted = (kind(count=number) for kind, number in self.counts.items())
        ordered = [CLASS_ORDER_LOST(names=self._order, sorted=sorted(self._order))] if self._order else []
        names, classes = self._class_attributes
        of_classes = [CLASS_ATTRIBUTES_LOST(names=names, count=classes)] if classes else []
        of_all = [DATASET_ATTRIBUTES_LOST(names=self._attributes)] if self._attributes else []
        return (*counted, *ordered, *of_classes, *of_all)


def only_number(ids: Sequence[object]) -> bool:
    """Ids of images or objects say no more than the order does: 1, 2, 3, ..., in the file of a split 7, 8, 9, ..."""
    return not ids or (type(ids[0]) is int and [*ids] == [*range(ids[0], ids[0] + len(ids))])


def only_number_classes(ids: Sequence[object]) -> bool:
    """The same of classes, of which no file holds the middle ones: from 0 or 1."""
    return only_number(ids) and [*ids[:1]] in ([], [0], [1])


def _given_boxes(instances: Instances) -> int:
    """How many objects have a mask, and a box that is not just the frame around its pixels."""
    if instances.masks is None:
        return 0
    return int((np.abs(instances.boxes - instances.masks.boxes).max(1, initial=0) > SAME_PLACE).sum())
