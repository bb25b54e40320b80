"""Losses: what the target format cannot hold, counted while `write` goes on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from maskwright.issues import Issue, Kind
from maskwright.types import Dataset, Instances, Record

SKIPPED_IMAGES_LOST = Kind(
    "skipped_images_lost", "warning", "{count} skipped image cannot be kept", "{count} skipped images cannot be kept"
)
UNLABELED_IMAGES_LOST = Kind(
    "unlabeled_images_lost", "warning", "{count} unlabeled image cannot be kept",
    "{count} unlabeled images cannot be kept",
)  # fmt: skip
EMPTY_IMAGES_LOST = Kind(
    "empty_images_lost", "warning", "{count} empty image cannot be kept", "{count} empty images cannot be kept"
)
SCORES_LOST = Kind("scores_lost", "warning", "{count} score cannot be kept", "{count} scores cannot be kept")
OUTLINES_LOST = Kind("outlines_lost", "warning", "{count} outline cannot be kept", "{count} outlines cannot be kept")
BOXES_LOST = Kind("boxes_lost", "warning", "{count} box cannot be kept", "{count} boxes cannot be kept")
CROWD_MARKS_LOST = Kind(
    "crowd_marks_lost", "warning", "{count} crowd mark cannot be kept", "{count} crowd marks cannot be kept"
)
ATTRIBUTES_LOST = Kind(
    "attributes_lost", "warning", "{count} attribute cannot be kept", "{count} attributes cannot be kept"
)
CLASS_IDS_LOST = Kind(
    "class_ids_lost", "warning", "{count} class id cannot be kept", "{count} class ids cannot be kept"
)
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
HOLES_LOST = Kind("holes_lost", "warning", "{count} hole cannot be kept", "{count} holes cannot be kept")
UNIONS_LOST = Kind(
    "unions_lost", "warning", "{count} union of several parts cannot be kept",
    "{count} unions of several parts cannot be kept",
)  # fmt: skip

LABELLED_CLASSES_LOST = Kind(
    "labelled_classes_lost", "warning", "{count} list of labelled classes cannot be kept",
    "{count} lists of labelled classes cannot be kept",
)  # fmt: skip


class Losses:
    """Counts what the target format cannot hold.

    >>> losses.add(SCORES_LOST); losses.add(SCORES_LOST); [str(issue) for issue in losses.issues]
    ['2 scores cannot be kept']
    """

    def __init__(self) -> None:
        self.counts: Counter[Kind] = Counter()
        self._order: tuple[str, ...] = ()

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

    def of_image(self, record: Record) -> None:
        """What is said of the image as a whole: its classes, and those that were looked for."""
        self.add(IMAGE_LABELS_LOST, int(record.labels is not None))
        self.add(LABELLED_CLASSES_LOST, int(record.labelled_classes is not None or record.incomplete))

    def class_ids(self, dataset: Dataset) -> None:
        """The ids of classes, unless they only number them."""
        count = len(dataset.names)
        if dataset.class_ids not in ((), tuple(range(count)), tuple(range(1, count + 1))):
            self.add(CLASS_IDS_LOST, count)

    def attributes(self, instances: Instances, kept: Sequence[str] = ()) -> None:
        """The attributes of these objects, but for those that the format has a place for."""
        notes = [note.attributes for note in instances.annotations or () if note is not None]
        self.add(ATTRIBUTES_LOST, sum(name not in kept for attributes in notes for name in attributes))

    def scores_and_crowds(self, instances: Instances) -> None:
        self.add(SCORES_LOST, 0 if instances.scores is None else len(instances))
        self.add(CROWD_MARKS_LOST, 0 if instances.crowd is None else int(instances.crowd.sum()))

    @property
    def issues(self) -> tuple[Issue, ...]:
        counted = (kind(count=number) for kind, number in self.counts.items())
        ordered = [CLASS_ORDER_LOST(names=self._order, sorted=sorted(self._order))] if self._order else []
        return (*counted, *ordered)
