"""Open Images: boxes as CSV tables, one a split, and tables beside them that say what classes are called.

Looks like   ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax,IsOccluded,IsTruncated,IsGroupOf,...
             b,xclick,/m/0cmf2,1,0.2,1,0.3,0.5,0,0,0,...
             class-descriptions-boxable.csv: /m/0cmf2,Airplane
Known by     a .csv file with the columns ImageID, LabelName, XMin, XMax, YMin, YMax
Holds        boxes; groups (IsGroupOf), read as crowds; occluded, truncated, depiction and inside, as attributes
Cannot hold  masks (they are images of their own, not read), scores, images without objects
Classes      only those that people have verified on an image are labeled there: where the table of image labels lies
             beside the boxes, other classes are never taken as absent from an image
Coordinates  fractions of width and height
Source       storage.googleapis.com/openimages/web/download.html: "Data formats"
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from maskwright import tables
from maskwright.errors import AnnotationError
from maskwright.formats.listing import split_word
from maskwright.formats.reading import (
    Draft,
    Evidence,
    Faults,
    FoundImage,
    Head,
    ImageFinder,
    Regions,
    assemble,
    data_name,
    data_root,
    read_table,
    read_text,
)
from maskwright.issues import Kind
from maskwright.types import Annotation, Dataset

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
_MARKS = {"IsOccluded": "occluded", "IsTruncated": "truncated", "IsDepiction": "depiction", "IsInside": "inside"}


def sniff(head: Head) -> Evidence | None:
    if head.ending != ".csv":
        return None
    names = {*tables.columns(head.text)[1]}
    if names >= {*_NEEDED}:
        return Evidence(0.95, "a table with the columns ImageID, LabelName, XMin, XMax, YMin, YMax")
    if names >= {"ImageID", "LabelName"}:
        what = "masks" if "MaskPath" in names else "labels of images"
        return Evidence(0.6, f"a table of Open Images with {what}, no boxes", dataset=False)
    return None


def read(path: Path, faults: Faults) -> Dataset:
    table = read_table(path, ("ImageID", "LabelName"))
    if not {*_NEEDED} <= {*table.columns}:
        raise AnnotationError(
            "a table without boxes", file=path, expected=f"columns {', '.join(_SIDES)}",
            got=", ".join(table.columns), fix="name the table of boxes (annotations-bbox)",
        )  # fmt: skip
    called = _descriptions(path)
    images: dict[str, list[tuple[int, dict[str, str]]]] = {}
    for number, row in enumerate(table.rows, 1):
        images.setdefault(row["ImageID"].strip(), []).append((number, row))
    root = data_root(path)
    finder = ImageFinder(root, faults, near=path.parent, names=images)
    drafts, codes, verified = [], Counter[str](), _verified(path)
    by_path: dict[Path, set[str]] = {}
    for name, rows in images.items():
        image = finder.image(name, regions=len(rows))
        if image is None:
            continue
        drafts.append(Draft(image, _regions(table, rows, image, called, codes, faults)))
        by_path[image.path] = {row["LabelName"].strip() for _, row in rows} | verified.get(name, set())
    unknown = sorted(code for code in codes if code not in called)
    if unknown:
        faults.report(CLASSES_UNNAMED(names=unknown))
    names = sorted({called.get(code, code) for code in codes})
    dataset = assemble(data_name(root), names, drafts, "open_images", faults)
    if not verified:
        faults.report(CLASSES_UNVERIFIED(count=len(drafts)))
        return dataset
    index = {name: number for number, name in enumerate(dataset.names)}
    records = []
    for record in dataset.records:
        own = {called.get(code, code) for code in by_path.get(record.image, ())}
        records.append(replace(record, labelled_classes=tuple(sorted(index[name] for name in own if name in index))))
    return replace(dataset, records=tuple(records))


def _regions(
    table: tables.CsvTable, rows: list[tuple[int, dict[str, str]]], image: FoundImage, called: dict[str, str],
    codes: Counter[str], faults: Faults,
) -> Regions:  # fmt: skip
    regions = Regions(faults, image)
    height, width = image.size
    for number, row in rows:
        code = row["LabelName"].strip()
        sides = [_number(table, row[name]) for name in _SIDES]
        if not code:
            regions.lacks(f"in row {number}", "LabelName", "a class", "none")
            continue
        x1, y1, x2, y2 = sides
        if (
            x1 is None
            or y1 is None
            or x2 is None
            or y2 is None
            or not all(-1 <= side <= 2 for side in (x1, y1, x2, y2))
        ):
            got = ", ".join(row[name] or "nothing" for name in _SIDES)
            regions.lacks(f"in row {number}", ", ".join(_SIDES), "fractions of width and height", got)
            continue
        facts: dict[str, Any] = {name: 1 for mark, name in _MARKS.items() if (row.get(mark) or "").strip() == "1"}
        regions.box(f"in row {number}", called.get(code, code), x1 * width, y1 * height, x2 * width, y2 * height,
                    crowd=(row.get("IsGroupOf") or "").strip() == "1",
                    note=Annotation(attributes=facts) if facts else None)  # fmt: skip
        codes[code] += 1
    return regions


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
