"""Rows: the objects of one image while they are read; those of many images are examined and filled together.

`examine` and `fill` ask one numpy call a question about some thousand objects. Large files have most objects in
columns instead (region_columns.py).
"""

from __future__ import annotations

import itertools
import unicodedata
from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any

import numpy as np

from maskwright.formats import outlines
from maskwright.formats.faults import Faults
from maskwright.formats.finding import FoundImage
from maskwright.geometry import filling
from maskwright.geometry.ragged import Ragged
from maskwright.issues import Kind
from maskwright.types import Annotation, RleMasks

_NO_ATTRIBUTES: dict[str, Any] = {}  # one for all, as nearly all have none
_SMALL = 4  # pixels; on a smaller image a box within 0 and 1 may be meant in pixels

OUTLINES_CLIPPED = Kind(
    "outlines_clipped", "warning", "{count} outline extended past the image edge: clipped",
    "{count} outlines extended past the image edge: clipped",
)  # fmt: skip
BOXES_CLIPPED = Kind(
    "boxes_clipped", "warning", "{count} box extended past the image edge: clipped",
    "{count} boxes extended past the image edge: clipped",
)  # fmt: skip


class RegionRows:
    """Objects of one image: what waits to be examined, and what was found sound.

    last       how far before the right and lower edge an outline is reported as cut
    in_pixels  what comes here was scaled to pixels: within a pixel of the corner it is just small
    """

    def __init__(self, faults: Faults, image: FoundImage, *, last: float, in_pixels: bool) -> None:
        self.faults = faults
        self.image = image
        self.size = image.size
        self.seen = 0
        self.misfit = False  # the image has not the frame that the file states
        self.last = last
        self._waiting: list[outlines.Waiting] = []
        self._filled: tuple[RleMasks, np.ndarray, np.ndarray] | None = None  # the outlines' masks, areas and boxes
        self._labels: list[str] = []
        self._names: list[object] = []
        self._outlines: list[tuple[int, Sequence[np.ndarray]]] = []  # row, parts
        self._boxes: list[tuple[int, np.ndarray]] = []  # row, x1 y1 x2 y2
        self._runs: list[tuple[int, RleMasks]] = []
        self._given: dict[int, np.ndarray] = {}  # row -> the box that the file itself gives
        self._elsewhere = 0  # boxes beside outlines that lie elsewhere
        self._crowd: list[bool] = []
        self._notes: list[Annotation | None] = []
        self._in_pixels = in_pixels
        self._reach = np.zeros(2)
        self._turn: Callable[[np.ndarray], np.ndarray] | None = None
        self._tiny: dict[int, bool] = {}  # row within a pixel of the corner -> has broken numbers: shares 0..1?

    @property
    def turned_too(self) -> bool:
        """The regions were turned with their image, as places in pixels."""
        return self._turn is not None

    @property
    def apart(self) -> bool:
        """What all its regions show together is needed to know in which frame they were drawn."""
        return self.misfit or self.image.turned

    def sound(self, parts: Sequence[np.ndarray], label: str, id: int, crowd: bool) -> int:
        """An outline that was examined elsewhere becomes the last row; its number."""
        self.seen += 1
        note = Annotation(tuple(parts), id, _NO_ATTRIBUTES)
        row = self._row(id, label, crowd, note)
        self._outlines.append((row, note.outlines))
        return row

    def measured(self, high: np.ndarray, cut: bool) -> None:
        """How far the outline reaches, and whether past the edge."""
        self._reach = np.maximum(self._reach, high)
        if cut:
            self.faults.count(OUTLINES_CLIPPED, 1, self.image.path)

    def _row(self, region: object, label: str, crowd: bool, note: Annotation | None) -> int:
        self._labels.append(label if label.isascii() else unicodedata.normalize("NFC", label))
        self._names.append(region)
        self._crowd.append(crowd)
        self._notes.append(note)
        return len(self._labels) - 1

    def keep_box(self, row: int, box: np.ndarray, kept: int) -> None:
        """A file's own box beside a mask is kept where it makes sense (`outlines.sensible`): COCO's are finer than
        whole pixels."""
        if kept > 0:
            self._given[row] = box
        elif kept < 0:
            self._elsewhere += 1

    def _clip(self, box: np.ndarray) -> np.ndarray:
        height, width = self.size
        return np.clip(box, 0, [width, height, width, height])

    def _without(self, rows: set[int]) -> None:
        """Take faulty rows out; those behind them move up."""
        left = [row for row in range(len(self._labels)) if row not in rows]
        new = {row: number for number, row in enumerate(left)}
        self._labels = [self._labels[row] for row in left]
        self._names = [self._names[row] for row in left]
        self._crowd = [self._crowd[row] for row in left]
        self._notes = [self._notes[row] for row in left]
        self._outlines = [(new[row], parts) for row, parts in self._outlines if row in new]
        self._boxes = [(new[row], box) for row, box in self._boxes if row in new]
        self._runs = [(new[row], mask) for row, mask in self._runs]
        self._given = {new[row]: box for row, box in self._given.items()}
        self._tiny = {new[row]: broken for row, broken in self._tiny.items()}

    # --- examining what waits -------------------------------------------------------------------
    def _take(self, found: outlines.Examined, first: int, shapes: list[list[np.ndarray]], boxes: np.ndarray,
              kept: np.ndarray) -> None:  # fmt: skip
        """The rows of `found` from `first` are those that wait here; `shapes` of all, and the boxes beside them."""
        waiting, self._waiting = self._waiting, []
        here = slice(first, first + len(waiting))
        problems = found.problems[here]
        possible = (problems == outlines.SOUND) | (problems >= outlines.OUTSIDE)
        self._reach = np.maximum(self._reach, found.high[here][possible].max(0, initial=0))
        likely = not self._in_pixels and max(self.size) > _SMALL
        if not problems.any() and not found.tiny[here].any() and not any(item.alone for item in waiting):
            self._take_sound(waiting, shapes[here], boxes[here], kept[here], int(found.cut[here].sum()))
            return
        faulty: set[int] = set()
        columns = problems.tolist(), found.cut[here].tolist(), found.tiny[here].tolist(), kept[here].tolist()
        for row, item, problem, cut, tiny, keep in zip(itertools.count(first), waiting, *columns, strict=False):
            if problem != outlines.SOUND:
                subject = f'image "{self.image.name}", region {self._names[item.row]}'
                cause = outlines.CAUSES[problem]
                self.faults.add_met(item.turn, subject, *outlines.reason(item, found, row, self.size), cause)
                faulty.add(item.row)
                continue
            if cut:
                kind = BOXES_CLIPPED if item.alone else OUTLINES_CLIPPED  # filling stops at the frame
                self.faults.count(kind, 1, self.image.path)
            if likely and tiny:
                self._tiny[item.row] = bool(found.broken[row])
            if item.alone:
                self._boxes.append((item.row, self._clip(np.concatenate([found.low[row], found.high[row]]))))
                continue
            self._outlines.append((item.row, shapes[row]))
            if keep and self._turn is None:
                self.keep_box(item.row, boxes[row], keep)
        if faulty:
            self._without(faulty)

    def _take_sound(self, waiting: list[outlines.Waiting], shapes: list[list[np.ndarray]], boxes: np.ndarray,
                    kept: np.ndarray, cut: int) -> None:  # fmt: skip
        """The same for outlines that are all sound, as nearly all are: in a fifth of the time."""
        rows = [item.row for item in waiting]
        self._outlines += zip(rows, shapes, strict=True)
        self.faults.count(OUTLINES_CLIPPED, cut, self.image.path)
        if self._turn is not None:
            return
        if (kept == 1).all():
            self._given.update(zip(rows, boxes, strict=True))
            return
        for row, box, keep in zip(rows, boxes, kept.tolist(), strict=True):
            self.keep_box(row, box, keep)


