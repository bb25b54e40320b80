"""Classes of whole images, in formats that hold objects too: tags and choices become labels where nothing is drawn."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from maskwright.formats.drafts import Draft, assemble
from maskwright.formats.faults import Faults
from maskwright.issues import Kind
from maskwright.types import Dataset

IMAGE_CLASSES_UNUSED = Kind(
    "image_classes_unused", "warning", "{count} class of a whole image beside objects was left out",
    "{count} classes of whole images beside objects were left out",
)  # fmt: skip


def classified(
    name: str,
    names: Iterable[str],
    drafts: Iterable[Draft],
    labels: Mapping[Path, tuple[str, ...]],
    format: str,
    faults: Faults,
    join: bool = False,
) -> Dataset:
    """What `assemble` makes of the drafts; where none of them has an object, with the images' classes.

    names   of the objects' classes
    labels  of some images the classes of the whole; an image without any was not labeled
    join    as for `assemble`
    """
    drafts = list(drafts)
    drawn = any(draft.regions is not None and (draft.regions.seen or draft.regions.unused_shapes) for draft in drafts)
    known = [label for several in labels.values() for label in several]
    if drawn or not known:
        faults.count(IMAGE_CLASSES_UNUSED, len(known))
        return assemble(name, names, drafts, format, faults, join=join)
    blank = [replace(draft, regions=None) for draft in drafts]
    dataset = assemble(name, sorted({*known}), blank, format, faults)
    index = {label: number for number, label in enumerate(dataset.names)}

    def own(path: Path) -> tuple[int, ...] | None:
        several = labels.get(path)
        return tuple(sorted({index[unicodedata.normalize("NFC", label)] for label in several})) if several else None

    return replace(dataset, records=tuple(replace(record, labels=own(record.image)) for record in dataset.records))
