"""Progress: how a function that takes long lets somebody watch, without printing anything itself."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol, TypeVar

Item = TypeVar("Item")


class Progress(Protocol):
    """Any callable that hands an iterable on, and may show on the way how far it is.

    items  what is worked through; handed on unchanged and in order
    total  how many there will be, None when nobody knows; with unit "B" the sum of the lengths of the items
    label  what is going on ("training", "decoding", a file's name)
    unit   what is counted: "" for the items themselves, "B" when items are pieces of bytes

    >>> for image in progress(images, total=len(images), label="predicting"): ...
    """

    def __call__(
        self, items: Iterable[Item], *, total: int | None = None, label: str = "", unit: str = ""
    ) -> Iterable[Item]: ...


def silent(items: Iterable[Item], *, total: int | None = None, label: str = "", unit: str = "") -> Iterable[Item]:
    """The default everywhere: shows nothing."""
    return items


def duration(seconds: float) -> str:
    """For people: whole seconds, or whole minutes from a hundred seconds on."""
    return f"{max(seconds, 0):.0f} seconds" if seconds < 100 else f"{seconds / 60:.0f} minutes"
