"""Annotations of COCO JSON, handed to the images they belong to.

Nearly all annotations are plain: an outline or several, a box, whole numbers as ids. These are decoded and handed on
some thousand at a time; each other one by itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from itertools import chain, compress
from typing import Annotated, Any, cast

import msgspec
import numpy as np

from maskwright.formats.json_records import Records
from maskwright.formats.outlines import are_plain, numbers_of
from maskwright.formats.reading import Faults, Regions, count_keys
from maskwright.formats.region_columns import Block, Columns, RegionColumns
from maskwright.formats.shapes import KEYPOINTS_UNUSED
from maskwright.geometry.ragged import Ragged
from maskwright.issues import Kind
from maskwright.types import Annotation

PARTS_UNUSED = Kind(
    "parts_unused", "warning", "{count} part of an outline with fewer than 3 points cannot be used here: left out",
    "{count} parts of an outline with fewer than 3 points cannot be used here: left out",
)  # fmt: skip

_OBJECT = {"id", "image_id", "category_id", "segmentation", "bbox", "area", "iscrowd", "attributes"}
_NO_ATTRIBUTES: dict[str, Any] = {}
_FARTHEST = 1e9  # pixels; a box beyond is none
_CROWD = (0, 1, msgspec.UNSET)


class _Plain(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """An annotation as most files have it; one that does not fit into it is no plain one."""

    id: Annotated[int, msgspec.Meta(ge=-(1 << 63), le=(1 << 63) - 1)]
    image_id: int
    category_id: int
    segmentation: list[list[float]] | dict[str, Any]
    bbox: list[float]
    area: float | msgspec.UnsetType = msgspec.UNSET
    iscrowd: int | msgspec.UnsetType = msgspec.UNSET


class Drawing:
    """Hands annotations to the regions of their images.

    used   the classes that were met
    alone  boxes without outlines, as in the file, with (height, width) of their image
    """

    def __init__(
        self, regions_of: Mapping[str, Regions | None], classes: Mapping[str | None, str], faults: Faults
    ) -> None:
        """`regions_of` each image, by its id as a text; None where the image is absent or broken."""
        self.used: set[str] = set()
        self.alone: list[tuple[list[float], tuple[int, int]]] = []
        self._regions_of = regions_of
        self._classes = classes
        self._faults = faults
        self._images = [*dict.fromkeys(regions for regions in regions_of.values() if regions is not None)]
        self._labels = [*dict.fromkeys(classes.values())]
        self._columns = RegionColumns(self._images, self._labels, faults)
        numbers = {regions: number for number, regions in enumerate(self._images)}
        self._numbers = {key: numbers[regions] for key, regions in regions_of.items() if regions is not None}
        self._image_of = {int(key): number for key, number in self._numbers.items() if _is_whole(key)}
        labels = {label: number for number, label in enumerate(self._labels)}
        self._label_of = {int(key): labels[name] for key, name in classes.items() if key is not None and _is_whole(key)}
        self._plain = msgspec.json.Decoder(list[_Plain])

    def draw(self, annotations: Records | list[Any]) -> None:
        if isinstance(annotations, list):
            for index, annotation in enumerate(annotations):
                self._one(annotation, index)
            return
        first = 0
        for text in annotations.blocks():
            try:
                found = self._plain.decode(text)
            except (UnicodeDecodeError, msgspec.MsgspecError):
                found = []
            if found and text.count(b'":') == sum(map(_keys, found)):
                first += self._block(found, text, first)
                continue
            every = annotations.decoded(text)
            annotations.refuse_duplicates(text, count_keys(every))
            images = [self._numbers.get(key_of(item.get("image_id")) or "", -1) for item in every
                      if isinstance(item, dict)]  # fmt: skip
            self._columns.give_rows(np.array([image for image in images if image >= 0], np.int64))
            for annotation in every:
                self._one(annotation, first)
                first += 1
        for number, columns in self._columns.close():
            self._images[number].take_columns(columns)

    def _block(self, found: list[_Plain], text: bytes, first: int) -> int:
        """Hand on all annotations of a block, in their order, and tell how many they are."""
        images = np.array([self._image_of.get(item.image_id, -1) for item in found])
        labels = np.array([self._label_of.get(item.category_id, -1) for item in found])
        plain = np.array([*map(_is_plain, found)]) & (images >= 0) & (labels >= 0)
        self._columns.give_rows(images[~plain & (images >= 0)])
        block = self._examined([*compress(found, plain)], images[plain], labels[plain])
        kept = self._columns.keep(block)
        self.used.update(self._labels[label] for label in np.unique(labels[plain]))
        if plain.all() and kept.all():
            return len(found)
        every = msgspec.json.decode(text)
        numbers = (np.cumsum(plain) - 1).tolist()
        for index, number in enumerate(numbers):
            if not plain[index] or not block.sound[number]:
                self._one(every[index], first + index)
            elif not kept[number]:
                block.as_row(number, self._labels[labels[index]])
        return len(found)

    def _examined(self, found: list[_Plain], images: np.ndarray, labels: np.ndarray) -> Block:
        """Plain annotations as one block."""
        parts = cast("list[list[list[float]]]", [item.segmentation for item in found])
        lengths = np.fromiter(map(len, chain.from_iterable(parts)), np.int64)
        numbers = np.fromiter(chain.from_iterable(chain.from_iterable(parts)), np.float64, int(lengths.sum()))
        shapes = Ragged(numbers.reshape(-1, 2), lengths // 2, np.fromiter(map(len, parts), np.int64, len(parts)))
        boxes = np.array([item.bbox for item in found], np.float64).reshape(-1, 4)
        boxes[:, 2:] += boxes[:, :2]
        ids = np.array([item.id for item in found], np.int64)
        crowd = np.array([item.iscrowd == 1 for item in found], bool)
        columns = Columns(images, labels, ids, crowd, boxes)
        return Block([self._images[image] for image in images.tolist()], columns, shapes)

    def _one(self, annotation: Any, index: int) -> None:
        """By its id, or its place `index` in the list, people find an annotation again."""
        key = key_of(annotation.get("image_id")) if isinstance(annotation, dict) else None
        number = annotation.get("id", index) if isinstance(annotation, dict) else index
        if key is None or key not in self._regions_of:
            self._faults.saw()
            got = "none" if key is None else key
            self._faults.add(f"annotation {number}", "image_id", "the id of a listed image", got)
            return
        regions = self._regions_of[key]
        if regions is None:
            return
        label = self._classes.get(key_of(annotation.get("category_id")))
        if label is None:
            regions.lacks(number, "category_id", "the id of a listed category",
                          annotation.get("category_id"), "add the category to the file's list")  # fmt: skip
            return
        self.used.add(label)
        bare = not annotation.get("segmentation") and regions.stated in (None, regions.size)
        if bare and _corners(annotation.get("bbox")) is not None:
            self.alone.append((annotation["bbox"], regions.size))
        _draw(annotation, number, label, regions)


def _keys(item: _Plain) -> int:
    """How many keys it has, also in run lengths."""
    count = 5 + (item.area is not msgspec.UNSET) + (item.iscrowd is not msgspec.UNSET)
    return count if type(item.segmentation) is list else count + count_keys(item.segmentation)


def _is_plain(item: _Plain) -> bool:
    """Outlines of three points or more, and a box of a possible size."""
    parts, box = item.segmentation, item.bbox
    if type(parts) is not list or not parts or len(box) != 4 or item.iscrowd not in _CROWD:
        return False
    for part in parts:
        if len(part) < 6 or len(part) & 1:
            return False
    x, y, width, height = box
    return abs(x) <= _FARTHEST and abs(y) <= _FARTHEST and abs(width) <= _FARTHEST and abs(height) <= _FARTHEST


def _is_whole(key: str) -> bool:
    """The text of a whole number, as `key_of` makes it."""
    return key.removeprefix("-").isdecimal() and key.isascii() and str(int(key)) == key


def key_of(value: Any) -> str | None:
    """An id as a text: 7, 7.0 and "7" are one."""
    if type(value) is int:
        return str(value)
    if isinstance(value, bool):
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).strip() if isinstance(value, int | str) else None


def _draw(annotation: dict[str, Any], number: object, label: str, regions: Regions) -> None:
    """Hand one annotation to `regions`: run lengths, outlines, or else its box."""
    crowd = annotation.get("iscrowd") in (1, "1", True)
    segmentation, box = annotation.get("segmentation"), _corners(annotation.get("bbox"))
    note = _note(annotation)
    if isinstance(segmentation, list):
        segmentation = [part for part in segmentation if part not in ([], None)]
    if isinstance(segmentation, dict) and segmentation:
        regions.runs(number, label, segmentation, crowd=crowd, box=box, note=note)
    elif segmentation and not isinstance(segmentation, list):
        regions.lacks(number, "segmentation", "outlines or run lengths", segmentation, "draw that outline again")
    elif segmentation:
        # VIA writes one flat list
        flat = list(segmentation) if isinstance(segmentation[0], list) else [segmentation]
        parts = [part for part in flat if isinstance(part, list) and len(part) >= 6] or flat
        regions.faults.count(PARTS_UNUSED, len(flat) - len(parts))
        if any(not isinstance(part, list) or len(part) % 2 for part in parts):
            wrong = next(part for part in parts if not isinstance(part, list) or len(part) % 2)
            regions.lacks(number, "segmentation", "pairs of x and y", wrong, "draw that outline again")
            return
        regions.outline(number, label, [_pairs(part) for part in parts], crowd=crowd, box=box, note=note)
    elif box is not None:
        regions.box(number, label, *box, crowd=crowd, note=note)
    elif annotation.get("bbox") not in (None, []):
        regions.lacks(number, "bbox", "four numbers [x, y, width, height]", annotation["bbox"])
    elif annotation.get("keypoints"):
        regions.unused(KEYPOINTS_UNUSED)
    else:
        regions.lacks(number, "segmentation", "a segmentation or a bbox", "none", "draw the object, or delete it")


def _pairs(part: Any) -> Any:
    """x1, y1, x2, y2, ... as k×2."""
    points = numbers_of(part)
    return list(zip(part[::2], part[1::2], strict=True)) if points is None else points.reshape(-1, 2)


def facts_besides(record: dict[str, Any], known: Set[str]) -> dict[str, Any]:
    """Further fields that say something."""
    return {name: value for name, value in record.items() if name not in known and value not in (None, "", [], {})}


def _note(annotation: dict[str, Any]) -> Annotation | None:
    number, attributes = annotation.get("id"), annotation.get("attributes")
    number = number if isinstance(number, int | str) and not isinstance(number, bool) else None
    attributes = attributes if isinstance(attributes, dict) else _NO_ATTRIBUTES  # as CVAT writes them
    if not annotation.keys() <= _OBJECT:
        attributes = facts_besides(annotation, _OBJECT) | attributes
    return Annotation((), number, attributes) if number is not None or attributes else None


def _corners(bbox: Any) -> list[float] | None:
    """[x, y, width, height] -> [x1, y1, x2, y2]; None where it is not four numbers."""
    if not isinstance(bbox, list) or len(bbox) != 4:
        return None
    if not are_plain(bbox) or max(map(abs, bbox)) > 1e9:
        return None
    x, y, width, height = bbox
    return [x, y, x + width, y + height]
