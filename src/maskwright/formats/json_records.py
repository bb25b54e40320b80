"""Large JSON: the records of one list are read some thousand at a time, so that a file is never in memory as a whole.

A block ends where "}, {" stands, and the parser proves that this is the end of a record: a wrong cut leaves a text or a
bracket open. What is not read so (another encoding, one broken record, a list of something else) is read as a whole.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Hashable, Iterator
from operator import attrgetter
from pathlib import Path
from typing import Any

import msgspec

from maskwright.errors import AnnotationError
from maskwright.files import open_file
from maskwright.formats import reading

BLOCK_BYTES = 1 << 21
_TRIES = 40  # places in a block at which a record may end
_END = re.compile(rb"\}\s*\]")
_BETWEEN = re.compile(rb"\}\s*,\s*$")
_UNSOUND = (RecursionError, UnicodeDecodeError, msgspec.MsgspecError)
_MARKS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff", b"\0")


class Records:
    """The elements of a JSON list, in the file's order: `blocks` gives the text of some thousand at a time.

    counts  how often each value of one field occurs
    first   the first element, None where there is none
    """

    def __init__(self, path: Path, places: list[tuple[int, int]], counts: Counter[Any], first: Any) -> None:
        """`places`: offset and length of each block in the file."""
        self.path = path
        self.counts = counts
        self.first = first
        self._places = places

    def __bool__(self) -> bool:
        return bool(self._places)

    def blocks(self) -> Iterator[bytes]:
        """The text of a JSON list each."""
        with open_file(self.path) as stream:
            for start, size in self._places:
                stream.seek(start)
                yield b"[%b]" % stream.read(size)

    def decoded(self, block: bytes) -> list[Any]:
        """AnnotationError where something in it is not sound: a first look passes over numbers and texts."""
        try:
            return msgspec.json.decode(block)
        except _UNSOUND as error:
            reading.read_json(self.path)  # which knows what is wrong, and where
            raise AnnotationError("the file was changed while it was read", file=self.path, got=str(error),
                                  fix="read it again") from error  # fmt: skip

    def refuse_duplicates(self, block: bytes, keys: int) -> None:
        """AnnotationError where one key of an object stands twice, with two values.

        keys  how many keys all objects of the block were found to have
        """
        if block.count(b'":') != keys:  # perhaps only for a text that holds these characters: each is looked at
            reading.refuse_duplicates(self.path, block)


def read_records(path: Path, name: str, column: str) -> dict[str, Any] | None:
    """The object that the file holds, its list `name` as Records; None where it is to be read as a whole.

    column  the field of each element of which `counts` tells the values
    """
    with open_file(path) as stream:
        if path.stat().st_size > reading.MOST_BYTES:
            return None
        scan = _Scan(stream, column)
        if scan.buffer.startswith(_MARKS) or not scan.reach(re.compile(rb'"%b"\s*:\s*\[' % re.escape(name.encode()))):
            return None
        head = scan.passed
        if not scan.records():
            return None
        # The null shows whose list it was: an inner object may have one of that name.
        rest = head + b"null" + scan.buffer + stream.read()
    try:
        found = msgspec.json.decode(rest, type=dict[str, Any])
    except _UNSOUND:
        return None
    if found.get(name) != [None] or rest.count(b'":') != reading.count_keys(found):
        return None
    return found | {name: Records(path, scan.places, scan.counts, scan.first)}


class _Scan:
    """A walk through the file: `buffer` is what was read and not yet passed."""

    def __init__(self, stream: Any, column: str) -> None:
        self.stream = stream
        self.buffer = stream.read(BLOCK_BYTES)
        self.passed = b""
        self.offset = 0  # of the buffer in the file
        self.places: list[tuple[int, int]] = []
        self.counts: Counter[Any] = Counter()
        self.first: Any = None
        kind: Any = msgspec.defstruct("Column", [("value", Any, None)], rename={"value": column})
        self._column: msgspec.json.Decoder[list[Any]] = msgspec.json.Decoder(list[kind])

    def reach(self, pattern: re.Pattern[bytes]) -> bool:
        """Pass everything up to the end of the pattern; False where it does not occur."""
        while (match := pattern.search(self.buffer)) is None:
            if not self._more():
                return False
        self.passed = self.buffer[: match.end()]
        self._pass(match.end())
        return True

    def records(self) -> bool:
        """Pass the elements of a list, block by block; False where they are no objects, or not sound.

        The buffer then begins with the "]" of the list.
        """
        while (match := re.match(rb"\s*(.)", self.buffer, re.DOTALL)) is None:
            if not self._more():
                return False
        if match[1] == b"]":
            return True
        while True:
            end = self._end(_END.finditer(self.buffer))
            if end is not None:
                self._pass(end)
                return True
            cut = self._end(self._cuts())
            if cut is not None:
                self._pass(self.buffer.index(b"{", cut))
            elif not self._more():
                return False
            if len(self.buffer) < BLOCK_BYTES:
                self._more()

    def _cuts(self) -> Iterator[re.Match[bytes]]:
        """Places where one record may end and the next one begin, the last one first."""
        begin = len(self.buffer)
        while (begin := self.buffer.rfind(b"{", 0, begin)) > 0:
            match = _BETWEEN.search(self.buffer, max(0, begin - 80), begin)
            if match is not None:
                yield match

    def _end(self, candidates: Iterator[re.Match[bytes]]) -> int | None:
        """The first of these places at which what stands before is a list of records: it becomes a block."""
        for match, _ in zip(candidates, range(_TRIES), strict=False):
            size = match.start() + 1
            text = b"[%b]" % self.buffer[:size]
            try:
                found = self._column.decode(text)
                if not self.places:
                    self.first = msgspec.json.decode(msgspec.json.decode(text, type=list[msgspec.Raw])[0])
            except _UNSOUND:
                continue
            values = map(attrgetter("value"), found)
            try:
                self.counts += Counter(values)
            except TypeError:  # some are lists
                self.counts.update(item.value for item in found if isinstance(item.value, Hashable))
            self.places.append((self.offset, size))
            return size
        return None

    def _pass(self, count: int) -> None:
        self.buffer = self.buffer[count:]
        self.offset += count

    def _more(self) -> bool:
        """Read on; False at the end of the file."""
        more = self.stream.read(max(BLOCK_BYTES, len(self.buffer)))
        self.buffer += more
        return bool(more)
