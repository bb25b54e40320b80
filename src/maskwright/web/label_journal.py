"""The journal beside an annotation file: a line for every change that the file does not have yet.

A change is in the journal, on the disk, before the page is told that it is saved; the file follows a moment later.
After a kill the next start finds the journal and takes the changes over.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from maskwright.errors import OutputError


class Journal:
    def __init__(self, path: Path) -> None:
        self.path = path

    def add(self, change: dict[str, Any]) -> None:
        """Returns when the line is on the disk; OutputError where it cannot be, and then no part of it stays."""
        line = (json.dumps(change, ensure_ascii=True) + "\n").encode()
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("ab") as stream:
                start = stream.tell()
                try:
                    stream.write(line)
                    stream.flush()
                    os.fsync(stream.fileno())
                except OSError:
                    with contextlib.suppress(OSError):
                        os.truncate(self.path, start)
                    raise
        except OSError as error:
            raise OutputError("this change cannot be saved", file=self.path.name, got=error.strerror,
                              fix="free some space; the page keeps the change until then") from error  # fmt: skip

    def changes(self) -> Iterator[dict[str, Any]]:
        """Those that were written whole: the last line may have been cut off by a kill."""
        if not self.path.is_file():
            return
        for line in self.path.read_bytes().split(b"\n"):
            with contextlib.suppress(ValueError):
                if isinstance(change := json.loads(line), dict):
                    yield change

    def clear(self) -> None:
        """The file has everything."""
        self.path.unlink(missing_ok=True)
