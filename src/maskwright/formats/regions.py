"""Regions: what was drawn in one image, checked and cut at the edge, on its way from a format to `Instances`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from maskwright.formats import outlines, turns
from maskwright.formats.faults import Faults
from maskwright.formats.finding import FoundImage
from maskwright.formats.region_columns import ImageColumns
from maskwright.formats.region_rows import RegionRows, examine, fill
from maskwright.images.decode import orientation_of
from maskwright.issues import Kind
from maskwright.types import Annotation, Instances, RleMasks

BOXES_FILLED = Kind(
    "boxes_filled", "warning", "{count} box became a rectangular mask, beside outlines in the same image",
    "{count} boxes became a rectangular mask, beside outlines in the same image",
)  # fmt: skip
BOXES_ELSEWHERE = Kind(
    "boxes_elsewhere", "warning",
    "{count} box beside an outline that lies elsewhere, so the outline's own was taken",
    "{count} boxes beside an outline that lies elsewhere, so the outline's own was taken",
)  # fmt: skip
IMAGES_TURNED = Kind(
    "images_turned", "warning", "{count} image with an EXIF rotation, read as annotated after the rotation",
    "{count} images with an EXIF rotation, read as annotated after the rotation",
)  # fmt: skip
CORNERS_SWAPPED = Kind("corners_swapped", "warning", "boxes with swapped corners, put in order: {count} ({records:1})")
REGIONS_TURNED = Kind(
    "regions_turned", "warning",
    '"{image}" is rotated by EXIF and was annotated unrotated: its regions were rotated too',
)  # fmt: skip

_NOTHING = Annotation()


class Regions(RegionRows):
    """Collects the regions of one image; a faulty one goes to `faults` by name, the others stay.

    Coordinates are image pixels after EXIF's turn, edges (0 and width are the image's edges). `region` is how people
    find it again: a number, or an id. `label` is the class name.

    whole_pixels  the format counts pixels (VIA): a point at x = width lies past the last one and is reported as cut
    in_pixels     what comes here was scaled to pixels by the format: within a pixel of the corner it is just small
    stated        (height, width) as the file gives them, None where it does not. Where the image is turned by EXIF
                  and the file states the unturned size, all coordinates are turned; any other difference is a fault
                  of the image (nothing is ever stretched), unless `assemble` detections that the file states nonsense.
    """

    def __init__(
        self, faults: Faults, image: FoundImage, *, whole_pixels: bool = False, in_pixels: bool = False,
        stated: tuple[int, int] | None = None,
    ) -> None:  # fmt: skip
        super().__init__(faults, image, last=1.0 if whole_pixels else 0.0, in_pixels=in_pixels)
        self.stated = stated
        self.unused_shapes = 0
        self._columns: ImageColumns | None = None  # all that was drawn, where it is plain
        self.proven = False  # something drawn can only be meant in the image's own frame
        self._refused: set[int] = set()
        self._unproven = image.turned and stated is None
        if stated is not None and stated != self.size:
            self._settle_frame(stated)

    # --- taking in ------------------------------------------------------------------------------
    def outline(
        self, region: object, label: str, parts: Sequence[Any], *, crowd: bool = False, box: Any = None,
        note: Annotation | None = None,
    ) -> None:  # fmt: skip
        """One object: the union of its closed outlines, each k×2 (x, y). `box` as in the file, if it has one.

        `note` (here and below) is what else the file says of it, for who writes it again."""
        self.saw()
        arrays = []
        for part in parts:
            points = outlines.numbers_of(part)
            if points is None or points.ndim != 2 or points.shape[1] != 2:
                return self.fault(region, "points", "pairs of numbers", part, cause="not_numbers")
            arrays.append(points)
        if not arrays:
            return self.fault(region, "points", "at least one outline", "none")
        row = self._row(region, label, crowd, note)
        self._waiting.append(outlines.Waiting(row, arrays, self.faults.turn(), box))
        return None

    def box(
        self, region: object, label: str, x1: Any, y1: Any, x2: Any, y2: Any, *, crowd: bool = False,
        note: Annotation | None = None,
    ) -> None:  # fmt: skip
        """One object of which only the box is known; x2 y2 are edges, not the last pixel."""
        self.saw()
        corners = outlines.numbers_of([x1, y1, x2, y2])
        if corners is None:
            return self.fault(region, "box", "four numbers", (x1, y1, x2, y2), cause="not_numbers")
        row = self._row(region, label, crowd, note)
        self._waiting.append(outlines.Waiting(row, [corners.reshape(2, 2)], self.faults.turn(), alone=True))
        return None

    def runs(
        self, region: object, label: str, segmentation: Any, *, crowd: bool = False, box: Any = None,
        note: Annotation | None = None,
    ) -> None:  # fmt: skip
        """One object as COCO run lengths {"size": [h, w], "counts": str or list}; another size is a fault."""
        self.saw()
        size, counts = segmentation.get("size"), segmentation.get("counts")
        expected = self.frame
        if not isinstance(size, list) or outlines.numbers_of(size) is None or tuple(size) != expected:
            got = " x ".join(map(str, size)) if isinstance(size, list) else size
            size = f"{expected[0]} x {expected[1]} (height x width of the image)"
            return self.fault(region, "segmentation.size", size, got, "export the mask again at the image's size")
        if isinstance(counts, list) and any(isinstance(count, bool) for count in counts):
            return self.fault(region, "segmentation.counts", "whole numbers", counts)
        try:
            masks = RleMasks.from_coco([{"size": list(expected), "counts": counts}])
        except ValueError as error:
            got = str(error).removeprefix("segmentation 0: ")
            return self.fault(region, "segmentation.counts", "run lengths as COCO writes them", got)
        return self.mask(region, label, masks, crowd=crowd, box=box, note=note, saw=False)

    def mask(
        self, region: object, label: str, mask: RleMasks, *, crowd: bool = False, box: Any = None,
        note: Annotation | None = None, saw: bool = True,
    ) -> None:  # fmt: skip
        """One object as one RleMasks row of the image's size (unturned, where the file states that frame)."""
        if saw:
            self.saw()
        if self._turn is not None:
            mask = RleMasks.from_dense(turns.pixels(mask.dense(), orientation_of(self.image.path)))
        self.proven = True
        row = self._row(region, label, crowd, note)
        self._runs.append((row, mask))
        if box is not None and self._turn is None:
            low, high = mask.boxes.astype(np.float64).reshape(2, 1, 2)
            given, kept = outlines.sensible(outlines.corners_of([box]), low, high, np.array([self.size]))
            self.keep_box(row, given[0], int(kept[0]))

    def take_columns(self, columns: ImageColumns) -> None:
        """All objects of the image; nothing else may be handed in."""
        self.seen = len(columns)
        self._columns = columns

    def unused(self, kind: Kind) -> None:
        """A shape that no task can use: left out and counted. Alone it does not make the image an empty one."""
        self.unused_shapes += 1
        self.faults.count(kind)

    def saw(self) -> None:
        self.seen += 1
        self.faults.saw()

    def fault(self, region: object, field: str, expected: str, got: object, fix: str = "", cause: str = "") -> None:
        """Put one region aside by name."""
        self.faults.add(f'image "{self.image.name}", region {region}', field, expected, got, fix, cause=cause)

    def lacks(self, region: object, field: str, expected: str, got: object, fix: str = "") -> None:
        """The same for a region that none of the methods above has seen (it has no class, say)."""
        self.saw()
        self.fault(region, field, expected, got, fix)

    # --- giving out -----------------------------------------------------------------------------
    @property
    def labels(self) -> list[str]:
        """The class of each object that is good so far."""
        if self._columns is not None:
            return self._columns.labels
        if self._waiting:
            examine([self])
        return self._labels

    def instances(self, names: tuple[str, ...]) -> Instances | None:
        """All that was good, classes as indices into `names`; None where something was drawn and all was faulty."""
        if self._columns is not None:
            return self._columns.instances(names)
        rows = len(self.labels)
        if not self._fits():
            return None
        if rows and self._unproven:
            self.faults.count(IMAGES_TURNED, 1, self.image.path)
        if not rows:
            return None if self.seen or self.unused_shapes else Instances.empty(names, self.size)
        self.faults.count(BOXES_ELSEWHERE, self._elsewhere, self.image.path)
        masks, areas, corners = self._masks()
        for row, box in self._boxes:
            corners[row] = box
        if self._given:
            corners[list(self._given)] = np.stack([*self._given.values()])
        keep = areas > 0
        for row in np.flatnonzero(~keep):
            self.fault(self._names[row], "points", "an outline around at least one pixel", "none",
                       "draw that outline again, or delete it", "without_area")  # fmt: skip
        keep[list(self._refused)] = False
        if not keep.any():
            return None
        index = {name: number for number, name in enumerate(names)}
        classes = np.array([index[label] for label in self._labels])
        crowd = np.array(self._crowd) if any(self._crowd) else None
        found = Instances(corners, classes, None, masks, names, crowd, self._annotations())
        return found if keep.all() else found[keep]

    def _annotations(self) -> tuple[Annotation | None, ...] | None:
        notes = list(self._notes)
        for row, parts in self._outlines:
            note = notes[row] or _NOTHING
            if note.outlines is not parts:
                notes[row] = Annotation(tuple(parts), note.id, note.attributes)
        return tuple(notes) if any(notes) else None

    def _masks(self) -> tuple[RleMasks | None, np.ndarray, np.ndarray]:
        """Masks, areas and boxes of all rows. Without any outline there are no masks, and boxes are as given."""
        rows = len(self._labels)
        if not self._outlines and not self._runs:
            return None, np.ones(rows), np.zeros((rows, 4), np.float32)
        if self._outlines and self._filled is None:
            fill([self])
        if self._filled is not None and len(self._outlines) == rows:
            return self._filled
        several = [mask for _, mask in self._runs]
        order = [row for row, _ in self._runs]
        if self._filled is not None:
            several.append(self._filled[0])
            order += [row for row, _ in self._outlines]
        if self._boxes:
            several.append(RleMasks.from_boxes(np.stack([box for _, box in self._boxes]), self.size))
            order += [row for row, _ in self._boxes]
            self.faults.count(BOXES_FILLED, len(self._boxes), self.image.path)
        joined = RleMasks.join(several)
        masks = joined if order == sorted(order) else joined[np.argsort(order)]
        return masks, masks.area, masks.boxes

    # --- what all images of the file show together ----------------------------------------------
    @property
    def undrawn(self) -> bool:
        """Nothing but points or lines was drawn: nobody can know whether there are objects."""
        return bool(self.unused_shapes) and not self.seen

    @property
    def frame(self) -> tuple[int, int]:
        """(height, width) in which the file's masks are drawn: the image's own, or the unturned one that it states."""
        return self.size if self._turn is None else (self.size[1], self.size[0])

    @property
    def within(self) -> bool:
        """All that was drawn lies in the image, give or take a pixel."""
        examine([self])
        return bool((self._reach <= np.array(self.size[::-1]) + 1).all())

    @property
    def beyond(self) -> bool:
        """Something drawn lies outside the frame that the file states, by more than a slip of the hand."""
        if self.stated is None:
            return False
        examine([self])
        return self.proven or bool((self._reach > np.array(self.stated[::-1]) * 1.02 + 1).any())

    @property
    def in_corner(self) -> tuple[int, int, bool]:
        """(objects, those within a pixel of the image's corner, whether one of these has broken numbers)."""
        return len(self.labels), len(self._tiny), any(self._tiny.values())

    def scale(self) -> None:
        """All places are fractions of width and height: they become pixels."""
        sides = np.array(self.size[::-1], np.float64)
        self._outlines = [(row, [part * sides for part in parts]) for row, parts in self._outlines]
        self._boxes = [(row, self._clip(box * np.tile(sides, 2))) for row, box in self._boxes]
        self._given, self._elsewhere = {}, 0
        self._reach = self._reach * sides

    def refuse_fractions(self) -> None:
        """Put the objects aside that lie within one pixel, where others of the file do not."""
        for row in (row for row, broken in self._tiny.items() if broken):
            self.fault(self._names[row], "points", "places in pixels, as other objects of the file have",
                       "places within 0 and 1", "scale them by the image's width and height")  # fmt: skip
            self._refused.add(row)

    def absorb(self, other: Regions) -> None:
        """Take over the regions of another record of the same image; those that are here already count once."""
        examine([self, other])
        mine, theirs = set(self._contents()), other._contents()
        new = [row for row, content in enumerate(theirs) if content not in mine]
        new_rows = {row: len(self._labels) + number for number, row in enumerate(new)}
        self._labels += [other._labels[row] for row in new]
        self._names += [other._names[row] for row in new]
        self._crowd += [other._crowd[row] for row in new]
        self._notes += [other._notes[row] for row in new]
        self._outlines += [(new_rows[row], parts) for row, parts in other._outlines if row in new_rows]
        self._boxes += [(new_rows[row], box) for row, box in other._boxes if row in new_rows]
        self._runs += [(new_rows[row], mask) for row, mask in other._runs if row in new_rows]
        self._given |= {new_rows[row]: box for row, box in other._given.items() if row in new_rows}
        self._tiny |= {new_rows[row]: broken for row, broken in other._tiny.items() if row in new_rows}
        self._elsewhere += other._elsewhere
        self.seen += other.seen
        self.unused_shapes += other.unused_shapes
        self.misfit, self.proven = self.misfit or other.misfit, self.proven or other.proven
        self._reach = np.maximum(self._reach, other._reach)

    def _contents(self) -> list[tuple[object, ...]]:
        """Of each row what makes two rows the same object drawn twice."""
        found: list[tuple[object, ...]] = list(zip(self._labels, self._crowd, strict=True))
        for row, parts in self._outlines:
            found[row] += tuple(part.tobytes() for part in parts)
        for row, box in self._boxes:
            found[row] += (box.tobytes(),)
        for row, mask in self._runs:
            found[row] += (mask.counts.tobytes(),)
        return found

    # --- checking -------------------------------------------------------------------------------
    def _settle_frame(self, stated: tuple[int, int]) -> None:
        if self.image.turned and stated == self.size[::-1]:
            number = orientation_of(self.image.path)
            self._turn = lambda points: turns.points(points, number, self.size)
            self.faults.report(REGIONS_TURNED(images=[self.image.path], image=self.image.name))
            return
        self.misfit = True

    def _fits(self) -> bool:
        """False (and a fault) when the whole image must be put aside: its frame is not the one that was drawn in."""
        if self.misfit and self.stated is not None:
            exchanged = self.stated == self.size[::-1]
            self.faults.add(
                f'image "{self.image.name}"', "height x width", f"{self.size[0]} x {self.size[1]}, the image's own",
                f"{self.stated[0]} x {self.stated[1]}" + ", width and height exchanged" * exchanged,
                "exchange them in the file where that is all; was the image turned since, put back the one that was "
                "annotated" if exchanged else
                "put back the image that was annotated, or export the annotations again", regions=len(self.labels),
                image=self.image.name, cause="size_differs",
            )  # fmt: skip
            return False
        height, width = self.size
        x, y = self._reach.tolist()
        only_unturned = (x > width + 1 or y > height + 1) and x <= height + 1 and y <= width + 1
        if self.image.turned and self._turn is None and only_unturned:
            self.faults.add(
                f'image "{self.image.name}"', "points", f"places inside {width} x {height}, the image as EXIF turns it",
                "places that fit only the unturned image",
                "turn the pixels for good and draw again, or remove the EXIF orientation", regions=len(self.labels),
                image=self.image.name, cause="drawn_unturned",
            )  # fmt: skip
            return False
        return True
