"""An image's name as annotation files write it, taken apart: slashes of both kinds, other machines' paths,
addresses."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote

from maskwright.errors import DatasetError
from maskwright.escaping import percent_encoded
from maskwright.formats.links import real_path, resolved

LONGEST = 32_767  # characters of a path, on the system that takes the longest: what is longer names nothing
_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]{1,40}://[^/\\]*", re.IGNORECASE)  # two letters or more: C:/ is a drive
_SERVED = re.compile(r"[?&]d=")  # Label Studio: /data/local-files/?d=party/a.jpg


@dataclass(frozen=True)
class Name:
    """What a name says: `folders` and `last` with composed letters, as written.

    absolute  it begins at some machine's root (or is an address): how its folders go on here cannot be known
    above     so many "../" stand before its folders
    """

    folders: tuple[str, ...]
    last: str
    absolute: bool = False
    above: int = 0

    @property
    def bare(self) -> bool:
        return not (self.folders or self.absolute or self.above)

    @property
    def external(self) -> bool:
        """Its first folders are those of another machine, or lie outside of the data."""
        return self.absolute or self.above > 0

    @property
    def folded(self) -> tuple[str, ...]:
        """Its folders without case."""
        return tuple(map(folded, self.folders))


def read_names(text: str) -> list[Name]:
    """The name as it stands, then with %20 and the like decoded where it has any (an address is meant decoded).

    [] where it is no name at all.

    >>> read_names("C:\\\\party\\\\a.jpg")
    [Name(folders=('party',), last='a.jpg', absolute=True, above=0)]
    """
    if len(text) > LONGEST:
        return []
    texts = [text, unquote(text, errors="surrogateescape")] if "%" in text else [text]
    if _ADDRESS.match(text.strip()):
        texts.reverse()
    return list(dict.fromkeys(name for item in texts if (name := _taken_apart(item)) is not None))


def _taken_apart(text: str) -> Name | None:
    text = unicodedata.normalize("NFC", text.strip())
    if "\0" in text:
        return None
    address = _ADDRESS.match(text)
    served = _SERVED.search(text)
    if served:
        text = text[served.end() :].split("&")[0]
    elif address:
        text = re.split(r"[?#]", text[address.end() :])[0]
    parts = [part for part in re.split(r"[\\/]+", text) if part not in ("", ".")]
    drive = bool(parts) and (re.fullmatch(r"[A-Za-z]:", parts[0]) is not None or parts[0] == "~")
    absolute = bool(address or served or drive or text.startswith(("/", "\\")))
    folders: list[str] = []
    above = 0
    for part in parts[drive:]:
        if part != "..":
            folders.append(part)
        elif folders:
            folders.pop()
        else:
            above += 1
    if not folders or (parts and parts[-1] == ".."):
        return None
    return Name(tuple(folders[:-1]), folders[-1], absolute, above)


def folded(name: str) -> str:
    """Without case; accents composed (macOS takes them apart: "é" is two characters in its file names).

    Only letters that file systems take for one are one: "straße" and "strasse" are two names.
    """
    return unicodedata.normalize("NFC", name).lower()


def agreement(name: Name, path: Path) -> int:
    """How many folders of the name agree with those of the path, counted from the end."""
    if not name.folders:
        return 0
    count = 0
    for mine, theirs in zip(reversed(path.absolute().parts[:-1]), reversed(name.folded), strict=False):
        if folded(mine) != theirs:
            break
        count += 1
    return count


def told_apart_by(names: Iterable[Name]) -> dict[Name, int]:
    """How many folders, counted from the end, must agree so that a name cannot be taken for another of the file.

    >>> told_apart_by([Name(("a",), "1.jpg"), Name(("b",), "1.jpg"), Name(("b",), "2.jpg")]).values()
    dict_values([1, 1, 0])
    """
    names = list(names)
    alike: dict[str, set[tuple[str, ...]]] = {}
    for name in names:
        alike.setdefault(folded(name.last), set()).add(name.folded[::-1])
    needed: dict[tuple[str, tuple[str, ...]], int] = {}
    for last, several in alike.items():
        ordered = sorted(several)  # from the end: those that agree longest are neighbors
        for one, other in pairwise(ordered):
            common = 0
            while common < min(len(one), len(other)) and one[common] == other[common]:
                common += 1
            for item in (one, other):
                needed[last, item] = max(needed.get((last, item), 0), common + 1)
    return {name: needed.get((folded(name.last), name.folded[::-1]), 0) for name in names}


def written_name(image: Path, path: Path, folders: dict[Path, Path] | None = None) -> str:
    """How a written annotation file names an image: the way down from its own folder, or the bare name; bytes that are
    no UTF-8 as %E9, which `read_names` decodes. `folders`: see `links.real_path`."""
    folders = {} if folders is None else folders
    try:
        return percent_encoded(real_path(image, folders).relative_to(resolved(path.parent, folders)).as_posix())
    except ValueError:
        return percent_encoded(image.name)


def written_names(images: Sequence[Path], path: Path) -> list[str]:
    """The same for all images of a table; DatasetError where two of them would share one name."""
    named: dict[str, Path] = {}
    folders: dict[Path, Path] = {}
    names = [written_name(image, path, folders) for image in images]
    for name, image in zip(names, images, strict=True):
        if named.setdefault(name, image) != image:
            raise DatasetError("two images of one name", file=image, expected="names that differ", got=name,
                               fix="write it into the folder above both, or copy the images beside it")  # fmt: skip
    return names
