"""Ragged: the outlines of many objects, of one image or of many, as three arrays, so that a whole file is one call.

>>> shapes = Ragged.of([[np.array([[0, 0], [4, 0], [4, 3]])], [np.array([[1, 1], [2, 1], [2, 5]])]])
>>> low, high = shapes.extents()
>>> high.tolist()
[[4.0, 3.0], [2.0, 5.0]]
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, pairwise

import numpy as np

from maskwright.geometry.spans import ragged_index


@dataclass(frozen=True, slots=True, eq=False)
class Ragged:
    """n objects of any number of parts, each part a closed outline of one point or more.

    points   k×2 float64 (x, y) in image pixels
    lengths  p int64, the points of each part, one part after another
    parts    n int64, the parts of each object, one object after another
    """

    points: np.ndarray
    lengths: np.ndarray
    parts: np.ndarray

    @classmethod
    def of(cls, outlines: Sequence[Sequence[np.ndarray]]) -> Ragged:
        """From a list of parts for each object; parts without points are left out."""
        every = [np.asarray(part, np.float64).reshape(-1, 2) for part in chain.from_iterable(outlines)]
        lengths = np.array([len(part) for part in every], np.int64)
        parts = np.array([len(object_parts) for object_parts in outlines], np.int64)
        points = np.concatenate([np.zeros((0, 2)), *every])
        if not lengths.all():
            some = lengths > 0
            owner = np.repeat(np.arange(len(parts)), parts)[some]
            lengths, parts = lengths[some], np.bincount(owner, minlength=len(parts))
        return cls(points, lengths, parts)

    def rows(self, first: int, last: int) -> Ragged:
        """The objects from `first` to before `last`."""
        begin = int(self.parts[:first].sum())
        end = begin + int(self.parts[first:last].sum())
        start = int(self.lengths[:begin].sum())
        stop = start + int(self.lengths[begin:end].sum())
        return Ragged(self.points[start:stop], self.lengths[begin:end], self.parts[first:last])

    def take(self, numbers: np.ndarray) -> Ragged:
        """The objects with these numbers, in this order."""
        which, position = ragged_index(self.parts[numbers])
        parts = (np.cumsum(self.parts) - self.parts)[numbers][which] + position
        which, position = ragged_index(self.lengths[parts])
        points = (np.cumsum(self.lengths) - self.lengths)[parts][which] + position
        return Ragged(self.points[points], self.lengths[parts], self.parts[numbers])

    @property
    def part_owners(self) -> np.ndarray:
        """p int64: the object of each part."""
        return np.repeat(np.arange(len(self.parts)), self.parts)

    @property
    def owners(self) -> np.ndarray:
        """k int64: the object of each point."""
        return np.repeat(self.part_owners, self.lengths)

    def following(self) -> np.ndarray:
        """k×2: of each point the next one on its outline; the first comes after the last."""
        ends = np.cumsum(self.lengths)
        after = np.arange(1, len(self.points) + 1)
        after[ends - 1] = ends - self.lengths
        return self.points[after]

    def totals(self, values: np.ndarray) -> np.ndarray:
        """n: the sum of one value a point over each object."""
        return np.bincount(self.owners, weights=values, minlength=len(self.parts))

    def extents(self) -> tuple[np.ndarray, np.ndarray]:
        """Lowest and highest x and y of each object, n×2 each; every object must have a point."""
        parts = np.cumsum(self.parts) - self.parts
        begins = (np.cumsum(self.lengths) - self.lengths)[parts]
        return np.minimum.reduceat(self.points, begins), np.maximum.reduceat(self.points, begins)

    def split(self) -> list[list[np.ndarray]]:
        """The parts of each object, as views; the inverse of `of`."""
        stops = np.cumsum(self.lengths).tolist()
        parts = [self.points[start:stop] for start, stop in pairwise([0, *stops])]
        bounds = np.cumsum(self.parts).tolist()
        return [parts[first:last] for first, last in pairwise([0, *bounds])]
