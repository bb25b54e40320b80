"""Open Images: boxes as CSV tables, one a split, and tables beside them of masks, image labels and names of classes.

Looks like   ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax,IsOccluded,IsTruncated,IsGroupOf,...
             b,xclick,/m/0cmf2,1,0.2,1,0.3,0.5,0,0,0,...
             class-descriptions-boxable.csv: /m/0cmf2,Airplane
Known by     a .csv file with the columns ImageID, LabelName, XMin, XMax, YMin, YMax; or MaskPath; or Confidence
Holds        boxes; masks of some of them (open_images_masks.py); groups (IsGroupOf), read as crowds; occluded,
             truncated, depiction and inside, as attributes; classes of whole images, where neither boxes nor masks of
             the split lie beside them
Cannot hold  images without objects, holes as outlines, other attributes. On writing: boxes, whose images have
             verified labels beside them, or labels of images alone; masks, scores, attributes and empty images are
             dropped and counted
Classes      only those that people have verified on an image are labeled there: where the table of image labels lies
             beside the boxes, other classes are never taken as absent from an image
Coordinates  fractions of width and height
Source       storage.googleapis.com/openimages/web/download.html: "Data formats"
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from maskwright import tables
from maskwright.errors import AnnotationError, DatasetError
from maskwright.files import write_text
from maskwright.formats import open_images_masks
from maskwright.formats.listing import split_word
from maskwright.formats.losses import ATTRIBUTES_LOST, OUTLINES_LOST, SCORES_LOST
from maskwright.formats.reading import (
    Draft,
    Evidence,
    Faults,
    FoundImage,
    Head,
    ImageFinder,
    Losses,
    Regions,
    assemble,
    data_name,
    data_root,
    read_table,
    read_text,
    written_names,
)
from maskwright.issues import Kind
from maskwright.types import Annotation, Dataset, Instances

CLASSES_UNNAMED = Kind(
    "classes_unnamed", "warning",
    "no table of class descriptions says what {names:3} mean: these codes are their names",
)  # fmt: skip
CLASSES_UNVERIFIED = Kind(
    "classes_unverified", "warning",
    "no table of image labels says which classes were looked for: all are taken as labeled on all {count} images",
)  # fmt: skip

_SIDES = ("XMin", "YMin", "XMax", "YMax")
_NEEDED = ("ImageID", "LabelName", *_SIDES)
_YES = ("1", "true", "yes")
_BOXES, _MASKS, _LABELS = _RANKS = ("boxes", "masks", "labels of images")
_FOUND = 0.5  # confidence of a label from which the class is there; people say 0 or 1
_WRITTEN = ("ImageID", "Source", "LabelName", "Confidence", "XMin", "XMax", "YMin", "YMax", "IsOccluded", "IsTruncated",
            "IsGroupOf", "IsDepiction", "IsInside")  # fmt: skip
_MARKS = {"IsOccluded": "occluded", "IsTruncated": "truncated", "IsDepiction": "depiction", "IsInside": "inside"}


def sniff(head: Head) -> Evidence | None:
    if head.ending != ".csv":
        return None
    kind = _kind(head)
    if kind == _BOXES:
        return Evidence(0.95, "a table with the columns ImageID, LabelName, XMin, XMax, YMin, YMax")
    if kind is None:
        return None
    # of one split, boxes say more than masks, and masks more than labels of images
    stronger = _RANKS[: _RANKS.index(kind)]
    others = (head.path.with_name(name) for name in Head(head.path.parent).files(".csv"))
    beside = {_kind(Head(file)) for file in others if split_word(file) == split_word(head.path)}
    alone = not beside & {*stronger}  # otherwise it is read together with them
    return Evidence(0.9 if alone else 0.4, f"a table of Open Images with {kind}", dataset=alone)


def _kind(head: Head) -> str | None:
    names = {*tables.columns(head.text)[1]}
    if names >= {*_NEEDED}:
        return _BOXES
    if names >= {"ImageID", "LabelName", "MaskPath"}:
        return _MASKS
    return _LABELS if names >= {"ImageID", "LabelName", "Confidence"} else None


# --- reading ----------------------------------------------------------------------------------------
def read(path: Path, faults: Faults) -> Dataset:
    table = read_table(path, ("ImageID", "LabelName"))
    called, verified = _descriptions(path), _verified(path)
    boxes, masked = {*_NEEDED} <= {*table.columns}, "MaskPath" in table.columns
    if not boxes and not masked and "Confidence" not in table.columns:
        raise AnnotationError(
            "a table without boxes", file=path, expected=f"columns {', '.join(_SIDES)}",
            got=", ".join(table.columns), fix="name the table of boxes (annotations-bbox)",
        )  # fmt: skip
    if not boxes and not masked:
        return _labeled(path, table, called, faults)
    rows: dict[str, list[tuple[int, dict[str, str]]]] = {}
    for number, row in enumerate(table.rows if boxes else (), 1):
        rows.setdefault(row["ImageID"].strip(), []).append((number, row))
    masks = _masks_beside(path) if boxes else open_images_masks.by_image(table)
    images = dict.fromkeys([*rows, *masks])
    root = data_root(path)
    finder = ImageFinder(root, faults, near=path.parent, names=images)
    reader = _Reader(table, called, open_images_masks.Pictures(root))
    drafts = []
    labeled: dict[Path, set[str]] = {}
    for name in images:
        mine = reader.of(rows.get(name, []), masks.get(name, []))
        image = finder.image(name, regions=len(mine))
        if image is None:
            continue
        drafts.append(Draft(image, reader.regions(mine, image, faults)))
        labeled[image.path] = {item.code for item in mine} | verified.get(name, set())
    _report_unnamed(reader.codes, called, faults)
    names = sorted({called.get(code, code) for code in reader.codes})
    dataset = assemble(data_name(root), names, drafts, "open_images", faults)
    if not verified:
        faults.report(CLASSES_UNVERIFIED(count=len(drafts)))
        return dataset
    return _with_labelled_classes(dataset, labeled, called)


def _report_unnamed(codes: Iterable[str], called: dict[str, str], faults: Faults) -> None:
    unknown = sorted(code for code in codes if code not in called)
    if unknown:
        faults.report(CLASSES_UNNAMED(names=unknown))


def _with_labelled_classes(dataset: Dataset, labeled: dict[Path, set[str]], called: dict[str, str]) -> Dataset:
    index = {name: number for number, name in enumerate(dataset.names)}
    records = []
    for record in dataset.records:
        own = {called.get(code, code) for code in labeled.get(record.image, ())}
        records.append(replace(record, labelled_classes=tuple(sorted(index[name] for name in own if name in index))))
    return replace(dataset, records=tuple(records))


def _labeled(path: Path, table: tables.CsvTable, called: dict[str, str], faults: Faults) -> Dataset:
    """Classes of whole images: those that were found there. All that the table names were looked for."""
    found: dict[str, dict[str, bool]] = {}
    for number, row in enumerate(table.rows, 1):
        code, confidence = row["LabelName"].strip(), _number(table, row["Confidence"])
        faults.saw()
        if not code or confidence is None or not 0 <= confidence <= 1:
            faults.add(f"row {number}", "LabelName, Confidence", "a class, and a number from 0 to 1",
                       f"{code or 'none'}, {row['Confidence'] or 'nothing'}")  # fmt: skip
            continue
        there = confidence >= _FOUND
        own = found.setdefault(row["ImageID"].strip(), {})
        own[code] = own.get(code, False) or there
    root = data_root(path)
    finder = ImageFinder(root, faults, near=path.parent, names=found)
    drafts, labels, labeled = [], {}, {}
    for name, codes in found.items():
        image = finder.image(name, regions=len(codes))
        if image is not None:
            drafts.append(Draft(image, None))
            labels[image.path] = {called.get(code, code) for code, there in codes.items() if there}
            labeled[image.path] = {*codes}
    shown = {code for codes in found.values() for code, there in codes.items() if there}
    _report_unnamed(shown, called, faults)
    names = sorted({called.get(code, code) for code in shown})
    dataset = assemble(data_name(root), names, drafts, "open_images", faults)
    index = {name: number for number, name in enumerate(dataset.names)}
    records = (replace(item, labels=tuple(sorted(index[name] for name in labels[item.image])))
               for item in dataset.records)  # fmt: skip
    return _with_labelled_classes(replace(dataset, records=tuple(records)), labeled, called)


@dataclass(frozen=True)
class _Object:
    """A row of the table of boxes, or of the table of masks alone, or both.

    number  of the row in the table that names the box, else the mask
    """

    number: int
    code: str
    row: dict[str, str] | None
    mask: open_images_masks.MaskRow | None


class _Reader:
    """What the rows of one table have in common. `codes` are the classes that were read."""

    def __init__(
        self, table: tables.CsvTable, called: dict[str, str], pictures: open_images_masks.Pictures
    ) -> None:  # fmt: skip
        self.table = table
        self.called = called
        self.pictures = pictures
        self.codes: Counter[str] = Counter()

    def of(self, rows: list[tuple[int, dict[str, str]]], masks: list[open_images_masks.MaskRow]) -> list[_Object]:
        """The objects of one image: each box with its mask, then the masks without a box."""
        left: dict[tuple[str, ...], list[open_images_masks.MaskRow]] = {}
        for mask in masks:
            left.setdefault(mask.key, []).append(mask)
        found = []
        for number, row in rows:
            code = row["LabelName"].strip()
            sides = [value for name in _SIDES if (value := _number(self.table, row[name])) is not None]
            own = left.get(open_images_masks.key(code, sides), [])
            found.append(_Object(number, code, row, own.pop(0) if own else None))
        return found + [_Object(mask.number, mask.code, None, mask) for several in left.values() for mask in several]

    def regions(self, objects: list[_Object], image: FoundImage, faults: Faults) -> Regions:
        regions = Regions(faults, image)
        for item in objects:
            where = f"in row {item.number}"
            label = self.called.get(item.code, item.code)
            if not item.code:
                regions.lacks(where, "LabelName", "a class", "none")
                continue
            self.codes[item.code] += self._draw(item, where, label, regions)
        return regions

    def _draw(self, item: _Object, where: str, label: str, regions: Regions) -> bool:
        """Hand one object to `regions`: its mask, where there is one, else its box."""
        crowd = item.row is not None and (item.row.get("IsGroupOf") or "").strip() == "1"
        facts = {name: 1 for mark, name in _MARKS.items() if item.row and (item.row.get(mark) or "").strip() == "1"}
        if item.mask is not None:
            if open_images_masks.draw(item.mask, where, label, regions, self.pictures, crowd=crowd):
                return True
            regions.faults.count(open_images_masks.MASKS_ABSENT)
        if item.row is None:
            sides, got = [*(item.mask.sides if item.mask else ())], "nothing"
        else:
            sides = [value for name in _SIDES if (value := _number(self.table, item.row[name])) is not None]
            got = ", ".join(item.row[name] or "nothing" for name in _SIDES)
        if len(sides) != 4 or not all(-1 <= side <= 2 for side in sides):
            regions.lacks(where, ", ".join(_SIDES), "fractions of width and height", got)
            return False
        height, width = regions.size
        # to a ten thousandth, so that a place that was a whole number before it was divided is one again
        x1, y1, x2, y2 = (round(side * scale, 4) for side, scale in zip(sides, (width, height) * 2, strict=True))
        note = Annotation(attributes=facts) if facts else None
        regions.box(where, label, x1, y1, x2, y2, crowd=crowd, note=note)
        return True


def _number(table: tables.CsvTable, cell: str) -> float | None:
    try:
        value = table.number(cell)
    except ValueError:
        return None
    return value if value == value else None


# --- tables beside it -------------------------------------------------------------------------------
def _beside(path: Path) -> Iterator[Path]:
    folders = dict.fromkeys((path.parent, path.parent.parent / "metadata", path.parent.parent))
    for folder in folders:
        yield from (folder / name for name in Head(folder).files(".csv"))


def _descriptions(path: Path) -> dict[str, str]:
    """Code -> name, of tables with or without a header; codes of one name keep theirs."""
    found: dict[str, str] = {}
    for file in _beside(path):
        if "class-descriptions" not in file.name.casefold():
            continue
        rows = tables.sample("LabelName,DisplayName\n" + read_text(file), 10**6) or []
        found |= {row[0].strip(): row[1].strip() for row in rows if len(row) == 2 and row[0].strip() != "LabelName"}
    counts = Counter(found.values())
    return {code: name for code, name in found.items() if name and counts[name] == 1}


def _masks_beside(path: Path) -> dict[str, list[open_images_masks.MaskRow]]:
    """Of each image the rows of the tables of masks of the same split."""
    found: dict[str, list[open_images_masks.MaskRow]] = {}
    split = split_word(path)
    for file in _beside(path):
        if split_word(file) == split and file.parent == path.parent and _kind(Head(file)) == _MASKS:
            for name, rows in open_images_masks.by_image(read_table(file, ("ImageID", "LabelName"))).items():
                found.setdefault(name, []).extend(rows)
    return found


def _verified(path: Path) -> dict[str, set[str]]:
    """Of each image the classes that people have looked for, found or not."""
    found: dict[str, set[str]] = {}
    split = split_word(path)
    for file in _beside(path):
        if "imagelabels" not in file.name.casefold() or split_word(file) != split or file.parent != path.parent:
            continue
        for row in read_table(file, ("ImageID", "LabelName")).rows:
            found.setdefault(row["ImageID"].strip(), set()).add(row["LabelName"].strip())
    return found


# --- writing ----------------------------------------------------------------------------------------
def write(dataset: Dataset, path: Path, losses: Losses) -> None:
    """A table of boxes; beside it one of the classes that were looked for on each image, and one of their names.

    Where nothing is drawn on any image, only the classes of the images: theirs is then the table at `path`.
    """
    written = []
    for record in dataset.records:
        if record.skipped or (record.labels is None and not record.instances):
            losses.image(record)
        else:
            written.append(record)
    names = written_names([record.image for record in written], path)
    ids: dict[str, Path] = {}
    for record, name in zip(written, names, strict=True):
        id = name.rpartition(".")[0] or name  # ids have no ending
        if ids.setdefault(id, record.image) != record.image:
            raise DatasetError("two images of one id", file=record.image, expected="names that differ, ending apart",
                               got=id, fix="rename one of them")  # fmt: skip
    own = dataset.class_ids if all(isinstance(code, str) for code in dataset.class_ids) else ()
    losses.class_order(dataset)
    if not own:
        losses.class_ids(dataset)
    codes = [str(code) for code in own] or list(dataset.names)
    rows, verified = [], []
    for record, id in zip(written, ids, strict=True):
        drawn = record.instances
        rows += [] if drawn is None else [[id, "xclick", *row] for row in _rows(drawn, record.size, codes, losses)]
        there = {*(record.labels or ()), *([] if drawn is None else drawn.classes.tolist())}
        labelled = range(len(codes)) if record.labelled_classes is None else record.labelled_classes
        verified += [[id, "verification", codes[number], int(number in there)] for number in labelled]
    beside = path.with_name(f"{path.stem.removesuffix('-bbox')}-human-imagelabels.csv") if rows else path
    write_text(beside, tables.written(("ImageID", "Source", "LabelName", "Confidence"), verified))
    if rows:
        write_text(path, tables.written(_WRITTEN, rows))
    called = zip(codes, dataset.names, strict=True)
    write_text(path.with_name("class-descriptions.csv"), tables.written(("LabelName", "DisplayName"), called))


def _rows(instances: Instances, size: tuple[int, int], codes: list[str], losses: Losses) -> Iterator[list[object]]:
    losses.add(SCORES_LOST, 0 if instances.scores is None else len(instances))
    losses.add(OUTLINES_LOST, 0 if instances.masks is None else len(instances))
    losses.attributes(instances, tuple(_MARKS.values()))
    height, width = size
    notes = instances.annotations or [None] * len(instances)
    fractions = instances.boxes.astype(np.float64) / [width, height, width, height]
    for row, (x1, y1, x2, y2) in enumerate(fractions.tolist()):
        note = notes[row]
        facts = {} if note is None else note.attributes
        marks = {mark: int(str(facts.get(name)).casefold() in _YES) for mark, name in _MARKS.items()}
        losses.add(ATTRIBUTES_LOST, sum(name in facts and not marks[mark] for mark, name in _MARKS.items()))
        group = int(instances.crowd is not None and bool(instances.crowd[row]))
        yield [codes[instances.classes[row]], 1, f"{x1:.10f}", f"{x2:.10f}", f"{y1:.10f}", f"{y2:.10f}",
               marks["IsOccluded"], marks["IsTruncated"], group, marks["IsDepiction"], marks["IsInside"]]  # fmt: skip
