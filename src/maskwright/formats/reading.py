"""What every format reads with: bounded JSON, XML and CSV; the first look at a path; where the images lie.

A format's module holds

    sniff(head: Head) -> Evidence | None                    cheap: first kilobytes and file names only
    read(path: Path, faults: Faults) -> Dataset             a bad record goes to `faults`, a bad file raises
    write(dataset: Dataset, path: Path, losses: Losses)     where it can; what cannot be kept goes to `losses`

and takes all it shares with others from here (`Faults` lives in faults.py, `Losses` in losses.py, `ImageFinder` in
finding.py, `Regions` in regions.py, `assemble` in drafts.py).
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, ParseError

import defusedxml.ElementTree
import msgspec
from defusedxml.common import DefusedXmlException

from maskwright.errors import AnnotationError, DatasetError
from maskwright.files import LFS_POINTER, NotAFile, open_file
from maskwright.formats.drafts import Draft, assemble, natural, spelt_alike
from maskwright.formats.faults import Faults
from maskwright.formats.finding import FoundImage, ImageFinder, measured
from maskwright.formats.links import stays
from maskwright.formats.listing import (
    IMAGE_ENDINGS,
    LABEL_FOLDERS,
    SPLIT_FOLDERS,
    data_name,
    data_root,
    images_below,
    images_in,
    is_folder,
)
from maskwright.formats.losses import Losses
from maskwright.formats.naming import written_name, written_names
from maskwright.formats.outlines import plain
from maskwright.formats.regions import Regions
from maskwright.formats.text import beginning, encoding
from maskwright.tables import CsvTable, parse

__all__ = [
    "IMAGE_ENDINGS",
    "LABEL_FOLDERS",
    "SPLIT_FOLDERS",
    "Draft",
    "Evidence",
    "Faults",
    "FoundImage",
    "Head",
    "ImageFinder",
    "Losses",
    "Regions",
    "assemble",
    "data_name",
    "data_root",
    "images_below",
    "images_in",
    "measured",
    "natural",
    "parse_json",
    "plain",
    "read_json",
    "read_table",
    "read_text",
    "read_xml",
    "readable",
    "spelt_alike",
    "written_name",
    "written_names",
]  # fmt: skip

MOST_BYTES = 2**30  # the annotations of COCO 2017 (118,000 images) have 450 MB
FIRST_BYTES = 65536


@dataclass(frozen=True)
class Evidence:
    """Why a format believes that a path is its own.

    certainty  0..1; below 0.5 is a weak claim, heard only where nobody makes a strong one (class folders, say)
    because    half a sentence for people: 'each record has "filename" and "regions"'
    dataset    False for a file of this format that is no dataset by itself (a results list, attribute definitions):
               passed over in a folder; whoever names it gets `read`'s error, which says what the file is
    """

    certainty: float
    because: str
    dataset: bool = True


@dataclass(frozen=True)
class Head:
    """What `sniff` sees: a file's first 64 kilobytes, or the names in a folder (read when first asked for)."""

    path: Path

    @cached_property
    def is_folder(self) -> bool:
        return os.path.isdir(self.path)  # noqa: PTH112 (never raises, whatever the rights)

    @property
    def ending(self) -> str:
        """ ".json", in lower case; "" for a folder."""
        return "" if self.is_folder else self.path.suffix.lower()

    @cached_property
    def text(self) -> str:
        """The beginning of the file; "" for a folder or where it cannot be read."""
        if self.is_folder:
            return ""
        try:
            with open_file(self.path) as stream:
                return beginning(stream.read(FIRST_BYTES))
        except OSError:
            return ""

    @cached_property
    def entries(self) -> tuple[str, ...]:
        """Names in the folder, sorted; those of sub-folders end in "/"; () for a file.

        Hidden ones are left out, and links that lead out of the data.
        """
        try:
            with os.scandir(self.path) as entries:
                shown = [entry for entry in entries if not entry.name.startswith(".")]
        except OSError:
            return ()
        found = [item.name + "/" * is_folder(item) for item in shown
                 if not item.is_symlink() or stays(Path(item.path), self.path)]  # fmt: skip
        return tuple(sorted(found))

    @property
    def folders(self) -> tuple[str, ...]:
        """Names of sub-folders, without the "/"."""
        return tuple(name[:-1] for name in self.entries if name.endswith("/"))

    def files(self, *endings: str) -> tuple[str, ...]:
        """Names of files with one of these endings (".xml"); all files when none is given."""
        files = (name for name in self.entries if not name.endswith("/"))
        return tuple(name for name in files if not endings or name.lower().endswith(endings))

    @property
    def images(self) -> tuple[str, ...]:
        """Names of files that are images by their ending."""
        return self.files(*IMAGE_ENDINGS)

    def child(self, name: str) -> Head:
        """The same look one step down: head.child("Annotations").child("a.xml")."""
        return Head(self.path / name)


