"""Masks that are pictures: pixels to object ids, ids to run lengths. Shared by the formats that store masks so."""

from __future__ import annotations

import warnings
from collections.abc import Collection
from pathlib import Path

import numpy as np
from PIL import Image

from maskwright.errors import PhotoError
from maskwright.formats.faults import Faults
from maskwright.geometry import tracing
from maskwright.geometry.spans import Spans, to_counts
from maskwright.photos import decode
from maskwright.types import RleMasks


def measured_mask(path: Path, faults: Faults, photo: str) -> tuple[int, int] | None:
    """(height, width) of a mask picture; None and a fault where it cannot be opened."""
    try:
        return decode.measure(path)[0]
    except PhotoError as error:
        unreadable(path, faults, photo, error)
        return None


def unreadable(path: Path, faults: Faults, photo: str, error: Exception) -> None:
    got = error.headline if isinstance(error, PhotoError) else str(error)
    faults.add(f'photo "{photo}", mask "{path.name}"', "mask", "a picture that can be opened", got,
               "export the mask again")  # fmt: skip


def read_ids(path: Path, faults: Faults, photo: str) -> np.ndarray | None:
    """H×W int64 ids as stored: grey value, place in the palette, or R + 256 G + 65536 B; None and a fault if broken."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # remarks on odd metadata
            with Image.open(path) as picture:
                pixels = np.asarray(picture)
                if picture.mode in ("RGBA", "LA", "PA"):
                    pixels = np.where(pixels[..., -1:] > 0, pixels[..., :-1], 0)  # what cannot be seen is background
    except Exception as error:  # a broken file can make Pillow raise nearly anything
        unreadable(path, faults, photo, error)
        return None
    pixels = (np.nan_to_num(pixels) if pixels.dtype.kind == "f" else pixels).astype(np.int64)
    if pixels.ndim == 3:
        pixels = (pixels << np.arange(0, 8 * pixels.shape[2], 8)).sum(axis=2)
    return pixels


def read_binary(path: Path, faults: Faults, photo: str) -> RleMasks | None:
    """One mask: any pixel that is not black belongs to it; in a palette its colour counts, not its place."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(path) as picture:
                colours = picture.convert("RGBA") if picture.mode in ("P", "PA") else picture
                pixels = np.asarray(colours)
                if colours.mode in ("RGBA", "LA"):
                    pixels = np.where(pixels[..., -1:] > 0, pixels[..., :-1], 0)
    except Exception as error:
        unreadable(path, faults, photo, error)
        return None
    belongs = np.asarray(pixels.any(axis=2) if pixels.ndim == 3 else pixels != 0)
    return RleMasks.from_dense(belongs[None])


def rows(ids: np.ndarray, background: Collection[int] = (0,)) -> tuple[list[int], RleMasks]:
    """The ids that occur, rising, and one mask for each; no dense frame for each object is made.

    >>> rows(np.array([[0, 7], [3, 7]]))[0]
    [3, 7]
    """
    height, width = ids.shape
    flat = ids.T.reshape(-1)  # down the columns, as run lengths go
    start = np.flatnonzero(np.diff(flat, prepend=flat[:1] - 1))
    stop = np.append(start[1:], flat.size)
    value = flat[start]
    keep = ~np.isin(value, list(background))
    found, owner = np.unique(value[keep], return_inverse=True)
    order = np.argsort(owner, kind="stable")
    spans = Spans(owner[order], start[keep][order], stop[keep][order])
    return found.tolist(), RleMasks((height, width), *to_counts(spans, len(found), height * width))


def parts(mask: RleMasks) -> RleMasks:
    """The 8-connected parts of one mask, from left to right."""
    return RleMasks(mask.size, *tracing.parts(mask.counts, mask.size, connectivity=8))


def values_under(mask: RleMasks, picture: np.ndarray) -> np.ndarray:
    """The values of another picture of the same size under one mask, 1-D."""
    belongs = np.repeat(np.arange(len(mask.counts)) % 2 == 1, mask.counts)
    return picture.T.reshape(-1)[belongs]
