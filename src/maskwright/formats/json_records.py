"""Large JSON: the records of one list are decoded one at a time, so that a file is never all objects at once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from maskwright.formats import reading


class Records:
    """The elements of a JSON list, in the file's order; each is decoded when it is asked for, and not kept.

    AnnotationError, after the last one, where one key of an element stands twice, with two values.
    """

    def __init__(self, path: Path, raw: list[msgspec.Raw], keys: int | None = None) -> None:
        """`keys`: how often `":` stands in all of them, where that is known."""
        self._path = path
        self._raw = raw
        self._keys = keys

    def __len__(self) -> int:
        return len(self._raw)

    def __getitem__(self, index: int) -> Any:
        return msgspec.json.decode(self._raw[index])

    def __iter__(self) -> Iterator[Any]:
        decode = msgspec.json.Decoder().decode
        keys = 0
        for raw in self._raw:
            found = decode(raw)
            if isinstance(found, dict):
                keys += len(found)
            yield found
        if keys != self._keys:  # perhaps only for objects in objects: each is looked at
            for raw in self._raw:
                text = bytes(raw)
                if text.count(b'":') != reading.count_keys(decode(raw)):
                    reading.refuse_duplicates(self._path, text)

    def column(self, name: str) -> list[Any]:
        """One field of every element, None where it has none; without decoding the others."""
        kind = msgspec.defstruct("Column", [("value", Any, None)], rename={"value": name})
        decode = msgspec.json.Decoder(kind).decode
        values = []
        for raw in self._raw:
            try:
                values.append(getattr(decode(raw), "value"))  # noqa: B009 (a type checker knows no such field)
            except msgspec.ValidationError:  # it is no object
                values.append(None)
        return values


def read_records(path: Path, name: str) -> Any:
    """As `reading.read_json`, but of an object's list `name` as Records, where it is a list."""
    data = reading.json_bytes(path)
    found: Any = _in_parts(path, name, data)
    if found is None:
        found = reading.read_json(path)  # which knows what is wrong, and where
        if isinstance(found, dict) and isinstance(found.get(name), list):
            found[name] = Records(path, [msgspec.Raw(msgspec.json.encode(item)) for item in found[name]])
    return found


def _in_parts(path: Path, name: str, data: bytes) -> dict[str, Any] | None:
    """None where the file is no such object, is broken, or perhaps has one key twice."""
    try:
        parts = msgspec.json.decode(data, type=dict[str, msgspec.Raw])
        listed = parts.pop(name)
        raw = msgspec.json.decode(listed, type=list[msgspec.Raw])
        found = {key: msgspec.json.decode(raw) for key, raw in parts.items()}
    except (KeyError, RecursionError, UnicodeDecodeError, msgspec.MsgspecError):
        return None
    keys = bytes(listed).count(b'":')
    if data.count(b'":') - keys != reading.count_keys(found) + 1:
        return None
    return found | {name: Records(path, raw, keys)}
