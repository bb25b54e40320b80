"""Spans: the "on" runs of many masks as three columns; the form that the other files of this package compute with.

Run lengths are compact to store but awkward to compute with, because the position of a run depends on all runs before
it. A span is independent: (owner, start, stop) in column-major pixel numbers of the image, number = x * height + y.
The functions here convert between the two, for all masks at once.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Spans(NamedTuple):
    """m runs of pixels: pixels start..stop-1 belong to mask number `owner`. All m int64."""

    owner: np.ndarray
    start: np.ndarray
    stop: np.ndarray


class Strips(NamedTuple):
    """m spans split at column borders: rows top..bottom-1 of column x belong to mask `owner`. All m int64."""

    owner: np.ndarray
    x: np.ndarray
    top: np.ndarray
    bottom: np.ndarray


def ragged_index(lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(group, index within the group): for lengths 2, 0, 3 these are 0 0 2 2 2 and 0 1 0 1 2."""
    lengths = np.asarray(lengths, np.int64)
    group = np.repeat(np.arange(len(lengths), dtype=np.int64), lengths)
    before = np.cumsum(lengths) - lengths
    return group, np.arange(len(group), dtype=np.int64) - before[group]


def from_counts(counts: np.ndarray, offsets: np.ndarray) -> Spans:
    """The non-empty "on" runs of all masks, sorted by owner and start."""
    lengths = np.diff(offsets)
    ends = np.concatenate([[0], np.cumsum(counts)])
    begins = offsets[:-1]  # of each mask; its runs 1, 3, 5, ... are "on"
    owner, position = ragged_index(lengths // 2)
    on = begins[owner] + 2 * position + 1
    if not counts.all():
        some = counts[on] > 0
        owner, on = owner[some], on[some]
    before = ends[begins][owner]
    return Spans(owner, ends[on] - before, ends[on + 1] - before)


def to_counts(spans: Spans, rows: int, pixels: int | np.int64 | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(counts, offsets) of `rows` masks with `pixels` pixels each (one number, or one for each mask).

    The spans may touch, but must be sorted and must not overlap (see `merge`). The result is canonical: only the
    first run may be 0, and there is no "off" run of 0 at the end.
    """
    owner, start, stop = _join_touching(spans)
    pixels = np.broadcast_to(np.asarray(pixels, np.int64), (rows,))
    span_count = np.bincount(owner, minlength=rows)
    last_stop = np.zeros(rows, np.int64)
    some = span_count > 0
    last_stop[some] = stop[np.cumsum(span_count)[some] - 1]  # sorted, so the last span of each mask
    tail = (last_stop < pixels) | ~some
    offsets = np.concatenate([[0], np.cumsum(2 * span_count + tail)])
    ends = np.empty(offsets[-1], np.int64)  # end of each run, counted from the beginning of its mask
    at = 2 * np.arange(len(owner)) + (np.cumsum(tail) - tail)[owner]
    ends[at], ends[at + 1] = start, stop
    ends[offsets[1:][tail] - 1] = pixels[tail]
    counts = np.diff(ends, prepend=0)
    counts[offsets[:-1]] = ends[offsets[:-1]]
    return counts, offsets


def merge(spans: Spans) -> Spans:
    """The same pixels as sorted spans; spans that overlap or touch within a mask become one."""
    if not len(spans.owner):
        return spans
    stride = int(spans.stop.max()) + 2  # so that the end of one mask never touches the start of the next
    first, last = spans.owner * stride + spans.start, spans.owner * stride + spans.stop
    order = np.argsort(first, kind="stable")
    first, last = first[order], np.maximum.accumulate(last[order])
    begins = np.concatenate([[True], first[1:] > last[:-1]])
    first, last = first[begins], last[np.concatenate([begins[1:], [True]])]
    owner = first // stride
    return Spans(owner, first - owner * stride, last - owner * stride)


def to_strips(spans: Spans, height: int) -> Strips:
    """Split each span where it continues from the bottom of one column to the top of the next."""
    first = spans.start // max(height, 1)
    which, position = ragged_index((spans.stop - 1) // max(height, 1) - first + 1)
    x = first[which] + position
    top = np.maximum(spans.start[which] - x * height, 0)
    bottom = np.minimum(spans.stop[which] - x * height, height)
    return Strips(spans.owner[which], x, top, bottom)


def from_strips(strips: Strips, height: int | np.int64 | np.ndarray) -> Spans:
    """Strips as spans, in the given order. `height` of the image: one number, or one per strip."""
    return Spans(strips.owner, strips.x * height + strips.top, strips.x * height + strips.bottom)


def _join_touching(spans: Spans) -> Spans:
    """Sorted spans in which those that touch within a mask are joined."""
    owner, start, stop = spans
    if not len(owner):
        return spans
    border = (start[1:] != stop[:-1]) | (owner[1:] != owner[:-1])
    if border.all():
        return spans
    begins = np.concatenate([[True], border])
    return Spans(owner[begins], start[begins], stop[np.concatenate([border, [True]])])
