"""Large photos in tiles: each is looked at as a photo of its own, and what they show is put together across seams.

Tiles overlap by a quarter. Two tiles saw the same object where they agree about the part of it that lies in both.
Of what was seen several times the best one that no border cuts is taken; what every tile cuts is joined from its parts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from maskwright.errors import RecipeError
from maskwright.geometry import boxes as box_ops
from maskwright.types import Instances, Photo, RleMasks

Box = tuple[int, int, int, int]
"""x1, y1, x2, y2 in whole pixels of the photo."""

LEAST = 64
OVERLAP = 0.25  # of a tile's side: what is smaller lies whole in at least one tile
EDGE = 0.02  # of a tile's side: a box that ends nearer to a seam is cut by it
SAME = 0.4  # IoU in what both tiles saw; below the usual 0.5, for parts are thin and their edges doubtful
TWICE = 0.5  # IoU of two finds that are one: the measure by which the networks suppress their own
RIVAL = 0.5  # of a find's score: what is less sure than that changes nothing about it
WITHIN = 0.6  # a part with more of its area inside another object is that object once more


def checked(side: int) -> int:
    """A tile's side that makes sense, or 0 for none."""
    if not isinstance(side, int):
        raise RecipeError("a tile's side is in whole pixels", field="tile", wanted="a whole number", got=repr(side))
    if side and not side >= LEAST:
        raise RecipeError("such small tiles show nothing", field="tile", wanted=f"0, or {LEAST} and more", got=side)
    return side


def cut(size: tuple[int, int], side: int, whole: bool = False) -> list[Box]:
    """Tiles of side×side pixels, or less where the photo is smaller, spread evenly over a photo of (height, width).

    whole  the whole photo comes as one more tile (the last): for objects larger than a tile

    >>> cut((512, 1200), 512)
    [(0, 0, 512, 512), (344, 0, 856, 512), (688, 0, 1200, 512)]
    """
    rows, columns = (_starts(length, side) for length in size)
    height, width = (min(length, side) for length in size)
    tiles = [(x, y, x + width, y + height) for y in rows for x in columns]
    return [*tiles, (0, 0, size[1], size[0])] if whole and len(tiles) > 1 else tiles


