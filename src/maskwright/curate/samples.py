"""A few records that stand for many."""

from __future__ import annotations


def evenly_spaced(count: int, most: int) -> list[int]:
    """At most `most` of the indices 0 .. count - 1, the first and the last among them, at even distances.

    >>> evenly_spaced(10, 4), evenly_spaced(3, 12), evenly_spaced(0, 4)
    ([0, 3, 6, 9], [0, 1, 2], [])
    """
    shown = min(count, most)
    return [round(index * (count - 1) / max(shown - 1, 1)) for index in range(shown)]
