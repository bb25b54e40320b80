"""Zip and tar archives: unpacked into the cache folder, and read as folders from there.

Known by     their first bytes: zip; tar, also packed by gzip, bzip2 or xz
Refused      names that lead out of the folder, links and devices, archives in archives, a name that is there twice,
             more files or bytes than a dataset holds, or than such an archive can, half an archive: it is unpacked
             whole, or not at all
Left out     what macOS and Windows add (__MACOSX, ._a.jpg, .DS_Store, Thumbs.db)
Again        the same archive is not unpacked twice: its folder is named after its path, size and time
"""

from __future__ import annotations

import bz2
import contextlib
import gzip
import hashlib
import io
import lzma
import os
import stat
import tarfile
import zipfile
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any

from maskwright.errors import DatasetError
from maskwright.fetch import cache_folder
from maskwright.files import contained, open_file, writing_folder
from maskwright.formats.wrapped import ARCHIVE_ENDINGS
from maskwright.issues import Kind
from maskwright.progress import Progress, silent

ARCHIVE_UNPACKED = Kind("archive_unpacked", "info", "{file} was unpacked into {folder}")

MOST_BYTES = 8 * 2**30
"""Unpacked, together; the largest published set that is fetched here has less than a quarter of that."""
MOST_FILES = 300_000
_ANYWAY = 2**30  # bytes that any archive may hold
_PACKED = 100  # times an archive's own size: images are not packed further, and texts not so far
_MOST_AT_ONCE = 2**24  # bytes that are asked for at once: a header, or a chunk
_ZIP, _TAR = b"PK\x03\x04", 257  # where "ustar" stands
_PACKERS: dict[bytes, Callable[..., Any]] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ": lzma.open}


def folder_of(path: Path) -> Path | None:
    """The folder that holds what this archive does, unpacked where it was not yet; None for a file that is none.

    DatasetError where the archive is refused or broken.
    """
    if not is_archive(path):
        return None
    about = path.stat()
    key = f"{os.path.realpath(path)}\0{about.st_size}\0{about.st_mtime_ns}".encode(errors="surrogateescape")
    folder = cache_folder() / "archives" / hashlib.sha256(key).hexdigest()[:16] / (_stem(path) or "data")
    if not folder.is_dir():
        unpack(path, folder)
    return folder


def is_archive(path: Path) -> bool:
    """A zip, or a tar, packed or not. A file of text that gzip has packed is none."""
    first = _first_bytes(path, open_file)
    if first.startswith(_ZIP) or first[_TAR : _TAR + 5] == b"ustar":
        return True
    packer = next((packer for start, packer in _PACKERS.items() if first.startswith(start)), None)
    return packer is not None and _first_bytes(path, packer)[_TAR : _TAR + 5] == b"ustar"


def _first_bytes(path: Path, opener: Callable[[Path], Any]) -> bytes:
    try:
        with opener(path) as stream:
            return stream.read(_TAR + 5)
    except Exception:  # decompressors raise nearly anything
        return b""


def _stem(path: Path) -> str:
    """party.tar.gz -> "party"."""
    name = path.name
    while name.lower().endswith(ARCHIVE_ENDINGS):
        name = name.rpartition(".")[0]
    return name


def unpack(archive: Path, target: Path, progress: Progress = silent, most_bytes: int = MOST_BYTES) -> None:
    """A zip or tar archive as the folder `target`: whole, or not at all.

    most_bytes  of what is unpacked, together
    """
    with _reading(archive):
        most_bytes = min(most_bytes, max(_ANYWAY, _PACKED * archive.stat().st_size))
        members = _zip_members(archive) if zipfile.is_zipfile(archive) else _tar_members(archive)
    left = most_bytes
    with writing_folder(target) as temporary, contextlib.closing(members):
        seen: set[str] = set()
        for member in progress(_each(archive, members), label="unpacking"):
            if _rubbish(member.name):
                continue
            problem = _problem(member, temporary, seen)
            if problem is not None:
                raise DatasetError("this archive is refused", file=archive, record=member.name,
                                   expected="plain files", got=problem)  # fmt: skip
            if member.size > left or len(seen) > MOST_FILES:
                raise _too_big(archive, most_bytes)
            file = temporary / PurePosixPath(member.name)
            file.parent.mkdir(parents=True, exist_ok=True)
            with file.open("xb") as sink:
                # what the archive says of its sizes may be untrue: count what really comes
                for chunk in _chunks(archive, member):
                    left -= len(chunk)
                    if left < 0:
                        raise _too_big(archive, most_bytes)
                    sink.write(chunk)


