"""COCO's compressed run lengths: each run a number in base 32, lowest digit first, as printable characters.

From the fourth run on, the difference from the run two before is written instead of the run itself (as in
pycocotools' rleToString, 2.0). A digit has 5 bits; bit 6 is set if another digit follows, and the top bit of the last
digit is the sign. Reading and writing process all runs of all masks at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from maskwright.geometry.spans import ragged_index

MAX_DIGITS = 7
"""35 bits: more than any run of an image of MAX_PIXELS needs."""
MAX_PIXELS = 1 << 32
"""COCO's own runs are 32-bit numbers."""


def write(counts: np.ndarray, offsets: np.ndarray) -> list[str]:
    """One string per mask."""
    _, position = ragged_index(np.diff(offsets))
    before = np.zeros_like(counts)
    before[2:] = counts[:-2]
    rest = np.where(position > 2, counts - before, counts)
    digits = np.zeros((len(counts), MAX_DIGITS + 1), np.uint8)  # 0 where the number has no such digit
    active = np.arange(len(counts))
    for nth in range(MAX_DIGITS + 1):
        digit, rest = rest & 31, rest >> 5
        more = rest != np.where(digit & 16, -1, 0)
        digits[active, nth] = digit + 32 * more + 48
        active, rest = active[more], rest[more]
        if not len(active):
            break
    text = digits[digits > 0].tobytes().decode("ascii")
    ends = np.concatenate([[0], np.cumsum(np.count_nonzero(digits, axis=1))])[offsets]
    return [text[a:b] for a, b in pairwise(ends)]


def read(segmentations: Sequence[dict]) -> tuple[np.ndarray, np.ndarray, int]:
    """(counts, offsets, pixels of the image) from compressed strings, bytes or lists of numbers, all of one image size.

    ValueError names the first malformed segmentation.
    """
    pixels = _pixels(segmentations)
    values = [_field(record, "counts", nth) for nth, record in enumerate(segmentations)]
    packed = [nth for nth, value in enumerate(values) if isinstance(value, str | bytes)]
    runs = dict(zip(packed, _decompress([values[nth] for nth in packed], packed), strict=True))
    for nth, value in enumerate(values):
        if nth not in runs:
            runs[nth] = _from_list(value, nth)
    lengths = [len(runs[nth]) for nth in range(len(values))]
    counts = np.concatenate([np.zeros(0, np.int64), *(runs[nth] for nth in range(len(values)))])
    offsets = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
    _check(counts, offsets, pixels)
    return counts, offsets, pixels


def _decompress(texts: list[str | bytes], rows: list[int]) -> list[np.ndarray]:
    """The runs of each string; `rows` are their numbers in error messages."""
    plain = [text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text for text in texts]
    codes = np.frombuffer(b"".join(plain), np.uint8).astype(np.int64) - 48
    text_of, _ = ragged_index(np.array([len(text) for text in plain], np.int64))
    _raise_for_first(rows, text_of, (codes < 0) | (codes > 63), "has a character that COCO's run lengths do not use")

    last = codes & 32 == 0  # the last digit of its number
    text_ends = np.cumsum([len(text) for text in plain], dtype=np.int64) - 1
    unfinished = np.zeros(len(codes), bool)
    unfinished[text_ends[text_ends >= 0]] = True
    _raise_for_first(rows, text_of, unfinished & ~last, "ends in the middle of a number")
    ends = np.flatnonzero(last)
    _, digit = ragged_index(np.diff(ends, prepend=-1))
    _raise_for_first(rows, text_of, digit >= MAX_DIGITS, "has a number too large for any image")

    begins = np.diff(ends, prepend=-1)
    values = np.add.reduceat((codes & 31) << (5 * digit), ends - begins + 1) if len(ends) else codes
    values -= np.where(codes[ends] & 16, np.int64(1) << (5 * begins), 0)
    owner = text_of[ends]
    return np.split(_undo_differences(values, owner), np.searchsorted(owner, np.arange(1, len(texts)))) if texts else []


def _undo_differences(values: np.ndarray, owner: np.ndarray) -> np.ndarray:
    """From the fourth run of each mask on, add the run two before."""
    _, position = ragged_index(np.bincount(owner)) if len(owner) else (owner, owner)
    runs = values.copy()
    for first in (1, 2):  # runs 1, 3, 5, ... and runs 2, 4, 6, ... are two cumulative sums; run 0 is in neither
        chain = np.flatnonzero((position >= first) & (position % 2 == first % 2))
        total = np.cumsum(values[chain])
        head = position[chain] == first
        before = (total - values[chain])[head]
        runs[chain] = total - before[np.cumsum(head) - 1]
    return runs


def _from_list(value: object, nth: int) -> np.ndarray:
    """Runs given as a list of integers."""
    try:
        runs = np.asarray(value)
    except ValueError:  # lists of unequal length in a list
        runs = np.array(None)
    numbers = runs.ndim == 1 and runs.dtype.kind in "iuf"
    if not numbers or not np.all((np.abs(runs) <= MAX_PIXELS) & (runs == np.rint(runs))):
        raise ValueError(f"segmentation {nth}: counts must be a string or a list of integers")
    return runs.astype(np.int64)


def _pixels(segmentations: Sequence[dict]) -> int:
    """height * width, which must be the same for all."""
    sizes = [_field(record, "size", nth) for nth, record in enumerate(segmentations)]
    for nth, size in enumerate(sizes):
        sides = list(size) if isinstance(size, list | tuple | np.ndarray) else []
        if len(sides) != 2 or not all(isinstance(side, int | np.integer) and side >= 0 for side in sides):
            raise ValueError(f"segmentation {nth}: size must be two integers [height, width], not {size!r}")
        if int(sides[0]) * int(sides[1]) > MAX_PIXELS:
            raise ValueError(f"segmentation {nth}: size {size!r} is larger than any image")
        if list(sizes[0]) != sides:
            raise ValueError(f"segmentation {nth}: size {size!r}, but the first mask of this image has {sizes[0]!r}")
    return int(sizes[0][0]) * int(sizes[0][1]) if sizes else 0


def _field(record: object, name: str, nth: int) -> Any:
    if not isinstance(record, dict) or name not in record:
        raise ValueError(f"segmentation {nth}: expected an object with size and counts, {name} is missing")
    return record[name]


def _check(counts: np.ndarray, offsets: np.ndarray, pixels: int) -> None:
    owner, _ = ragged_index(np.diff(offsets))
    rows = list(range(len(offsets) - 1))
    _raise_for_first(rows, owner, counts < 0, "has a run of negative length")
    sums = np.diff(np.concatenate([[0], np.cumsum(counts)])[offsets])
    for nth in np.flatnonzero(sums != pixels)[:1]:
        raise ValueError(f"segmentation {nth}: the runs sum to {sums[nth]} pixels, but the image has {pixels}")


def _raise_for_first(rows: list[int], owner: np.ndarray, wrong: np.ndarray, what: str) -> None:
    """Raise for the mask of the first wrong element, if there is one."""
    for at in np.flatnonzero(wrong)[:1]:
        raise ValueError(f"segmentation {rows[owner[at]]}: counts {what}")
