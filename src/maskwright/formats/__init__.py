"""Annotation files in and out: one module a format, `registry.py` says which one it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from maskwright.formats.registry import FORMATS, identify, read, write

__all__ = ["FORMATS", "identify", "read", "write"]


def __getattr__(name: str) -> Any:  # loaded on first use: the readers bring numpy and Pillow
    if name in __all__:
        from maskwright.formats import registry

        return getattr(registry, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
