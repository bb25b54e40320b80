"""Atomic writes, reading of regular files only, and understandable errors of the file system."""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import re
import shutil
import stat
import tempfile
import zlib
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path

from maskwright.errors import OutputError

_TEMPORARY = re.compile(r"\.(?P<name>.+)\.[a-z0-9_]{8}(?P<suffix>\.[^.]+)")  # as tempfile names them


LFS_POINTER = b"version https://git-lfs"


def _explain(error: OSError, path: Path) -> OutputError:
    if error.errno == errno.ENOSPC:
        return OutputError("the disk is full", file=path, fix="free some space, or choose another folder with --out")
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return OutputError("no permission to write here", file=path, fix="choose another folder with --out")
    if error.errno in (errno.EEXIST, errno.ENOTDIR):
        return OutputError("there is a file where a folder is needed", file=path, fix="choose another folder")
    return OutputError(f"cannot be written ({error.strerror or error})", file=path, fix="choose another folder")


@contextlib.contextmanager
def folder_of(path: Path) -> Iterator[None]:
    """For a block that writes `path`: missing folders are created, and removed again where they stay empty.

    An OSError in the block becomes an OutputError for a full disk, missing permissions and the like.
    """
    created = _absent(path.parent)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        raise _explain(error, path) from error
    finally:
        _remove_empty(created)


@contextlib.contextmanager
def writing(path: Path | str) -> Iterator[Path]:
    """A temporary path beside `path` that replaces it when the block succeeds, and is removed when it fails.

    Missing folders are created. OutputError for a full disk, missing permissions and other errors of the file system.

    >>> with writing("runs/demo/report.html") as temporary:
    ...     temporary.write_text(page)
    """
    path = Path(path)
    with folder_of(path):
        temporary: Path | None = None
        try:
            suffix = path.suffix if len(os.fsencode(path.suffix)) <= 16 else ""
            prefix = f".{shortened(path.name, 220)}."  # leaves space for the random part
            handle, name = tempfile.mkstemp(dir=path.parent, prefix=prefix, suffix=suffix)
            os.close(handle)
            temporary = Path(name)
            yield temporary
            temporary.chmod(0o666 & ~_umask())  # mkstemp gives 600, but the file is for all who can read the folder
            temporary.replace(path)
            temporary = None
        finally:
            if temporary is not None:
                with contextlib.suppress(OSError):
                    temporary.unlink()


@contextlib.contextmanager
def writing_folder(path: Path | str) -> Iterator[Path]:
    """`writing` for a whole folder, such as a model or a rendered dataset: complete or absent."""
    path = Path(path)
    with folder_of(path):
        temporary: Path | None = None
        try:
            prefix = f".{shortened(path.name, 220)}."
            temporary = Path(tempfile.mkdtemp(dir=path.parent, prefix=prefix))
            yield temporary
            temporary.chmod(0o777 & ~_umask())
            if path.exists():
                old = Path(tempfile.mkdtemp(dir=path.parent, prefix=f"{prefix}old."))
                path.replace(old / "old")
                temporary.replace(path)
                shutil.rmtree(old, ignore_errors=True)
            else:
                temporary.replace(path)
            temporary = None
        finally:
            if temporary is not None:
                shutil.rmtree(temporary, ignore_errors=True)


def _absent(folder: Path) -> list[Path]:
    """The folder and its parents that do not exist yet, deepest first."""
    absent = []
    while not os.path.exists(folder) and folder != folder.parent:  # noqa: PTH110 (never raises)
        absent.append(folder)
        folder = folder.parent
    return absent


def _remove_empty(folders: list[Path]) -> None:
    """Remove folders that were created for a file that was not written."""
    for folder in folders:
        try:
            folder.rmdir()
        except FileNotFoundError:
            continue
        except OSError:  # not empty
            return


