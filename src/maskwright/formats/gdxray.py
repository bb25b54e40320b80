"""GDXray: series of X-ray pictures of castings and welds, with boxes in ground_truth.txt.

Looks like   Castings/C0002/C0002_0001.png, ..., and Castings/C0002/ground_truth.txt with rows of five numbers:
             picture, x1, x2, y1, y2 (both x first)
Known by     folders called C0002, W0001 with a ground_truth.txt or masks
Holds        boxes. Masks of welds: the pictures of series W0002 are the masks of W0001, each 8-connected part one flaw.
             Masks of simulated castings: masks/NAME_k.png, one file a flaw
Cannot hold  classes: a casting defect in C, a weld defect in W
In the wild  "Welding" in copies for "Welds": one group; numbers of Matlab regions, which count pixel edges from 1 and
             so end in .5: half a pixel is taken off; whole numbers are edges from 0 to the width, and stay
Splitting    the pictures of a series are views of one part a few degrees apart: each series is one group
Source       Mery et al., GDXray: the database of X-ray images for nondestructive testing, J. Nondestruct. Eval. 34,
             42 (2015)
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from maskwright.errors import DatasetError
from maskwright.formats import mask_files
from maskwright.formats.reading import (
    Draft,
    Evidence,
    Faults,
    Head,
    Regions,
    assemble,
    data_name,
    images_in,
    measured,
    read_text,
)
from maskwright.types import Dataset

SERIES = re.compile(r"[A-Z]\d{4}")
LABELS = {"C": "casting defect", "W": "weld defect", "B": "baggage item"}
MASKS_OF = {"W0001": "W0002"}
GROUND_TRUTH = "ground_truth.txt"

Row = tuple[float, float, float, float]


def sniff(head: Head) -> Evidence | None:
    if not head.is_folder:
        return None
    if head.path.name in MASKS_OF.values() and head.images:
        return Evidence(0.9, "the pictures of this series are masks of another", dataset=False)
    for folder in _series(head):
        if GROUND_TRUTH in folder.files():
            return Evidence(0.9, f"the series {folder.path.name} has a {GROUND_TRUTH}")
        if folder.path != head.path and "masks" in folder.folders:  # alone it is a folder of masks like others
            return Evidence(0.9, f"the series {folder.path.name} has masks")
    return None


def read(path: Path, faults: Faults) -> Dataset:
    series = {folder.path: folder for folder in _series(Head(path))}
    masks = {path.parent / MASKS_OF[path.name] for path in series if path.name in MASKS_OF}
    drafts, seen = [], set()
    for folder in series.values():
        name = folder.path.name
        if folder.path in masks:
            continue
        if name in MASKS_OF.values():
            raise DatasetError(
                "this series holds masks, not images",
                file=folder.path,
                fix=f"name the folder above: {folder.path.parent}",
            )
        for draft in _read_series(folder, path, faults):
            if draft.image.path.name not in seen:  # Welds and Welding side by side are one series
                seen.add(draft.image.path.name)
                drafts.append(draft)
    found = {draft.group[0] for draft in drafts if draft.group}
    names = [label for letter, label in LABELS.items() if letter in found]
    names += ["object"] * any(letter not in LABELS for letter in found)
    return assemble(data_name(path), names, drafts, "gdxray", faults)


def _series(head: Head) -> Iterator[Head]:
    """Folders that hold one series each: this one, those in it, those one level further down."""
    if SERIES.fullmatch(head.path.name) and head.images:
        yield head
        return
    for name in head.folders:
        child = head.child(name)
        if SERIES.fullmatch(name):
            yield child
        else:
            yield from (child.child(below) for below in child.folders if SERIES.fullmatch(below))


def _read_series(folder: Head, root: Path, faults: Faults) -> Iterator[Draft]:
    name = folder.path.name
    label = LABELS.get(name[0], "object")
    ground_truth = folder.path / GROUND_TRUTH
    rows = _rows(ground_truth, faults) if ground_truth.is_file() else None
    single = _single_masks(folder.path / "masks")
    whole = {_number(mask): mask for mask in images_in(folder.path.parent / MASKS_OF.get(name, "none"))}
    numbers = set()
    for picture in images_in(folder.path):
        image = measured(picture, faults, picture.relative_to(root).as_posix())
        number = _number(picture)
        numbers.add(number)
        if image is None:
            continue
        faults.found()
        regions: Regions | None = Regions(faults, image)
        if number in whole and _sized(whole[number], regions):
            drawn = mask_files.read_binary(whole[number], faults, image.name)
            if drawn is not None:
                flaws = mask_files.parts(drawn)
                for flaw in range(len(flaws)):
                    regions.mask(f"part {flaw} of {whole[number].name}", label, flaws[flaw])
        elif single:
            for mask in single[picture.stem]:
                drawn = mask_files.read_binary(mask, faults, image.name) if _sized(mask, regions) else None
                if drawn is not None:
                    regions.mask(mask.name, label, drawn)
        elif rows is not None:
            for line, (x1, x2, y1, y2) in rows.get(number, []):
                regions.box(f"line {line} of {GROUND_TRUTH}", label, x1, y1, x2, y2)
        else:
            regions = None
        yield Draft(image, regions, group=name)
    for number in sorted(set(rows or ()) - numbers):
        faults.absent(f"{name}_{number:04}.png")


def _rows(file: Path, faults: Faults) -> dict[int, list[tuple[int, Row]]]:
    """For each picture's number its (line, (x1, x2, y1, y2)) in edges from 0."""
    found: dict[int, list[tuple[int, Row]]] = defaultdict(list)
    table = []
    for line, text in enumerate(read_text(file).splitlines(), 1):
        try:
            values = [float(word) for word in re.split(r"[\s,;]+", text.strip()) if word]
        except ValueError:
            values = [float("nan")]
        if not values:
            continue
        if len(values) != 5 or not all(abs(value) < 1e7 for value in values) or values[0] % 1:
            faults.saw()
            faults.add(
                f"{file.parent.name}/{GROUND_TRUTH}, line {line}",
                "row",
                "five numbers: picture, x1, x2, y1, y2",
                text.strip(),
            )
            continue
        table.append((line, values))
    # Matlab's regions count pixel edges from 1: the first pixel of a row reaches from 0.5 to 1.5.
    shift = 0.5 if any(value % 1 for _, values in table for value in values) else 0.0
    for line, (number, *edges) in table:
        x1, x2, y1, y2 = (edge - shift for edge in edges)
        found[int(number)].append((line, (x1, x2, y1, y2)))
    return found


def _sized(mask: Path, regions: Regions) -> bool:
    """Whether the mask has its image's size; otherwise a fault."""
    size = mask_files.measured_mask(mask, regions.faults, regions.image.name)
    if size is None:
        regions.saw()
    elif size != regions.size:
        regions.lacks(f"mask {mask.name}", "height x width", "{} x {}, the image's own".format(*regions.size),
                      "{} x {}".format(*size))  # fmt: skip
    return size == regions.size


def _single_masks(folder: Path) -> dict[str, list[Path]]:
    """C0001_00022_1.png is a mask of C0001_00022.png."""
    found: dict[str, list[Path]] = defaultdict(list)
    for mask in images_in(folder):
        found[mask.stem.rpartition("_")[0]].append(mask)
    return found


def _number(picture: Path) -> int:
    """W0001_0003.png -> 3."""
    digits = re.search(r"(\d{1,9})$", picture.stem)
    return int(digits[1]) if digits else -1
