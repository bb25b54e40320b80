"""JSON lines: a record a line, appended as they come, or a whole file at once."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from maskwright import files


def encoded(facts: Mapping[str, Any]) -> bytes:
    """One line, ended, in UTF-8. A file name that is no text (Linux allows any bytes) is escaped.

    >>> encoded({"file": "a.jpg", "counts": {}})
    b'{"file": "a.jpg", "counts": {}}\\n'
    """
    return json.dumps(facts, ensure_ascii=False).encode("utf-8", "backslashreplace") + b"\n"


def whole_lines(file: Path) -> Iterator[bytes]:
    """The lines of a file but for a last one that was cut off; none where there is no file."""
    with contextlib.suppress(FileNotFoundError), files.open_file(file) as stream:
        yield from (line for line in stream if line.endswith(b"\n"))


def write_lines(file: Path, records: Iterable[Mapping[str, Any]]) -> Path:
    """A file with a line a record, complete or absent: one shard of many."""
    with files.writing(file) as temporary, temporary.open("wb") as stream:
        stream.writelines(encoded(record) for record in records)
    return file


class LineFile:
    """Lines appended to a file; each is with the system, and outlives the process, before `add` returns.

    length  bytes of the file to keep; what is behind them, a line that was cut off, is removed

    >>> with LineFile(Path("predictions.part.jsonl")) as lines:
    ...     lines.add({"file": "a.jpg", "counts": {"balloon": 2}})
    """

    def __init__(self, file: Path, length: int = 0) -> None:
        self._stream = file.open("r+b" if length else "wb", buffering=0)
        self._stream.truncate(length)
        self._stream.seek(0, os.SEEK_END)

    def __enter__(self) -> LineFile:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._stream.close()

    def add(self, facts: Mapping[str, Any]) -> None:
        self.add_line(encoded(facts))

    def add_line(self, line: bytes) -> None:
        """One that is encoded already."""
        left = memoryview(line)
        while left:  # a nearly full disk takes a part
            left = left[self._stream.write(left) :]
