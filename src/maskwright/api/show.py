"""Show: what is in a dataset, and how it looks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Unpack

import numpy as np
from PIL import Image

from maskwright import files
from maskwright.api.reading import ReadOptions, dataset_of
from maskwright.curate.samples import evenly_spaced
from maskwright.drawing import outlines
from maskwright.drawing.colors import Color, color_of
from maskwright.drawing.sheet import fit, sheet, stacked
from maskwright.errors import ImageError, RecipeError
from maskwright.images.decode import decode
from maskwright.issues import Kind, Log, warn
from maskwright.progress import Progress, silent
from maskwright.reporting import automatic
from maskwright.text import listed
from maskwright.types import Dataset, Record

SHEET_DRAWN = Kind("sheet_drawn", "info", "{count} of {total:image} drawn on {out}")
IMAGE_NOT_DRAWN = Kind("image_not_drawn", "error", "{error}")

ENDINGS = (".png", ".jpg", ".jpeg", ".webp")
CELL = (320, 240)  # width and height of one picture on the sheet, in pixels


@dataclass(frozen=True)
class ShowResult:
    """dataset: what was read; sheet: the contact sheet, None where none was drawn."""

    dataset: Dataset
    sheet: Path | None

    def to_dict(self) -> dict[str, Any]:
        dataset = self.dataset
        return {
            "name": dataset.name,
            "format": dataset.format,
            "images": len(dataset),
            "states": dataset.state_counts(),
            "splits": {name: len(part) for name, part in dataset.splits().items()},
            "objects": dataset.instance_count,
            "masks": dataset.has_masks,
            "classes": dataset.class_counts(),
            "sheet": self.sheet,
        }


def show(
    data: str | Path | Dataset,
    *,
    out: str | Path | None = None,
    count: int = 12,
    progress: Progress = automatic,
    log: Log = warn,
    **reading: Unpack[ReadOptions],
) -> ShowResult:
    """Summarize a dataset, and draw a contact sheet of its images with their annotations.

    out      the sheet (PNG, JPEG or WebP); without it none is drawn
    count    images on it, spread evenly over the data
    reading  as for maskwright.read

    >>> maskwright.show("party/", out="party.png").dataset.class_counts()
    {'balloon': 83}
    """
    dataset = dataset_of(data, **reading)
    if out is None or not count or not len(dataset):
        return ShowResult(dataset, None)
    out = Path(out)
    if out.suffix.lower() not in ENDINGS:
        raise RecipeError("not a kind of picture we write", field="--out", expected=" ".join(ENDINGS), got=out.name)
    drawn = list(drawn_records(dataset, count, CELL, progress, log))
    if not drawn:
        return ShowResult(dataset, None)
    with files.writing(out) as temporary:
        Image.fromarray(sheet(drawn, cell=CELL, legend=class_legend(dataset, count))).save(temporary)
    log(SHEET_DRAWN(count=len(drawn), total=len(dataset), out=out))
    return ShowResult(dataset, out)


def drawn_records(
    dataset: Dataset, count: int, cell: tuple[int, int], progress: Progress = silent, log: Log = warn
) -> Iterator[tuple[np.ndarray, str]]:
    """Images spread evenly over the data, each reduced to its cell, with its outlines and a caption; unreadable ones
    are reported and left out."""
    records = [dataset.records[index] for index in evenly_spaced(len(dataset), count)]
    for record in progress(records, total=len(records), label="drawing", unit="images"):
        try:
            pixels = decode(record.image).pixels
        except ImageError as error:
            log(IMAGE_NOT_DRAWN(images=[record.image], error=error))
            continue
        if record.instances is not None:
            # Drawn large and reduced with the image: a line of two pixels on the sheet, whatever the image's size.
            high, wide = stacked(pixels, cell).shape[:2]
            line = 2 * max(wide / cell[0], high / cell[1])
            pixels = outlines.draw(pixels, record.instances, labels=[""] * len(record.instances), width=line)
        yield fit(stacked(pixels, cell), cell), f"{record.image.name}: {_caption(record, dataset.names)}"


def class_legend(dataset: Dataset, count: int) -> dict[str, Color]:
    """The color of every class on a sheet of `count` images; {} of a single class, whose objects differ in color."""
    if len(dataset.names) < 2:
        return {}
    shown = [dataset.records[index].instances for index in evenly_spaced(len(dataset), count)]
    classes = {int(index) for instances in shown if instances is not None for index in instances.classes}
    return {dataset.names[index]: color_of(index) for index in sorted(classes)}


def _caption(record: Record, names: tuple[str, ...]) -> str:
    if record.labels is not None and not record.skipped:
        return ", ".join(names[label] for label in record.labels)
    if record.state != "labeled" or record.instances is None:
        return record.state
    return listed(dict(Counter(record.instances.labels).most_common()))
