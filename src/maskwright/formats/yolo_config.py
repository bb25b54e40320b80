"""What stands beside YOLO's label files: data.yaml, or Darknet's obj.data, and lists of class names.

data.yaml      path, train, val, test: folders of images, a list of images (.txt), or several of these; names: a list,
               or {id: name}; nc, their number; kpt_shape: so many key points stand behind each box
obj.data       the same as `key = value`; names is a file
classes.txt    one name a line, the first is class 0; labelImg leaves one in every folder of labels
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from maskwright.errors import AnnotationError
from maskwright.files import open_file
from maskwright.formats.label_texts import is_generic
from maskwright.formats.listing import SPLIT_FOLDERS
from maskwright.formats.reading import Head, read_text

MOST_BYTES = 2**20  # the names of the largest sets (LVIS, Objects365) have 40 kB
NAMES_FILES = ("classes.txt", "_classes.txt", "predefined_classes.txt")
FIRST = ("data.yaml", "data.yml", "dataset.yaml", "dataset.yml")
_KEY = re.compile(r"^([A-Za-z_]+)\s*:", re.MULTILINE)


@dataclass(frozen=True)
class Config:
    """What one data.yaml (or obj.data) says.

    names      id -> class name; {} where it names none
    count      nc, where it says so
    path       its key "path", "" where it has none
    parts      (split, entries) in the order train, val, test: folders, lists or images, as written
    key_points (number, values of each) behind a box; None: there are none
    list_of_names  the file of the names, where they do not stand in this one
    """

    file: Path
    names: dict[int, str] = field(default_factory=dict)
    count: int | None = None
    path: str = ""
    parts: tuple[tuple[str, tuple[str, ...]], ...] = ()
    key_points: tuple[int, int] | None = None
    list_of_names: Path | None = None

    @property
    def names_file(self) -> Path:
        """Where the names stand: this file, or the one that it names."""
        return self.list_of_names or self.file


def is_config(head: Head) -> bool:
    if head.ending in (".yaml", ".yml"):
        keys = {*_KEY.findall(head.text)}
        return ("names" in keys and bool(keys & {"train", "val", "test", "nc", "path"})) or {"nc", "train"} <= keys
    return head.ending == ".data" and bool(re.search(r"^\s{0,9}(names|classes)\s{0,9}=", head.text, re.MULTILINE))


def configs(folder: Head) -> list[Head]:
    """Those in this very folder; a data.yaml (whatever is in it) before all others."""
    found = [folder.child(name) for name in folder.files(".yaml", ".yml", ".data")]
    first = [head for head in found if head.path.name.casefold() in FIRST]
    return first[:1] or [head for head in found if is_config(head)]


def above(root: Path) -> Iterator[Path]:
    """The folders above, as far as the names on the way say that they are parts of a dataset (train, labels)."""
    folder = root.absolute()
    while is_generic(folder.name) and folder.parent != folder:
        folder = folder.parent
        yield folder


def read(path: Path) -> Config:
    values = _yaml(path) if path.suffix.lower() in (".yaml", ".yml") else _darknet(path)
    count = values.get("nc", values.get("classes", ""))
    parts: dict[str, list[str]] = {}
    for key, value in values.items():
        split = SPLIT_FOLDERS.get(key.casefold())
        if split is not None:
            parts.setdefault(split, []).extend(_entries(path, key, value))
    return Config(
        path, _names(path, values.get("names")), _whole(path, "nc", count) if count != "" else None,
        str(values.get("path", "")),
        tuple((split, tuple(parts[split])) for split in ("train", "val", "test") if split in parts),
        _key_points(path, values.get("kpt_shape")), _names_file(path, values.get("names")),
    )  # fmt: skip


# --- its parts --------------------------------------------------------------------------------------
def _entries(path: Path, key: str, value: Any) -> list[str]:
    entries = value if isinstance(value, list) else [value]
    if not all(isinstance(entry, str) for entry in entries):
        raise AnnotationError("a split that is no path", file=path, field=key, expected="a path, or a list of paths",
                              got=str(value)[:80])  # fmt: skip
    return [entry.strip() for entry in entries if entry.strip() and entry.strip() not in ("~", "null")]


def _names_file(path: Path, value: Any) -> Path | None:
    return path.parent / re.split(r"[\\/]", value)[-1] if isinstance(value, str) and value else None


def _names(path: Path, value: Any) -> dict[int, str]:
    if value in (None, "", "~", "null"):
        return {}
    if isinstance(value, str):  # Darknet's names = data/obj.names; some write so in YAML, too
        file = _names_file(path, value)
        if file is None or not re.search(r"\.(txt|names)$", file.name):
            raise AnnotationError("class names that are no list", file=path, field="names", got=value[:80],
                                  expected="a list of names, or an id and a name in each line")  # fmt: skip
        return read_names(file) if file.is_file() else {}
    pairs = [(str(number), name) for number, name in enumerate(value)] if isinstance(value, list) else [*value.items()]
    names: dict[int, str] = {}
    for number, name in pairs:
        if not isinstance(name, str) or not name.strip():
            raise AnnotationError("a class without a name", file=path, field=f"names, {number}", expected="a name",
                                  got=str(name)[:80] or "nothing")  # fmt: skip
        id = _whole(path, f"names, {number}", number)
        name = unicodedata.normalize("NFC", name.strip())
        if names.setdefault(id, name) != name:
            raise AnnotationError("two classes of one id", file=path, field=f"names, {number}", expected="each id once",
                                  got=f"{names[id]} and {name}")  # fmt: skip
    return names


def _whole(path: Path, key: str, value: Any) -> int:
    if isinstance(value, str) and re.fullmatch(r"\+?[0-9]{1,9}", value.strip()):
        return int(value)
    raise AnnotationError("not a number of classes" if key == "nc" else "not a class id", file=path, field=key,
                          expected="a whole number from 0", got=str(value)[:80])  # fmt: skip


def _key_points(path: Path, value: Any) -> tuple[int, int] | None:
    if value in (None, "", "~", "null"):
        return None
    numbers = [_whole(path, "kpt_shape", item) for item in value] if isinstance(value, list) else []
    if len(numbers) != 2 or numbers[1] not in (2, 3):
        raise AnnotationError("not a shape of key points", file=path, field="kpt_shape", got=str(value)[:80],
                              expected="two numbers, [17, 3] say: how many, and how many values of each")  # fmt: skip
    return numbers[0], numbers[1]


def read_names(path: Path) -> dict[int, str]:
    """id -> name, of a file of one name a line; a blank line leaves its id without a name."""
    try:
        with open_file(path) as stream:
            if not stream.read(64).strip():
                return {}
    except OSError as error:
        raise AnnotationError(f"cannot be read ({error.strerror or error})", file=path) from error
    _bounded(path)
    names = [unicodedata.normalize("NFC", line.strip()) for line in read_text(path).splitlines()]
    return {id: name for id, name in enumerate(names) if name}


def names_file(folder: Head) -> Path | None:
    """classes.txt, or obj.names, in this very folder."""
    files = {name.casefold(): name for name in folder.files(".txt", ".names")}
    named = [files[name] for name in NAMES_FILES if name in files]
    named += [name for name in files.values() if PurePosixPath(name).suffix.lower() == ".names"]
    return folder.path / named[0] if named else None


# --- the files --------------------------------------------------------------------------------------
def _bounded(path: Path) -> None:
    size = path.stat().st_size if path.exists() else 0  # what is absent is named when it is read
    if size > MOST_BYTES:
        raise AnnotationError("too big for a list of classes", file=path, expected=f"at most {MOST_BYTES:,} bytes",
                              got=f"{size:,} bytes")  # fmt: skip


def _darknet(path: Path) -> dict[str, Any]:
    _bounded(path)
    pairs = (line.split("=", 1) for line in read_text(path).splitlines() if "=" in line)
    return _once(path, ((key.strip(), value.strip()) for key, value in pairs))


def _once(path: Path, pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if found.setdefault(key, value) != value:
            raise AnnotationError("one key stands twice, with two values", file=path, record=f'key "{key}"',
                                  expected="each key once", fix="take one of them out, or rename it")  # fmt: skip
    return found


def _yaml(path: Path) -> dict[str, Any]:
    """The document with every value as a text: `no` and `1e3` may be names of classes."""
    import yaml

    _bounded(path)

    class Loader(yaml.BaseLoader):
        """Without aliases (a few lines of them grow without end), and with each key once."""

        def compose_node(self, parent: Any, index: Any) -> Any:
            if self.check_event(yaml.AliasEvent):
                raise yaml.MarkedYAMLError(problem="an alias (*)", problem_mark=self.peek_event().start_mark)
            return super().compose_node(parent, index)

        def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
            pairs = [
                (self.construct_object(key, True), self.construct_object(value, True)) for key, value in node.value
            ]
            wrong = next((key for key, _ in pairs if not isinstance(key, str)), None)
            if wrong is not None:
                raise yaml.MarkedYAMLError(problem="a key that is no text", problem_mark=node.start_mark)
            return _once(path, pairs)

    text = read_text(path)
    try:
        found = yaml.load(text, Loader)  # makes texts, lists and dictionaries, nothing else
    except RecursionError as error:
        raise AnnotationError("nested deeper than any YAML file", file=path) from error
    except (yaml.YAMLError, ValueError) as error:
        mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
        where = None if mark is None else f"line {mark.line + 1}, column {mark.column + 1}"
        raise AnnotationError(
            "not plain YAML", file=path, record=where,
            expected="keys and values, without aliases", got=problem or str(error)[:80], fix="correct the file there",
        ) from error  # fmt: skip
    if not isinstance(found, dict):
        raise AnnotationError("not a YAML file of YOLO", file=path, expected="keys such as names and train",
                              got=type(found).__name__)  # fmt: skip
    return found


# --- writing ----------------------------------------------------------------------------------------
def renamed(file: Path, names: Mapping[int, str]) -> str:
    """The text of a data.yaml, or of a list of names, with these; all else in it stays as it stands."""
    import yaml

    if file.suffix.lower() not in (".yaml", ".yml"):
        return "".join(f"{names.get(id, '')}\n" for id in range(max(names, default=-1) + 1))
    text = read_text(file)
    tree = yaml.compose(text, yaml.BaseLoader)
    values = {key.value: value for key, value in tree.value}
    changes = [(values["names"], _listed(values["names"], names))]
    if "nc" in values:
        changes.append((values["nc"], str(len(names))))
    for node, new in sorted(changes, key=lambda change: -change[0].start_mark.index):
        text = text[: node.start_mark.index] + new + text[node.end_mark.index :]
    return text


def _listed(node: Any, names: Mapping[int, str]) -> str:
    """As the names stand there: in one line or one a line, with their ids or without."""
    quoted = {id: json.dumps(name, ensure_ascii=False) for id, name in sorted(names.items())}
    pairs = isinstance(node.value[0], tuple) if node.value else False
    pairs = pairs or [*quoted] != [*range(len(quoted))]
    if node.flow_style:
        inside = ", ".join(f"{id}: {name}" if pairs else name for id, name in quoted.items())
        return f"{{{inside}}}" if pairs else f"[{inside}]"
    lines = [f"{id}: {name}" if pairs else f"- {name}" for id, name in quoted.items()]
    return ("\n" + " " * node.start_mark.column).join(lines) + "\n"
