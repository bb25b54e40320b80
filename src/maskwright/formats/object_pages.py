"""Formats with a JSON file an image, whose list "objects" holds what was drawn: Cityscapes, Supervisely."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from maskwright.errors import AnnotationError
from maskwright.formats.reading import Faults, read_json


def page_of_objects(file: Path, faults: Faults, again: str) -> dict[str, Any] | None:
    """The file's content; None and a fault where it has no list of objects. `again` is how to mend it."""
    try:
        data = read_json(file)
    except AnnotationError as error:
        got = error.parts.get("got", error.headline)
        faults.add(f'file "{file.name}"', "JSON", "a complete JSON file", got, again)
        return None
    if not isinstance(data, dict) or not isinstance(data.get("objects"), list):
        faults.add(f'file "{file.name}"', "objects", "a list of objects", type(data).__name__, again)
        return None
    return data
