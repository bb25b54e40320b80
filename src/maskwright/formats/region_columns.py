"""Columns: the objects of a large file while it is read, where an image has nothing but plain outlines with boxes.

Nearly all images of COCO files are so. Their objects are kept as a few arrays for the whole file, and their masks need
not be made: an outline inside the image has pixels, and the file gives the box. An image of which anything else is met
(run lengths, an outline past the edge, a fault) has rows of its own instead, as the images of other formats have
(region_rows.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from maskwright.formats import outlines
from maskwright.formats.faults import Faults
from maskwright.formats.region_rows import RegionRows
from maskwright.geometry.packed import PackedOutlines
from maskwright.geometry.ragged import Ragged
from maskwright.types import Instances, OutlinedAnnotations, OutlinedImages, OutlinedMasks


class Columns(NamedTuple):
    """m objects in the file's order.

    image  m int64, by number; -1 where the object has become a row
    label  m int64, index of the class
    id     m int64, as in the file
    crowd  m bool
    boxes  m×4 x1 y1 x2 y2
    """

    image: np.ndarray
    label: np.ndarray
    id: np.ndarray
    crowd: np.ndarray
    boxes: np.ndarray

    def at(self, which: np.ndarray | slice) -> Columns:
        return Columns(*(column[which] for column in self))


class Block:
    """Objects of any images that were met together, examined.

    columns  of the m objects; the boxes cut at the edge
    shapes   their outlines, as in the file
    sound    m bool: it can become a row. The others (faulty, tiny, or of an image that was turned) are to be handed to
             their images as any region
    plain    m bool: it can be kept in columns
    """

    def __init__(self, images: Sequence[RegionRows], columns: Columns, shapes: Ragged) -> None:
        """`images` are those of the m objects."""
        self._images = images
        sizes = np.array([rows.size for rows in images], np.int64).reshape(-1, 2)
        last = np.array([rows.last for rows in images])
        self._found = outlines.examine(shapes, shapes, np.zeros(len(images), bool), sizes, last)
        boxes = np.where((np.abs(columns.boxes) <= outlines.FARTHEST).all(1, keepdims=True), columns.boxes, np.nan)
        boxes, self._kept = outlines.sensible(boxes, self._found.low, self._found.high, sizes)
        self.columns, self.shapes = columns._replace(boxes=boxes), shapes
        lying = np.array([not rows.turned_too for rows in images], bool)
        self.sound = (self._found.problems == outlines.SOUND) & ~self._found.tiny & lying
        self.plain = self.sound & ~self._found.cut & (self._kept == 1)

    @cached_property
    def _parts(self) -> list[list[np.ndarray]]:
        return self.shapes.split()

    def as_row(self, index: int, label: str) -> None:
        """The sound object number `index` becomes the last row of its image."""
        rows, found, at = self._images[index], self._found, self.columns
        rows.faults.saw()
        row = rows.sound(self._parts[index], label, int(at.id[index]), bool(at.crowd[index]))
        rows.measured(found.high[index], bool(found.cut[index]))
        rows.keep_box(row, at.boxes[index], int(self._kept[index]))


class RegionColumns:
    """The objects of all images that have nothing but plain ones.

    images  all images of the file, by number
    labels  all classes, by index
    """

    def __init__(self, images: Sequence[RegionRows], labels: Sequence[str], faults: Faults) -> None:
        self._images = images
        self._labels = labels
        self._faults = faults
        self._has_rows = np.array([rows.apart for rows in images], bool)
        self._outlines = PackedOutlines()
        self._blocks: list[Columns] = []

    def keep(self, block: Block) -> np.ndarray:
        """m bool: which objects of the block were taken in here; those of the others' images have rows."""
        self.give_rows(block.columns.image[~block.plain])
        kept = ~self._has_rows[block.columns.image]
        self._faults.saw(int(kept.sum()))
        self._outlines.append(block.shapes if kept.all() else block.shapes.take(np.flatnonzero(kept)))
        columns = block.columns.at(kept)
        self._blocks.append(columns._replace(boxes=columns.boxes.astype(np.float32)))
        return kept

    def give_rows(self, images: np.ndarray) -> None:
        """Something else is met of these: what was taken in of them becomes rows."""
        new = np.unique(images[~self._has_rows[images]])
        self._has_rows[new] = True
        first = 0
        for block in self._blocks if len(new) else ():
            for index in np.flatnonzero(np.isin(block.image, new)).tolist():
                (parts,) = self._outlines.rows([first + index]).split()
                rows, label = self._images[block.image[index]], self._labels[block.label[index]]
                row = rows.sound(parts, label, int(block.id[index]), bool(block.crowd[index]))
                rows.keep_box(row, block.boxes[index], 1)
                block.image[index] = -1
            first += len(block.image)

    def close(self) -> list[tuple[int, ImageColumns]]:
        """All is taken in: the images that have columns, by number, with what they have."""
        if not self._blocks:
            return []
        every = Columns(*map(np.concatenate, zip(*self._blocks, strict=True)))
        self._blocks = []
        order = np.argsort(every.image, kind="stable")[np.count_nonzero(every.image < 0) :]
        every = every.at(order)
        numbers, counts = np.unique(every.image, return_counts=True)
        bounds = np.concatenate([[0], np.cumsum(counts)])
        sizes = np.array([self._images[number].size for number in numbers], np.int64).reshape(-1, 2)
        drawn = OutlinedImages(self._outlines, order.astype(np.int32), bounds, sizes)
        own = [ImageColumns(drawn, index, every.at(slice(first, stop)), self._labels)
               for index, (first, stop) in enumerate(pairwise(bounds.tolist()))]  # fmt: skip
        return list(zip(numbers.tolist(), own, strict=True))


@dataclass(frozen=True, slots=True)
class ImageColumns:
    """All objects of one image.

    drawn, image  their outlines, among those of all images
    labels        as of RegionColumns
    """

    drawn: OutlinedImages
    image: int
    columns: Columns
    _labels: Sequence[str]

    def __len__(self) -> int:
        return len(self.columns.image)

    @property
    def labels(self) -> list[str]:
        """The class of each."""
        numbers: list[int] = self.columns.label.tolist()
        return [self._labels[number] for number in numbers]

    def instances(self, names: tuple[str, ...]) -> Instances:
        """As `Regions.instances`."""
        index = {name: number for number, name in enumerate(names)}
        classes = np.array([index[label] for label in self.labels])
        masks = OutlinedMasks(self.drawn, self.image)
        notes = OutlinedAnnotations(self.drawn, self.image, self.columns.id)
        crowd = self.columns.crowd if self.columns.crowd.any() else None
        return Instances(self.columns.boxes, classes, None, masks, names, crowd, notes)
