"""A stand-in for the parts of IPython that maskwright uses, so that tests need no Jupyter."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest


class Formatter:
    """What IPython asks for one type of content."""

    def __init__(self) -> None:
        self.functions: dict[tuple[str, str], Any] = {}

    def for_type_by_name(self, module: str, name: str, function: Any) -> None:
        self.functions[module, name] = function

    def __call__(self, shown: object) -> Any:
        """What it makes of an object: as in IPython by the first of its classes that is known."""
        for kind in type(shown).__mro__:
            if function := self.functions.get((kind.__module__, kind.__qualname__)):
                return function(shown)
        return None


class Display:
    """Remembers what was displayed: the last state of each output."""

    def __init__(self) -> None:
        self.outputs: list[Any] = []

    def __call__(self, data: Any, **options: Any) -> Any:
        self.outputs.append(data)
        index = len(self.outputs) - 1
        return SimpleNamespace(update=lambda data, **options: self.outputs.__setitem__(index, data))


def notebook(monkeypatch: pytest.MonkeyPatch) -> tuple[Any, Display]:
    """From here on the test runs in a notebook: its shell, and what it displays."""
    kinds = ("text/html", "image/png", "image/jpeg")
    shell = SimpleNamespace(
        kernel=object(), display_formatter=SimpleNamespace(formatters={kind: Formatter() for kind in kinds})
    )
    module, display = ModuleType("IPython"), ModuleType("IPython.display")
    shown = Display()
    vars(module).update(get_ipython=lambda: shell, display=display)
    vars(display).update(display=shown)
    monkeypatch.setitem(sys.modules, "IPython", module)
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    return shell, shown
