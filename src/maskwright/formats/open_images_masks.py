"""The masks of Open Images: a table that names a picture for each object, and the pictures, wherever they lie.

Looks like   MaskPath,ImageID,LabelName,BoxID,BoxXMin,BoxXMax,BoxYMin,BoxYMax,PredictedIoU,Clicks
Pictures     black and white, of the image's shape but most often smaller: they are scaled to the image, as the format
             means them to be; one of another shape is a fault
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PureWindowsPath

import numpy as np
from PIL import Image

from maskwright import tables
from maskwright.formats import mask_files
from maskwright.formats.listing import all_below
from maskwright.formats.regions import Regions
from maskwright.issues import Kind
from maskwright.types import RleMasks

MASKS_ABSENT = Kind(
    "masks_absent", "warning", "{count} mask is absent: its object was read as a box",
    "{count} masks are absent: their objects were read as boxes",
)  # fmt: skip

SIDES = ("BoxXMin", "BoxYMin", "BoxXMax", "BoxYMax")
_MOST_LARGER = 4  # times the pixels of the image


@dataclass(frozen=True)
class MaskRow:
    """One row: which picture, of what; sides: x1 y1 x2 y2 in fractions, () where they are no numbers."""

    number: int
    picture: str
    code: str
    sides: tuple[float, ...]

    @property
    def key(self) -> tuple[str, ...]:
        """By which the row of the same object is known in the table of boxes."""
        return key(self.code, self.sides)


def key(code: str, sides: Iterable[float]) -> tuple[str, ...]:
    return (code, *(f"{side:.4f}" for side in sides))


def by_image(table: tables.CsvTable) -> dict[str, list[MaskRow]]:
    found: dict[str, list[MaskRow]] = {}
    for number, row in enumerate(table.rows, 1):
        sides = [_fraction(row.get(name, "")) for name in SIDES]
        whole = tuple(side for side in sides if side is not None)
        mask = MaskRow(number, row["MaskPath"].strip(), row["LabelName"].strip(), whole if len(whole) == 4 else ())
        found.setdefault(row["ImageID"].strip(), []).append(mask)
    return found


def _fraction(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if -1 <= value <= 2 else None


class Pictures:
    """The pictures of masks below a folder, by name."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @cached_property
    def _named(self) -> dict[str, list[Path]]:
        found: dict[str, list[Path]] = {}
        for path in all_below(self.root):
            if path.suffix.lower() == ".png":
                found.setdefault(path.name, []).append(path)
        return found

    def named(self, name: str) -> list[Path]:
        return self._named.get(PureWindowsPath(name).name, [])  # knows both kinds of slashes


def draw(row: MaskRow, where: str, label: str, regions: Regions, pictures: Pictures, crowd: bool = False) -> bool:
    """Hand the mask to `regions`; False where its picture is not there."""
    files = pictures.named(row.picture) if row.picture else []
    if not files:
        return False
    if len(files) > 1:
        got = ", ".join(file.relative_to(pictures.root).as_posix() for file in files[:3])
        regions.lacks(where, "MaskPath", "one picture of that name", got, "take the others away")
        return True
    size = mask_files.measured_mask(files[0], regions.faults, regions.image.name)
    height, width = regions.size
    if size is not None and not _alike(size, regions.size):
        regions.lacks(where, "MaskPath", f"a picture of the shape {height} x {width}", f"{size[0]} x {size[1]}",
                      "download it again")  # fmt: skip
        return True
    mask = None if size is None else mask_files.read_binary(files[0], regions.faults, regions.image.name)
    if mask is None:
        regions.saw()  # its fault is noted
        return True
    if mask.size != regions.size:
        scaled = Image.fromarray(mask.dense()[0]).resize((width, height), Image.Resampling.NEAREST)
        mask = RleMasks.from_dense(np.asarray(scaled)[None])
    if not mask.area[0]:
        regions.lacks(where, "MaskPath", "a mask of at least one pixel", "a black picture", "download it again")
        return True
    sides = [side * scale for side, scale in zip(row.sides, (width, height) * 2, strict=False)]
    regions.mask(where, label, mask, crowd=crowd, box=sides or None)
    return True


def _alike(one: tuple[int, int], other: tuple[int, int]) -> bool:
    """Sizes of the same shape, give or take the rounding of the smaller one; the first not many times larger."""
    smaller, larger = sorted((one, other))
    scale = larger[0] / smaller[0]
    few = one[0] * one[1] <= _MOST_LARGER * other[0] * other[1]
    return few and abs(larger[1] - scale * smaller[1]) <= scale + 1
