"""maskwright show: what is in a dataset, and how it looks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from maskwright.cli import options
from maskwright.cli.console import Console
from maskwright.errors import ImageError, RecipeError
from maskwright.issues import Kind

if TYPE_CHECKING:
    import numpy as np

    from maskwright.types import Dataset, Record

SHEET_DRAWN = Kind("sheet_drawn", "info", "{count} of {total} images drawn on {out}")
IMAGE_NOT_DRAWN = Kind("image_not_drawn", "error", "{error}")
PICTURES = (".png", ".jpg", ".jpeg", ".webp")
FAULTS = 10  # told one by one
CELL = (320, 240)  # width and height of one picture on the sheet, in pixels


@click.command(options_metavar="[options]")
@options.data
@options.out("The contact sheet (PNG or JPEG).", default=Path("sheet.png"), show_default=True)
@click.option(
    "--count",
    type=click.IntRange(0),
    default=12,
    show_default=True,
    metavar="N",
    help="Images on the sheet, spread over the data; 0 draws none.",
)
@options.class_attribute
@options.connected_components
@options.annotations
@options.follow_links
@options.allow_faulty
@options.console
def command(
    data: Path,
    out: Path,
    count: int,
    class_attribute: str | None,
    connected_components: bool,
    annotations: str | None,
    follow_links: bool,
    allow_faulty: bool,
    console: Console,
) -> None:
    """See your images with their outlines, and what is in the data.

    \b
      maskwright show party/
      maskwright show party/train/via_region_data.json --out party.png --count 30
    """
    from maskwright import formats

    out = options.beside_data(out, [data], console) if count else out
    dataset = formats.read(
        data,
        allow_faulty=allow_faulty,
        class_attribute=class_attribute,
        connected_components=connected_components,
        annotations=annotations,
        follow_links=follow_links,
    )
    shown = _draw_sheet(dataset, out, count, console) if count and len(dataset) else 0
    if console.json:
        console.issues.extend(dataset.issues)
    if shown:
        console.log(SHEET_DRAWN(count=shown, total=len(dataset), out=out))
    facts = _facts(dataset) | {"sheet": out if shown else None}
    console.result(facts, lambda: _tell(dataset, console))


def _facts(dataset: Dataset) -> dict[str, object]:
    return {
        "name": dataset.name,
        "format": dataset.format,
        "images": len(dataset),
        "states": dataset.state_counts(),
        "splits": {name: len(part) for name, part in dataset.splits().items()},
        "objects": dataset.instance_count,
        "masks": dataset.has_masks,
        "classes": dataset.class_counts(),
    }


def _tell(dataset: Dataset, console: Console) -> None:
    states = ", ".join(f"{count} {state}" for state, count in dataset.state_counts().items() if count)
    console.show(f"{dataset.name} ({dataset.format}): {_many(len(dataset), 'image')}{f' ({states})' if states else ''}")
    splits = dataset.splits() or {"": dataset}
    rest = dataset.where(lambda record: record.split is None)
    if "" not in splits and sum(rest.class_counts().values()):
        splits["no split"] = rest
    counted = "images" if any(record.labels is not None for record in dataset) else "objects"
    columns = ["class", *(name or counted for name in splits)]
    if len(splits) > 1:
        columns.append("all")
    counts = [part.class_counts() for part in splits.values()]
    rows = []
    for name in dataset.names:
        each = [count[name] for count in counts]
        rows.append([name, *each, sum(each)] if len(splits) > 1 else [name, *each])
    console.table(columns, rows)
    from maskwright.formats.faults import FAULTY_RECORD, summarized

    for issue in summarized(dataset.issues):
        console.show(f"note: {issue}")
    faults = FAULTY_RECORD.among(dataset.issues)
    for fault in faults[:FAULTS]:
        console.show(f"fault: {fault}")
    if (more := len(faults) - FAULTS) > 0:
        console.show(f"{more} more faults: --json lists them all")


def _draw_sheet(dataset: Dataset, out: Path, count: int, console: Console) -> int:
    """How many images came onto the sheet."""
    import numpy as np
    from PIL import Image

    from maskwright.drawing.sheet import sheet
    from maskwright.files import writing

    if out.suffix.lower() not in PICTURES:
        raise RecipeError("not a kind of picture we write", field="--out", expected=" ".join(PICTURES), got=out.name)
    spread = np.unique(np.linspace(0, len(dataset) - 1, min(count, len(dataset))).round().astype(int)).tolist()
    drawn = list(_drawn([dataset.records[index] for index in spread], dataset.names, console))
    if drawn:
        with writing(out) as temporary:
            Image.fromarray(sheet(drawn, cell=CELL)).save(temporary)
    return len(drawn)


def _drawn(records: list[Record], names: tuple[str, ...], console: Console) -> Iterator[tuple[np.ndarray, str]]:
    """Each image reduced to its cell, with its outlines and a caption; unreadable ones are named and left out."""
    from maskwright.drawing import outlines
    from maskwright.drawing.sheet import fit
    from maskwright.images.decode import decode

    for record in console.progress(records, label="drawing", unit="images"):
        try:
            pixels = decode(record.image).pixels
        except ImageError as error:
            console.log(IMAGE_NOT_DRAWN(images=[record.image], error=error))
            continue
        if record.instances is not None:
            # Drawn large and reduced with the image: a line of two pixels on the sheet, whatever the image's size.
            reduced = max(pixels.shape[1] / CELL[0], pixels.shape[0] / CELL[1])
            pixels = outlines.draw(pixels, record.instances, labels=[""] * len(record.instances), width=2 * reduced)
        yield fit(pixels, CELL), f"{record.image.name}: {_content(record, names)}"


def _content(record: Record, names: tuple[str, ...]) -> str:
    if record.labels is not None and not record.skipped:
        return ", ".join(names[label] for label in record.labels)
    if record.state != "labeled" or record.instances is None:
        return record.state
    counts = Counter(record.instances.labels)
    return ", ".join(f"{count} {name}" for name, count in counts.most_common())


def _many(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
