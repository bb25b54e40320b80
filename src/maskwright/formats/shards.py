"""A file in several parts, as TensorFlow cuts it: train.record-00000-of-00002 and its sisters are one."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from maskwright.formats.reading import Head
from maskwright.issues import Issue, Kind

PARTS_ABSENT = Kind("parts_absent", "warning", "{count} of {parts} parts are there")
SHARD = re.compile(r"(?P<name>.+)-\d{5}-of-(?P<count>\d{5})", re.IGNORECASE)


def shards(path: Path) -> list[Path]:
    """All parts of a file that was cut into several: train.record-00000-of-00002 and its sisters."""
    own = SHARD.fullmatch(path.name)
    if own is None:
        return [path]
    several = [(path.parent / name, SHARD.fullmatch(name)) for name in Head(path.parent).files()]
    return [file for file, item in several if item and (item["name"], item["count"]) == (own["name"], own["count"])]


def shards_absent(paths: Iterable[Path]) -> list[Issue]:
    """Of each file in parts, some of which are not there."""
    here: dict[tuple[Path, str, int], int] = Counter()
    for path in paths:
        if own := SHARD.fullmatch(path.name):
            here[path.parent, own["name"], int(own["count"])] += 1
    return [PARTS_ABSENT(name, count=count, parts=parts) for (_, name, parts), count in here.items() if count < parts]
