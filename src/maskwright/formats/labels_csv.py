"""Labels of whole images as a CSV table: one row an image, with none, one or several classes.

Looks like   file,labels                      file,dent,rust
             a.jpg,rust                       a.jpg,0,1
             b.jpg,dent;rust                  b.jpg,1,1
Known by     a .csv file whose first line names a column of images and either one of labels, or besides nothing but
             classes, with 0 and 1 below them
Holds        classes of whole images, also several or none; a column `split` (train, val, test), a column `group`
Cannot hold  where in the image they are, scores, classes that no image shows. On writing objects become the classes
             drawn on the image; the first of the two tables above is written
In the wild  several labels parted by ; or |; one row a label and several rows an image; true and false for 1 and 0;
             tables of boxes and of scores, which have a column of labels too and are none of these
Source       the tables of Kaggle's image classification contests, and what a spreadsheet gives
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import replace
from pathlib import Path

from maskwright import tables
from maskwright.errors import AnnotationError, DatasetError
from maskwright.files import write_text
from maskwright.formats.losses import BOXES_LOST, OUTLINES_LOST, SKIPPED_IMAGES_LOST
from maskwright.formats.reading import (
    SPLIT_FOLDERS,
    Draft,
    Evidence,
    Faults,
    Head,
    ImageFinder,
    Losses,
    assemble,
    data_name,
    data_root,
    read_table,
    written_names,
)
from maskwright.issues import Kind
from maskwright.types import Dataset, Record

ROWS_JOINED = Kind("rows_joined", "warning", "some images are in several rows: their labels were joined")
FOLDERS_DISAGREE = Kind(
    "folders_disagree", "warning",
    "{count} image lies in a folder called like another class than the table's: {labels:1}",
    "{count} images lie in a folder called like another class than the table's: {labels:1}",
)  # fmt: skip
UNSHOWN_CLASSES_LOST = Kind(
    "unshown_classes_lost", "warning", "{count} class that no image shows cannot be kept",
    "{count} classes that no image shows cannot be kept",
)  # fmt: skip

IMAGE = ("file", "filename", "file_name", "image", "image_name", "photo", "path")
LABELS = ("labels", "label", "classes", "class", "tags", "tag")
MORE = ("split", "group", "width", "height")
NO_LABELS = ("none", "-")
YES, NO = ("1", "1.0", "true", "yes"), ("0", "0.0", "false", "no")
ELSEWHERE = {"x", "y", "w", "h", "x1", "y1", "x2", "y2", "xmin", "ymin", "xmax", "ymax", "left", "top", "bbox",
             "predicted", "encodedpixels", "segmentation"}  # fmt: skip
"""Columns of tables that say something else: where an object is, or what a model found."""
UNKEPT = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029\ud800-\udfff]")
"""Line breaks and other controls, and file names that are no text: UTF-8 or the reader would not give them back."""
LOOKED_AT = 20  # rows
MOSTLY = 0.8  # of the cells are 0 or 1: a slip among them is named when the table is read


def sniff(head: Head) -> Evidence | None:
    if head.ending not in (".csv", ".tsv"):
        return None
    names, rows = tables.columns(head.text)[1], tables.sample(head.text, LOOKED_AT)
    image, labels = _columns(names)
    if (
        image is None
        or rows is None
        or any(name.casefold() in ELSEWHERE or name.casefold().startswith("score") for name in names)
    ):
        return None
    if labels is not None:
        return Evidence(0.7, f'a table with the columns "{image}" and "{labels}"')
    columns = [index for index, name in enumerate(names) if name in _classes(names)]
    cells = [row[column].strip().casefold() for row in rows for column in columns if len(row) > column]
    if not cells or sum(cell in (*YES, *NO) for cell in cells) < MOSTLY * len(cells):
        return None
    return Evidence(0.7, f'a table with a column "{image}", and 0 or 1 for each of {len(columns)} classes')


def read(path: Path, faults: Faults) -> Dataset:
    table = read_table(path, known=MORE)
    rows, names = table.rows, list(table.columns) if table.rows else []
    _once(path, names)
    image, labels = _columns(names)
    if image is None or (labels is None and not _classes(names)):
        raise AnnotationError(
            "this table has no labels of images", file=path, record="line 1", got=", ".join(names) or "no rows",
            expected=f"a column {IMAGE[0]}, and a column {LABELS[0]} or one of 0 and 1 for each class",
        )  # fmt: skip
    finder = ImageFinder(data_root(path), faults, near=path.parent, names=[row[image].strip() for row in rows])
    drafts: dict[Path, Draft] = {}
    labels_of: dict[Path, tuple[str, ...] | None] = {}
    for number, row in enumerate(rows, 1):
        found = finder.image(row[image].strip(), regions=1)
        if found is None:
            continue
        faults.saw()
        mine = _several(row[labels]) if labels is not None else _ticked(row, found.name, number, faults)
        if isinstance(mine, str):
            continue
        if found.path in labels_of:
            faults.report(ROWS_JOINED())
            mine = (*(labels_of[found.path] or ()), *(mine or ()))
        labels_of[found.path] = mine
        drafts.setdefault(found.path, Draft(found, None, _split(row), (row.get("group") or "").strip() or None))
    known = {label for item in labels_of.values() for label in item or ()} | (set() if labels else set(_classes(names)))
    data = assemble(data_name(data_root(path)), sorted(known), drafts.values(), "labels_csv", faults)
    index_of = {name: index for index, name in enumerate(data.names)}
    records = []
    for record in data:
        mine = labels_of[record.image]
        own = None if mine is None else tuple(sorted({index_of[unicodedata.normalize("NFC", item)] for item in mine}))
        records.append(replace(record, labels=own))
    _report_folders(records, data.names, faults)
    return replace(data, records=tuple(records))


def _report_folders(records: list[Record], names: tuple[str, ...], faults: Faults) -> None:
    """Images in a folder that is called like a class, and labeled as another one: perhaps the folder is right."""
    spelt = [unicodedata.normalize("NFC", name).casefold() for name in names]
    others = []
    for record in records:
        folder = unicodedata.normalize("NFC", record.image.parent.name).casefold()
        if record.labels and folder in spelt and folder not in (spelt[label] for label in record.labels):
            others.append((record.image, record.labels))
    if others:
        images = [image for image, _ in others]
        labels = [f"{image.parent.name}/{image.name} is {names[label]}" for image, (label, *_) in others]
        faults.report(FOLDERS_DISAGREE(images=images, count=len(others), labels=labels))


# --- writing ----------------------------------------------------------------------------------------
def write(dataset: Dataset, path: Path, losses: Losses) -> None:
    """One table of file,labels, and of split and group where a record has one; of objects the classes are kept."""
    records = [record for record in dataset.records if not record.skipped]
    losses.add(SKIPPED_IMAGES_LOST, len(dataset.records) - len(records))
    more = [name for name in ("split", "group") if any(getattr(record, name) is not None for record in records)]
    rows: list[list[str]] = []
    shown: set[str] = set()
    for record, name in zip(records, written_names([record.image for record in records], path), strict=True):
        labels = _said(record, dataset.names, losses)
        shown.update(labels or ())
        cells = [_kept(name, "file", record), _joined(labels, record)]
        for column in more:
            value = getattr(record, column)
            cells.append("" if value is None else _kept(value, column, record))
        rows.append(cells)
    losses.add(UNSHOWN_CLASSES_LOST, len(set(dataset.names) - shown))
    write_text(path, tables.written([IMAGE[0], LABELS[0], *more], rows))


def _said(record: Record, names: tuple[str, ...], losses: Losses) -> list[str] | None:
    """The classes of the image, in the order of `names`; None where nobody has looked."""
    drawn = record.instances
    if drawn is not None:
        losses.add(BOXES_LOST if drawn.masks is None else OUTLINES_LOST, len(drawn))
        losses.scores_and_crowds(drawn)
    if record.labels is not None:
        own = set(record.labels)
    elif drawn is not None:
        own = set(drawn.classes.tolist())
    else:
        return None
    return [name for index, name in enumerate(names) if index in own]


def _joined(labels: list[str] | None, record: Record) -> str:
    """The cell that `_several` reads as these labels."""
    if labels is None:
        return ""
    for label in labels:
        if _several(label) != (label,):
            raise _unkept(label, "class", record, "a name without ; and | that is not none or -, which say no class")
    return tables.joined([_kept(label, "class", record) for label in labels], ";") or NO_LABELS[0]


def _kept(text: str, field: str, record: Record) -> str:
    """The same text, which a row of the table gives back as it is."""
    if text != text.strip() or not text or UNKEPT.search(text) or (field == "file" and "\\" in text):
        raise _unkept(
            text, field, record, "plain text without blanks around it, line breaks or (in a file) backslashes"
        )
    return text


def _unkept(text: str, field: str, record: Record, expected: str) -> DatasetError:
    image = record.image.name.encode("utf-8", "replace").decode()
    return DatasetError("this name cannot stand in a table of labels", record=f'image "{image}"', field=field,
                        expected=expected, got=repr(text), fix="rename it")  # fmt: skip


# --- inside -----------------------------------------------------------------------------------------
def _columns(names: list[str]) -> tuple[str | None, str | None]:
    """The column of images, and the one of labels where there is one."""
    image = next((name for name in names if name.casefold() in IMAGE), None)
    return image, next((name for name in names if name.casefold() in LABELS), None)


def _classes(names: list[str]) -> list[str]:
    """What is left when the image and other known columns are taken away: one column a class."""
    return [name for name in names if name and name.casefold() not in (*IMAGE, *MORE)]


def _several(cell: str) -> tuple[str, ...] | None:
    """ "dent; rust" -> both; "none" -> (), nothing of all this; an empty cell -> None, nobody has looked."""
    several = [label.strip() for label in re.split(r"[;|]", cell) if label.strip()]
    labels = (*several[:1], *map(tables.unguarded, several[1:]))
    if [label.casefold() for label in labels] in ([word] for word in NO_LABELS):
        return ()
    return labels or None


def _ticked(row: dict[str, str], image: str, number: int, faults: Faults) -> tuple[str, ...] | str:
    """The classes with a 1; the name of a column that is neither, after a word to `faults`."""
    ticked = []
    for name in _classes(list(row)):
        cell = row[name].strip().casefold()
        if cell not in (*YES, *NO):
            faults.add(f'image "{image}", row {number}', name, "0 or 1", cell or "nothing", "correct the table there")
            return name
        if cell in YES:
            ticked.append(name)
    return tuple(ticked)


def _once(path: Path, names: list[str]) -> None:
    """One column a class, and one of each other thing."""
    twice = next((name for name in names if name and names.count(name) > 1), None)
    if twice is not None:
        raise AnnotationError("two columns have the same name", file=path, record="line 1", field=twice, expected="one",
                              got=", ".join(names), fix="remove or rename one of them")  # fmt: skip


def _split(row: dict[str, str]) -> str | None:
    return SPLIT_FOLDERS.get((row.get("split") or "").strip().casefold())
