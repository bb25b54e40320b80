"""The images of a large file whose objects are all given as outlines: masks and annotations made when asked for."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, overload

import numpy as np

from maskwright.geometry import filling
from maskwright.geometry.packed import PackedOutlines
from maskwright.geometry.ragged import Ragged
from maskwright.types.annotation import Annotation
from maskwright.types.masks import RleMasks

RECENT = 256
"""Images whose run lengths are kept, those asked for last."""
AHEAD = 64
"""Images that are filled together where they are asked for one after another: a quarter of the time of single ones."""

_NO_ATTRIBUTES: dict[str, Any] = {}  # one for all


class OutlinedImages:
    """The outlines of n images.

    outlines  the objects of all of them
    order     the numbers of the objects, image by image
    bounds    n+1: image i has the objects order[bounds[i]:bounds[i + 1]]
    sizes     n×2 int64, (height, width) of each image in pixels
    """

    def __init__(self, outlines: PackedOutlines, order: np.ndarray, bounds: np.ndarray, sizes: np.ndarray) -> None:
        self.sizes = sizes
        self._outlines, self._order, self._bounds = outlines, order, bounds
        self._recent: dict[int, tuple[RleMasks, np.ndarray]] = {}  # with areas; the last one asked for comes last
        self._last = -1
        self._lock = threading.Lock()

    def shapes(self, first: int, stop: int) -> Ragged:
        """The outlines of the images from `first` to before `stop`."""
        return self._outlines.rows(self._order[self._bounds[first] : self._bounds[stop]])

    def parts(self, image: int, row: int) -> tuple[np.ndarray, ...]:
        """The outlines of one object of an image."""
        at = int(self._bounds[image]) + row
        (parts,) = self._outlines.rows(self._order[at : at + 1]).split()
        return tuple(parts)

    def count(self, image: int) -> int:
        """How many objects an image has."""
        return int(self._bounds[image + 1] - self._bounds[image])

    def filled(self, image: int) -> tuple[RleMasks, np.ndarray]:
        """What the outlines of one image enclose: the masks of the objects, and their areas in pixels (int64)."""
        with self._lock:
            found = self._recent.pop(image, None)
            if found is None:
                self._fill(image, min(image + (AHEAD if image == self._last + 1 else 1), len(self.sizes)))
                found = self._recent.pop(image)
            self._recent[image] = found
            self._last = image
            while len(self._recent) > RECENT:
                del self._recent[next(iter(self._recent))]
        return found

    def _fill(self, first: int, stop: int) -> None:
        bounds = self._bounds[first : stop + 1] - self._bounds[first]
        heights, widths = np.repeat(self.sizes[first:stop], np.diff(bounds), 0).T
        filled = filling.fill(self.shapes(first, stop), heights, widths)
        for image, begin, end in zip(range(first, stop), bounds, bounds[1:], strict=False):
            offsets = filled.offsets[begin : end + 1]
            height, width = self.sizes[image].tolist()
            counts = filled.counts[offsets[0] : offsets[-1]]
            masks = RleMasks((height, width), counts, offsets - offsets[0])
            self._recent[image] = masks, filled.areas[begin:end]


class OutlinedMasks(RleMasks):
    """The masks of one image, filled when their run lengths are asked for. Pickled, they are run lengths as any.

    images  this keeps the outlines of all images of the file in memory
    image   its number among them
    """

    __slots__ = ("image", "images")
    images: OutlinedImages
    image: int

    def __init__(self, images: OutlinedImages, image: int) -> None:
        height, width = images.sizes[image].tolist()
        for name, value in (("size", (height, width)), ("images", images), ("image", image)):
            object.__setattr__(self, name, value)

    @property
    def counts(self) -> np.ndarray:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self.images.filled(self.image)[0].counts

    @property
    def offsets(self) -> np.ndarray:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self.images.filled(self.image)[0].offsets

    @property
    def area(self) -> np.ndarray:
        return self.images.filled(self.image)[1].copy()  # it is also kept

    def __len__(self) -> int:
        return self.images.count(self.image)

    def __reduce__(self) -> tuple[Any, ...]:
        return RleMasks, (self.size, self.counts, self.offsets)


@dataclass(frozen=True, slots=True, eq=False)
class OutlinedAnnotations(Sequence[Annotation]):
    """The annotations of one image: outlines and ids, and nothing else. Pickled, they are a tuple.

    ids  n int64, by which the file knows the objects
    """

    images: OutlinedImages
    image: int
    ids: np.ndarray

    def __len__(self) -> int:
        return len(self.ids)

    @overload
    def __getitem__(self, which: int) -> Annotation: ...
    @overload
    def __getitem__(self, which: slice) -> tuple[Annotation, ...]: ...
    def __getitem__(self, which: int | slice) -> Annotation | tuple[Annotation, ...]:
        if isinstance(which, slice):
            return self._all()[which]
        row = range(len(self))[which]
        return Annotation(self.images.parts(self.image, row), int(self.ids[row]), _NO_ATTRIBUTES)

    def __iter__(self) -> Iterator[Annotation]:
        return iter(self._all())

    def _all(self) -> tuple[Annotation, ...]:
        parts = self.images.shapes(self.image, self.image + 1).split()
        ids = self.ids.tolist()
        return tuple(Annotation(tuple(own), id, _NO_ATTRIBUTES) for own, id in zip(parts, ids, strict=True))

    def enclose(self, masks: RleMasks) -> bool:
        """The masks are what these very outlines enclose."""
        return isinstance(masks, OutlinedMasks) and masks.images is self.images and masks.image == self.image

    def __reduce__(self) -> tuple[Any, ...]:
        return tuple, (self._all(),)
