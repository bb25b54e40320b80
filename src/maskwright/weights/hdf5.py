"""What may be read of an HDF5 file: datasets that lie in the file itself, as large as the file can hold, all finite.

HDF5 can name any other file as the place of its data (external links, external storage, virtual datasets): weights
that somebody hands on could so read what lies on the disk of whoever loads them.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from maskwright.errors import WeightsError
from maskwright.weights.card import LARGEST_NUMBER

SWELLING = 20  # a file unpacks to at most so many times its own size
_HEAP = b"GCOL\x01\0\0\0"  # a collection of texts of any length: signature, version, reserved


def check_heaps(path: Path) -> None:
    """Refuse a file whose texts have no end: in a damaged collection the HDF5 library walks on the spot for ever.

    A collection holds objects behind one another: index (2 bytes, 0 for the room that is left), references (2), four
    reserved, size (8); the size of the room counts this header, that of a text does not and is filled up to 8 bytes.
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
                        expected="an HDF5 file whose parts follow each other",
                        got=f"one of {size} bytes at byte {index}",
                        fix="copy the file again; a stopped download or a full disk cuts files short",
                    )
                index += step
            start = data.find(_HEAP, start + 1)


def member(group: Any, name: str, path: Path) -> Any:
    """`group[name]`, along hard links only; a dataset must hold its numbers itself. KeyError where nothing is."""
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
        raise _outside(path, name, "numbers that lie in other files")
    return item


def _outside(path: Path, name: str, got: str) -> WeightsError:
    return WeightsError(
        "the file refers to what does not lie in it",
        file=path,
        record=name,
        expected="weights in the file itself",
        got=got,
        fix="save it again with Keras' save_weights",
    )


def check_size(values: Iterable[Any], path: Path) -> None:
    """Refuse a small file that says it holds gigabytes, before anything is unpacked.

    values  every dataset as often as it is named: each time makes an array of its own
    """
    size, total = path.stat().st_size, sum(value.size * max(value.dtype.itemsize, 4) for value in values)
    if total > SWELLING * size + 2**20:
        raise WeightsError(
            "the file says it holds far more than it can", file=path, expected=f"{size} bytes", got=total
        )


def numbers(value: Any, name: str, path: Path) -> np.ndarray:
    """A dataset as float32."""
    with np.errstate(over="ignore"):  # of float64: infinite, and refused below
        array = np.asarray(value[()], np.float32)
    if array.size and not (np.abs(array) <= LARGEST_NUMBER).all():
        raise WeightsError(
            "the weights are not all numbers",
            file=path,
            record=name,
            expected="finite numbers",
            got=f"{array.min():g} to {array.max():g}",
            fix="copy the file again from where it is whole",
        )
    return array
