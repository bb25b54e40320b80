"""Boxes as a CSV table: one row a box, one table a folder of images, as the TensorFlow tutorials make it from XML.

Looks like   filename,width,height,class,xmin,ymin,xmax,ymax
             rust.29.jpg,640,480,rust,120,35,290,214
Known by     a .csv file whose first line names filename, class, xmin, ymin, xmax and ymax
Holds        boxes and their classes
Cannot hold  masks, scores, images without objects, crowd marks. On writing they are dropped and counted
Empty        a row with a file name and neither class nor box is read as an image on which nothing is
In the wild  a header and no row at all, where the script found no XML (an error that says where the XML lies); images
             in another folder than the table; swapped corners; width and height in any order of columns; semicolons
             with decimal commas, tabs, column names in capitals or quotes
Coordinates  as in Pascal VOC they are taken as they stand: edges from 0 to the image's width
Source       xml_to_csv.py of datitran/raccoon_dataset, from which most such tables come
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from maskwright import tables
from maskwright.errors import AnnotationError
from maskwright.files import write_text
from maskwright.formats.listing import split_word
from maskwright.formats.losses import OUTLINES_LOST
from maskwright.formats.reading import (
    SPLIT_FOLDERS,
    Draft,
    Evidence,
    Faults,
    Head,
    ImageFinder,
    Losses,
    Regions,
    assemble,
    data_name,
    data_root,
    images_below,
    read_table,
    written_names,
)
from maskwright.formats.regions import CORNERS_SWAPPED
from maskwright.types import Dataset

CORNERS = ("xmin", "ymin", "xmax", "ymax")
COLUMNS = ("filename", "width", "height", "class", *CORNERS)
NEEDED = ("filename", "class", *CORNERS)
_DEPTH = 4  # so many folders down is XML looked for, when a table is empty


def sniff(head: Head) -> Evidence | None:
    if head.ending not in (".csv", ".tsv"):
        return None
    _, names, lines = tables.columns(head.text)
    if not {name.casefold() for name in names}.issuperset(NEEDED):
        return None
    if len(head.text.split("\n", lines)) <= lines or not head.text.split("\n", lines)[lines].strip():
        return Evidence(0.9, "a table of boxes with a header and no rows", dataset=False)
    return Evidence(0.9, "a table with the columns filename, class, xmin, ymin, xmax, ymax")


# --- reading ----------------------------------------------------------------------------------------
def read(path: Path, faults: Faults) -> Dataset:
    table = read_table(path, NEEDED, COLUMNS)
    if not table.rows:
        raise _without_rows(path)
    root = _root(path)
    images: dict[str, list[tuple[int, dict[str, str]]]] = {}
    for number, row in enumerate(table.rows, 1):
        images.setdefault(row["filename"].strip(), []).append((number, row))
    finder = ImageFinder(root, faults, near=path.parent, names=images)
    drafts, swapped = [], []
    begun: dict[Path, Regions] = {}  # one image may be written in two ways: images/a.jpg and images\\a.jpg
    for name, mine in images.items():
        drawn = [(number, row) for number, row in mine if any(row[name].strip() for name in ("class", *CORNERS))]
        found = finder.image(name, regions=len(drawn))
        if found is None:
            continue
        if found.path not in begun:
            begun[found.path] = Regions(faults, found, stated=_stated(mine[0][1]))
            drafts.append(Draft(found, begun[found.path]))
        _draw(table, drawn, begun[found.path], swapped)
    if swapped:
        faults.report(CORNERS_SWAPPED(count=len(swapped), records=swapped))
    names = {row["class"].strip() for row in table.rows} - {""}
    return assemble(data_name(root), sorted(names), drafts, "boxes_csv", faults)


def _draw(table: tables.CsvTable, rows: list[tuple[int, dict[str, str]]], regions: Regions, swapped: list[str]) -> None:
    """`number` is the row of the table, counted from 1 behind the header."""
    for number, row in rows:
        label = row["class"].strip()
        if not label:
            regions.lacks(f"in row {number}", "class", "a class name", "none", "name the class in the table")
            continue
        x1, y1, x2, y2 = corners = [_number(table, row[corner]) for corner in CORNERS]
        if x1 is None or y1 is None or x2 is None or y2 is None:
            wrong = CORNERS[corners.index(None)]
            regions.lacks(f"in row {number}", wrong, "a number", row[wrong] or "nothing", "correct the table there")
            continue
        if x1 > x2 or y1 > y2:
            swapped.append(f'image "{regions.image.name}", row {number}')
        regions.box(f"in row {number}", label, min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2))


def _stated(row: dict[str, str]) -> tuple[int, int] | None:
    """(height, width); None where the table has no such columns, or nothing sensible in them."""
    sides = [row.get(name, "").strip() for name in ("height", "width")]
    whole = all(side.isdecimal() and len(side) < 7 and int(side) for side in sides)
    return (int(sides[0]), int(sides[1])) if whole else None


def _number(table: tables.CsvTable, cell: str) -> float | None:
    try:
        value = table.number(cell)
    except ValueError:
        return None
    return value if np.isfinite(value) else None


def _root(path: Path) -> Path:
    """Where the images may lie: around the table, or (no image there at all) in the folder above: data/, images/."""
    root = data_root(path)
    if root == path.parent and not images_below(root) and root.resolve().parent != root.resolve():
        return root.parent
    return root


def _without_rows(path: Path) -> AnnotationError:
    folders = _xml_folders(path)
    listed = ", ".join(folder.as_posix() for folder in folders[:2])
    if folders:
        what = f"read the XML instead: name {listed}"
    else:
        what = "make it anew from the XML that was drawn (`maskwright convert XML_FOLDER OUT.csv --to boxes-csv`)"
    return AnnotationError(
        "this table of boxes has no rows", file=path, expected="one row a box", got="a header only",
        fix=f"the script that made it found no XML; {what}",
    )  # fmt: skip


def _xml_folders(path: Path) -> list[Path]:
    """Folders with XML files near the table; train_labels.csv prefers one called train."""
    found = []
    base = path.parent
    for above, folders, files in os.walk(base):
        here = Path(above)
        deep = len(here.relative_to(base).parts) >= _DEPTH
        folders[:] = [] if deep else sorted(name for name in folders if not name.startswith("."))
        if any(name.lower().endswith(".xml") for name in files):
            found.append(here)
    word = split_word(path)
    return sorted(found, key=lambda folder: (SPLIT_FOLDERS.get(folder.name.casefold()) != word, folder.as_posix()))


# --- writing ----------------------------------------------------------------------------------------
def write(dataset: Dataset, path: Path, losses: Losses) -> None:
    """One table; images are named by the way down from its folder, or by their bare name."""
    losses.class_order(dataset)
    rows: list[list[object]] = []
    drawn = []
    for record in dataset.records:
        if record.instances is not None and len(record.instances):
            drawn.append((record, record.instances))
        else:
            losses.image(record)
    names = written_names([record.image for record, _ in drawn], path)
    for (record, instances), name in zip(drawn, names, strict=True):
        height, width = record.size
        for label, box in zip(instances.labels, instances.boxes, strict=True):
            corners = [np.format_float_positional(side, trim="-") for side in box]
            rows.append([name, width, height, label, *corners])
        losses.attributes(instances)
        losses.add(OUTLINES_LOST, 0 if instances.masks is None else len(instances))
        losses.scores_and_crowds(instances)
    write_text(path, tables.written(COLUMNS, rows))
