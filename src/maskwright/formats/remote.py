"""Datasets at addresses that fsspec reads (s3://bucket/party): fetched into the cache folder, and read from there.

Again        the folder is named after the address and the names, sizes and times of the files: while these are the
             same, nothing is fetched twice
Refused      what leads out of the folder, and more files or bytes than a dataset holds
"""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path, PurePosixPath
from typing import Any

from maskwright.errors import DatasetError, InputError, MissingExtra
from maskwright.fetch import cache_folder
from maskwright.files import contained, writing_folder
from maskwright.formats import archives, folders
from maskwright.formats.archives import MOST_BYTES, MOST_FILES
from maskwright.images.addresses import filesystem
from maskwright.issues import Issue, Kind

DATA_FETCHED = Kind("data_fetched", "info", "{address} was fetched into {folder}")

_ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]{1,19}):/{1,2}(?=[^/])")
_CHANGED = ("mtime", "LastModified", "last_modified", "updated", "ETag", "etag", "created")


def local(path: Path) -> tuple[Path, list[Issue]]:
    """The file or folder on this machine, fetched from an address and unpacked where need be; and what was done.

    DatasetError where there is none.
    """
    issues = []
    if (address := address_of(path)) is not None:
        path = fetched(address)
        issues.append(DATA_FETCHED(address=address, folder=path))
    if not os.path.exists(path):  # noqa: PTH110 (never raises: not for rights, not for endless names)
        raise DatasetError("there is no such file or folder", file=path, fix=folders.nearest(path))
    unpacked = archives.folder_of(path)
    if unpacked is not None:
        issues.append(archives.ARCHIVE_UNPACKED(file=path.name, folder=unpacked))
    return unpacked or path, issues


def address_of(path: Path | str) -> str | None:
    """The address; of a Path, too, in which two slashes have become one. None for what lies on this machine.

    >>> address_of(Path("s3://bucket/party")), address_of("party/")
    ('s3://bucket/party', None)
    """
    text = str(path)
    match = _ADDRESS.match(text)
    if match is None or os.path.exists(text):  # noqa: PTH110 (never raises)
        return None
    return f"{match[1].lower()}://{text[match.end() :]}"


def fetched(address: str) -> Path:
    """The folder with what lies at this address, or the one file (an archive), fetched where it was not yet."""
    if address.startswith(("http://", "https://")):
        raise DatasetError("folders of the web cannot be listed", file=address, expected="s3://, gs:// and the like",
                           got="a web address", fix="download the archive, and name it")  # fmt: skip
    try:
        files, root = filesystem(address)
        listed = files.find(root, detail=True)
    except (InputError, MissingExtra):
        raise
    except Exception as error:  # each file system has errors of its own
        raise DatasetError("this address cannot be looked into", file=address, got=error) from error
    found = {str(name): about for name, about in listed.items() if about.get("type") != "directory"}
    sizes = [int(about.get("size") or 0) for about in found.values()]
    if not found:
        raise DatasetError("there is nothing at this address", file=address, expected="a folder with files")
    if len(found) > MOST_FILES or sum(sizes) > MOST_BYTES:
        raise DatasetError("this is more than a dataset holds", file=address, got=f"{sum(sizes):,} bytes",
                           expected=f"at most {MOST_BYTES:,} bytes in {MOST_FILES:,} files")  # fmt: skip
    alone = list(found) == [root]
    name = PurePosixPath(root.rstrip("/")).name or "data"
    folder = cache_folder() / "remote" / _key(address, found) / ("file" if alone else name)
    if not folder.is_dir():
        _fetch(address, files, root, list(found), folder)
    return folder / name if alone else folder


def _key(address: str, found: dict[str, Any]) -> str:
    marks = [(name, about.get("size"), *(str(about.get(mark)) for mark in _CHANGED))
             for name, about in sorted(found.items())]  # fmt: skip
    return hashlib.sha256(repr((address, marks)).encode(errors="surrogateescape")).hexdigest()[:16]


def _fetch(address: str, files: Any, root: str, names: list[str], folder: Path) -> None:
    with writing_folder(folder) as temporary:
        left = MOST_BYTES
        for name in names:
            way = PurePosixPath(name).name if name == root else name[len(root) :].lstrip("/")
            target = contained(temporary, way)
            if target is None or ".." in PurePosixPath(way).parts or not way:
                raise DatasetError("a name that leads out of the folder", file=address, record=name)
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                with files.open(name, "rb") as source, target.open("xb") as sink:
                    while chunk := source.read(1 << 20):
                        left -= len(chunk)
                        if left < 0:
                            raise ValueError(f"more than {MOST_BYTES:,} bytes")
                        sink.write(chunk)
            except Exception as error:
                raise DatasetError("this file cannot be fetched", file=address, record=way, got=error) from error
