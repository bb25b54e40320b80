"""Large images in tiles: each is looked at as an image of its own, and what they show is put together across seams.

Tiles overlap by a quarter. Two tiles saw the same object where they agree about the part of it that lies in both.
Of what was seen several times the best one that no border cuts is taken; what every tile cuts is joined from its parts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from maskwright.errors import RecipeError
from maskwright.geometry import boxes as box_ops
from maskwright.types import Image, Instances, RleMasks

Box = tuple[int, int, int, int]
"""x1, y1, x2, y2 in whole pixels of the image."""

LEAST = 64
OVERLAP = 0.25  # of a tile's side: what is smaller lies whole in at least one tile
EDGE = 0.02  # of a tile's side: a box that ends nearer to a seam is cut by it
SAME = 0.4  # IoU in what both tiles saw; below the usual 0.5, for parts are thin and their edges doubtful
TWICE = 0.5  # IoU of two detections that are one: the measure by which the networks suppress their own
RIVAL = 0.5  # of a find's score: what is less sure than that changes nothing about it
WITHIN = 0.6  # a part with more of its area inside another object is that object once more


def checked(side: int) -> int:
    """A tile's side that makes sense, or 0 for none."""
    if not isinstance(side, int):
        raise RecipeError("a tile's side is in whole pixels", field="tile", expected="a whole number", got=repr(side))
    if side and not side >= LEAST:
        raise RecipeError("such small tiles show nothing", field="tile", expected=f"0, or {LEAST} and more", got=side)
    return side


