"""Regions: what was drawn in one photo, checked and cut at the edge, on its way from a format to `Instances`."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from maskwright.formats.faults import Faults
from maskwright.formats.finding import FoundPhoto
from maskwright.photos.decode import orientation_of
from maskwright.types import Dataset, Instances, Record, RleMasks

_FARTHEST = 1e7  # pixels; a coordinate beyond is a slip, not a place


class Regions:
    """Collects the regions of one photo; a faulty one goes to `faults` by name, the others stay.

    Coordinates are photo pixels after EXIF's turn, edges (0 and width are the photo's edges). `region` is how people
    find it again: a number, or an id. `label` is the class name.

    whole_pixels  the format counts pixels (VIA): a point at x = width lies past the last one and is told as cut
    stated        (height, width) as the file gives them, None where it does not. Where the photo is turned by EXIF
                  and the file states the unturned size, all coordinates are turned; any other difference is a fault
                  of the photo: nothing is ever stretched.
    """

    def __init__(
        self, faults: Faults, photo: FoundPhoto, *, whole_pixels: bool = False, stated: tuple[int, int] | None = None
    ) -> None:
        self.faults = faults
        self.photo = photo
        self.size = photo.size
        self.seen = 0
        self.labels: list[str] = []
        self.left_out = False  # a shape was drawn that no task can use
        self._names: list[object] = []
        self._outlines: list[tuple[int, list[np.ndarray]]] = []  # row, parts
        self._boxes: list[tuple[int, np.ndarray]] = []  # row, x1 y1 x2 y2
        self._runs: list[tuple[int, RleMasks]] = []
        self._given: dict[int, np.ndarray] = {}  # row -> the box that the file itself gives
        self._crowd: list[bool] = []
        self._last = 1.0 if whole_pixels else 0.0
        self._reach = np.zeros(2)
        self._turn: Callable[[np.ndarray], np.ndarray] | None = None
        self._misfit = False
        self._unproven = photo.turned and stated is None
        if stated is not None and stated != self.size:
            self._settle_frame(stated)

    # --- taking in ------------------------------------------------------------------------------
    def outline(
        self, region: object, label: str, parts: Sequence[Any], *, crowd: bool = False, box: Any = None
    ) -> None:
        """One object: the union of its closed outlines, each k×2 (x, y). `box` as in the file, if it has one."""
        self.saw()
        arrays = []
        for part in parts:
            points = _numbers(part)
            if points is None or points.ndim != 2 or points.shape[1] != 2:
                return self.fault(region, "points", "pairs of numbers", part)
            different = len({*map(tuple, points.tolist())})
            if different < 3:
                return self.fault(
                    region, "points", "at least 3 different points", str(different),
                    "draw that outline again, or delete it",
                )  # fmt: skip
            arrays.append(self._turned(points))
        if not arrays:
            return self.fault(region, "points", "at least one outline", "none")
        every = np.concatenate(arrays)
        low, high = every.min(0), every.max(0)
        if not self._inside(region, low, high):
            return None
        if self._reaches_out(low, high, self._last):
            self.faults.clipped("outline")  # filling stops at the frame
        row = self._row(region, label, crowd)
        self._outlines.append((row, arrays))
        self._keep_box(row, box)
        return None

    def box(self, region: object, label: str, x1: Any, y1: Any, x2: Any, y2: Any, *, crowd: bool = False) -> None:
        """One object of which only the box is known; x2 y2 are edges, not the last pixel."""
        self.saw()
        corners = _numbers([[x1, y1], [x2, y2]])
        if corners is None:
            return self.fault(region, "box", "four numbers", (x1, y1, x2, y2))
        if not (corners[1] > corners[0]).all():
            width, height = corners[1] - corners[0]
            return self.fault(region, "box", "width and height above 0", f"{width:g} x {height:g}",
                              "draw that box again, or delete it")  # fmt: skip
        corners = self._turned(corners)
        low, high = corners.min(0), corners.max(0)
        if not self._inside(region, low, high):
            return None
        if self._reaches_out(low, high, 0):
            self.faults.clipped("box")
        self._boxes.append((self._row(region, label, crowd), self._clip(np.concatenate([low, high]))))
        return None

    def runs(self, region: object, label: str, segmentation: Any, *, crowd: bool = False, box: Any = None) -> None:
        """One object as COCO run lengths {"size": [h, w], "counts": str or list}; another size is a fault."""
        self.saw()
        size, counts = segmentation.get("size"), segmentation.get("counts")
        wanted = self.size if self._turn is None else self.size[::-1]
        if not isinstance(size, list) or _numbers(size) is None or tuple(size) != wanted:
            got = " x ".join(map(str, size)) if isinstance(size, list) else size
            size = f"{wanted[0]} x {wanted[1]} (height x width of the photo)"
            return self.fault(region, "segmentation.size", size, got, "export the mask again at the photo's size")
        try:
            masks = RleMasks.from_coco([{"size": list(wanted), "counts": counts}])
        except ValueError as error:
            got = str(error).removeprefix("segmentation 0: ")
            return self.fault(region, "segmentation.counts", "run lengths as COCO writes them", got)
        return self.mask(region, label, masks, crowd=crowd, box=box, saw=False)

    def mask(
        self, region: object, label: str, mask: RleMasks, *, crowd: bool = False, box: Any = None, saw: bool = True
    ) -> None:
        """One object as one RleMasks row of the photo's size (unturned, where the file states that frame)."""
        if saw:
            self.saw()
        if self._turn is not None:
            mask = RleMasks.from_dense(_turn_pixels(mask.dense(), _orientation(self.photo)))
        row = self._row(region, label, crowd)
        self._runs.append((row, mask))
        self._keep_box(row, box)

    def saw(self) -> None:
        self.seen += 1
        self.faults.saw()

    def unused(self, what: str) -> None:
        """A shape that no task can use: a photo with nothing else is unlabelled, not empty."""
        self.left_out = True
        self.faults.unused(what)

    def fault(self, region: object, field: str, wanted: str, got: object, fix: str = "") -> None:
        """Put one region aside by name."""
        self.faults.add(f'photo "{self.photo.name}", region {region}', field, wanted, got, fix)

    def lacks(self, region: object, field: str, wanted: str, got: object, fix: str = "") -> None:
        """The same for a region that none of the methods above has seen (it has no class, say)."""
        self.saw()
        self.fault(region, field, wanted, got, fix)

    # --- giving out -----------------------------------------------------------------------------
    def instances(self, names: tuple[str, ...]) -> Instances | None:
        """All that was good, classes as indices into `names`; None where something was drawn and all was faulty."""
        rows = len(self.labels)
        if not self._fits():
            return None
        if rows and self._unproven:
            self.faults.turned()
        if not rows:
            return None if self.seen or self.left_out else Instances.empty(names, self.size)
        masks = self._masks()
        keep = np.ones(rows, bool)
        boxes = np.zeros((rows, 4), np.float32)
        if masks is not None:
            keep = masks.area > 0
            boxes = masks.boxes.copy()
        for row, box in [*self._boxes, *self._given.items()]:
            boxes[row] = box
        for row in np.flatnonzero(~keep):
            self.fault(self._names[row], "points", "an outline around at least one pixel", "none",
                       "draw that outline again, or delete it")  # fmt: skip
        if not keep.any():
            return None
        classes = np.array([names.index(label) for label in self.labels])
        crowd = np.array(self._crowd) if any(self._crowd) else None
        found = Instances(boxes, classes, None, masks, names, crowd)
        return found if keep.all() else found[keep]

    def _masks(self) -> RleMasks | None:
        if not self._outlines and not self._runs:
            return None
        several = [mask for _, mask in self._runs]
        order = [row for row, _ in self._runs]
        if self._outlines:
            several.append(RleMasks.from_polygons([parts for _, parts in self._outlines], self.size))
            order += [row for row, _ in self._outlines]
        if self._boxes:
            several.append(RleMasks.from_boxes(np.stack([box for _, box in self._boxes]), self.size))
            order += [row for row, _ in self._boxes]
            for _ in self._boxes:
                self.faults.filled()
        joined = RleMasks.join(several)
        return joined if order == sorted(order) else joined[np.argsort(order)]

    # --- checking -------------------------------------------------------------------------------
    def _settle_frame(self, stated: tuple[int, int]) -> None:
        if self.photo.turned and stated == self.size[::-1]:
            number = _orientation(self.photo)
            self._turn = lambda points: _turn_points(points, number, self.size)
            self.faults.remark(
                f'"{self.photo.name}" is turned by EXIF and was annotated unturned: its regions were turned too'
            )
            return
        self._misfit = True
        self.faults.add(
            f'photo "{self.photo.name}"', "height x width", f"{self.size[0]} x {self.size[1]}, the photo's own",
            f"{stated[0]} x {stated[1]}", "put back the photo that was annotated, or export the annotations again",
            regions=0,
        )  # fmt: skip

    def _fits(self) -> bool:
        """False (and a fault) when the whole photo must be put aside: its frame is not the one that was drawn in."""
        if self._misfit:
            self.faults.faulty_regions += len(self.labels)
            return False
        height, width = self.size
        only_unturned = (self._reach > (width + 1, height + 1)).any() and (self._reach <= (height + 1, width + 1)).all()
        if self.photo.turned and self._turn is None and only_unturned:
            self.faults.add(
                f'photo "{self.photo.name}"', "points", f"places inside {width} x {height}, the photo as EXIF turns it",
                "places that fit only the unturned photo",
                "turn the pixels for good and draw again, or remove the EXIF orientation", regions=len(self.labels),
            )  # fmt: skip
            return False
        return True

    def _inside(self, region: object, low: np.ndarray, high: np.ndarray) -> bool:
        self._reach = np.maximum(self._reach, high)
        height, width = self.size
        if (high <= 0).any() or low[0] >= width or low[1] >= height:
            self.fault(
                region, "points", f"a place inside {width} x {height}",
                f"x {low[0]:g} to {high[0]:g}, y {low[1]:g} to {high[1]:g}, wholly outside",
                "draw it again; or was the photo resized after it was annotated?",
            )  # fmt: skip
            return False
        return True

    def _reaches_out(self, low: np.ndarray, high: np.ndarray, last: float) -> bool:
        height, width = self.size
        return bool((low < 0).any() or high[0] > width - last or high[1] > height - last)

    def _clip(self, box: np.ndarray) -> np.ndarray:
        height, width = self.size
        return np.clip(box, 0, [width, height, width, height])

    def _row(self, region: object, label: str, crowd: bool) -> int:
        self.labels.append(unicodedata.normalize("NFC", label))
        self._names.append(region)
        self._crowd.append(crowd)
        return len(self.labels) - 1

    def _keep_box(self, row: int, box: Any) -> None:
        """A file's own box beside a mask is kept where it makes sense (COCO's are finer than whole pixels)."""
        corners = None if box is None else _numbers(box)
        if corners is None or corners.shape != (4,) or self._turn is not None:
            return
        corners = self._clip(corners)
        if corners[2] > corners[0] and corners[3] > corners[1]:
            self._given[row] = corners

    def _turned(self, points: np.ndarray) -> np.ndarray:
        return points if self._turn is None else self._turn(points)