def claim(path: Path | str) -> bool:
    """Create an empty file. False if there is one already; of simultaneous callers only one gets True.

    >>> claim("runs/party/run.json"), claim("runs/party/run.json")
    (True, False)
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(exist_ok=False)
        return True
    except OSError as error:
        if isinstance(error, FileExistsError) and os.path.lexists(path):
            return False
        raise _explain(error, path.parent) from error


def sweep(folder: Path | str, name: str | None = None) -> list[Path]:
    """Remove the temporary files that `writing` leaves in a folder when the process is killed; returns them.

    Only files with its names: `.state.safetensors.k3v9_x2a.safetensors` beside `state.safetensors`.
    name  only those of the file with this name
    """
    removed = []
    with contextlib.suppress(OSError):
        for path in sorted(Path(folder).iterdir()):
            match = _TEMPORARY.fullmatch(path.name)
            own = match is not None and (name is None or match["name"] == shortened(name, 220))
            if match and own and match["name"].endswith(match["suffix"]) and path.is_file():
                with contextlib.suppress(OSError):  # in use, or no permission
                    path.unlink()
                    removed.append(path)
    return removed


def write_text(path: Path | str, text: str) -> None:
    r"""Write UTF-8 atomically. File names that are not UTF-8 (Linux allows any bytes) are escaped: Python's \udce9 is
    written as these six characters, which JSON reads back as the same name."""
    with writing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")


def shortened(name: str, max_bytes: int) -> str:
    """A file name of at most `max_bytes` bytes; longer ones are truncated and end in a checksum, to remain distinct.

    File systems allow 255 bytes: 80 Chinese characters have 240.
    """
    data = os.fsencode(name)
    if len(data) <= max_bytes:
        return name
    mark = f"~{zlib.crc32(data):08x}"
    head = data[: max_bytes - len(mark)]
    while head and data[len(head)] & 0xC0 == 0x80:  # within a character
        head = head[:-1]
    return os.fsdecode(head) + mark


def refuse_filled(folder: Path) -> None:
    """A folder to be written must be new or empty: nothing of the user's is ever replaced."""
    try:
        filled = folder.exists() and (not folder.is_dir() or any(folder.iterdir()))
    except OSError as error:
        raise OutputError("cannot be looked into", file=folder, got=error.strerror) from error
    if filled:
        raise OutputError("this is there already, and would be replaced", file=folder, fix="name a new folder")


def numbered(stem: str, most: int) -> Iterator[str]:
    """`stem`, then stem_2, stem_3, ... without end, each of at most `most` bytes: to choose a free name among.

    >>> next(name for name in numbered("a", 250) if name not in ("a", "a_2"))
    'a_3'
    """
    yield shortened(stem, most)
    for number in itertools.count(2):
        yield shortened(f"{stem}_{number}", most)


# --- reading ------------------------------------------------------------------------------------
class NotAFile(OSError):
    """A device, pipe or socket, which could block forever when read."""


def open_file(path: Path | str) -> BufferedReader:
    """Open a regular file for reading bytes; NotAFile (an OSError) for a device, pipe or socket, also behind a link."""
    mode = os.stat(path).st_mode  # noqa: PTH116 (of ten thousand images, a Path for each counts)
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise NotAFile(errno.EINVAL, "a device, pipe or socket, not a file", str(path))
    return open(path, "rb")  # noqa: PTH123


def is_lfs_pointer(path: Path | str) -> bool:
    """Whether the file is a Git LFS pointer; `git lfs pull` fetches its content."""
    with open_file(path) as stream:
        return stream.read(len(LFS_POINTER)) == LFS_POINTER


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def contained(folder: Path, name: str) -> Path | None:
    """`folder/name` if it is inside `folder`, else None: annotation files must not refer to files outside."""
    candidate = folder / name.replace("\\", "/")
    try:
        candidate.resolve().relative_to(folder.resolve())
    except (ValueError, OSError):
        return None
    return candidate
