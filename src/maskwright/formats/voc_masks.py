"""The masks of Pascal VOC: palette pictures in SegmentationObject (which object) and SegmentationClass (what it is)."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from maskwright.escaping import percent_encoded
from maskwright.formats import mask_files
from maskwright.formats.losses import OUTLINES_LOST, VERTICES_LOST, Losses
from maskwright.formats.reading import Draft, Faults, FoundImage, ImageFinder, Regions, assemble, images_in, read_text
from maskwright.formats.regions import BOXES_FILLED
from maskwright.issues import Kind
from maskwright.types import Dataset, Instances, Record, RleMasks

CLASSES = (
    "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable", "dog",
    "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
)  # fmt: skip
"""The kit's own classes, 1..20 in SegmentationClass where no list of names lies beside it."""
OBJECTS, KINDS, VOID = "SegmentationObject", "SegmentationClass", 255
MASKS_DISAGREE = Kind(
    "masks_disagree", "warning",
    "pictures in SegmentationObject that do not fit the XML's boxes, left out: {count} ({files:1})",
)  # fmt: skip
NAME_LISTS = ("class_names.txt", "labels.txt", "classes.txt")


def join(root: Path, dataset: Dataset, faults: Faults) -> Dataset:
    """Records with masks where SegmentationObject has them: beside the XML's boxes, or without any XML."""
    files = {path.stem.casefold(): path for path in images_in(root / OBJECTS)}
    if not files:
        return dataset
    records, disagreeing = [], []
    for record in dataset.records:
        stem = record.image.stem  # as it is, or as it is written where it is no UTF-8
        file = files.pop(stem.casefold(), None) or files.pop(percent_encoded(stem).casefold(), None)
        if file is not None and record.instances is not None and len(record.instances):
            masked = _matched(record.instances, file, record, faults)
            disagreeing += [file.name] if masked is None else []
            record = record if masked is None else replace(record, instances=masked)
        records.append(record)
    if disagreeing:
        faults.report(MASKS_DISAGREE(count=len(disagreeing), files=disagreeing))
    finder, kinds = ImageFinder(root, faults, near=root / "JPEGImages"), _kind_names(root)
    drafts = []
    for file in files.values():
        image = finder.image(file.stem)
        if image is not None:
            drafts.append(Draft(image, _drawn(file, root / KINDS / file.name, image, kinds, faults)))
    names = sorted({label for draft in drafts if draft.regions for label in draft.regions.labels})
    more = assemble(dataset.name, names, drafts, "voc", faults)
    joined = Dataset.join(dataset.name, [replace(dataset, records=tuple(records)), more])
    return replace(joined, format="voc")


def _matched(boxes: Instances, file: Path, record: Record, faults: Faults) -> Instances | None:
    """Object k of the picture is object k of the XML, if it covers its box; None where the two disagree."""
    if mask_files.measured_mask(file, faults, record.image.name) != record.size:
        return None
    ids = mask_files.read_ids(file, faults, record.image.name)
    if ids is None:
        return None
    numbers, masks = mask_files.rows(ids, (0, VOID))
    if not numbers or numbers[0] < 1 or numbers[-1] > len(boxes):
        return None
    given = np.array(numbers) - 1
    if np.abs(masks.boxes - boxes.boxes[given]).max() > 10:
        return None
    rest = np.setdiff1d(np.arange(len(boxes)), given)
    if len(rest):  # the kit draws no mask for objects it calls difficult
        masks = RleMasks.join([masks, RleMasks.from_boxes(boxes.boxes[rest], record.size)])
        faults.count(BOXES_FILLED, len(rest))
    return replace(boxes, masks=masks[np.argsort(np.concatenate([given, rest]))])


def _drawn(file: Path, kind_file: Path, image: FoundImage, names: tuple[str, ...], faults: Faults) -> Regions:
    """Objects from the two pictures alone: the class of each is the commonest value under its mask."""
    size = mask_files.measured_mask(file, faults, image.name)
    regions = Regions(faults, image, stated=size)
    pictures = [mask_files.read_ids(item, faults, image.name) for item in (file, kind_file)] if size else [None]
    ids, kinds = pictures[0], pictures[-1]
    if ids is None or kinds is None:
        regions.saw()
        return regions
    numbers, masks = mask_files.rows(ids, (0, VOID))
    for row, number in enumerate(numbers):
        under = Counter(mask_files.values_under(masks[row], kinds).tolist()) if kinds.shape == ids.shape else Counter()
        under.pop(VOID, None)
        kind = max(under, key=lambda value: (under[value], -value), default=0)
        if 1 <= kind <= len(names):
            regions.mask(number, names[kind - 1], masks[row])
        else:
            regions.lacks(number, KINDS, f"a class 1 to {len(names)} under the mask", kind, "correct that picture")
    return regions


def _kind_names(root: Path) -> tuple[str, ...]:
    """Class names without the background, which may or may not stand first in the list."""
    for name in NAME_LISTS:
        if (root / name).is_file():
            lines = [line.strip() for line in read_text(root / name).splitlines() if line.strip()]
            lines = [line for line in lines if line != "__ignore__"]
            return tuple(lines[1:] if lines and "background" in lines[0].casefold() else lines)
    return CLASSES


# --- writing ----------------------------------------------------------------------------------------
def write(record: Record, folder: Path, losses: Losses) -> None:
    """The two pictures of an image whose masks do not overlap; otherwise the outlines count as lost.

    Object k of the XML has the value k in SegmentationObject, its class the place in class_names.txt.
    """
    instances = record.instances
    if instances is None or instances.masks is None or not len(instances):
        return
    masks = instances.masks
    areas = masks.area
    apart = int(masks.union().area[0]) == int(areas.sum())
    if not apart or not areas.all() or max(len(masks), len(instances.names)) >= VOID:
        losses.add(OUTLINES_LOST, len(masks))
        return
    losses.add(VERTICES_LOST, sum(parts is not None for parts in instances.outlines()))
    objects, kinds = np.zeros(record.size, np.uint8), np.zeros(record.size, np.uint8)
    boxes = masks.boxes.astype(np.int64)
    for row, (left, top, right, bottom) in enumerate(boxes.tolist()):
        drawn = masks[row].patches(boxes[row : row + 1])[0]
        objects[top:bottom, left:right][drawn] = row + 1
        kinds[top:bottom, left:right][drawn] = instances.classes[row] + 1
    for name, pixels in ((OBJECTS, objects), (KINDS, kinds)):
        (folder / name).mkdir(exist_ok=True)
        picture = Image.fromarray(pixels)
        picture.putpalette(_palette())
        picture.save(folder / name / f"{percent_encoded(record.image.stem)}.png", "PNG")
    text = "".join(f"{name}\n" for name in ("_background_", *instances.names))
    (folder / NAME_LISTS[0]).write_text(text, encoding="utf-8")


def _palette() -> list[int]:
    """The kit's colors: of each value the bits, lowest first, in turn for red, green and blue, highest first."""
    values = np.arange(256)
    colors = np.zeros((256, 3), np.int64)
    for bit in range(8):
        for channel in range(3):
            colors[:, channel] |= (values >> 3 * bit + channel & 1) << 7 - bit
    return colors.reshape(-1).tolist()
