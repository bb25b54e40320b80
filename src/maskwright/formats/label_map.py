"""Label maps (.pbtxt): which number stands for which class in a TFRecord.

Looks like   item { id: 1  name: 'rust' }
Source       tensorflow/models: object_detection/protos/string_int_label_map.proto
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from maskwright.errors import AnnotationError
from maskwright.files import write_text
from maskwright.formats.reading import Head, read_text

_ITEM = re.compile(r"""item\s*:?\s*\{((?:[^"'{}]|"[^"\n]*"|'[^'\n]*')*)\}""")
_ID = re.compile(r"\bid\s*:\s*(\d{1,9})\b")
_NAMES = tuple(re.compile(rf"""\b{key}\s*:\s*(?:"([^"\n]*)"|'([^'\n]*)')""") for key in ("name", "display_name"))


def read(path: Path) -> dict[int, str]:
    """Number -> class, by number. A display name counts only where the item has no name.

    >>> read(Path("rust_label_map.pbtxt"))
    {1: 'rust'}
    """
    text = re.sub(r"(?m)^\s*#.*$", "", read_text(path))
    found: dict[int, str] = {}
    for item in _ITEM.findall(text):
        number = _ID.search(item)
        named = next((match for match in (each.search(item) for each in _NAMES) if match), None)
        name = (named[1] or named[2] or "").strip() if named else ""
        if number is None or not name:
            raise AnnotationError("an item of the label map without id or name", file=path, wanted="id and name",
                                  got=" ".join(item.split())[:80] or "nothing")  # fmt: skip
        other = found.setdefault(int(number[1]), name)
        if other != name:
            raise AnnotationError("two items of the label map with one id", file=path, record=f'item "{name}"',
                                  wanted="an id of its own", got=f"{number[1]}, as {other} has")  # fmt: skip
    if not found:
        raise AnnotationError("not a label map", file=path, wanted="item { id: 1 name: 'rust' }",
                              got=" ".join(text.split())[:60] or "nothing")  # fmt: skip
    return dict(sorted(found.items()))


def write(names: Iterable[str], path: Path) -> None:
    """The classes with numbers from 1."""
    write_text(path, "".join(f"item {{\n  id: {id}\n  name: {_quoted(name)}\n}}\n" for id, name in enumerate(names, 1)))


def _quoted(name: str) -> str:
    name = " ".join(name.split())
    return f'"{name}"' if "'" in name and '"' not in name else "'" + name.replace("'", "`") + "'"


def beside(path: Path) -> dict[int, str]:
    """The map that belongs to a TFRecord: of its own name, then label_map.pbtxt, then the only one; {} without any."""
    maps = Head(path.parent).files(".pbtxt")
    for name in (f"{path.stem}_label_map.pbtxt", f"{path.stem}.pbtxt", "label_map.pbtxt"):
        if name in maps:
            return read(path.parent / name)
    return read(path.parent / maps[0]) if len(maps) == 1 else {}