def examine(several: Sequence[RegionRows]) -> None:
    """Check all that waits in these, some thousand objects at a time."""
    for together in outlines.batches([(regions, len(regions._waiting)) for regions in several]):
        _examine(together)


def fill(several: Sequence[RegionRows]) -> None:
    """Make the masks of all outlines of these, some thousand objects at a time."""
    for regions in several:
        regions._outlines.sort(key=itemgetter(0))  # plain ones were taken in before those that waited
    new = [regions for regions in several if regions._filled is None]
    for together in outlines.batches([(regions, len(regions._outlines)) for regions in new]):
        _fill(together)


def _examine(several: list[RegionRows]) -> None:
    counts = [len(regions._waiting) for regions in several]
    waiting = [item for regions in several for item in regions._waiting]
    drawn = Ragged.of([item.parts for item in waiting])
    shapes = drawn
    if any(regions._turn for regions in several):
        turned = [[regions._turn(part) if regions._turn else part for part in item.parts]
                  for regions in several for item in regions._waiting]  # fmt: skip
        shapes = Ragged.of(turned)
    sizes = np.repeat(np.array([regions.size for regions in several], np.int64), counts, 0)
    last = np.repeat(np.array([regions.last for regions in several]), counts)
    alone = np.array([item.alone for item in waiting])
    found = outlines.examine(drawn, shapes, alone, sizes, last)
    boxes, kept = outlines.sensible(outlines.corners_of([item.box for item in waiting]), found.low, found.high, sizes)
    parts = shapes.split()
    first = 0
    for regions, count in zip(several, counts, strict=True):
        regions._take(found, first, parts, boxes, kept)
        first += count


def _fill(several: list[RegionRows]) -> None:
    objects = [len(regions._outlines) for regions in several]
    shapes = Ragged.of([parts for regions in several for _, parts in regions._outlines])
    heights, widths = np.repeat(np.array([regions.size for regions in several], np.int64), objects, 0).T
    counts, offsets, areas, corners = filling.fill(shapes, heights, widths)
    first = 0
    for regions, count in zip(several, objects, strict=True):
        bounds = offsets[first : first + count + 1]
        masks = RleMasks(regions.size, counts[bounds[0] : bounds[-1]], bounds - bounds[0])
        regions._filled = masks, areas[first : first + count], corners[first : first + count]
        first += count
