"""Checking objects as they were drawn: outlines that cross themselves, objects drawn twice, objects of a pixel."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from maskwright.geometry import boxes
from maskwright.geometry.crossings import self_crossing
from maskwright.geometry.ragged import Ragged
from maskwright.issues import Issue, Kind
from maskwright.types import Dataset, Instances, Record

THIN = 2  # pixels of the shorter side, below which an object is hardly one
SAME = 0.95  # intersection over union of two boxes that are one object
AT_ONCE = 20_000  # outlines that are looked at together

OUTLINES_SELF_CROSSING = Kind(
    "outlines_self_crossing", "warning", "{count} outline crosses itself: {objects:5}",
    "{count:,} outlines cross themselves: {objects:5}",
)  # fmt: skip
OBJECTS_REPEATED = Kind(
    "objects_repeated", "warning", "{count} object is drawn twice: {objects:5}",
    "{count:,} objects are drawn twice: {objects:5}",
)  # fmt: skip
OBJECTS_THIN = Kind(
    "objects_thin", "warning", "{count} object is less than {limit} pixels wide or high: {objects:5}",
    "{count:,} objects are less than {limit} pixels wide or high: {objects:5}",
)  # fmt: skip

ROWS = (OUTLINES_SELF_CROSSING.code, OBJECTS_REPEATED.code, OBJECTS_THIN.code)  # with `rows` of single objects

Row = tuple[int, int]  # of a record in the dataset, of an object in the record


def of_objects(dataset: Dataset) -> Iterator[Issue]:
    """What is odd about single objects; values `rows` say which ones: [[record, object], ...], from 0.

    Of outlines that cross themselves `places` say where: [[x, y], ...] in image pixels.
    """
    crossings = self_crossings(dataset)
    yield from _about(OUTLINES_SELF_CROSSING, dataset, [*crossings], {"places": [*crossings.values()]})
    yield from _about(OBJECTS_REPEATED, dataset, _each(dataset, lambda drawn: [row for _, row in repeated(drawn)]))
    yield from _about(OBJECTS_THIN, dataset, _each(dataset, _thin), {"limit": THIN})


def self_crossings(dataset: Dataset) -> dict[Row, list[float]]:
    """The objects whose outline crosses itself, and the x and y of a place where it does."""
    rows: list[Row] = []
    outlines: list[Sequence[np.ndarray]] = []
    found: dict[Row, list[float]] = {}

    def settle() -> None:
        places = self_crossing(Ragged.of(outlines)).round(1)
        for index in np.flatnonzero(~np.isnan(places[:, 0])).tolist():
            found[rows[index]] = places[index].tolist()
        rows.clear()
        outlines.clear()

    for index, record in enumerate(dataset):
        notes = () if record.instances is None else record.instances.annotations or ()
        for row, note in enumerate(notes):
            if note is not None and note.outlines:
                rows.append((index, row))
                outlines.append(note.outlines)
        if len(rows) >= AT_ONCE:
            settle()
    settle()
    return found


def repeated(drawn: Instances) -> list[tuple[int, int]]:
    """(first, second) of objects of one class whose boxes are the same but for a slip of the hand; each second once.

    Crowds are no objects.
    """
    if len(drawn) < 2:
        return []
    alike = (boxes.iou(drawn.boxes, drawn.boxes) >= SAME) & (drawn.classes[:, None] == drawn.classes)
    if drawn.crowd is not None:
        alike &= ~(drawn.crowd[:, None] | drawn.crowd)
    pairs = np.argwhere(np.triu(alike, 1)).tolist()
    firsts: dict[int, int] = {}
    for first, second in pairs:
        firsts.setdefault(second, firsts.get(first, first))
    return [(first, second) for second, first in sorted(firsts.items())]


def _thin(drawn: Instances) -> list[int]:
    return np.flatnonzero((drawn.boxes[:, 2:] - drawn.boxes[:, :2]).min(1, initial=np.inf) < THIN).tolist()


def _each(dataset: Dataset, choose: Callable[[Instances], list[int]]) -> list[Row]:
    return [(index, row) for index, record in enumerate(dataset) if record.instances is not None
            for row in choose(record.instances)]  # fmt: skip


def _about(kind: Kind, dataset: Dataset, rows: list[Row], values: dict[str, Any] | None = None) -> Iterator[Issue]:
    if rows:
        images = dict.fromkeys(dataset.records[index].image for index, _ in rows)
        yield kind(images=images, count=len(rows), rows=[[*row] for row in rows],
                   objects=[_called(dataset.records[index], row) for index, row in rows], **values or {})  # fmt: skip


def _called(record: Record, row: int) -> str:
    return f"{Path(record.image).name}, object {row + 1}"
