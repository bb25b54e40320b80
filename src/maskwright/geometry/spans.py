"""Spans: the "on" runs of many masks as three plain columns. What every other file of this package computes with.

A mask as run lengths is compact to keep but awkward to compute with, because each run's place depends on all runs
before it. As spans each run stands for itself: (owner, start, stop) in column-major pixel numbers of the image,
number = x * height + y. The functions here go from one form to the other, always for all masks at once.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Spans(NamedTuple):
    """m runs of pixels: `owner` is the row of the mask, pixels start..stop-1 belong to it. Each m int64."""

    owner: np.ndarray
    start: np.ndarray
    stop: np.ndarray


class Strips(NamedTuple):
    """m spans cut at the column borders: rows top..bottom-1 of column x belong to mask `owner`. Each m int64."""

    owner: np.ndarray
    x: np.ndarray
    top: np.ndarray
    bottom: np.ndarray


def ragged_index(lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Count up within groups: for lengths 2, 0, 3 the group 0 0 2 2 2 and the place in it 0 1 0 1 2."""
    lengths = np.asarray(lengths, np.int64)
    group = np.repeat(np.arange(len(lengths), dtype=np.int64), lengths)
    before = np.cumsum(lengths) - lengths
    return group, np.arange(len(group), dtype=np.int64) - before[group]


def from_counts(counts: np.ndarray, offsets: np.ndarray) -> Spans:
    """The non-empty "on" runs of all masks, by owner and then by start."""
    owner, position = ragged_index(np.diff(offsets))
    ends = np.cumsum(counts)
    begin_of_mask = np.concatenate([[0], ends])[offsets[:-1]]
    on = np.flatnonzero((position & 1 == 1) & (counts > 0))
    owner = owner[on]
    stop = ends[on] - begin_of_mask[owner]
    return Spans(owner, stop - counts[on], stop)


def to_counts(spans: Spans, rows: int, pixels: int | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(counts, offsets) of `rows` masks with `pixels` pixels each (one number, or one for each mask).

    The spans may touch, but must be sorted and must not overlap (see `merged`). What comes out is canonical: no run
    is 0 but perhaps the first, and no "off" run of 0 stands at the end.
    """
    owner, start, stop = _joined(spans)
    pixels = np.broadcast_to(np.asarray(pixels, np.int64), (rows,))
    number = np.bincount(owner, minlength=rows)
    last_stop = np.zeros(rows, np.int64)
    last_stop[owner] = stop  # sorted, so the last one of each mask stays
    tail = (last_stop < pixels) | (number == 0)
    offsets = np.concatenate([[0], np.cumsum(2 * number + tail)])
    ends = np.empty(offsets[-1], np.int64)  # where each run ends, counted from the beginning of its mask
    _, position = ragged_index(number)
    at = offsets[owner] + 2 * position
    ends[at], ends[at + 1] = start, stop
    ends[offsets[1:][tail] - 1] = pixels[tail]
    counts = np.diff(ends, prepend=0)
    counts[offsets[:-1]] = ends[offsets[:-1]]
    return counts, offsets


def merged(spans: Spans) -> Spans:
    """The same pixels with the spans sorted; what overlapped or touched within a mask is one span."""
    if not len(spans.owner):
        return spans
    stride = int(spans.stop.max()) + 2  # so that the end of one mask never touches the start of the next
    first, last = spans.owner * stride + spans.start, spans.owner * stride + spans.stop
    order = np.argsort(first, kind="stable")
    first, last = first[order], np.maximum.accumulate(last[order])
    fresh = np.concatenate([[True], first[1:] > last[:-1]])
    first, last = first[fresh], last[np.concatenate([fresh[1:], [True]])]
    owner = first // stride
    return Spans(owner, first - owner * stride, last - owner * stride)


def to_strips(spans: Spans, height: int) -> Strips:
    """Cut each span where it runs from the foot of one column to the head of the next."""
    first = spans.start // max(height, 1)
    which, position = ragged_index((spans.stop - 1) // max(height, 1) - first + 1)
    x = first[which] + position
    top = np.maximum(spans.start[which] - x * height, 0)
    bottom = np.minimum(spans.stop[which] - x * height, height)
    return Strips(spans.owner[which], x, top, bottom)


def from_strips(strips: Strips, height: int | np.ndarray) -> Spans:
    """Strips as spans, in the given order. `height` of the image: one number, or one for each strip."""
    return Spans(strips.owner, strips.x * height + strips.top, strips.x * height + strips.bottom)


def _joined(spans: Spans) -> Spans:
    """Sorted spans with those that touch within a mask made one."""
    owner, start, stop = spans
    if not len(owner):
        return spans
    border = (start[1:] != stop[:-1]) | (owner[1:] != owner[:-1])
    fresh = np.concatenate([[True], border])
    return Spans(owner[fresh], start[fresh], stop[np.concatenate([border, [True]])])