def cut(size: tuple[int, int], side: int, whole: bool = False) -> list[Box]:
    """Tiles of side×side pixels, or less where the image is smaller, spread evenly over an image of (height, width).

    whole  the whole image comes as one more tile (the last): for objects larger than a tile

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


def images(image: Image, tiles: Sequence[Box]) -> Iterator[Image]:
    """Each tile as an image; nothing is copied."""
    for x1, y1, x2, y2 in tiles:
        yield replace(image, pixels=image.pixels[y1:y2, x1:x2])


def join(detections: Sequence[Instances], tiles: Sequence[Box], size: tuple[int, int]) -> Instances:
    """The objects of an image of (height, width) from those of its tiles, each once, by falling score.

    detections  what each tile shows, in its own pixels, with scores
    """
    finds = _Finds.of(detections, tiles, size)
    if not len(finds.boxes):
        return finds.empty()
    return _once(*finds.in_image([finds.settle(np.array(members)) for members in finds.groups()]))


@dataclass(frozen=True)
class _Finds:
    """All detections of all tiles in one list. boxes n×4 in image pixels; tile and row n: where each
    came from."""

    detections: Sequence[Instances]
    tiles: Sequence[Box]
    size: tuple[int, int]
    boxes: np.ndarray
    scores: np.ndarray
    tile: np.ndarray
    row: np.ndarray
    cut: np.ndarray  # n bool: a seam runs through it

    @classmethod
    def of(cls, detections: Sequence[Instances], tiles: Sequence[Box], size: tuple[int, int]) -> _Finds:
        corners = [np.array([x, y, x, y], np.float32) for x, y, _, _ in tiles]
        boxes = [detection.boxes + corner for detection, corner in zip(detections, corners, strict=True)]
        seams = [_cut(box, tile, size) for box, tile in zip(boxes, tiles, strict=True)]
        tile = np.repeat(np.arange(len(tiles)), [len(detection) for detection in detections])
        row = np.concatenate([np.arange(len(detection)) for detection in detections])
        scores = np.concatenate([_scores_of(detection) for detection in detections])
        return cls(detections, tiles, size, np.concatenate(boxes), scores, tile, row, np.concatenate(seams))

    def empty(self) -> Instances:
        first = self.detections[0]
        return Instances.empty(first.names, None if first.masks is None else self.size, scored=True)

    def groups(self) -> list[list[int]]:
        """Detections that are one object: the surest agreements first, and of each tile one find at most."""
        group = {find: [find] for find in range(len(self.boxes))}
        agreements = sorted(self._agreements(), reverse=True)
        agreed = {(a, b) for _, a, b in agreements}
        for _, a, b in agreements:
            one, other = group[a], group[b]
            if one is other or {self.tile[item] for item in one} & {self.tile[item] for item in other}:
                continue
            if self._contradict(one, other, agreed):
                continue
            one += other
            group.update(dict.fromkeys(other, one))
        return list({id(members): members for members in group.values()}.values())

    def _contradict(self, one: list[int], other: list[int], agreed: set[tuple[int, int]]) -> bool:
        """Whether a find of one group and one of the other, both uncut, show different things where both tiles look.

        Agreement is not handed on: a piece at a seam may agree with a large find of the whole image by chance, and
        with the small object that another tile shows whole; that one must not vanish into the large find.
        """
        pairs = ((min(a, b), max(a, b)) for a in one for b in other if not (self.cut[a] or self.cut[b]))
        return any(pair not in agreed and self._differ(*pair) for pair in pairs)

    def _differ(self, a: int, b: int) -> bool:
        mine, theirs = self.tiles[self.tile[a]], self.tiles[self.tile[b]]
        left, top = max(mine[0], theirs[0]), max(mine[1], theirs[1])
        shared: Box = (left, top, min(mine[2], theirs[2]), min(mine[3], theirs[3]))
        if shared[0] >= shared[2] or shared[1] >= shared[3]:
            return False
        (part_a, area_a, _), (part_b, area_b, _) = (self._parts(np.array([find]), shared) for find in (a, b))
        return bool(area_a + area_b > 0 and _iou(part_a, part_b) < SAME)

    def _agreements(self) -> Iterator[tuple[float, int, int]]:
        """(IoU, find, find) of detections of one class in two tiles, where it is at least SAME."""
        first = np.searchsorted(self.tile, np.arange(len(self.tiles) + 1))
        bounds = np.array(self.tiles)
        for a in range(len(self.tiles)):
            low, high = np.maximum(bounds[a, :2], bounds[:, :2]), np.minimum(bounds[a, 2:], bounds[:, 2:])
            for b in np.flatnonzero((low < high).all(1)):
                if b <= a:
                    continue
                (x1, y1), (x2, y2) = low[b].tolist(), high[b].tolist()
                shared: Box = (x1, y1, x2, y2)
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

    def _masks_of_tiles(self) -> Iterator[RleMasks]:
        """The masks of each tile; only where there are masks."""
        for detection in self.detections:
            assert detection.masks is not None
            yield detection.masks

    def _classes(self, finds: np.ndarray) -> np.ndarray:
        return self.detections[int(self.tile[finds[0]])].classes[self.row[finds]]

    def _agreement(self, ours: np.ndarray, theirs: np.ndarray, shared: Box) -> np.ndarray:
        """IoU of the detections of one tile with those of another: of what lies in both tiles where a seam cuts one."""
        (a, area_a, whole_a), (b, area_b, whole_b) = self._parts(ours, shared), self._parts(theirs, shared)
        iou = _iou(a, b)
        both = iou * (area_a[:, None] + area_b) / (1 + iou)
        cut = self.cut[ours][:, None] | self.cut[theirs]
        union = np.where(cut, area_a[:, None] + area_b, whole_a[:, None] + whole_b) - both
        return np.divide(both, union, out=np.zeros(both.shape), where=union > 0)

    def _parts(self, finds: np.ndarray, shared: Box) -> tuple[RleMasks | np.ndarray, np.ndarray, np.ndarray]:
        """What of these detections lies in the shared box, its area, and the area of all of each."""
        tile = int(self.tile[finds[0]])
        masks = self.detections[tile].masks
        if masks is None:
            boxes = np.clip(self.boxes[finds], shared[:2] * 2, shared[2:] * 2)
            return boxes, box_ops.area(boxes), box_ops.area(self.boxes[finds])
        left, top = self.tiles[tile][:2]
        x1, y1, x2, y2 = shared
        own = masks[self.row[finds]]
        part = own.crop((x1 - left, y1 - top, x2 - left, y2 - top))
        return part, part.area, own.area

    def settle(self, members: np.ndarray) -> tuple[np.ndarray, float, bool]:
        """The detections that one object is made of, its score, and whether it is only a part, or joined from parts."""
        scores = self.scores[members]
        rows = members[scores >= RIVAL * scores.max()]
        rows = rows[np.argsort(-self.scores[rows], kind="stable")]
        cut = self.cut[rows] | self._outgrown(rows) if len(rows) > 1 else self.cut[rows]
        return (rows if cut.all() else rows[~cut][:1]), float(scores.max()), bool(cut.all())

    def _outgrown(self, rows: np.ndarray) -> np.ndarray:
        """n bool: another find of the object goes on beyond this one's tile, so a seam cuts it wherever it ends."""
        bounds = np.array(self.tiles)[self.tile[rows]]
        side = (bounds[:, 2:] - bounds[:, :2]).max(1)
        near, equals = EDGE * side.min(), self.boxes[rows[side == side.min()]]  # the whole image sees too coarsely
        low, high = equals[:, :2].min(0), equals[:, 2:].max(0)
        return np.any((low < bounds[:, :2] - near) | (high > bounds[:, 2:] + near), axis=1)

    def in_image(self, settled: list[tuple[np.ndarray, float, bool]]) -> tuple[Instances, np.ndarray]:
        """The objects in the image's pixels, by falling score; and which of them are parts, or joined from parts."""
        settled = sorted(settled, key=lambda item: -item[1])
        taken = [finds for finds, _, _ in settled]
        boxes = [(*self.boxes[finds, :2].min(0), *self.boxes[finds, 2:].max(0)) for finds in taken]
        classes = np.concatenate([detection.classes for detection in self.detections])[[finds[0] for finds in taken]]
        scores = np.array([score for _, score, _ in settled], np.float32)
        objects = Instances(np.array(boxes), classes, scores, self._masks(taken), self.detections[0].names)
        return objects, np.array([part for _, _, part in settled])

    def _masks(self, taken: list[np.ndarray]) -> RleMasks | None:
        """One mask for each object: the union of those of its detections."""
        if self.detections[0].masks is None:
            return None
        finds = np.sort(np.concatenate(taken))
        placed = RleMasks.join(
            [
                masks[self.row[finds[self.tile[finds] == tile]]].place(box[:2], self.size)
                for tile, (box, masks) in enumerate(zip(self.tiles, self._masks_of_tiles(), strict=True))
            ]
        )
        several = [item for item in taken if len(item) > 1]
        joined = [placed[np.searchsorted(finds, item)].union() for item in several]
        index = iter(range(len(placed), len(placed) + len(several)))
        rows = [next(index) if len(item) > 1 else int(np.searchsorted(finds, item[0])) for item in taken]
        return RleMasks.join([placed, *joined])[rows]


