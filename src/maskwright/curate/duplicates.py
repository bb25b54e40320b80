"""Duplicates: images that show the same picture, byte for byte or nearly so, also turned or mirrored.

A training set scraped from the web, or "augmented" before it was published, holds the same image twice; when the two
land on different sides of a split, validation is a memory test. The finder works on thumbnails:

    image -> gray 64×64 -> its 8 turns and mirrors -> one 256-bit difference hash each -> pairs at a small distance

A bit says whether a cell of a 16×17 grid is darker than its right neighbor, so brightness, contrast, size and
compression hardly matter.
"""

from __future__ import annotations

import hashlib
import os
import warnings
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from maskwright.images import deep
from maskwright.images.decode import decode
from maskwright.progress import Progress, silent
from maskwright.types import Dataset

THUMBNAIL = 64
NEAR = 22  # bits of 256
ALIKE = 0.9  # least correlation of the two thumbnails: on a plain wall the hash alone sees only noise
BLOCK = 1024  # hashes compared at once
FEW, MOST_THREADS = 32, 4
TURNS = ("", "90", "180", "270", "mirrored", "mirrored 90", "mirrored 180", "mirrored 270")


@dataclass(frozen=True, slots=True)
class Pair:
    """Two images that show the same.

    first, second  places in the list of images; first < second
    distance       differing bits, 0..256
    turn           how the second must be turned (degrees anticlockwise) to match the first; "" when not at all
    exact          every decoded pixel is equal
    """

    first: int
    second: int
    distance: int
    turn: str = ""
    exact: bool = False


@dataclass(frozen=True, slots=True)
class Duplicates:
    """What `find_duplicates` found.

    images  as they were given
    pairs   by first, then second
    unread  images that could not be opened: they match nothing
    """

    images: tuple[Path, ...]
    pairs: tuple[Pair, ...]
    unread: tuple[Path, ...] = ()

    def among(self, *stretches: tuple[int, int]) -> Duplicates:
        """Those among some stretches (start, length) of the images, numbered anew."""
        indices = [index for start, length in stretches for index in range(start, start + length)]
        anew = {index: number for number, index in enumerate(indices)}
        pairs = [replace(pair, first=anew[pair.first], second=anew[pair.second])
                 for pair in self.pairs if pair.first in anew and pair.second in anew]  # fmt: skip
        images, unread = tuple(self.images[index] for index in indices), set(self.unread)
        return Duplicates(images, tuple(sorted(pairs, key=lambda pair: (pair.first, pair.second))),
                          tuple(image for image in images if image in unread))  # fmt: skip

    @property
    def exact(self) -> tuple[Pair, ...]:
        return tuple(pair for pair in self.pairs if pair.exact)

    @property
    def near(self) -> tuple[Pair, ...]:
        """Alike, but not equal in every pixel."""
        return tuple(pair for pair in self.pairs if not pair.exact)

    @property
    def groups(self) -> tuple[tuple[int, ...], ...]:
        """Images joined by pairs, directly or over others; each group sorted, only groups of two and more."""
        return joined(len(self.images), ((pair.first, pair.second) for pair in self.pairs))


def thumbnails_of(
    paths: Sequence[Path], progress: Progress = silent, label: str = "comparing images"
) -> list[np.ndarray | None]:
    """The thumbnail of each image; None where it cannot be read.

    In threads: Pillow decodes without holding Python's lock. A large image takes memory, so they are few.
    """
    with warnings.catch_warnings():  # around all threads, for filters are the process's
        warnings.simplefilter("ignore")  # a broken EXIF block does not matter here
        if len(paths) < FEW:
            return [_thumbnail(path) for path in progress(paths, total=len(paths), label=label)]
        with ThreadPoolExecutor(min(MOST_THREADS, os.cpu_count() or 1)) as threads:
            return [*progress(threads.map(_thumbnail, paths), total=len(paths), label=label)]


ThumbnailsOf = Callable[[Sequence[Path], Progress], list[np.ndarray | None]]


def find_duplicates(
    images: Dataset | Iterable[Path | str],
    near: int = NEAR,
    progress: Progress = silent,
    make_thumbnails: ThumbnailsOf = thumbnails_of,
) -> Duplicates:
    """All pairs of images that show the same picture, turned or mirrored or not.

    images    a dataset, or paths
    near      how many of 256 bits may differ
    make_thumbnails  of all of them: in this process, or on a cluster

    >>> find_duplicates([])
    Duplicates(images=(), pairs=(), unread=())
    """
    if isinstance(images, Dataset):
        images = [record.image for record in images]
    paths = tuple(Path(image) for image in images)
    found = make_thumbnails(paths, progress)
    readable = [index for index, gray in enumerate(found) if gray is not None]
    thumbnails = np.array([gray for gray in found if gray is not None], np.uint8).reshape(-1, THUMBNAIL, THUMBNAIL)
    digests: dict[int, bytes | None] = {}
    pairs = []
    for i, j, distance, turn in _close(thumbnails, near):
        first, second = readable[i], readable[j]
        if turn == 0:
            digests |= {index: _pixels(paths[index]) for index in (first, second) if index not in digests}
        exact = turn == 0 and digests[first] is not None and digests[first] == digests[second]
        pairs.append(Pair(first, second, distance, TURNS[turn], exact))
    lost = tuple(path for path, gray in zip(paths, found, strict=True) if gray is None)
    return Duplicates(paths, tuple(sorted(pairs, key=lambda pair: (pair.first, pair.second))), lost)


