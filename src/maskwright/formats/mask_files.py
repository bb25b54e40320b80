"""Masks that are pictures: pixels to object ids, ids to run lengths. Shared by the formats that store masks so."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Iterable
from pathlib import Path

import numpy as np
from PIL import Image

from maskwright import files
from maskwright.errors import ImageError
from maskwright.formats.faults import Faults
from maskwright.geometry import tracing
from maskwright.geometry.spans import Spans, to_counts
from maskwright.images import decode, deep
from maskwright.types import RleMasks

MOST_VALUES = 10_000  # in one picture; more are an image, or the noise of a JPEG
EDGE = 0.95  # of a picture's edge: what covers so much of it is what the objects are drawn on
MOST_LOOKED_AT = 50_000_000  # pixels of a picture that is decoded only to see what it is


def measured_mask(path: Path, faults: Faults, image: str) -> tuple[int, int] | None:
    """(height, width) of a mask picture; None and a fault where it cannot be opened."""
    try:
        return _size_of(path)
    except (ImageError, OSError) as error:
        unreadable(path, faults, image, error)
        return None


def _size_of(path: Path) -> tuple[int, int]:
    """(height, width) by the header. Masks may be GIFs, which images may not."""
    with files.open_file(path) as stream:
        head = stream.read(10)
    if len(head) == 10 and head[:6] in (b"GIF87a", b"GIF89a"):
        return int.from_bytes(head[8:], "little"), int.from_bytes(head[6:8], "little")
    return decode.measure(path)[0]


def unreadable(path: Path, faults: Faults, image: str, error: Exception) -> None:
    headline, parts = (error.headline, error.parts) if isinstance(error, ImageError) else (str(error), {})
    got = f"{headline}: {parts['got']}" if "got" in parts else headline
    faults.add(f'image "{image}", mask "{path.name}"', "mask", "a picture that can be opened", got,
               parts.get("fix") or "export the mask again")  # fmt: skip


def read_ids(path: Path, faults: Faults, image: str) -> np.ndarray | None:
    """H×W ids as stored: gray value, place in the palette (not of a GIF), or R + 256 G + 65536 B; None and a fault if
    broken.

    Compare the size in the header first (`measured_mask`): all of the picture is decoded here.
    """
    try:
        pixels = _pixels(path)
    except Exception as error:  # a broken file can make Pillow raise nearly anything
        unreadable(path, faults, image, error)
        return None
    if pixels.ndim == 3:  # channel by channel: few bytes a pixel
        ids = pixels[..., 0].astype(np.int32)
        for channel in range(1, pixels.shape[2]):
            ids |= pixels[..., channel].astype(np.int32) << 8 * channel
        return ids
    if pixels.dtype.kind == "f":
        return np.nan_to_num(pixels).astype(np.int64)
    return pixels.astype(np.uint8) if pixels.dtype.kind == "b" else pixels


def _pixels(path: Path, by_color: bool = False) -> np.ndarray:
    """H×W, or H×W×channels; what cannot be seen is 0. `by_color`: of a palette the colors, not the places in it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # remarks on odd metadata
        with Image.open(path) as picture:
            if deep.is_deep(picture):
                raise ImageError("a mask in color of 16 bits", fix="save it as gray, of 8 or 16 bits")
            if picture.format == "GIF" and (picture.height, picture.width) != _size_of(path):
                raise ImageError("a GIF whose frame is larger than it says", fix="export the mask again")
            if _has_more(picture):
                raise ImageError("a mask of several frames or pages", fix="save one mask an object: a_0.png, a_1.png")
        with Image.open(path) as picture:
            gif = picture.format == "GIF"  # whose writers put any color at any place of the palette
            colors = picture.convert("RGBA") if picture.mode in ("P", "PA") and (by_color or gif) else picture
            pixels = np.asarray(colors)
            if colors.mode in ("RGBA", "LA", "PA"):
                pixels = np.where(pixels[..., -1:] > 0, pixels[..., :-1], 0)
            if gif and pixels.ndim == 3 and (pixels == pixels[..., :1]).all():
                return pixels[..., 0]
            return pixels


def _has_more(picture: Image.Image) -> bool:
    """There is a second frame; the picture is of no use afterwards."""
    try:
        picture.seek(1)
    except (EOFError, ValueError, OSError):
        return False
    return True


def ground(ids: np.ndarray) -> int:
    """The value but 0 on which a picture is drawn: it covers nearly all of the edge, and others lie inside; else 0.

    >>> white = np.full((40, 60), 255)
    >>> white[10:20, 10:20] = 0
    >>> ground(white), ground(255 - white), ground(np.full((40, 60), 255))
    (255, 0, 0)
    """
    if min(ids.shape) < 3:
        return 0
    edge = np.concatenate([ids[0], ids[-1], ids[1:-1, 0], ids[1:-1, -1]])
    values, counts = np.unique(edge, return_counts=True)
    most = int(values[counts.argmax()])
    return most if most and counts.max() >= EDGE * edge.size and bool((ids != most).any()) else 0


