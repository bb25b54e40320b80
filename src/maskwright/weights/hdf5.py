"""Safe reading of HDF5: only datasets in the file itself, not larger than the file can contain, all finite.

HDF5 can refer to other files (external links, external storage, virtual datasets): a weights file from somebody else
could read any file on the computer that loads it.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from maskwright.errors import WeightsError
from maskwright.weights.card import MAX_WEIGHT

MAX_EXPANSION = 20  # of a file when unpacked
_HEAP = b"GCOL\x01\0\0\0"  # global heap collection, for variable-length strings: signature, version, reserved


def check_heaps(path: Path) -> None:
    """Raise for a damaged global heap collection, in which the HDF5 library would loop forever.

    A collection is a sequence of objects: index (2 bytes, 0 for free space), references (2), reserved (4), size (8).
    The size of the free space includes this header; that of a string does not, and is padded to 8 bytes.
    """
    if path.stat().st_size == 0:
        return
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        start = data.find(_HEAP)
        while 0 <= start <= len(data) - 16:
            end = start + int.from_bytes(data[start + 8 : start + 16], "little")
            index = start + 16
            while index + 16 <= end <= len(data):
                number, size = struct.unpack_from("<H6xQ", data, index)
                step = 16 + -(-size // 8) * 8 if number else size
                if not 0 < step <= end - index:
                    raise WeightsError(
                        "the weights cannot be read",
                        file=path,
                        expected="an HDF5 file with intact heap objects",
                        got=f"one of {size} bytes at byte {index}",
                        fix="copy the file again: an interrupted download or a full disk truncates files",
                    )
                index += step
            start = data.find(_HEAP, start + 1)


def member(group: Any, name: str, path: Path) -> Any:
    """`group[name]`, following hard links only; a dataset must contain its data. KeyError if there is none."""
    import h5py

    item = group.file if name.startswith("/") else group
    for part in filter(None, name.split("/")):
        link = item.get(part, getlink=True)
        if link is None:
            raise KeyError(f"{name} is missing")
        if not isinstance(link, h5py.HardLink):
            kind = "a link to another file" if isinstance(link, h5py.ExternalLink) else "a link"
            raise _outside(path, name, kind)
        item = item[part]
    if isinstance(item, h5py.Dataset) and (item.external or item.is_virtual):
        raise _outside(path, name, "data in other files")
    return item


def _outside(path: Path, name: str, got: str) -> WeightsError:
    return WeightsError(
        "the file refers to data outside of it",
        file=path,
        record=name,
        expected="weights in the file itself",
        got=got,
        fix="save it again with Keras' save_weights",
    )


def check_size(values: Iterable[Any], path: Path) -> None:
    """Raise for a small file that claims to contain gigabytes, before anything is unpacked.

    values  all datasets, repeated if they are referenced repeatedly: each reference becomes an array
    """
    size, total = path.stat().st_size, sum(value.size * max(value.dtype.itemsize, 4) for value in values)
    if total > MAX_EXPANSION * size + 2**20:
        raise WeightsError(
            "the file claims to contain far more than it can", file=path, expected=f"{size} bytes", got=total
        )


def numbers(value: Any, name: str, path: Path) -> np.ndarray:
    """A dataset as float32; WeightsError unless all values are finite."""
    with np.errstate(over="ignore"):  # float64 overflows to infinity, which is rejected below
        array = np.asarray(value[()], np.float32)
    if array.size and not (np.abs(array) <= MAX_WEIGHT).all():
        raise WeightsError(
            "the weights are not all finite",
            file=path,
            record=name,
            expected="finite numbers",
            got=f"{array.min():g} to {array.max():g}",
            fix="copy the file again from an intact one",
        )
    return array
