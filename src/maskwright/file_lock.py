"""A lock that ends with the process that holds it, however that ends: two runs do not write the same files."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from maskwright.errors import OutputError
from maskwright.files import shortened

if sys.platform == "win32":
    import msvcrt

    def _lock(handle: int) -> None:
        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _lock(handle: int) -> None:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)


HELD = (errno.EACCES, errno.EAGAIN, errno.EDEADLK)  # others: the file system has no locks


@contextlib.contextmanager
def locked(file: Path) -> Iterator[None]:
    """For a block that writes `file` bit by bit. OutputError where another one, of any process, is under way.

    The lock is on a hidden file beside it, `.NAME.lock`, which is removed at the end.

    >>> with locked(Path("predictions.part.jsonl")):
    ...     ...
    """
    lock = file.with_name(f".{shortened(file.name, 240)}.lock")
    handle = _held(lock, file)
    try:
        yield
    finally:
        if os.name != "nt":  # while it is held: whoever opened it before finds that it is gone
            lock.unlink(missing_ok=True)
        os.close(handle)
        if os.name == "nt":
            with contextlib.suppress(OSError):  # somebody else has opened it meanwhile
                lock.unlink(missing_ok=True)


def _held(lock: Path, file: Path) -> int:
    while True:
        handle = os.open(lock, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            _lock(handle)
        except OSError as error:
            if error.errno in HELD:
                os.close(handle)
                raise OutputError("another run is writing there", file=file,
                                  fix="wait until it is done, or name another --out") from error  # fmt: skip
        if _is_there(handle, lock):
            return handle
        os.close(handle)


def _is_there(handle: int, lock: Path) -> bool:
    """Not one that its holder has removed meanwhile."""
    try:
        return os.name == "nt" or os.path.samestat(os.fstat(handle), lock.stat())
    except FileNotFoundError:
        return False