def _cut(boxes: np.ndarray, tile: Box, size: tuple[int, int]) -> np.ndarray:
    """n bool: the box ends at a border of the tile that is not one of the image."""
    near = EDGE * max(tile[2] - tile[0], tile[3] - tile[1])
    low = (boxes[:, :2] < np.array(tile[:2]) + near) & (np.array(tile[:2]) > 0)
    high = (boxes[:, 2:] > np.array(tile[2:]) - near) & (np.array(tile[2:]) < np.array(size[::-1]))
    return np.any(low | high, axis=1)


def _reaches(boxes: np.ndarray, shared: Box) -> np.ndarray:
    return np.all((boxes[:, :2] < shared[2:]) & (boxes[:, 2:] > shared[:2]), axis=1)


def _scores_of(detections: Instances) -> np.ndarray:
    assert detections.scores is not None  # they come from a model
    return detections.scores


def _shapes_of(detections: Instances) -> np.ndarray | RleMasks:
    """What overlaps: masks, or boxes where there are none."""
    return detections.boxes if detections.masks is None else detections.masks


def _iou(a: np.ndarray | RleMasks, b: np.ndarray | RleMasks) -> np.ndarray:
    """n×m: of masks, or of boxes."""
    if isinstance(a, RleMasks) and isinstance(b, RleMasks):
        return a.iou(b)
    assert isinstance(a, np.ndarray) and isinstance(b, np.ndarray)  # one model gives masks for all or for none
    return box_ops.iou(a, b)


def _once(together: Instances, part: np.ndarray) -> Instances:
    """Of two objects that lie on each other, as no network says of one image, the better stays; of a part that lies
    within another object, that one. They come by falling score."""
    masks, scores = together.masks, _scores_of(together)
    area = box_ops.area(together.boxes) if masks is None else masks.area
    keep = np.ones(len(together), bool)
    for row, others, iou in _overlaps(together):
        inside = iou * (area[row] + area[others]) / (1 + iou) > WITHIN * area[row]
        double = (others < row) & (iou > TWICE)
        within = part[row] & inside & (area[others] > area[row])
        within &= scores[others] >= RIVAL * scores[row]
        keep[row] = not (keep[others] & (double | within)).any()
    return together[keep]


def _overlaps(detections: Instances, at_once: int = 256) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """For each row the other rows of its class that it overlaps, and the IoU with each.

    Rows are compared from left to right, some at a time and only with what lies between the same columns: the tiles of
    a large image may show ten thousand things.
    """
    left, right = detections.boxes[:, 0], detections.boxes[:, 2]
    from_left, pairs = np.argsort(left), []
    for rows in np.split(from_left, range(at_once, len(detections), at_once)):
        near = np.flatnonzero((left <= right[rows].max()) & (right >= left[rows].min()))
        some, others = detections[rows], detections[near]
        table = _iou(_shapes_of(some), _shapes_of(others))
        table[(some.classes[:, None] != others.classes) | (rows[:, None] == near)] = 0
        row, other = np.nonzero(table)
        pairs.append((rows[row], near[other], table[row, other]))
    row, other, iou = (np.concatenate(column) for column in zip(*pairs, strict=True))
    order = np.argsort(row, kind="stable")
    bounds = np.searchsorted(row[order], np.arange(len(detections) + 1))
    for index in range(len(detections)):
        mine = order[bounds[index] : bounds[index + 1]]
        yield index, other[mine], iou[mine]
