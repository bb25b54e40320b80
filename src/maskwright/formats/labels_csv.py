"""Labels of whole photos as a CSV table: one row a photo, with none, one or several classes.

Looks like   file,labels                      file,dent,rust
             a.jpg,rust                       a.jpg,0,1
             b.jpg,dent;rust                  b.jpg,1,1
Known by     a .csv file whose first line names a column of photos and either one of labels, or besides nothing but
             classes, with 0 and 1 below them
Holds        classes of whole photos, also several or none; a column `split` (train, val, test), a column `group`
Cannot hold  where in the photo they are
In the wild  several labels parted by ; or |; one row a label and several rows a photo; true and false for 1 and 0;
             tables of boxes and of scores, which have a column of labels too and are none of these
Source       the tables of Kaggle's image classification contests, and what a spreadsheet gives
"""

from __future__ import annotations

import csv
import re
import unicodedata
from dataclasses import replace
from pathlib import Path

from maskwright.errors import AnnotationError
from maskwright.formats.reading import (
    SPLIT_FOLDERS,
    Draft,
    Evidence,
    Faults,
    Head,
    PhotoFinder,
    assemble,
    data_name,
    data_root,
    read_rows,
)
from maskwright.types import Dataset

PHOTO = ("file", "filename", "file_name", "image", "image_name", "photo", "path")
LABELS = ("labels", "label", "classes", "class", "tags", "tag")
MORE = ("split", "group", "width", "height")
NO_LABELS = ("none", "-")
YES, NO = ("1", "1.0", "true", "yes"), ("0", "0.0", "false", "no")
ELSEWHERE = {"x", "y", "w", "h", "x1", "y1", "x2", "y2", "xmin", "ymin", "xmax", "ymax", "left", "top", "bbox", "said",
             "encodedpixels", "segmentation"}  # fmt: skip
"""Columns of tables that say something else: where an object is, or what a model found."""
LOOKED_AT = 20  # rows
MOSTLY = 0.8  # of the cells are 0 or 1: a slip among them is named when the table is read


def sniff(head: Head) -> Evidence | None:
    if head.ending != ".csv":
        return None
    try:
        rows = list(csv.reader(head.text.splitlines()[: LOOKED_AT + 1], strict=True))
    except csv.Error:
        return None
    names = [name.strip().lstrip("#").strip() for name in rows[0]] if rows else []
    photo, labels = _columns(names)
    if photo is None or any(name.casefold() in ELSEWHERE or name.casefold().startswith("score") for name in names):
        return None
    if labels is not None:
        return Evidence(0.7, f'a table with the columns "{photo}" and "{labels}"')
    places = [place for place, name in enumerate(names) if name in _classes(names)]
    cells = [row[place].strip().casefold() for row in rows[1:] for place in places if len(row) > place]
    if not cells or sum(cell in (*YES, *NO) for cell in cells) < MOSTLY * len(cells):
        return None
    return Evidence(0.7, f'a table with a column "{photo}", and 0 or 1 for each of {len(places)} classes')


def read(path: Path, faults: Faults) -> Dataset:
    rows = read_rows(path)
    names = list(rows[0]) if rows else []
    photo, labels = _columns(names)
    if photo is None or (labels is None and not _classes(names)):
        raise AnnotationError(
            "this table has no labels of photos", file=path, record="line 1", got=", ".join(names) or "no rows",
            wanted=f"a column {PHOTO[0]}, and a column {LABELS[0]} or one of 0 and 1 for each class",
        )  # fmt: skip
    finder = PhotoFinder(data_root(path), faults, near=path.parent)
    drafts: dict[Path, Draft] = {}
    said: dict[Path, tuple[str, ...] | None] = {}
    for number, row in enumerate(rows, 1):
        found = finder.photo(row[photo].strip(), regions=1)
        if found is None:
            continue
        faults.saw()
        mine = _several(row[labels]) if labels is not None else _ticked(row, found.name, number, faults)
        if isinstance(mine, str):
            continue
        if found.path in said:
            faults.remark("some photos stand in several rows: their labels were joined")
            mine = (*(said[found.path] or ()), *(mine or ()))
        said[found.path] = mine
        drafts.setdefault(found.path, Draft(found, None, _split(row), (row.get("group") or "").strip() or None))
    known = {label for each in said.values() for label in each or ()} | (set() if labels else set(_classes(names)))
    data = assemble(data_name(data_root(path)), sorted(known), drafts.values(), "labels_csv", faults)
    places = {name: place for place, name in enumerate(data.names)}
    records = []
    for record in data:
        mine = said[record.photo]
        own = None if mine is None else tuple(sorted({places[unicodedata.normalize("NFC", each)] for each in mine}))
        records.append(replace(record, labels=own))
    return replace(data, records=tuple(records))


# --- inside -----------------------------------------------------------------------------------------
def _columns(names: list[str]) -> tuple[str | None, str | None]:
    """The column of photos, and the one of labels where there is one."""
    photo = next((name for name in names if name.casefold() in PHOTO), None)
    return photo, next((name for name in names if name.casefold() in LABELS), None)


def _classes(names: list[str]) -> list[str]:
    """What is left when the photo and other known columns are taken away: one column a class."""
    return [name for name in names if name and name.casefold() not in (*PHOTO, *MORE)]


def _several(cell: str) -> tuple[str, ...] | None:
    """ "dent; rust" -> both; "none" -> (), nothing of all this; an empty cell -> None, nobody has looked."""
    labels = tuple(label.strip() for label in re.split(r"[;|]", cell) if label.strip())
    if [label.casefold() for label in labels] in ([word] for word in NO_LABELS):
        return ()
    return labels or None


def _ticked(row: dict[str, str], photo: str, number: int, faults: Faults) -> tuple[str, ...] | str:
    """The classes with a 1; the name of a column that is neither, after a word to `faults`."""
    ticked = []
    for name in _classes(list(row)):
        cell = row[name].strip().casefold()
        if cell not in (*YES, *NO):
            faults.add(f'photo "{photo}", row {number}', name, "0 or 1", cell or "nothing", "correct the table there")
            return name
        if cell in YES:
            ticked.append(name)
    return tuple(ticked)


def _split(row: dict[str, str]) -> str | None:
    return SPLIT_FOLDERS.get((row.get("split") or "").strip().casefold())
