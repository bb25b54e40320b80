"""Files that stand for the data: archives to unpack, and Git LFS pointers whose content was not fetched."""

from __future__ import annotations

from pathlib import Path

from maskwright.errors import DatasetError
from maskwright.files import LFS_POINTER, open_file
from maskwright.formats.reading import Head

_ARCHIVES = ((b"PK\x03\x04", "a zip archive"), (b"PK\x05\x06", "an empty zip archive"), (b"\x1f\x8b", "a gzip archive"),
             (b"7z\xbc\xaf\x27\x1c", "a 7z archive"), (b"Rar!\x1a\x07", "a RAR archive"),
             (b"\xfd7zXZ\x00", "an xz archive"), (b"BZh", "a bzip2 archive"),
             (b"\x28\xb5\x2f\xfd", "a Zstandard archive"))  # fmt: skip
_READ = ("a zip archive", "a tar archive")
ARCHIVE_ENDINGS = (".zip", ".tar", ".gz", ".tgz", ".7z", ".rar", ".xz", ".bz2", ".zst")


def error(head: Head) -> DatasetError | None:
    """What to tell about a file that stands for the data; None about all others, and about folders."""
    if head.is_folder:
        return None
    first = _first_bytes(head.path)
    if first.startswith(LFS_POINTER):
        return DatasetError("a Git LFS pointer, not the file itself", file=head.path,
                            fix="fetch the content: git lfs pull")  # fmt: skip
    kind = next((kind for start, kind in _ARCHIVES if first.startswith(start)), None)
    if kind is None and first[257:262] == b"ustar":
        kind = "a tar archive"
    if kind is None:
        return None
    fix = "name it: it is read as a folder" if kind in _READ else "unpack it, and name the folder"
    return DatasetError(f"this is {kind}", file=head.path, fix=fix)


def archive_in(head: Head) -> DatasetError | None:
    """The same about a folder that holds archives."""
    found = (error(head.child(name)) for name in head.files(*ARCHIVE_ENDINGS)[:3])
    return next((item for item in found if item is not None), None)


def _first_bytes(path: Path) -> bytes:
    try:
        with open_file(path) as stream:
            return stream.read(300)
    except OSError:
        return b""
