"""pycocotools: hotcoco, which maskwright evaluates with, has the same classes and functions."""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import Any


def module(name: str) -> ModuleType:
    """pycocotools, or coco, cocoeval or mask below it."""
    hotcoco = importlib.import_module("hotcoco")
    inside: dict[str, dict[str, Any]] = {
        "coco": {"COCO": hotcoco.COCO},
        "cocoeval": {"COCOeval": hotcoco.COCOeval, "Params": hotcoco.Params},
        "mask": {key: value for key, value in vars(hotcoco.mask).items() if not key.startswith("__")},
    }
    below = name.partition(".")[2]
    if below and below not in inside:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)
    found = ModuleType(name, "A stand-in by maskwright; the real package is not installed.")
    if below:
        vars(found).update(inside[below])
    else:
        found.__path__ = []
        vars(found).update({part: module(f"pycocotools.{part}") for part in inside})
    return found
