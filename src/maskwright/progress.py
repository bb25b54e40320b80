"""Progress reporting of long-running functions, which never print themselves; and spans of time in words."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Protocol, TypeVar

from maskwright.errors import RecipeError

Item = TypeVar("Item")

UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}  # seconds


class Progress(Protocol):
    """A callable that passes an iterable through and may display the progress, like tqdm.

    items  passed through unchanged and in order
    total  number of items, None if unknown; with unit "B" the sum of their lengths
    label  the activity ("training", "decoding", a file name)
    unit   what is counted: "" for items, "B" for bytes if the items are chunks of bytes
    limit  seconds after which the work ends, even before its last item; None: after the last item

    >>> for image in progress(images, total=len(images), label="predicting"): ...
    """

    def __call__(
        self,
        items: Iterable[Item],
        *,
        total: int | None = None,
        label: str = "",
        unit: str = "",
        limit: float | None = None,
    ) -> Iterable[Item]: ...


def silent(
    items: Iterable[Item], *, total: int | None = None, label: str = "", unit: str = "", limit: float | None = None
) -> Iterable[Item]:
    """Displays nothing."""
    return items


# --- words ------------------------------------------------------------------------------------------------------------
def duration(seconds: float) -> str:
    """For people: whole seconds, or whole minutes from a hundred seconds on."""
    return f"{max(seconds, 0):.0f} seconds" if seconds < 100 else f"{seconds / 60:.0f} minutes"


def seconds_of(span: float | str, field: str = "time_budget") -> float:
    """A span of time in seconds, from a number of them or from text.

    >>> seconds_of(90), seconds_of("90s"), seconds_of("20m"), seconds_of("1.5h")
    (90.0, 90.0, 1200.0, 5400.0)
    """
    if not isinstance(span, str):
        return float(span)
    parsed = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smh]?)", span.strip().lower())
    if not parsed or not float(parsed[1]):
        raise RecipeError("this is no span of time", field=field, expected="90s, 20m or 1.5h", got=repr(span))
    return float(parsed[1]) * UNITS[parsed[2]]


def count_text(done: int, total: float | None, unit: str) -> str:
    """How far, in words.

    >>> count_text(12, 61, "images"), count_text(3_100_000, 84_000_000, "B")
    ('12 of 61 images', '3.1 of 84.0 MB')
    """
    if unit == "B":
        return f"{done / 1e6:.1f} MB" if total is None else f"{done / 1e6:.1f} of {total / 1e6:.1f} MB"
    return f"{done:,} {unit}".rstrip() if total is None else f"{done:,} of {total:,.0f} {unit}".rstrip()


def time_text(seconds: float) -> str:
    """What is left, no finer than one can know.

    >>> time_text(42.3), time_text(605), time_text(7300)
    ('43 s left', '10 min 5 s left', '2 h 1 min left')
    """
    whole = int(-(-seconds // 1))
    hours, minutes, rest = whole // 3600, whole % 3600 // 60, whole % 60
    if hours:
        return f"{hours} h {minutes} min left"
    return f"{minutes} min {rest} s left" if minutes else f"{rest} s left"
