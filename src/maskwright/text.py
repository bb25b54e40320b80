"""Words for numbers."""

from __future__ import annotations

from collections.abc import Mapping


def counted(count: int, noun: str) -> str:
    """A number with its noun, in the plural where it takes one.

    >>> counted(1, "image"), counted(1200, "image")
    ('1 image', '1,200 images')
    """
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def listed(counts: Mapping[str, int], otherwise: str = "") -> str:
    """Counts by name, one after the other; `otherwise` where there are none.

    >>> listed({"balloon": 7, "cake": 1}), listed({}, "nothing found")
    ('7 balloon, 1 cake', 'nothing found')
    """
    return ", ".join(f"{count:,} {name}" for name, count in counts.items()) or otherwise
