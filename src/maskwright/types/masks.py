"""RleMasks: many masks of one image as run lengths; no dense frame is held."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from maskwright.errors import ShapeError
from maskwright.geometry import polygons, rle


@dataclass(frozen=True, slots=True, eq=False)
class RleMasks:
    """n masks of one image, each a list of run lengths in COCO's order.

    size     (height, width) of the image in pixels
    counts   all runs one after another, int64; the runs of one mask alternate off, on, off, ...
             down the columns (Fortran order), begin with an "off" run (which may be 0) and sum to height * width
    offsets  n+1 int64; mask i owns counts[offsets[i]:offsets[i+1]]

    Holes and several parts need nothing special: they are runs like others. n = 0 is ordinary.
    """

    size: tuple[int, int]
    counts: np.ndarray
    offsets: np.ndarray

    def __post_init__(self) -> None:
        if len(self.size) != 2:
            raise ShapeError("not the size of an image", field="size", expected="(height, width)", got=self.size)
        if np.ndim(self.counts) != 1 or np.ndim(self.offsets) != 1 or len(self.offsets) < 1:
            raise ShapeError(
                "run lengths need two one-dimensional arrays",
                field="counts, offsets",
                expected="shapes (m,) and (n + 1,)",
                got=f"shapes {np.shape(self.counts)} and {np.shape(self.offsets)}",
            )
        if self.offsets[0] != 0 or self.offsets[-1] != len(self.counts):
            raise ShapeError(
                "the offsets do not cover the run lengths",
                field="offsets",
                expected=f"from 0 to {len(self.counts)}",
                got=f"from {self.offsets[0]} to {self.offsets[-1]}",
            )

    # --- making ---------------------------------------------------------------------------------
    @classmethod
    def empty(cls, size: tuple[int, int]) -> RleMasks:
        return cls(size, np.zeros(0, np.int64), np.zeros(1, np.int64))

    @classmethod
    def from_dense(cls, dense: np.ndarray) -> RleMasks:
        """dense: n×H×W, anything non-zero belongs to the object."""
        if np.ndim(dense) != 3:
            raise ShapeError(
                "masks need three axes",
                field="dense",
                expected="(n, height, width)",
                got=f"shape {np.shape(dense)}",
                fix="mask[None] for a single mask",
            )
        return cls(dense.shape[1:], *rle.from_dense(dense))

    @classmethod
    def from_polygons(cls, outlines: Sequence[Sequence[np.ndarray]], size: tuple[int, int]) -> RleMasks:
        """One object a row; each a list of parts, each part k×2 float (x, y) in image pixels. Parts are united."""
        return cls(size, *polygons.fill(outlines, size))

    @classmethod
    def from_boxes(cls, boxes: np.ndarray, size: tuple[int, int]) -> RleMasks:
        """Each box (x1 y1 x2 y2) filled; edges rounded to whole pixels."""
        return cls(size, *rle.from_boxes(boxes, size))

    @classmethod
    def from_coco(cls, segmentations: Sequence[dict]) -> RleMasks:
        """COCO run lengths: {"size": [h, w], "counts": str | bytes | list}. All of one size; at least one."""
        height, width = (int(side) for side in segmentations[0]["size"])
        return cls((height, width), *rle.from_coco(segmentations))

    @classmethod
    def join(cls, several: Sequence[RleMasks]) -> RleMasks:
        """The rows of several, one after another; all of one image size; at least one."""
        sizes = {item.size for item in several}
        if len(sizes) != 1:
            raise ShapeError(
                "masks of different images cannot be joined", field="size", expected="one image size", got=sorted(sizes)
            )
        return cls(several[0].size, *rle.join([(item.counts, item.offsets) for item in several]))

    # --- asking ---------------------------------------------------------------------------------
    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __repr__(self) -> str:
        return f"RleMasks({len(self)} of {self.size[1]} x {self.size[0]} px)"

    def __getitem__(self, which: object) -> RleMasks:
        """Rows by slice, boolean mask or indices; always RleMasks again."""
        rows = np.atleast_1d(np.arange(len(self))[which])  # type: ignore[index]
        return RleMasks(self.size, *rle.take(self.counts, self.offsets, rows))

    @property
    def area(self) -> np.ndarray:
        """n int64, in pixels."""
        return rle.area(self.counts, self.offsets)

    @property
    def boxes(self) -> np.ndarray:
        """n×4 float32 x1 y1 x2 y2, edges (a one-pixel mask is 1 wide); an empty mask gives 0 0 0 0."""
        return rle.boxes(self.counts, self.offsets, self.size)

    def dense(self) -> np.ndarray:
        """n×H×W bool. Only for drawing: this is the full frame that no other code makes."""
        return rle.to_dense(self.counts, self.offsets, self.size)

    def patches(self, boxes: np.ndarray) -> list[np.ndarray]:
        """For each mask the h×w bool cut of its own whole-pixel box (x1 y1 x2 y2 ints inside the image)."""
        return rle.patches(self.counts, self.offsets, self.size, boxes)

    def iou(self, other: RleMasks, crowd: np.ndarray | None = None) -> np.ndarray:
        """len(self) × len(other) float64; `crowd` marks columns where intersection is divided by self's area."""
        return rle.iou((self.counts, self.offsets), (other.counts, other.offsets), self.size, crowd)

    def union(self) -> RleMasks:
        """One mask: the pixels that belong to any."""
        return RleMasks(self.size, *rle.union(self.counts, self.offsets, self.size))

    def crop(self, box: tuple[int, int, int, int]) -> RleMasks:
        """All masks inside the whole-pixel box (x1, y1, x2, y2), in an image of that size."""
        x1, y1, x2, y2 = box
        return RleMasks((y2 - y1, x2 - x1), *rle.crop(self.counts, self.offsets, self.size, box))

    def place(self, corner: tuple[int, int], size: tuple[int, int]) -> RleMasks:
        """The same masks in a larger image of that size, in which this one lies at `corner` (left, top)."""
        return RleMasks(size, *rle.embed(self.counts, self.offsets, self.size, corner, size))

    def flip(self) -> RleMasks:
        """Left and right exchanged."""
        return RleMasks(self.size, *rle.flip(self.counts, self.offsets, self.size))

    def to_coco(self) -> list[dict]:
        """[{"size": [h, w], "counts": str}, ...] as pycocotools writes them."""
        return rle.to_coco(self.counts, self.offsets, self.size)
