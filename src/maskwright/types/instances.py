"""Instances: the objects of one image. RawDetections: what an engine gives, before the way back to the image."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from maskwright.types.annotation import Annotation
from maskwright.types.masks import RleMasks


@dataclass(frozen=True, slots=True, eq=False)
class Instances:
    """The objects of one image, found or annotated. Every column has the same length n; n = 0 is ordinary.

    boxes    n×4 float32       x1 y1 x2 y2 in image pixels; edges, so a one-pixel object is 1 wide
    classes  n int64           index into `names` (no background class: 0 is the first real one)
    scores   n float32 | None  0..1; None where a person drew them
    masks    RleMasks | None   same order, same image size; None where only boxes are known
    names    tuple[str, ...]   the class names of the dataset or model
    crowd    n bool | None     COCO's iscrowd: a region of many, neither to be learned nor to be counted as missed
    annotations  n Annotation | None, or None as a whole: what the annotation file said of each object besides
    """

    boxes: np.ndarray
    classes: np.ndarray
    scores: np.ndarray | None
    masks: RleMasks | None
    names: tuple[str, ...]
    crowd: np.ndarray | None = None
    annotations: tuple[Annotation | None, ...] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "boxes", np.asarray(self.boxes, np.float32).reshape(-1, 4))
        object.__setattr__(self, "classes", np.asarray(self.classes, np.int64).reshape(-1))
        if self.scores is not None:
            object.__setattr__(self, "scores", np.asarray(self.scores, np.float32).reshape(-1))
        lengths = {
            len(column)
            for column in (self.boxes, self.classes, self.scores, self.masks, self.crowd, self.annotations)
            if column is not None
        }
        assert len(lengths) == 1, f"columns of different lengths: {lengths}"

    @classmethod
    def empty(cls, names: tuple[str, ...], size: tuple[int, int] | None = None, scored: bool = False) -> Instances:
        """No objects; with `size` the masks column exists (and is empty), with `scored` the scores column."""
        masks = None if size is None else RleMasks.empty(size)
        scores = np.zeros(0, np.float32) if scored else None
        return cls(np.zeros((0, 4), np.float32), np.zeros(0, np.int64), scores, masks, names)

    def __len__(self) -> int:
        return len(self.boxes)

    def __repr__(self) -> str:
        counts = ", ".join(f"{count} {name}" for name, count in self.counts().items())
        kind = "boxes only" if self.masks is None else "with masks"
        return f"Instances({counts or 'none'}; {kind})"

    def __getitem__(self, which: object) -> Instances:
        """found[found.scores > 0.5], found[:3], found[0:0], found[2] (one row, still Instances)."""
        rows = np.atleast_1d(np.arange(len(self))[which])  # type: ignore[index]
        return replace(
            self,
            boxes=self.boxes[rows],
            classes=self.classes[rows],
            scores=None if self.scores is None else self.scores[rows],
            masks=None if self.masks is None else self.masks[rows],
            crowd=None if self.crowd is None else self.crowd[rows],
            annotations=None if self.annotations is None else tuple(self.annotations[row] for row in rows),
        )

    def outlines(self) -> list[tuple[np.ndarray, ...] | None]:
        """Of each object the outlines as drawn; None where its mask is not (or no longer) what they enclose."""
        found: list[tuple[np.ndarray, ...] | None] = [None] * len(self)
        if self.masks is None or self.annotations is None:
            return found
        drawn = [
            (row, note.outlines) for row, note in enumerate(self.annotations) if note is not None and note.outlines
        ]
        filled = RleMasks.from_polygons([parts for _, parts in drawn], self.masks.size)
        for index, (row, parts) in enumerate(drawn):
            if np.array_equal(filled[index].counts, self.masks[row].counts):
                found[row] = parts
        return found

    @property
    def labels(self) -> list[str]:
        """The class name of each row."""
        return [self.names[index] for index in self.classes]

    def counts(self) -> dict[str, int]:
        """How many of each class, classes with none left out: {"balloon": 7}."""
        found = np.bincount(self.classes, minlength=len(self.names))
        return {name: int(found[index]) for index, name in enumerate(self.names) if found[index]}


@dataclass(frozen=True, slots=True, eq=False)
class RawDetections:
    """What an engine found on one network input: the seam between engines and everything else.

    boxes    n×4 float32      x1 y1 x2 y2 in network input pixels
    scores   n float32        0..1, falling
    classes  n int64          index into the card's class names
    mask_probs     n×28×28 float32 | None   probability that a cell of the box belongs to the object; None without a
                   mask head
    rule     how a soft mask meets its box: "grown" a little, as torchvision's networks learn it (geometry/paste.py), or
             "stretched" over the box in whole pixels, as matterport's do (geometry/stretch.py)
    """

    boxes: np.ndarray
    scores: np.ndarray
    classes: np.ndarray
    mask_probs: np.ndarray | None
    rule: Literal["grown", "stretched"] = "grown"

    def __len__(self) -> int:
        return len(self.boxes)
