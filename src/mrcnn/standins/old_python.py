"""distutils and imp, which Python 3.12 has no more: versions compared, modules imported anew."""

from __future__ import annotations

import importlib
import importlib.util
import re
from functools import total_ordering
from types import ModuleType
from typing import Any

from mrcnn.standins.absent import StandIn


@total_ordering
class LooseVersion:
    """A version by its numbers and words: "1.14.0" is more than "1.3"."""

    def __init__(self, vstring: str = "") -> None:
        self.vstring = vstring
        self.version = [int(part) if part.isdigit() else part for part in re.findall(r"\d+|[a-z]+", vstring.lower())]

    def _key(self, other: Any) -> tuple[list[tuple[bool, Any]], list[tuple[bool, Any]]]:
        other = other if isinstance(other, LooseVersion) else LooseVersion(str(other))
        first, second = ([(isinstance(part, int), part) for part in each.version] for each in (self, other))
        return first, second

    def __eq__(self, other: object) -> bool:
        first, second = self._key(other)
        return first == second

    def __lt__(self, other: Any) -> bool:
        first, second = self._key(other)
        return first < second

    def __hash__(self) -> int:
        return hash(tuple(self.version))

    def __str__(self) -> str:
        return self.vstring

    def __repr__(self) -> str:
        return f"LooseVersion('{self.vstring}')"


def load_source(name: str, pathname: str, file: Any = None) -> ModuleType:
    """The module in that file, run."""
    spec = importlib.util.spec_from_file_location(name, pathname)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def module(name: str) -> ModuleType:
    """distutils, imp, or a module below."""
    if name == "imp":
        return StandIn(name, {"reload": importlib.reload, "load_source": load_source})
    version = {"LooseVersion": LooseVersion, "StrictVersion": LooseVersion}
    if name == "distutils.version":
        return StandIn(name, version)
    return StandIn(name, {"version": StandIn("distutils.version", version)} if name == "distutils" else {})
