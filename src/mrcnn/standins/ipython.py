"""IPython: what scripts that were a notebook once call of it, printed instead of shown."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from mrcnn.standins.absent import StandIn
from mrcnn.standins.keras import nothing


def display(*things: Any, **_: Any) -> None:
    """Prints them."""
    for thing in things:
        print(thing)


def module(name: str) -> ModuleType:
    """IPython, or a module below it."""
    given: dict[str, Any] = {"get_ipython": nothing}
    if name == "IPython":
        # matplotlib asks both wherever an IPython is imported
        given |= {"version_info": (9, 0, 0, ""), "display": module("IPython.display")}
    elif name in ("IPython.display", "IPython.core.display"):
        given = {"display": display, "clear_output": nothing}
    return StandIn(name, given)
