"""What the values of semantic masks are called, as a list beside the data says.

objectInfo150.txt   ADE20K: Idx, Ratio, Train, Val, Stuff, Name, parted by tabs or commas; of several names the first
*.yaml              a key names, classes or id2label, and below it lines `13: person`
labels.txt          (classes.txt, class_names.txt) lines that begin with their number: `13 person`, `13: person`
id2label.json       {"13": "person"}

Values that are called background, unlabeled, void or ignore are none, and those that ADE calls stuff no objects.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from maskwright.formats.listing import SPLIT_FOLDERS
from maskwright.formats.reading import Head, read_json, read_text
from maskwright.issues import Kind

NAMES_OF_VALUES = Kind("names_of_values", "info", "the values of the masks are called as {file} says")
VALUES_UNNAMED = Kind(
    "values_unnamed", "warning",
    "{file} has no name for {count} value of the masks, whose number is its name: {values:5}",
    "{file} has no names for {count} values of the masks, whose numbers are their names: {values:5}",
)  # fmt: skip

_LISTS = ("labels.txt", "classes.txt", "class_names.txt")
_NONE = {"background", "unlabeled", "unlabelled", "void", "ignore", "ignored"}
_LINE = re.compile(r"(\d{1,9})\s{0,9}[\s:;,]\s{0,9}(\S.{0,200})")
_MOST_BYTES = 2**20


@dataclass(frozen=True)
class MaskNames:
    """names: value -> class; left_out: values that are no objects; file: where this was said."""

    names: dict[int, str] = field(default_factory=dict)
    left_out: frozenset[int] = frozenset()
    file: str = ""


def find(folder: Path) -> MaskNames:
    """Of the first list beside the data, or above a part of them (train, val); without any, no names."""
    while folder.name.casefold() in SPLIT_FOLDERS and folder.parent != folder:
        folder = folder.parent
    head = Head(folder)
    for name in head.files(".txt", ".csv", ".yaml", ".yml", ".json"):
        path = folder / name
        if path.stat().st_size > _MOST_BYTES or not head.child(name).text.strip("\0 \t\r\n"):
            continue
        lower = name.casefold()
        if re.fullmatch(r"objectinfo\d*\.(txt|csv)", lower):
            found, stuff = _object_info(read_text(path))
        elif lower.endswith((".yaml", ".yml")):
            found, stuff = _below_key(read_text(path)), set()
        elif lower in _LISTS:
            found, stuff = _numbered(read_text(path).splitlines()), set()
        elif lower == "id2label.json":
            data = read_json(path)
            pairs = data.items() if isinstance(data, dict) else ()
            found, stuff = _numbered([f"{key}: {value}" for key, value in pairs]), set()
        else:
            continue
        if found:
            none = {value for value, label in found.items() if label.casefold() in _NONE}
            return MaskNames(found, frozenset(stuff | none), name)
    return MaskNames()


def _object_info(text: str) -> tuple[dict[int, str], set[int]]:
    """The names, and the values of stuff."""
    found: dict[int, str] = {}
    stuff: set[int] = set()
    for line in text.splitlines()[1:]:
        cells = line.split("\t") if "\t" in line else line.split(",", 5)
        if len(cells) < 6 or not re.fullmatch(r"\d{1,9}", cells[0].strip()):
            continue
        value, name = int(cells[0]), re.split(r"[,;]", cells[5].strip().strip('"'))[0].strip()
        if name:
            found[value] = name
            stuff |= {value} if cells[4].strip() == "1" else set()
    return found, stuff


def _below_key(text: str) -> dict[int, str]:
    lines, below = [], False
    for line in text.splitlines():
        if re.match(r"\S", line) and not line.startswith("#"):
            below = re.match(r"(names|classes|id2label)\s{0,9}:\s{0,9}(#.*)?$", line) is not None
        elif below:
            lines.append(line)
    return _numbered(lines)


def _numbered(lines: list[str]) -> dict[int, str]:
    """Value -> name; {} where a line with something in it does not begin with a number."""
    found: dict[int, str] = {}
    for line in lines:
        bare = line.strip()
        if not bare or bare.startswith("#"):
            continue
        match = _LINE.fullmatch(bare)
        if match is None:
            return {}
        found[int(match[1])] = match[2].strip().strip("'\"").strip() or match[1]
    return found
