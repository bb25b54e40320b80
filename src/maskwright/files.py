"""Writing so that nothing half-written is ever seen, reading of files only, and disk errors said in words."""

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
        return OutputError("the disk is full", file=path, fix="free some room, or choose another folder with --out")
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return OutputError("no right to write here", file=path, fix="choose another folder with --out")
    if error.errno in (errno.EEXIST, errno.ENOTDIR):
        return OutputError("a file stands where a folder is wanted", file=path, fix="choose another folder")
    return OutputError(f"cannot be written ({error.strerror or error})", file=path, fix="choose another folder")


@contextlib.contextmanager
def writing(path: Path | str) -> Iterator[Path]:
    """A temporary path beside `path`; moved into place when the block ends well, removed when it does not.

    >>> with writing("runs/demo/report.html") as temporary:
    ...     temporary.write_text(page)
    """
    path = Path(path)
    temporary: Path | None = None
    new = _absent(path.parent)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        suffix = path.suffix if len(os.fsencode(path.suffix)) <= 16 else ""
        prefix = f".{shortened(path.name, 220)}."  # with room for what makes it temporary
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=prefix, suffix=suffix)
        os.close(handle)
        temporary = Path(name)
        yield temporary
        mode = 0o666 & ~_umask()  # mkstemp gives 600; a report is for everybody who may read the folder
        temporary.chmod(mode)
        temporary.replace(path)
        temporary = None
    except OSError as error:
        raise _explain(error, path) from error
    finally:
        if temporary is not None:
            with contextlib.suppress(OSError):
                temporary.unlink()
        _remove_empty(new)


@contextlib.contextmanager
def writing_folder(path: Path | str) -> Iterator[Path]:
    """The same for a whole folder (a model, a rendered dataset): complete, or not there."""
    path = Path(path)
    temporary: Path | None = None
    new = _absent(path.parent)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
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
    except OSError as error:
        raise _explain(error, path) from error
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)
        _remove_empty(new)


def _absent(folder: Path) -> list[Path]:
    """The folder and those above it that are not there yet, the deepest first."""
    absent = []
    while not os.path.exists(folder) and folder != folder.parent:  # noqa: PTH110 (never raises)
        absent.append(folder)
        folder = folder.parent
    return absent


def _remove_empty(folders: list[Path]) -> None:
    """Folders that were made for something that did not come."""
    for folder in folders:
        try:
            folder.rmdir()
        except FileNotFoundError:
            continue
        except OSError:  # something is in it: all is well
            return


def claim(path: Path | str) -> bool:
    """Make an empty file where nothing was. False where something is, also where two ask at the same moment.

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


def sweep(folder: Path | str) -> list[Path]:
    """Remove what `writing` leaves in a folder when the process is killed in the middle; what was removed.

    Only names that it gives: `.state.safetensors.k3v9_x2a.safetensors` beside `state.safetensors`.
    """
    swept = []
    with contextlib.suppress(OSError):
        for path in sorted(Path(folder).iterdir()):
            found = _TEMPORARY.fullmatch(path.name)
            if found and found["name"].endswith(found["suffix"]) and path.is_file():
                with contextlib.suppress(OSError):  # in use elsewhere, or not ours to remove
                    path.unlink()
                    swept.append(path)
    return swept


def write_text(path: Path | str, text: str) -> None:
    r"""UTF-8. A file's name that is no text (Linux allows any bytes) is escaped: what Python calls \udce9 stands there
    as these six letters, which JSON takes for the same name again."""
    with writing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")


def shortened(name: str, most: int) -> str:
    """A name of at most `most` bytes: what is too long is cut, and gets a mark that tells it from others cut alike.

    Disks hold 255 bytes a name: 80 Chinese letters have 240.
    """
    data = os.fsencode(name)
    if len(data) <= most:
        return name
    mark = f"~{zlib.crc32(data):08x}"
    head = data[: most - len(mark)]
    while head and data[len(head)] & 0xC0 == 0x80:  # in the middle of a letter
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
    """A device, a pipe or a socket: reading it might never end."""


def open_file(path: Path | str) -> BufferedReader:
    """Open a file to read its bytes; what is no file, also behind a link, is a NotAFile (an OSError)."""
    mode = Path(path).stat().st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise NotAFile(errno.EINVAL, "a device, pipe or socket, not a file", str(path))
    return Path(path).open("rb")


def is_lfs_pointer(path: Path | str) -> bool:
    """Git left a line of text in place of this file, which it keeps elsewhere: `git lfs pull` fetches it."""
    with open_file(path) as stream:
        return stream.read(len(LFS_POINTER)) == LFS_POINTER


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def contained(folder: Path, name: str) -> Path | None:
    """`folder/name` when that stays inside `folder`, else None: annotation files may not reach out of their folder."""
    candidate = folder / name.replace("\\", "/")
    try:
        candidate.resolve().relative_to(folder.resolve())
    except (ValueError, OSError):
        return None
    return candidate