@dataclass
class Draft:
    """A record while the class names are not yet known. `regions` None: nobody has labelled this photo.

    id  by which the file itself knows the photo
    """

    photo: FoundPhoto
    regions: Regions | None
    split: str | None = None
    group: str | None = None
    id: int | str | None = None


def assemble(name: str, names: Iterable[str], drafts: Iterable[Draft], format: str, faults: Faults) -> Dataset:
    """The Dataset of all drafts; a photo whose every region was faulty is skipped, not taken as empty.

    A photo that is named twice counts once: the later record is put aside. Names that differ only in the Unicode form
    of their letters (nobody could see it) are one class; those that differ by case or blanks stay two, and a remark
    names both.
    """
    written = list(names)
    names = tuple(dict.fromkeys(unicodedata.normalize("NFC", each) for each in written))
    if len(names) < len(written):
        faults.remark("a class name in two Unicode forms of the same letters was read as one")
    records: dict[Path, Record] = {}
    for draft in drafts:
        if draft.photo.path in records:
            seen = 0 if draft.regions is None else draft.regions.seen
            faults.add(f'photo "{draft.photo.name}"', "photo", "one record a photo", "a second record of the same",
                       "delete one of them", regions=seen)  # fmt: skip
            continue
        instances = None if draft.regions is None else draft.regions.instances(names)
        skipped = draft.regions is not None and instances is None
        if skipped and draft.regions is not None and draft.regions.left_out and not draft.regions.seen:
            skipped = False
            faults.undrawn()
        records[draft.photo.path] = Record(
            draft.photo.path, draft.photo.size, instances, skipped, None, draft.group, draft.split, id=draft.id
        )
    _tell_twins(names, faults)
    return Dataset(name, names, tuple(records.values()), format)


