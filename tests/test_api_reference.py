"""The API reference names what exists, and every public name of `maskwright`."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

import maskwright

PAGE = Path(__file__).resolve().parents[1] / "docs" / "api-reference.md"
NAMES = re.findall(r"^::: ([\w.]+)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
ELSEWHERE = {"COCO_CLASSES", "interop", "load_ipython_extension"}  # data, a module, a hook of notebooks


def found(path: str) -> object:
    try:
        return importlib.import_module(path)
    except ImportError:
        module, _, name = path.rpartition(".")
        return getattr(importlib.import_module(module), name)


@pytest.mark.parametrize("path", NAMES)
def test_what_the_reference_names_exists_and_is_described(path):
    assert (getattr(found(path), "__doc__", None) or "").strip()


def test_the_reference_has_every_public_name():
    described = [found(path) for path in NAMES]
    errors = importlib.import_module("maskwright.errors")
    public = {name for name in dir(maskwright) if name not in ELSEWHERE and not name.startswith("_")}
    absent = {
        name
        for name in public
        if not any(getattr(maskwright, name) is item for item in described) and not hasattr(errors, name)
    }
    assert absent == set()