def drawn(path: Path) -> bool:
    """Whether a picture was drawn, not taken: eight values cover nine tenths of it. Large and broken ones are not."""
    fractions = value_fractions(path)
    return fractions is not None and float(fractions[:8].sum()) >= 0.9


def value_fractions(path: Path) -> np.ndarray | None:
    """Which fraction of a picture each of its values covers, falling; None for large and broken ones."""
    try:
        height, width = _size_of(path)
        if height * width > MOST_LOOKED_AT:
            return None
        ids = read_ids(path, Faults(path), path.name)
    except (ImageError, OSError):
        return None
    return None if ids is None else np.sort(np.unique(ids, return_counts=True)[1])[::-1] / ids.size


def numbers_tracks(pictures: Iterable[Path]) -> bool:
    """Whether pictures number tracked objects as KITTI MOTS does, 1000 x class + number; a black one tells nothing."""
    known = False
    for path in pictures:
        try:
            height, width = _size_of(path)
        except (ImageError, OSError):
            return False
        ids = None if height * width > MOST_LOOKED_AT else read_ids(path, Faults(path), path.name)
        if ids is None or ids.ndim != 2:
            return False
        values = np.unique(ids)
        values = values[(values > 0) & (values != 10_000)]
        if (values < 1000).any() or (values >= 3000).any():
            return False
        known |= bool(len(values))
    return known


def read_binary(path: Path, faults: Faults, image: str) -> RleMasks | None:
    """One mask: any pixel that is not black belongs to it; in a palette its color counts, not its place."""
    try:
        pixels = _pixels(path, by_color=True)
    except Exception as error:
        unreadable(path, faults, image, error)
        return None
    belongs = np.asarray(pixels.any(axis=2) if pixels.ndim == 3 else pixels != 0)
    return RleMasks.from_dense(belongs[None])


def rows(ids: np.ndarray, background: Collection[int] = (0,)) -> tuple[list[int], RleMasks]:
    """The ids that occur, rising, and one mask for each; no dense frame for each object is made.

    >>> rows(np.array([[0, 7], [3, 7]]))[0]
    [3, 7]
    """
    found, spans = _spans(ids, background)
    order = np.argsort(spans.owner, kind="stable")
    spans = Spans(spans.owner[order], spans.start[order], spans.stop[order])
    return found.tolist(), RleMasks(_size(ids), *to_counts(spans, len(found), ids.size))


def parts_of_ids(ids: np.ndarray) -> tuple[list[int], list[int]]:
    """The ids but 0 that occur, rising, and in how many 8-connected parts each of them stands."""
    found, spans = _spans(ids, (0,))
    return found.tolist(), tracing.count_parts(spans, len(found), _size(ids)).tolist()


def noisy(ids: np.ndarray) -> bool:
    """Whether the value changes with nearly every pixel, as in an image; small pictures are not evaluated."""
    return bool(ids.size > 10_000 and np.count_nonzero(ids[1:] != ids[:-1]) > 0.3 * ids.size)


def soft_edged(ids: np.ndarray) -> bool:
    """Whether a picture is black and white but for many grays that cover little: smoothed, or saved as JPEG."""
    values, counts = np.unique(ids, return_counts=True)
    if len(values) <= 12:
        return False
    dark, bright = sorted(values[np.argsort(counts)[-2:]].tolist())
    return bool(np.sort(counts)[-2:].sum() > 0.8 * ids.size and dark < 0.05 * values[-1] and bright > 0.95 * values[-1])


def count_values(ids: np.ndarray) -> int:
    return len(np.unique(ids))


def _size(ids: np.ndarray) -> tuple[int, int]:
    return ids.shape[0], ids.shape[1]


def _spans(ids: np.ndarray, background: Collection[int]) -> tuple[np.ndarray, Spans]:
    """The values that occur, rising, and their runs down the columns, in the order of the picture."""
    flat = ids.T.reshape(-1)
    start = np.flatnonzero(np.concatenate([[True] * min(flat.size, 1), flat[1:] != flat[:-1]]))
    stop = np.append(start[1:], flat.size)[: len(start)]
    value = flat[start]
    keep = ~np.isin(value, list(background))
    found, owner = np.unique(value[keep], return_inverse=True)
    return found, Spans(owner, start[keep], stop[keep])


def parts(mask: RleMasks) -> RleMasks:
    """The 8-connected parts of one mask, from left to right."""
    return RleMasks(mask.size, *tracing.parts(mask.counts, mask.size, connectivity=8))


def values_under(mask: RleMasks, picture: np.ndarray) -> np.ndarray:
    """The values of another picture of the same size under one mask, 1-D."""
    belongs = np.repeat(np.arange(len(mask.counts)) % 2 == 1, mask.counts)
    return picture.T.reshape(-1)[belongs]
