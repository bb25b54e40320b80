"""What stands in for a thing that is not there: it can be called, entered, set and looked into, and does nothing."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

_said: set[str] = set()


def say_once(text: str) -> None:
    """A line on stderr; the same one never twice."""
    if text not in _said:
        _said.add(text)
        print(f"maskwright run: {text}", file=sys.stderr)


class Absent:
    """A function, class or object of a package that is not installed.

    >>> config = Absent("tensorflow.ConfigProto")()     # says once that it has no effect
    >>> config.gpu_options.allow_growth = True
    """

    def __init__(self, name: str) -> None:
        object.__setattr__(self, "_name", name)

    def __getattr__(self, attribute: str) -> Any:
        if attribute.startswith("__"):
            raise AttributeError(attribute)
        return Absent(f"{self._name}.{attribute}")

    def __setattr__(self, attribute: str, value: Any) -> None:
        say_once(f"{self._name}.{attribute} has no effect here")

    def __call__(self, *args: Any, **kwargs: Any) -> Absent:
        say_once(f"{self._name} has no effect here")
        return self

    def __getitem__(self, key: Any) -> Absent:
        return self

    def __enter__(self) -> Absent:
        return self

    def __exit__(self, *error: Any) -> None:
        return None

    def __iter__(self) -> Iterator[Any]:
        return iter(())

    def __len__(self) -> int:
        return 0

    def __bool__(self) -> bool:
        return False

    def __mro_entries__(self, bases: tuple[Any, ...]) -> tuple[type, ...]:
        say_once(f"{self._name} is not here to be built on")
        return (object,)

    def __repr__(self) -> str:
        return f"<{self._name}: not here>"


class StandIn(ModuleType):
    """A module of which some names are given, and every other is Absent."""

    def __init__(self, name: str, given: dict[str, Any] | None = None) -> None:
        super().__init__(name, "A stand-in by maskwright; the real package is not installed.")
        self.__path__ = []  # a package: whatever is imported from below is a stand-in as well
        self.__dict__.update(given or {})

    def __getattr__(self, attribute: str) -> Any:
        if attribute.startswith("__"):
            raise AttributeError(attribute)
        return Absent(f"{self.__name__}.{attribute}")
