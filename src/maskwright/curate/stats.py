"""Statistics of a dataset: sizes and shapes of images and objects, how crowded images are, how anchors fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from maskwright.geometry import boxes
from maskwright.types import Dataset

OVERLAPPING = 0.5  # intersection over union from which non-maximum suppression may take two objects for one


@dataclass(frozen=True, slots=True)
class Spread:
    """How values lie: the least, the one that a tenth is below, the median, the one a tenth is above, the largest."""

    min: float
    p10: float
    median: float
    p90: float
    max: float

    @classmethod
    def of(cls, values: np.ndarray) -> Spread | None:
        """None without values.

        >>> Spread.of(np.array([1, 2, 3]))
        Spread(min=1.0, p10=1.2, median=2.0, p90=2.8, max=3.0)
        """
        if not len(values):
            return None
        found = np.percentile(np.asarray(values, np.float64), [0, 10, 50, 90, 100])
        return cls(*(float(f"{value:.5g}") for value in found))


@dataclass(frozen=True, slots=True)
class AnchorFit:
    """How well a network's anchors fit the objects, by shape alone: best intersection over union at one center.

    model, size  the network, and the long side of its input in pixels
    sides        of its square anchors
    median       of the objects' best intersection over union
    above_half   fraction of objects whose best is 0.5 or more
    smaller      fraction of objects whose side is less than half of the smallest anchor's
    larger       fraction of objects whose side is more than twice the largest anchor's
    """

    model: str
    size: int
    sides: tuple[float, ...]
    median: float
    above_half: float
    smaller: float
    larger: float


@dataclass(frozen=True, slots=True, eq=False)
class Stats:
    """The images of a dataset and its objects, crowds left out, as columns.

    names       of the classes
    sizes       n×2 int64, width and height of each image
    per_image   of each labeled image the number of its objects
    image_labels  of each class the number of images called so as a whole
    images      k int64, the image of each object
    classes     k int64
    corners     k×4 float64, x1 y1 x2 y2 in image pixels
    filled      k float64, the part of its box that an object fills; NaN where there is no mask
    overlapped  k bool, another object of the image has nearly the same box (intersection over union 0.5 or more)
    splits      k, "train", "val", "test" or "" of each object
    """

    names: tuple[str, ...]
    sizes: np.ndarray
    per_image: np.ndarray
    image_labels: np.ndarray
    images: np.ndarray
    classes: np.ndarray
    corners: np.ndarray
    filled: np.ndarray
    overlapped: np.ndarray
    splits: np.ndarray

    @classmethod
    def of(cls, dataset: Dataset) -> Stats:
        looked_at = [(index, record, record.instances) for index, record in enumerate(dataset)
                     if record.instances is not None and not record.skipped]  # fmt: skip
        drawn = [(index, record, instances if instances.crowd is None else instances[~instances.crowd])
                 for index, record, instances in looked_at]  # fmt: skip
        counts = np.array([len(instances) for _, _, instances in drawn], np.int64)
        labels = [label for record in dataset for label in record.labels or ()]
        tables = [instances.boxes.astype(np.float64) for _, _, instances in drawn]
        return cls(
            names=dataset.names,
            sizes=np.array([record.size[::-1] for record in dataset], np.int64).reshape(-1, 2),
            per_image=counts,
            image_labels=np.bincount(np.array(labels, np.int64), minlength=len(dataset.names)),
            images=np.repeat(np.array([index for index, _, _ in drawn], np.int64), counts),
            classes=np.concatenate([np.zeros(0, np.int64), *(instances.classes for _, _, instances in drawn)]),
            corners=np.concatenate([np.zeros((0, 4)), *tables]),
            filled=np.concatenate([np.zeros(0), *(
                np.full(len(instances), np.nan) if instances.masks is None else
                instances.masks.area / np.maximum(boxes.area(instances.boxes), 1) for _, _, instances in drawn)]),
            overlapped=np.concatenate([np.zeros(0, bool), *(_overlapped(table) for table in tables)]),
            splits=np.repeat(np.array([record.split or "" for _, record, _ in drawn], object), counts),
        )  # fmt: skip

    def __len__(self) -> int:
        return len(self.classes)

    @property
    def widths(self) -> np.ndarray:
        """k, in image pixels."""
        return self.corners[:, 2] - self.corners[:, 0]

    @property
    def heights(self) -> np.ndarray:
        return self.corners[:, 3] - self.corners[:, 1]

    @property
    def sides(self) -> np.ndarray:
        """k: the side of the square of the box's area, in image pixels."""
        return np.sqrt(np.maximum(self.widths * self.heights, 0))

    @property
    def ratios(self) -> np.ndarray:
        """k: width over height."""
        return self.widths / np.maximum(self.heights, 1e-6)

    @property
    def fractions(self) -> np.ndarray:
        """k×2: width and height as fractions of the image's."""
        return np.stack([self.widths, self.heights], 1) / self.sizes[self.images].reshape(-1, 2)

    @property
    def centers(self) -> np.ndarray:
        """k×2: x and y of the centers as fractions of the image's width and height."""
        middle = (self.corners[:, :2] + self.corners[:, 2:]) / 2
        return middle / self.sizes[self.images].reshape(-1, 2)

    def scale(self, size: int) -> np.ndarray:
        """k: from image pixels to those of a network input whose long side is `size`."""
        return size / self.sizes[self.images].reshape(-1, 2).max(1, initial=1)

    def to_dict(self) -> dict[str, Any]:
        """All of it as numbers: images, objects, crowding, and each class."""
        every = np.ones(len(self), bool)
        return {
            "images": {"count": len(self.sizes), "width": Spread.of(self.sizes[:, 0]),
                       "height": Spread.of(self.sizes[:, 1])},
            "objects": {"count": len(self), **self._shapes(every)},
            "crowding": {
                "per_image": Spread.of(self.per_image),
                "images_without_objects": int((self.per_image == 0).sum()),
                "overlapped": int(self.overlapped.sum()),
            },
            "classes": {name: self.of_class(index) for index, name in enumerate(self.names)},
        }  # fmt: skip

    def of_class(self, index: int) -> dict[str, Any]:
        mine = self.classes == index
        splits = [split for split in ("train", "val", "test") if (self.splits == split).any()]
        return {
            "objects": int(mine.sum()),
            "images": len(np.unique(self.images[mine])) + int(self.image_labels[index]),
            "splits": {split: int((mine & (self.splits == split)).sum()) for split in splits},
            **self._shapes(mine),
        }

    def _shapes(self, rows: np.ndarray) -> dict[str, Spread | None]:
        filled = self.filled[rows]
        return {
            "width": Spread.of(self.widths[rows]),
            "height": Spread.of(self.heights[rows]),
            "side": Spread.of(self.sides[rows]),
            "width_by_height": Spread.of(self.ratios[rows]),
            "fraction_of_image": Spread.of(self.fractions[rows].prod(1)),
            "fraction_of_box": Spread.of(filled[np.isfinite(filled)]),
        }

    def fit(self, model: str, size: int, sides: Sequence[float], ratios: Sequence[float]) -> AnchorFit | None:
        """How the anchors of a network fit; None without objects.

        size    the long side of the network input, to which images are scaled
        sides   of the square anchors, network input pixels
        ratios  height / width of the anchors of each side
        """
        if not len(self):
            return None
        scale = self.scale(size)
        root = np.sqrt(np.array(ratios, np.float64))
        heights, widths = (root[:, None] * np.array(sides)).ravel(), (np.array(sides) / root[:, None]).ravel()
        width, height = ((np.maximum(side, 1e-6) * scale)[:, None] for side in (self.widths, self.heights))
        shared = np.minimum(width, widths) * np.minimum(height, heights)
        best = (shared / (width * height + widths * heights - shared)).max(1)
        side = self.sides * scale
        return AnchorFit(
            model, size, tuple(sides), round(float(np.median(best)), 3), round(float((best >= 0.5).mean()), 3),
            round(float((side < min(sides) / 2).mean()), 3), round(float((side > max(sides) * 2).mean()), 3),
        )  # fmt: skip


def _overlapped(table: np.ndarray) -> np.ndarray:
    if len(table) < 2:
        return np.zeros(len(table), bool)
    overlaps = boxes.iou(table, table) >= OVERLAPPING
    return overlaps.sum(1) > 1