def _tell_twins(names: tuple[str, ...], faults: Faults) -> None:
    for several in spelt_alike(names):
        listed = " and ".join(f'"{name}"' for name in several)
        faults.remark(f"classes {listed} differ only by case or blanks: are they one?")


def spelt_alike(names: Iterable[str]) -> list[tuple[str, ...]]:
    """Names that differ only by case, blanks or the form of their letters, which is most often a slip.

    >>> spelt_alike(["rust", "dent", "Rust", "deep rust", "Deep Rust"])
    [('rust', 'Rust'), ('deep rust', 'Deep Rust')]
    """
    alike: dict[str, dict[str, None]] = {}
    for name in names:
        bare = "".join(unicodedata.normalize("NFKC", name).casefold().split())
        alike.setdefault(bare, {})[name] = None
    return [tuple(several) for several in alike.values() if len(several) > 1]


def natural(name: str) -> list[tuple[int, str]]:
    """A sort key in which "2" comes before "10"."""
    return [(int(part), "") if part.isdecimal() and len(part) < 19 else (-1, part) for part in re.split(r"(\d+)", name)]


def _numbers(values: Any) -> np.ndarray | None:
    """A float array of finite, thinkable numbers, or None. Texts and truth values are no numbers."""
    try:
        array = np.asarray(values)
        if array.dtype.kind not in "iuf" or array.size == 0:
            return None
        array = array.astype(np.float64)
    except (ValueError, TypeError, OverflowError):
        return None
    return array if np.isfinite(array).all() and (np.abs(array) <= _FARTHEST).all() else None


def _orientation(photo: FoundPhoto) -> int:
    return orientation_of(photo.path)


def _turn_points(points: np.ndarray, orientation: int, size: tuple[int, int]) -> np.ndarray:
    """k×2 (x, y) in the file's pixels -> the same in the turned photo of `size` (EXIF 2.32, tag 0x0112, 5 to 8)."""
    height, width = size
    x, y = points[:, 0], points[:, 1]
    turned = {5: (y, x), 6: (width - y, x), 7: (width - y, height - x), 8: (y, height - x)}
    return np.stack(turned.get(orientation, (x, y)), 1)


def _turn_pixels(dense: np.ndarray, orientation: int) -> np.ndarray:
    """n×H×W in the file's pixels -> n×W×H turned, the same rule."""
    flipped = dense.transpose(0, 2, 1)
    if orientation in (6, 7):
        flipped = flipped[:, :, ::-1]
    if orientation in (7, 8):
        flipped = flipped[:, ::-1]
    return flipped