def readable(path: Path) -> None:
    """DatasetError for a file or folder that may not be read; to `Head` it looks empty."""
    try:
        if path.is_dir():
            next(path.iterdir(), None)
        else:
            open_file(path).close()
    except OSError as error:
        what = f"cannot be read ({error.strerror or error})"
        fix = "take it out of the folder" if isinstance(error, NotAFile) else "ask its owner for the right"
        raise DatasetError(what, file=path, fix=fix) from error


def read_bytes(path: Path, most: int = MOST_BYTES) -> bytes:
    """The whole file; refused when it is bigger than any annotation file."""
    try:
        size = path.stat().st_size
        if size > most:
            raise AnnotationError(
                "too big for an annotation file", file=path, expected=f"at most {most:,} bytes", got=f"{size:,} bytes"
            )
        with open_file(path) as stream:
            data = stream.read()
    except OSError as error:
        raise AnnotationError(f"cannot be read ({error.strerror or error})", file=path) from error
    if not data.strip(b"\0 \t\r\n\xef\xbb\xbf"):
        raise AnnotationError("the file is empty", file=path, got=f"{size:,} bytes without content")
    if data.startswith(LFS_POINTER):
        raise AnnotationError(
            "a Git LFS pointer, not the file itself", file=path, fix="fetch the content: git lfs pull"
        )
    return data


def read_text(path: Path) -> str:
    """The whole file as text: UTF-8 (a byte order mark is passed over), or UTF-16 where it says so."""
    return _decoded(path, read_bytes(path))


def _encoding(path: Path, data: bytes) -> str:
    try:
        return encoding(data)
    except LookupError as error:
        raise AnnotationError(
            "an encoding that is not known", file=path, record="line 1", got=str(error), fix="save the file as UTF-8"
        ) from error


def _decoded(path: Path, data: bytes) -> str:
    code = _encoding(path, data)
    try:
        return data.decode(code)
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise AnnotationError(
            "not UTF-8 text" if code == "utf-8-sig" else f"not {code.upper()} text, as it says", file=path,
            record=f"line {line}", got=f"byte {data[error.start]:#04x} at {error.start}", fix="save the file as UTF-8",
        ) from error  # fmt: skip


def json_bytes(path: Path) -> bytes:
    """The whole file as UTF-8, without a byte order mark."""
    data = read_bytes(path)
    if _encoding(path, data) != "utf-8-sig":
        data = _decoded(path, data).encode("utf-8", "surrogatepass")
    return data.removeprefix(b"\xef\xbb\xbf")


def read_json(path: Path) -> Any:
    """Strict JSON: NaN, Infinity, numbers beyond a double and one key with two values are refused; of half a file it
    says where it ends."""
    data = json_bytes(path)
    try:
        found = msgspec.json.decode(data)
    except RecursionError as error:
        raise AnnotationError("nested deeper than any annotation file", file=path) from error
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError) as error:
        if isinstance(error, UnicodeDecodeError):
            _decoded(path, data)  # which names the line
        raise _explain_json(path, data, str(error)) from error
    if data.count(b'":') != count_keys(found):  # far quicker than looking at each; where they differ it is looked at
        refuse_duplicates(path, data)
    return found


