"""Writing so that nothing half-written is ever seen, and disk errors said in words."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from maskwright.errors import OutputError


def _explain(error: OSError, path: Path) -> OutputError:
    if error.errno == errno.ENOSPC:
        return OutputError("the disk is full", file=path, fix="free some room, or choose another folder with --out")
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return OutputError("no right to write here", file=path, fix="choose another folder with --out")
    return OutputError(f"cannot be written ({error.strerror or error})", file=path, fix="choose another folder")


@contextlib.contextmanager
def writing(path: Path | str) -> Iterator[Path]:
    """A temporary path beside `path`; moved into place when the block ends well, removed when it does not.

    >>> with writing("runs/demo/report.html") as temporary:
    ...     temporary.write_text(page)
    """
    path = Path(path)
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=path.suffix)
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


@contextlib.contextmanager
def writing_folder(path: Path | str) -> Iterator[Path]:
    """The same for a whole folder (a model, a rendered data set): complete, or not there."""
    path = Path(path)
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))
        yield temporary
        temporary.chmod(0o777 & ~_umask())
        if path.exists():
            old = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}.old."))
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


def write_text(path: Path | str, text: str) -> None:
    with writing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


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
