"""`log`: prints a text and the properties of an array."""

from __future__ import annotations

from typing import Any


def log(text: str, array: Any = None) -> None:
    """Prints the text, and of an array its shape, minimum, maximum and dtype."""
    if array is not None:
        low, high = (f"{array.min():10.5f}", f"{array.max():10.5f}") if array.size else (" " * 10, " " * 10)
        text = f"{text.ljust(25)}shape: {array.shape!s:20}  min: {low}  max: {high}  {array.dtype}"
    print(text)