def unread(images: Iterable[Path], progress: Progress = silent) -> tuple[Path, ...]:
    """Those that cannot be opened, in a part of the time that decoding takes."""
    paths = tuple(images)
    found = thumbnails_of(paths, progress, "opening images")
    return tuple(path for path, gray in zip(paths, found, strict=True) if gray is None)


def joined(count: int, pairs: Iterable[tuple[int, int]]) -> tuple[tuple[int, ...], ...]:
    """Numbers 0..count-1 joined by pairs into groups of two and more, in order of their smallest member.

    >>> joined(5, [(0, 3), (3, 4)])
    ((0, 3, 4),)
    """
    head = list(range(count))

    def find(item: int) -> int:
        while head[item] != item:
            head[item] = head[head[item]]
            item = head[item]
        return item

    for a, b in pairs:
        a, b = sorted((find(a), find(b)))
        head[b] = a
    groups: dict[int, list[int]] = {}
    for item in range(count):
        groups.setdefault(find(item), []).append(item)
    return tuple(tuple(group) for group in groups.values() if len(group) > 1)


def difference_hash(gray: np.ndarray) -> np.ndarray:
    """n×64×64 gray -> n×256 bool: is a cell of the 16×17 grid darker than the one to its right?"""
    grid = _cells(16) @ gray.astype(np.float32) @ _cells(17).T
    return (grid[..., 1:] > grid[..., :-1]).reshape(len(gray), 256)


def _cells(count: int) -> np.ndarray:
    """count×64 weights: each cell is the mean of the stretch of the thumbnail that it covers."""
    edges = np.arange(count + 1) * THUMBNAIL / count
    pixels = np.arange(THUMBNAIL)
    overlap = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
    return (np.clip(overlap, 0, 1) * count / THUMBNAIL).astype(np.float32)


def _turned(gray: np.ndarray, turn: int) -> np.ndarray:
    """The eight turns and mirrors of n×64×64, in the order of TURNS."""
    return np.rot90(gray[:, :, ::-1] if turn >= 4 else gray, turn % 4, axes=(1, 2))


def _close(gray: np.ndarray, near: int) -> list[tuple[int, int, int, int]]:
    """(i, j, distance, turn) for all pairs i < j of n×64×64 that are alike in some turn; the best turn of each."""
    upright = _signs(gray)
    best: dict[tuple[int, int], tuple[int, int]] = {}
    for turn in range(8):
        turned = _turned(gray, turn)
        signs = _signs(turned)
        for start in range(0, len(gray), BLOCK):
            agreeing = upright[start : start + BLOCK] @ signs.T  # bits that are equal less those that differ
            rows, others = np.divmod(np.flatnonzero(agreeing >= 256 - 2 * near), len(gray))
            for row, j in zip(rows.tolist(), others.tolist(), strict=True):
                i, distance = start + row, round((256 - float(agreeing[row, j])) / 2)
                if i == j or (distance and _correlation(gray[i], turned[j]) < ALIKE):
                    continue
                # Seen from j, a turn of 90 is one of 270; a mirror undoes itself.
                key, seen = ((i, j), turn) if i < j else ((j, i), (0, 3, 2, 1, 4, 5, 6, 7)[turn])
                best[key] = min(best.get(key, (257, 8)), (distance, seen))
    return [(i, j, distance, turn) for (i, j), (distance, turn) in best.items()]


def _signs(gray: np.ndarray) -> np.ndarray:
    """Hashes as n×256 of ±1: the dot product of two is 256 - 2 * distance, one matrix product for all pairs."""
    blocks = [difference_hash(gray[start : start + BLOCK]) for start in range(0, len(gray), BLOCK)]
    return np.where(np.concatenate([np.zeros((0, 256), bool), *blocks]), np.float32(1), np.float32(-1))


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    """-1..1; 0 where one of them is plain."""
    a, b = a - a.mean(dtype=np.float32), b - b.mean(dtype=np.float32)
    return float((a * b).sum() / max(np.linalg.norm(a) * np.linalg.norm(b), 1e-6))


def _thumbnail(path: Path) -> np.ndarray | None:
    """64×64 gray, stretched; a JPEG is decoded at an eighth where that is enough. None when it cannot be read."""
    try:
        with Image.open(path) as image:
            image.draft("L", (2 * THUMBNAIL, 2 * THUMBNAIL))
            color = deep.is_deep(image)  # of which Pillow keeps half the bits
            upright = Image.fromarray(decode(path).pixels) if color else ImageOps.exif_transpose(image)
            if upright.mode.startswith(("I", "F")):  # 16-bit gray: Pillow's own conversion cuts at 255
                wide = np.asarray(upright, np.float32)
                upright = Image.fromarray(wide / max(float(wide.max()), 1.0) * 255)
            else:
                upright = upright.convert("L")
            small = upright.resize((THUMBNAIL, THUMBNAIL), Image.Resampling.BOX, reducing_gap=2.0)
            return np.asarray(small, np.float32).round().astype(np.uint8)
    except Exception:  # a broken file can make Pillow raise nearly anything
        return None


def _pixels(path: Path) -> bytes | None:
    """A digest of the decoded pixels: equal for a PNG saved again or with other metadata. None when it breaks off."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(path) as image:
                if deep.is_deep(image):
                    whole = decode(path)
                    return hashlib.sha256(repr((whole.size, whole.window)).encode() + whole.pixels.tobytes()).digest()
                upright = ImageOps.exif_transpose(image)
                if not upright.mode.startswith(("I", "F")):  # more than 8 bits would be cut
                    upright = upright.convert("RGB")
                return hashlib.sha256(repr(upright.size).encode() + upright.tobytes()).digest()
    except Exception:  # a broken file can make Pillow raise nearly anything
        return None