def _starts(length: int, side: int) -> list[int]:
    if length <= side:
        return [0]
    overlap = int(side * OVERLAP)
    count = -(-(length - overlap) // (side - overlap))
    return [round(start) for start in np.linspace(0, length - side, count)]


def photos(photo: Photo, tiles: Sequence[Box]) -> Iterator[Photo]:
    """Each tile as a photo; nothing is copied."""
    for x1, y1, x2, y2 in tiles:
        yield replace(photo, pixels=photo.pixels[y1:y2, x1:x2])


def join(found: Sequence[Instances], tiles: Sequence[Box], size: tuple[int, int]) -> Instances:
    """The objects of a photo of (height, width) from those of its tiles, each once, by falling score.

    found  what each tile shows, in its own pixels, with scores
    """
    finds = _Finds.of(found, tiles, size)
    chosen = [finds.settle(members) for members in finds.groups()]
    return _once(chosen, finds.empty())


@dataclass(frozen=True)
class _Finds:
    """All finds of all tiles in one list. boxes n×4 in photo pixels, tile and row n: where each came from."""

    found: Sequence[Instances]
    tiles: Sequence[Box]
    size: tuple[int, int]
    boxes: np.ndarray
    tile: np.ndarray
    row: np.ndarray
    cut: np.ndarray  # n bool: a seam runs through it

    @classmethod
    def of(cls, found: Sequence[Instances], tiles: Sequence[Box], size: tuple[int, int]) -> _Finds:
        corners = [np.array([x, y, x, y], np.float32) for x, y, _, _ in tiles]
        boxes = [each.boxes + corner for each, corner in zip(found, corners, strict=True)]
        seams = [_cut(each, tile, size) for each, tile in zip(boxes, tiles, strict=True)]
        tile = np.repeat(np.arange(len(tiles)), [len(each) for each in found])
        row = np.concatenate([np.arange(len(each)) for each in found])
        return cls(found, tiles, size, np.concatenate(boxes), tile, row, np.concatenate(seams))

    def empty(self) -> Instances:
        first = self.found[0]
        return Instances.empty(first.names, None if first.masks is None else self.size, scored=True)

    def groups(self) -> list[list[int]]:
        """Finds that are one object: the surest agreements first, and of each tile one find at most."""
        group = {find: [find] for find in range(len(self.boxes))}
        for _, a, b in sorted(self._agreements(), reverse=True):
            one, other = group[a], group[b]
            if one is other or {self.tile[each] for each in one} & {self.tile[each] for each in other}:
                continue
            one += other
            group.update(dict.fromkeys(other, one))
        return list({id(members): members for members in group.values()}.values())

    def _agreements(self) -> Iterator[tuple[float, int, int]]:
        """(IoU, find, find) of finds of one class in two tiles, where it is at least SAME."""
        first = np.searchsorted(self.tile, np.arange(len(self.tiles) + 1))
        bounds = np.array(self.tiles)
        for a in range(len(self.tiles)):
            low, high = np.maximum(bounds[a, :2], bounds[:, :2]), np.minimum(bounds[a, 2:], bounds[:, 2:])
            for b in np.flatnonzero((low < high).all(1)):
                if b <= a:
                    continue
                shared: Box = (*low[b].tolist(), *high[b].tolist())  # type: ignore[assignment]
                ours, theirs = (
                    start + np.flatnonzero(_reaches(self.boxes[start:stop], shared))
                    for start, stop in ((first[a], first[a + 1]), (first[b], first[b + 1]))
                )
                if not len(ours) or not len(theirs):
                    continue
                agreed = self._agreement(ours, theirs, shared)
                agreed[self._classes(ours)[:, None] != self._classes(theirs)] = 0
                for i, j in np.argwhere(agreed >= SAME):
                    yield float(agreed[i, j]), int(ours[i]), int(theirs[j])

    def _classes(self, finds: np.ndarray) -> np.ndarray:
        return self.found[int(self.tile[finds[0]])].classes[self.row[finds]]

    def _agreement(self, ours: np.ndarray, theirs: np.ndarray, shared: Box) -> np.ndarray:
        """IoU of the finds of one tile with those of another: of what lies in both tiles where a seam cuts one."""
        (a, area_a, whole_a), (b, area_b, whole_b) = self._parts(ours, shared), self._parts(theirs, shared)
        iou = a.iou(b) if isinstance(a, RleMasks) and isinstance(b, RleMasks) else box_ops.iou(a, b)  # type: ignore[arg-type]
        both = iou * (area_a[:, None] + area_b) / (1 + iou)
        cut = self.cut[ours][:, None] | self.cut[theirs]
        union = np.where(cut, area_a[:, None] + area_b, whole_a[:, None] + whole_b) - both
        return np.divide(both, union, out=np.zeros(both.shape), where=union > 0)

    def _parts(self, finds: np.ndarray, shared: Box) -> tuple[RleMasks | np.ndarray, np.ndarray, np.ndarray]:
        """What of these finds lies in the shared box, its area, and the area of all of each."""
        tile = int(self.tile[finds[0]])
        masks = self.found[tile].masks
        if masks is None:
            boxes = np.clip(self.boxes[finds], shared[:2] * 2, shared[2:] * 2)
            return boxes, box_ops.area(boxes), box_ops.area(self.boxes[finds])
        left, top = self.tiles[tile][:2]
        x1, y1, x2, y2 = shared
        own = masks[self.row[finds]]
        part = own.crop((x1 - left, y1 - top, x2 - left, y2 - top))
        return part, part.area, own.area

    def settle(self, members: list[int]) -> tuple[Instances, bool]:
        """One object from all that was seen of it; and whether it is only a part, or joined from parts."""
        rows = np.array(sorted(members, key=lambda each: (self.cut[each], -self._score(each))))
        scores = np.array([self._score(each) for each in rows])
        rows = rows[scores >= RIVAL * scores.max()]
        whole = rows[~(self.cut[rows] | self._outgrown(rows))]
        taken = whole[:1] if len(whole) else rows
        each = [self._in_photo(find) for find in taken]
        masks = None if each[0].masks is None else RleMasks.join([one.masks for one in each if one.masks]).union()
        boxes = np.concatenate([one.boxes for one in each])
        outer = np.concatenate([boxes[:, :2].min(0), boxes[:, 2:].max(0)])[None]
        best = np.array([scores.max()], np.float32)
        return replace(each[0], boxes=outer, scores=best, masks=masks), not len(whole)

    def _outgrown(self, rows: np.ndarray) -> np.ndarray:
        """n bool: another find of the object goes on beyond this one's tile, so a seam cuts it wherever it ends."""
        bounds = np.array(self.tiles)[self.tile[rows]]
        side = (bounds[:, 2:] - bounds[:, :2]).max(1)
        near, equals = EDGE * side.min(), self.boxes[rows[side == side.min()]]  # the whole photo sees too coarsely
        low, high = equals[:, :2].min(0), equals[:, 2:].max(0)
        return np.any((low < bounds[:, :2] - near) | (high > bounds[:, 2:] + near), axis=1)

    def _score(self, find: int) -> float:
        return float(self.found[int(self.tile[find])].scores[self.row[find]])  # type: ignore[index]

    def _in_photo(self, find: int) -> Instances:
        tile = int(self.tile[find])
        one = self.found[tile][[self.row[find]]]
        masks = None if one.masks is None else one.masks.place(self.tiles[tile][:2], self.size)
        return replace(one, boxes=self.boxes[find][None], masks=masks)


def _cut(boxes: np.ndarray, tile: Box, size: tuple[int, int]) -> np.ndarray:
    """n bool: the box ends at a border of the tile that is not one of the photo."""
    near = EDGE * max(tile[2] - tile[0], tile[3] - tile[1])
    low = (boxes[:, :2] < np.array(tile[:2]) + near) & (np.array(tile[:2]) > 0)
    high = (boxes[:, 2:] > np.array(tile[2:]) - near) & (np.array(tile[2:]) < np.array(size[::-1]))
    return np.any(low | high, axis=1)


def _reaches(boxes: np.ndarray, shared: Box) -> np.ndarray:
    return np.all((boxes[:, :2] < shared[2:]) & (boxes[:, 2:] > shared[:2]), axis=1)


def _once(chosen: list[tuple[Instances, bool]], none: Instances) -> Instances:
    """All objects as one Instances, by falling score. Of two that lie on each other, as no network says of one photo,
    the better stays; of a part that lies within another object, that one."""
    if not chosen:
        return none
    chosen = sorted(chosen, key=lambda each: -each[0].scores[0])  # type: ignore[index]
    several = [each for each, _ in chosen]
    part = np.array([is_part for _, is_part in chosen])
    masks = None if none.masks is None else RleMasks.join([each.masks for each in several if each.masks is not None])
    together = Instances(
        np.concatenate([each.boxes for each in several]),
        np.concatenate([each.classes for each in several]),
        np.concatenate([each.scores for each in several]),  # type: ignore[misc]
        masks,
        none.names,
    )
    area = box_ops.area(together.boxes) if masks is None else masks.area
    keep = np.ones(len(together), bool)
    for row, others, iou in _overlaps(together):
        inside = iou * (area[row] + area[others]) / (1 + iou) > WITHIN * area[row]
        double = (others < row) & (iou > TWICE)
        within = part[row] & inside & (area[others] > area[row])
        within &= together.scores[others] >= RIVAL * together.scores[row]  # type: ignore[index]
        keep[row] = not (keep[others] & (double | within)).any()
    return together[keep]


def _overlaps(found: Instances, at_once: int = 256) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """For each row the other rows of its class that it overlaps, and the IoU with each; some rows at a time, for the
    tiles of a large photo may show ten thousand things."""
    for start in range(0, len(found), at_once):
        some = found[start : start + at_once]
        table = box_ops.iou(some.boxes, found.boxes) if some.masks is None else some.masks.iou(found.masks)  # type: ignore[arg-type]
        table[some.classes[:, None] != found.classes] = 0
        table[np.arange(len(some)), np.arange(start, start + len(some))] = 0
        for row, iou in enumerate(table):
            others = np.flatnonzero(iou)
            yield start + row, others, iou[others]