@dataclass(frozen=True)
class _Member:
    """name: as the archive has it; size: as it says; plain: a file, neither a link nor a device."""

    name: str
    size: int
    plain: bool
    open: Callable[[], IO[bytes] | None]


def _zip_members(archive: Path) -> Generator[_Member, None, None]:
    with zipfile.ZipFile(archive) as zipped:
        # (folders not by their `is_dir`, which stumbles over an empty name)
        items = [item for item in zipped.infolist() if not item.filename.endswith("/")]
        if sum(item.file_size for item in items) > MOST_BYTES or len(items) > MOST_FILES:
            raise _too_big(archive, MOST_BYTES)
        for item in items:
            plain = stat.S_IFMT(item.external_attr >> 16) in (0, stat.S_IFREG)
            yield _Member(item.filename, item.file_size, plain, lambda item=item: zipped.open(item))


def _tar_members(archive: Path) -> Generator[_Member, None, None]:
    with archive.open("rb") as stream:
        first = stream.read(6)
    packer = next((packer for start, packer in _PACKERS.items() if first.startswith(start)), open)
    with packer(archive, "rb") as stream, tarfile.open(fileobj=_Bounded(stream), mode="r:") as tar:
        for number, item in enumerate(tar):
            if number > 2 * MOST_FILES:  # folders, too, are kept in memory
                raise _too_big(archive, MOST_BYTES)
            if not item.isdir():
                yield _Member(item.name, item.size, item.isreg(), lambda item=item: tar.extractfile(item))
        stream.seek(tar.offset)
        if stream.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):  # without a word tarfile stops there, too
            raise ValueError("the end in the middle")


class _Bounded(io.RawIOBase):
    """A stream that does not give endless headers: those of tar are read into memory as a whole."""

    def __init__(self, stream: Any) -> None:
        self.stream = stream

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= _MOST_AT_ONCE:
            raise ValueError(f"a header of {size:,} bytes")
        return self.stream.read(size)

    def seek(self, offset: int, whence: int = 0) -> int:
        return self.stream.seek(offset, whence)

    def tell(self) -> int:
        return self.stream.tell()


def _each(archive: Path, members: Iterator[_Member]) -> Iterator[_Member]:
    while True:
        with _reading(archive):
            member = next(members, None)
        if member is None:
            return
        yield member


def _chunks(archive: Path, member: _Member) -> Iterator[bytes]:
    with _reading(archive):
        source = member.open()
        if source is None:
            raise ValueError("a file without content")
    with source:
        while True:
            with _reading(archive):
                chunk = source.read(1 << 20)
            if not chunk:
                return
            yield chunk


@contextlib.contextmanager
def _reading(archive: Path) -> Iterator[None]:
    """A broken archive can make its readers and their decompressors raise nearly anything, OSError too."""
    try:
        yield
    except DatasetError:
        raise
    except Exception as error:
        raise DatasetError(
            "this archive cannot be unpacked", file=archive, expected="a whole zip or tar archive",
            got=str(error) or type(error).__name__, fix="delete it and fetch it again",
        ) from error  # fmt: skip


def _problem(member: _Member, folder: Path, seen: set[str]) -> str | None:
    """Why this member is refused; None for a plain file, whose name then counts as seen."""
    name = member.name
    parts = PurePosixPath(name.replace("\\", "/")).parts
    if ".." in parts or not parts or parts[0] == "/" or ":" in name or contained(folder, name) is None:
        return "a name that leads out of the folder"
    if not member.plain:
        return "a link"
    if name.lower().endswith(ARCHIVE_ENDINGS):
        return "an archive in the archive: unpack it"
    if name.casefold() in seen:
        return "a name that is there twice"
    seen.add(name.casefold())
    return None


def _too_big(archive: Path, most_bytes: int) -> DatasetError:
    return DatasetError("this archive is refused", file=archive, got="more than a dataset holds",
                        expected=f"at most {most_bytes:,} bytes and {MOST_FILES:,} files unpacked")  # fmt: skip


def _rubbish(name: str) -> bool:
    last = PurePosixPath(name).name
    return name.startswith("__MACOSX/") or last.startswith("._") or last in (".DS_Store", "Thumbs.db")
