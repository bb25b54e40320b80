"""Drafts: the records of one file, while it is not yet known what all of them together say; then the Dataset.

What one image cannot show, all can: that a file states width and height exchanged, or one made-up size for all; that
its places are fractions of width and height; that an image has two records.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from maskwright.formats.faults import Faults
from maskwright.formats.finding import FoundImage
from maskwright.formats.region_rows import examine, fill
from maskwright.formats.regions import Regions
from maskwright.issues import Kind
from maskwright.types import Dataset, Record

CLASS_NAMES_NORMALIZED = Kind(
    "class_names_normalized", "warning", "a class name in two Unicode forms of the same letters was read as one"
)
CATEGORIES_UNUSED = Kind(
    "categories_unused", "warning", "{count} category without objects left out: {names:5}",
    "{count} categories without objects left out: {names:5}",
)  # fmt: skip
IMAGES_UNDRAWN = Kind(
    "images_undrawn", "warning", "{count} image with nothing but points or lines, taken as unlabeled, not as empty",
    "{count} images with nothing but points or lines, taken as unlabeled, not as empty",
)  # fmt: skip
SECOND_RECORDS_EMPTY = Kind(
    "second_records_empty", "warning", "{count} second record of an image: one without regions does not count",
    "{count} second records of an image: one without regions does not count",
)  # fmt: skip
SECOND_RECORDS_JOINED = Kind(
    "second_records_joined", "warning", "{count} second record of an image: the regions were joined, equal ones once",
    "{count} second records of an image: the regions were joined, equal ones once",
)  # fmt: skip
SIZES_EXCHANGED = Kind(
    "sizes_exchanged", "warning",
    "width and height are swapped in the file: {count} image was read at its own size, which fits all that is drawn",
    "width and height are swapped in the file: {count} images were read at their own size, which fits all that is "
    "drawn",
)  # fmt: skip
SIZES_WRONG = Kind(
    "sizes_wrong", "warning",
    "the file gives {width} x {height} for every image, which is wrong: {count} image was read at its own size, which "
    "fits all that is drawn",
    "the file gives {width} x {height} for every image, which is wrong: {count} images were read at their own size, "
    "which fits all that is drawn",
)  # fmt: skip
FRACTIONS_SCALED = Kind(
    "fractions_scaled", "warning",
    "coordinates are fractions of width and height (0 to 1): they were scaled to pixels",
)  # fmt: skip


@dataclass
class Draft:
    """A record while the class names are not yet known. `regions` None: nobody has labeled this image.

    id  by which the file itself knows the image
    attributes  further facts of the image, as JSON values
    source  the file, where it speaks of this image alone
    """

    image: FoundImage
    regions: Regions | None
    split: str | None = None
    group: str | None = None
    id: int | str | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)
    source: Path | None = None


def assemble(
    name: str, names: Iterable[str], drafts: Iterable[Draft], format: str, faults: Faults, *, join: bool = False
) -> Dataset:
    """The Dataset of all drafts; an image whose every region was faulty is skipped, not taken as empty.

    Of two records of one image one without regions does not count. Where both have regions the later one is put aside,
    or, with `join`, their regions are joined where both call the image the same. Names that differ only in the Unicode
    form of their letters (nobody could see it) are one class.
    """
    written = list(names)
    names = tuple(dict.fromkeys(unicodedata.normalize("NFC", item) for item in written))
    if len(names) < len(written):
        faults.report(CLASS_NAMES_NORMALIZED())
    drafts = list(drafts)
    examine([draft.regions for draft in drafts if draft.regions is not None])
    drafts = _one_an_image(drafts, faults, join)
    regions = [draft.regions for draft in drafts if draft.regions is not None]
    _settle_frames(regions, faults)
    _settle_fractions(regions, faults)
    fill(regions)
    records = []
    for draft in drafts:
        instances = None if draft.regions is None else draft.regions.instances(names)
        undrawn = draft.regions is not None and draft.regions.undrawn
        if undrawn:
            faults.count(IMAGES_UNDRAWN)
        skipped = draft.regions is not None and instances is None and not undrawn
        records.append(Record(draft.image.path, draft.image.size, instances, skipped, None, draft.group, draft.split,
                              id=draft.id, attributes=draft.attributes, source=draft.source))  # fmt: skip
    return Dataset(name, names, tuple(records), format)


def _one_an_image(drafts: Iterable[Draft], faults: Faults, join: bool) -> list[Draft]:
    found: dict[Path, Draft] = {}
    empty = joined = 0
    for draft in drafts:
        path = draft.image.path
        first = found.setdefault(path, draft)
        if first is draft:
            continue
        if not _drawn(draft) or not _drawn(first):
            empty += 1
            drawn, other = (draft, first) if _drawn(draft) else (first, draft)
            found[path] = replace(drawn, split=drawn.split or other.split, group=drawn.group or other.group,
                                  attributes={**other.attributes, **drawn.attributes})  # fmt: skip
        elif join and draft.image.name == first.image.name and draft.regions is not None and first.regions is not None:
            joined += 1
            first.regions.absorb(draft.regions)
            first.attributes = {**draft.attributes, **first.attributes}
        else:
            seen = 0 if draft.regions is None else draft.regions.seen
            faults.add(f'image "{draft.image.name}"', "image", "one record an image", "a second record of the same",
                       "delete one of them", regions=seen, cause="second_record")  # fmt: skip
    if empty:
        faults.report(SECOND_RECORDS_EMPTY(count=empty))
    if joined:
        faults.report(SECOND_RECORDS_JOINED(count=joined))
    return list(found.values())


def _drawn(draft: Draft) -> bool:
    return draft.regions is not None and bool(draft.regions.seen or draft.regions.unused_shapes)


def _settle_frames(every: Sequence[Regions], faults: Faults) -> None:
    """Where the sizes that a file states are nonsense, and what is drawn proves it, they do not count.

    Nonsense is known in two forms: width and height exchanged on all images (OpenCV's order), and one size for all.
    """
    stating = [regions for regions in every if regions.stated is not None]
    misfits = [regions for regions in stating if regions.misfit]
    drawn = [regions for regions in misfits if regions.labels]
    proofs = sum(regions.beyond for regions in drawn)
    if not proofs or not all(regions.within for regions in misfits):
        return
    oblong = [regions for regions in stating if regions.size[0] != regions.size[1]]
    if all(regions.stated == regions.size[::-1] for regions in (*oblong, *misfits)):
        issue = SIZES_EXCHANGED(count=len(misfits))
    elif len({regions.stated for regions in stating}) == 1 and 2 * proofs >= len(drawn):
        height, width = stating[0].stated or (0, 0)
        issue = SIZES_WRONG(count=len(misfits), width=width, height=height)
    else:
        return
    for regions in misfits:
        regions.misfit = False
    faults.report(issue)


def _settle_fractions(every: Sequence[Regions], faults: Faults) -> None:
    """Places given as fractions of width and height are scaled where all of the file are; among pixels they are
    faults."""
    counted = [regions.in_corner for regions in every]
    objects, tiny = sum(count for count, _, _ in counted), sum(count for _, count, _ in counted)
    if not any(broken for _, _, broken in counted):
        return
    for regions in every:
        if tiny == objects and not regions.turned_too:
            regions.scale()
        else:
            regions.refuse_fractions()
    if tiny == objects:
        faults.report(FRACTIONS_SCALED())


def labels_of(drafts: Iterable[Draft]) -> set[str]:
    """The classes of all objects that are good."""
    every = [draft.regions for draft in drafts if draft.regions is not None]
    examine(every)
    return {label for regions in every for label in regions.labels}


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
