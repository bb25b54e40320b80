"""Annotation files in and out: one module a format, `registry.py` says which one it is, `dataset_reader.py` reads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from maskwright.formats.dataset_reader import read
    from maskwright.formats.registry import FORMATS, identify, write

__all__ = ["FORMATS", "identify", "read", "write"]


def __getattr__(name: str) -> Any:  # loaded on first use: the readers bring numpy and Pillow
    if name == "read":
        from maskwright.formats import dataset_reader

        return dataset_reader.read
    if name in __all__:
        from maskwright.formats import registry

        return getattr(registry, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