def count_keys(value: Any) -> int:
    """How many keys all objects of a document have together."""
    count, left = 0, [value]
    while left:
        here = left.pop()
        if isinstance(here, dict):
            count += len(here)
            left += here.values()
        elif isinstance(here, list) and here and not isinstance(here[0], int | float):
            left += here
    return count


def refuse_duplicates(path: Path, data: bytes) -> None:
    """AnnotationError where an object has one key twice, with two values: the first would vanish without a word."""

    def checked(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        record = dict(pairs)
        if len(record) < len(pairs):
            seen: dict[str, Any] = {}
            for key, value in pairs:
                if seen.setdefault(key, value) != value:
                    raise AnnotationError(
                        "one key stands twice, with two values",
                        file=path,
                        record=f'key "{key}"',
                        expected="each key once",
                        fix="take one of them out, or rename it",
                    )
        return record

    json.loads(data, object_pairs_hook=checked)


def parse_json(text: str) -> Any:
    """A cell of a CSV file; ValueError where it is not strict JSON."""
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ValueError(str(error)) from error


def _place(before: bytes) -> str:
    """ "line 2, column 19": where what comes after these bytes stands, in characters, both from 1."""
    column = len(before[before.rfind(b"\n") + 1 :].decode("utf-8", errors="replace")) + 1
    line = before.count(b"\n") + 1
    return f"line {line:,}, column {column:,}"


def _explain_json(path: Path, data: bytes, reason: str) -> AnnotationError:
    if "truncated" in reason:
        ending = data[-18:].decode("utf-8", errors="replace").strip()
        return AnnotationError(
            "the file ends in the middle",
            file=path,
            record=_place(data.rstrip()),
            expected="a complete JSON file",
            got=f"the end after {len(data):,} bytes, behind {ending!r}",
            fix="it was cut off: copy, download or export it again",
        )
    found = re.search(r"byte (\d+)", reason)
    if found is None:
        return AnnotationError("not JSON", file=path, got=reason)
    at = int(found[1])
    # the parser names the byte behind which it gave up; what people look for stands right there
    near = data[max(0, at - 12) : at + 18].decode("utf-8", errors="replace")
    not_a_number = re.search(r"NaN|-?Infinity|\b[nN]an\b|undefined", near)
    return AnnotationError(
        "not JSON",
        file=path,
        record=_place(data[:at]),
        expected="a number" if not_a_number else "strict JSON",
        got=not_a_number[0] if not_a_number else repr(near),
        fix="correct the file there" if not_a_number else "correct the file there, or export it again",
    )


def read_xml(path: Path) -> Element:
    """The root element; entities, external references and half files are refused."""
    data: bytes | str = read_bytes(path, most=2**28)
    if _encoding(path, data) != "utf-8-sig":
        data = _decoded(path, data)  # the parser itself knows few encodings
    try:
        return defusedxml.ElementTree.fromstring(data, forbid_dtd=True)
    except DefusedXmlException as error:
        raise AnnotationError(
            "XML with a document type or entities is refused", file=path, fix="remove the DOCTYPE"
        ) from error
    except (ParseError, ValueError, LookupError, RecursionError) as error:
        line, column = getattr(error, "position", (None, None))
        raise AnnotationError(
            "not well-formed XML", file=path, record=None if line is None else f"line {line}, column {column}",
            expected="a complete XML file", got=str(error), fix="copy or export the file again",
        ) from error  # fmt: skip


def read_table(path: Path, needed: Iterable[str] = (), known: Iterable[str] = ()) -> CsvTable:
    """A CSV file; AnnotationError where a needed column lacks. See `tables.parse`."""
    return parse(read_text(path), path, needed, known)
