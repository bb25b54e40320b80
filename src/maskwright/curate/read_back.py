"""A dataset that was written and read again: what is no longer as it was."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from maskwright.formats.losses import SAME_PLACE, only_number, only_number_classes
from maskwright.geometry import boxes
from maskwright.issues import Issue, Kind
from maskwright.types import Annotation, Dataset, Instances, Record

READ_BACK = Kind("read_back", "info", "read back: {count:image} and {objects:object}, compared one by one")
IMAGES_DIFFER = Kind(
    "images_differ", "warning", "{count} image is not read back in the same state (labeled, empty, its split)",
    "{count:,} images are not read back in the same state (labeled, empty, their split)",
)  # fmt: skip
OBJECTS_DIFFER = Kind(
    "objects_differ", "warning", "{count} object is not read back", "{count:,} objects are not read back"
)
CLASSES_DIFFER = Kind("classes_differ", "warning", "the classes are read back as {read}, not as {written}")
CLASS_ORDER_DIFFERS = Kind(
    "class_order_differs", "warning", "the classes are read back in another order: {read}, not {written}"
)
BOXES_DIFFER = Kind(
    "boxes_differ", "warning", "{count} box is read back elsewhere, by at most {pixels:.2f} pixels",
    "{count:,} boxes are read back elsewhere, by at most {pixels:.2f} pixels",
)  # fmt: skip
MASKS_DIFFER = Kind(
    "masks_differ", "warning", "{count} mask is not read back pixel for pixel, lowest IoU {iou:.3f}",
    "{count:,} masks are not read back pixel for pixel, lowest IoU {iou:.3f}",
)  # fmt: skip
VERTICES_DIFFER = Kind(
    "vertices_differ", "warning", "{count} outline is read back with other points",
    "{count:,} outlines are read back with other points",
)  # fmt: skip
ATTRIBUTES_DIFFER = Kind(
    "attributes_differ", "warning", "{count} object is read back with other attributes",
    "{count:,} objects are read back with other attributes",
)  # fmt: skip
IMAGE_IDS_DIFFER = Kind(
    "image_ids_differ", "warning", "{count} image is read back with another id",
    "{count:,} images are read back with other ids",
)  # fmt: skip
ANNOTATION_IDS_DIFFER = Kind(
    "annotation_ids_differ", "warning", "{count} object is read back with another id",
    "{count:,} objects are read back with other ids",
)  # fmt: skip
CLASS_IDS_DIFFER = Kind(
    "class_ids_differ", "warning", "{count} class is read back with another id",
    "{count:,} classes are read back with other ids",
)  # fmt: skip
IMAGE_ATTRIBUTES_DIFFER = Kind(
    "image_attributes_differ", "warning", "{count} image is read back with other attributes",
    "{count:,} images are read back with other attributes",
)  # fmt: skip
CLASS_ATTRIBUTES_DIFFER = Kind(
    "class_attributes_differ", "warning", "{count} class is read back with other attributes",
    "{count:,} classes are read back with other attributes",
)  # fmt: skip
DATASET_ATTRIBUTES_DIFFER = Kind(
    "dataset_attributes_differ", "warning", "what is said of the whole is read back otherwise: {names}"
)
LABELS_DIFFER = Kind(
    "labels_differ", "warning", "{count} image is read back with other classes",
    "{count:,} images are read back with other classes",
)  # fmt: skip

EXPLAINED = {  # a difference -> the losses that account for it
    IMAGES_DIFFER: ("skipped_images_lost", "unlabeled_images_lost", "empty_images_lost", "part_not_written",
                    "splits_lost"),
    CLASS_ORDER_DIFFERS: ("class_order_lost",),
    # each part of a union is read as an object of its own
    OBJECTS_DIFFER: ("unions_lost", "boxes_lost", "repeated_objects_lost"),
    BOXES_DIFFER: ("unions_lost", "boxes_lost", "given_boxes_lost"),
    MASKS_DIFFER: ("outlines_lost", "holes_lost", "unions_lost"),
    VERTICES_DIFFER: ("outlines_lost", "holes_lost", "unions_lost", "vertices_lost"),
    ATTRIBUTES_DIFFER: ("attributes_lost", "unions_lost"),
    LABELS_DIFFER: ("image_labels_lost", "further_classes_lost"),
    IMAGE_IDS_DIFFER: ("image_ids_lost",),
    ANNOTATION_IDS_DIFFER: ("annotation_ids_lost", "unions_lost"),
    CLASS_IDS_DIFFER: ("class_ids_lost",),
    IMAGE_ATTRIBUTES_DIFFER: ("image_attributes_lost",),
    CLASS_ATTRIBUTES_DIFFER: ("class_attributes_lost",),
    DATASET_ATTRIBUTES_DIFFER: ("dataset_attributes_lost",),
}  # fmt: skip


@dataclass
class _Found:
    counts: Counter[Kind] = field(default_factory=Counter)
    images: int = 0
    objects: int = 0
    pixels: float = 0.0
    iou: float = 1.0


def differences(written: Dataset, read: Dataset) -> tuple[Issue, ...]:
    """How much was compared, then what differs: one issue a kind, none where all is the same.

    Images are matched by place, else by name, objects by class and place. Ids are compared unless they only number.
    """
    found = _Found()
    own = {_name(record): record for record in read} | {record.image.resolve(): record for record in read}
    own_ids = _own_ids(written)
    for record in written:
        other = own.get(record.image.resolve()) or own.get(_name(record))
        if other is None or other.state != record.state or record.split not in (None, other.split):
            found.counts[IMAGES_DIFFER] += 1
        if other is None:
            continue
        found.images += 1
        if _labels(record, written) != _labels(other, read):
            found.counts[LABELS_DIFFER] += 1
        found.counts[IMAGE_IDS_DIFFER] += IMAGE_IDS_DIFFER in own_ids and _differ(record.id, other.id)
        found.counts[IMAGE_ATTRIBUTES_DIFFER] += _texts(record.attributes) != _texts(other.attributes)
        if record.instances is not None and other.instances is not None:
            _compare(record.instances, other.instances, found, ANNOTATION_IDS_DIFFER in own_ids)
        elif record.instances is not None and len(record.instances):
            found.counts[OBJECTS_DIFFER] += len(record.instances)
    issues = [READ_BACK(count=found.images, objects=found.objects)]
    used = [name for name, count in written.class_counts().items() if count]
    names = [name for name, count in read.class_counts().items() if count]
    if used != names:
        kind = CLASS_ORDER_DIFFERS if sorted(used) == sorted(names) else CLASSES_DIFFER
        issues.append(kind(written=", ".join(used), read=", ".join(names)))
    _compare_classes(written, read, found)
    issues += [kind(count=count, pixels=found.pixels, iou=found.iou) for kind, count in found.counts.items() if count]
    names = [name for name, value in written.attributes.items() if read.attributes.get(name) != value]
    return (*issues, *[DATASET_ATTRIBUTES_DIFFER(names=names)] * bool(names))


def unexplained(differing: Iterable[Issue], losses: Iterable[Issue]) -> tuple[Issue, ...]:
    """The differences of which no loss says that the format cannot hold that."""
    reported = {loss.code for loss in losses}
    reasons = {kind.code: codes for kind, codes in EXPLAINED.items()}
    return tuple(issue for issue in differing if issue.code != READ_BACK.code
                 and not reported & {*reasons.get(issue.code, ())})  # fmt: skip


def _own_ids(written: Dataset) -> set[Kind]:
    """The kinds of ids that are more than the numbers of what they stand for; each split is a file of its own."""
    kinds: set[Kind] = set()
    for part in (*written.splits().values(), written.where(lambda record: record.split is None)):
        notes = [note for record in part if record.instances is not None for note in record.instances.annotations or ()]
        ids = {
            IMAGE_IDS_DIFFER: [record.id for record in part if record.id is not None],
            ANNOTATION_IDS_DIFFER: [note.id for note in notes if note is not None and note.id is not None],
        }
        kinds |= {kind for kind, several in ids.items() if not only_number(several)}
    return kinds


def _differ(one: int | str | None, other: int | str | None) -> bool:
    return one is not None and str(one) != str(other)


def _compare_classes(written: Dataset, read: Dataset, found: _Found) -> None:
    used = [name for name, count in written.class_counts().items() if count and name in read.names]
    ids, others = (dict(zip(data.names, data.class_ids, strict=False)) for data in (written, read))
    if not only_number_classes(written.class_ids):
        found.counts[CLASS_IDS_DIFFER] += sum(_differ(ids.get(name), others.get(name)) for name in used)
    facts, others = (dict(zip(data.names, data.class_attributes, strict=False)) for data in (written, read))
    found.counts[CLASS_ATTRIBUTES_DIFFER] += sum(facts.get(name, {}) != others.get(name, {}) for name in used)


def _name(record: Record) -> str:
    return record.image.stem.casefold()


def _labels(record: Record, dataset: Dataset) -> set[str] | None:
    return None if record.labels is None else {dataset.names[label] for label in record.labels}


def _compare(one: Instances, other: Instances, found: _Found, ids: bool) -> None:
    pairs = [*_matched(one, other)]
    found.objects += len(pairs)
    missing = len(one) - len(pairs) + len(other) - len(pairs)
    if missing:
        found.counts[OBJECTS_DIFFER] += missing
    outlines, others = one.outlines(), other.outlines()
    for row, column in pairs:
        moved = float(np.abs(one.boxes[row] - other.boxes[column]).max())
        if moved > SAME_PLACE:
            found.counts[BOXES_DIFFER] += 1
            found.pixels = max(found.pixels, moved)
        if one.masks is not None:
            _compare_masks(one, other, row, column, found)
        if outlines[row] is not None and not _same_points(outlines[row] or (), others[column] or ()):
            found.counts[VERTICES_DIFFER] += 1
        mine, theirs = _note(one, row), _note(other, column)
        found.counts[ATTRIBUTES_DIFFER] += _texts(mine.attributes) != _texts(theirs.attributes)
        found.counts[ANNOTATION_IDS_DIFFER] += ids and _differ(mine.id, theirs.id)


def _compare_masks(one: Instances, other: Instances, row: int, column: int, found: _Found) -> None:
    assert one.masks is not None
    if other.masks is None:
        found.counts[MASKS_DIFFER] += 1
        found.iou = 0.0
        return
    mine, theirs = one.masks[row], other.masks[column]
    if not np.array_equal(mine.counts, theirs.counts):
        found.counts[MASKS_DIFFER] += 1
        found.iou = min(found.iou, float(mine.iou(theirs)[0, 0]))


def _matched(one: Instances, other: Instances) -> Iterator[tuple[int, int]]:
    """Rows that are the same object: in the same order where the classes are, otherwise by overlap."""
    if one.labels == other.labels and (boxes.iou(one.boxes, other.boxes).diagonal() > 0.5).all():
        yield from ((row, row) for row in range(len(one)))
        return
    same = np.array(one.labels, object)[:, None] == np.array(other.labels, object)[None, :]
    overlap = np.where(same, boxes.iou(one.boxes, other.boxes), 0)
    while overlap.size and overlap.max() > 0:
        row, column = (int(index) for index in np.unravel_index(overlap.argmax(), overlap.shape))
        yield row, column
        overlap[row], overlap[:, column] = 0, 0


def _same_points(one: Iterable[np.ndarray], other: Iterable[np.ndarray]) -> bool:
    mine, theirs = [*one], [*other]
    return len(mine) == len(theirs) and all(
        part.shape == counterpart.shape and np.abs(part - counterpart).max(initial=0) <= SAME_PLACE
        for part, counterpart in zip(mine, theirs, strict=True)
    )


def _note(instances: Instances, row: int) -> Annotation:
    return (instances.annotations[row] if instances.annotations else None) or Annotation()


def _texts(values: Mapping[str, Any]) -> dict[str, str]:
    """Values as texts: many formats hold nothing else, so 1, "1", True and "true" are one."""
    texts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in values.items()}
    return {name: {"true": "1", "false": "0"}.get(text.casefold(), text) for name, text in texts.items()}
