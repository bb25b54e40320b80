"""A dataset that was written and read again: what is no longer as it was."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np

from maskwright.geometry import boxes
from maskwright.issues import Issue, Kind
from maskwright.types import Annotation, Dataset, Instances, Record

SAME_PLACE = 0.01  # pixels: formats that hold fractions of the image's sides round

READ_BACK = Kind(
    "read_back", "info", "read back: {count:,} images and {objects:,} objects, compared one by one"
)  # fmt: skip
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
LABELS_DIFFER = Kind(
    "labels_differ", "warning", "{count} image is read back with other classes",
    "{count:,} images are read back with other classes",
)  # fmt: skip

EXPLAINED = {  # a difference -> the losses that account for it
    IMAGES_DIFFER: ("skipped_images_lost", "unlabeled_images_lost", "empty_images_lost", "part_not_written",
                    "splits_lost"),
    CLASS_ORDER_DIFFERS: ("class_order_lost",),
    OBJECTS_DIFFER: ("unions_lost", "boxes_lost"),  # each part of a union is read as an object of its own
    BOXES_DIFFER: ("unions_lost", "boxes_lost"),
    MASKS_DIFFER: ("outlines_lost", "holes_lost", "unions_lost"),
    VERTICES_DIFFER: ("outlines_lost", "holes_lost", "unions_lost", "vertices_lost"),
    ATTRIBUTES_DIFFER: ("attributes_lost", "unions_lost"),
    LABELS_DIFFER: ("image_labels_lost",),
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

    Images are matched by name, objects by class and place; ids are not compared.
    """
    found = _Found()
    own = {_name(record): record for record in read}
    for record in written:
        other = own.get(_name(record))
        if other is None or other.state != record.state or record.split not in (None, other.split):
            found.counts[IMAGES_DIFFER] += 1
        if other is None:
            continue
        found.images += 1
        if _labels(record, written) != _labels(other, read):
            found.counts[LABELS_DIFFER] += 1
        if record.instances is not None and other.instances is not None:
            _compare(record.instances, other.instances, found)
        elif record.instances is not None and len(record.instances):
            found.counts[OBJECTS_DIFFER] += len(record.instances)
    issues = [READ_BACK(count=found.images, objects=found.objects)]
    used = [name for name, count in written.class_counts().items() if count]
    names = [name for name, count in read.class_counts().items() if count]
    if used != names:
        kind = CLASS_ORDER_DIFFERS if sorted(used) == sorted(names) else CLASSES_DIFFER
        issues.append(kind(written=", ".join(used), read=", ".join(names)))
    issues += [kind(count=count, pixels=found.pixels, iou=found.iou) for kind, count in found.counts.items()]
    return tuple(issues)


def unexplained(differing: Iterable[Issue], losses: Iterable[Issue]) -> tuple[Issue, ...]:
    """The differences of which no loss says that the format cannot hold that."""
    reported = {loss.code for loss in losses}
    reasons = {kind.code: codes for kind, codes in EXPLAINED.items()}
    return tuple(issue for issue in differing if issue.code != READ_BACK.code
                 and not reported & {*reasons.get(issue.code, ())})  # fmt: skip


def _name(record: Record) -> str:
    return record.image.stem.casefold()


def _labels(record: Record, dataset: Dataset) -> set[str] | None:
    return None if record.labels is None else {dataset.names[label] for label in record.labels}


def _compare(one: Instances, other: Instances, found: _Found) -> None:
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
        if _attributes(one, row) != _attributes(other, column):
            found.counts[ATTRIBUTES_DIFFER] += 1


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


def _attributes(instances: Instances, row: int) -> dict[str, str]:
    """Values as texts: many formats hold nothing else, so 1, "1", True and "true" are one."""
    note: Annotation | None = None if instances.annotations is None else instances.annotations[row]
    values = {} if note is None else note.attributes
    texts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in values.items()}
    return {name: {"true": "1", "false": "0"}.get(text.casefold(), text) for name, text in texts.items()}
