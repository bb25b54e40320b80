"""Instances: the objects of one image. RawDetections: what an engine gives, before the way back to the image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from maskwright.errors import ShapeError
from maskwright.types.annotation import Annotation
from maskwright.types.masks import RleMasks
from maskwright.types.outlined import OutlinedAnnotations


@dataclass(frozen=True, slots=True, eq=False)
class Instances:
    """The objects of one image, detected or annotated. Every field has length n; n = 0 is ordinary.

    boxes    n×4 float32       x1 y1 x2 y2 in image pixels; edges, so a one-pixel object is 1 wide
    classes  n int64           index into `names` (no background class: 0 is the first real one)
    scores   n float32 | None  0..1; None for annotations
    masks    RleMasks | None   same order, same image size; None where only boxes are known
    names    tuple[str, ...]   the class names of the dataset or model
    crowd    n bool | None     COCO's iscrowd: a region of many, neither trained on nor counted as a false negative
    annotations  n Annotation | None, or None as a whole: what the annotation file holds beyond that

    Raises ShapeError where shapes or lengths differ. An empty list of boxes, shape (0,), is taken as (0, 4).
    """

    boxes: np.ndarray
    classes: np.ndarray
    scores: np.ndarray | None
    masks: RleMasks | None
    names: tuple[str, ...]
    crowd: np.ndarray | None = None
    annotations: Sequence[Annotation | None] | None = None

    def __post_init__(self) -> None:
        boxes = np.asarray(self.boxes, np.float32)
        boxes = boxes.reshape(0, 4) if boxes.shape == (0,) else boxes
        if boxes.ndim != 2 or boxes.shape[1] != 4:
            raise ShapeError(
                "boxes need four coordinates each", field="boxes", expected="shape (n, 4)", got=f"shape {boxes.shape}"
            )
        object.__setattr__(self, "boxes", boxes)
        object.__setattr__(self, "classes", np.asarray(self.classes, np.int64))
        if self.scores is not None:
            object.__setattr__(self, "scores", np.asarray(self.scores, np.float32))
        for field in ("classes", "scores", "crowd"):
            column = getattr(self, field)
            if column is not None and np.shape(column) != (len(boxes),):
                raise ShapeError(
                    "one value per object is needed",
                    field=field,
                    expected=f"shape ({len(boxes)},), as many as boxes",
                    got=f"shape {np.shape(column)}",
                )
        for field in ("masks", "annotations"):
            column = getattr(self, field)
            if column is not None and len(column) != len(boxes):
                raise ShapeError(
                    "one entry per object is needed",
                    field=field,
                    expected=f"{len(boxes)}, as many as boxes",
                    got=len(column),
                )

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
        """detections[detections.scores > 0.5], detections[:3], detections[2] (one row, still Instances)."""
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
        if isinstance(self.annotations, OutlinedAnnotations) and self.annotations.enclose(self.masks):
            return [note.outlines for note in self.annotations]
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
    """What an engine returns for one network input: the interface between engines and everything else.

    boxes    n×4 float32      x1 y1 x2 y2 in network input pixels
    scores   n float32        0..1, descending
    classes  n int64          index into the card's class names
    mask_probs     n×28×28 float32 | None   probability that a cell of the box belongs to the object; None without a
                   mask head
    paste_mode     whose rule puts a small mask into its box: "torchvision" grows the box a little (geometry/paste.py),
                   "matterport" stretches the mask over whole pixels (geometry/paste_matterport.py)
    """

    boxes: np.ndarray
    scores: np.ndarray
    classes: np.ndarray
    mask_probs: np.ndarray | None
    paste_mode: Literal["torchvision", "matterport"] = "torchvision"

    def __len__(self) -> int:
        return len(self.boxes)
