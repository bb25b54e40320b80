"""Label maps (.pbtxt): which number stands for which class in a TFRecord.

Looks like   item { id: 1  name: 'rust' }
Source       tensorflow/models: object_detection/protos/string_int_label_map.proto
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path

from maskwright.errors import AnnotationError
from maskwright.files import write_text
from maskwright.formats.reading import Head, read_text

_TOKEN = re.compile(r"""\s+|\#[^\n]*|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|[\w.+-]+|.""")
LARGEST = 5_000_000  # characters; maps of thousands of classes have some hundred thousand
_ESCAPED = re.compile(r"\\(.)")


def read(path: Path) -> dict[int, str]:
    """Number -> class, by number. A display name counts only where the item has no name.

    >>> read(Path("rust_label_map.pbtxt"))
    {1: 'rust'}
    """
    text = read_text(path)
    if len(text) > LARGEST:
        raise AnnotationError("too long for a label map", file=path, expected=f"at most {LARGEST:,} characters",
                              got=f"{len(text):,}")  # fmt: skip
    found: dict[int, str] = {}
    for item in _items(text):
        number, name = item.get("id", ""), (item.get("name") or item.get("display_name", "")).strip()
        if not number.isdecimal() or len(number) > 9 or not name:
            raise AnnotationError("an item of the label map without id or name", file=path, expected="id and name",
                                  got=", ".join(f"{key}: {value}" for key, value in item.items())[:80]
                                  or "nothing")  # fmt: skip
        other = found.setdefault(int(number), name)
        if other != name:
            raise AnnotationError("two items of the label map with one id", file=path, record=f'item "{name}"',
                                  expected="an id of its own", got=f"{number}, as {other} has")  # fmt: skip
    if not found:
        raise AnnotationError("not a label map", file=path, expected="item { id: 1 name: 'rust' }",
                              got=" ".join(text[:200].split())[:60] or "nothing")  # fmt: skip
    return dict(sorted(found.items()))


def _items(text: str) -> Iterator[dict[str, str]]:
    """The plain fields of each item that is closed; what stands in braces of its own inside an item is passed over."""
    tokens = [token for token in _TOKEN.findall(text) if not token.isspace() and not token.startswith("#")]
    item: dict[str, str] = {}
    depth, key, inside = 0, "", False
    for before, token in pairwise(["", *(token for token in tokens if token not in (":", ",", ";"))]):
        if token == "{":
            depth += 1
            if depth == 1:
                item, key = {}, ""
                inside = before == "item"
        elif token == "}":
            depth -= 1
            if depth == 0 and inside:
                yield item
            depth, key = max(depth, 0), ""
        elif depth == 1:
            if key:
                item.setdefault(key, _plain(token))
                key = ""
            else:
                key = token


def _plain(token: str) -> str:
    return _ESCAPED.sub(r"\1", token[1:-1]) if len(token) > 1 and token[0] in "\"'" else token


def write(names: Iterable[str], path: Path) -> None:
    """The classes with numbers from 1."""
    write_text(path, "".join(f"item {{\n  id: {id}\n  name: {_quoted(name)}\n}}\n" for id, name in enumerate(names, 1)))


def _quoted(name: str) -> str:
    name = " ".join(name.split()).replace("\\", "\\\\")
    return f'"{name}"' if "'" in name and '"' not in name else "'" + name.replace("'", "\\'") + "'"


def beside(path: Path) -> dict[int, str]:
    """The map that belongs to a TFRecord: of its own name, then label_map.pbtxt, then the only one; {} without any."""
    maps = Head(path.parent).files(".pbtxt")
    for name in (f"{path.stem}_label_map.pbtxt", f"{path.stem}.pbtxt", "label_map.pbtxt"):
        if name in maps:
            return read(path.parent / name)
    return read(path.parent / maps[0]) if len(maps) == 1 else {}
