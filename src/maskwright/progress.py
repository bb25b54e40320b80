"""Progress reporting of long-running functions, which never print themselves."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol, TypeVar

Item = TypeVar("Item")


class Progress(Protocol):
    """A callable that passes an iterable through and may display the progress, like tqdm.

    items  passed through unchanged and in order
    total  number of items, None if unknown; with unit "B" the sum of their lengths
    label  the activity ("training", "decoding", a file name)
    unit   what is counted: "" for items, "B" for bytes if the items are chunks of bytes

    >>> for image in progress(images, total=len(images), label="predicting"): ...
    """

    def __call__(
        self, items: Iterable[Item], *, total: int | None = None, label: str = "", unit: str = ""
    ) -> Iterable[Item]: ...


def silent(items: Iterable[Item], *, total: int | None = None, label: str = "", unit: str = "") -> Iterable[Item]:
    """The default: displays nothing."""
    return items


def duration(seconds: float) -> str:
    """For people: whole seconds, or whole minutes from a hundred seconds on."""
    return f"{max(seconds, 0):.0f} seconds" if seconds < 100 else f"{seconds / 60:.0f} minutes"
