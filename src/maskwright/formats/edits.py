"""A label file of one image that is changed: which of its objects are the same as before, and so stay as they stand."""

from __future__ import annotations

from collections import defaultdict

from maskwright.types import Instances


def unchanged(before: Instances | None, after: Instances) -> list[int | None]:
    """Of each object afterwards the number that it had before; None where its box or mask is another, or it is new.

    Its class may be another.
    """
    known: dict[tuple[bytes, bytes], list[int]] = defaultdict(list)
    for row in range(0 if before is None else len(before)):
        assert before is not None
        known[_place(before, row)].append(row)
    rows = [known[_place(after, row)] for row in range(len(after))]
    return [same.pop(0) if same else None for same in rows]


def _place(instances: Instances, row: int) -> tuple[bytes, bytes]:
    """What tells whether two objects are drawn alike."""
    masks = instances.masks
    return instances.boxes[row].tobytes(), b"" if masks is None else masks[row].counts.tobytes()
