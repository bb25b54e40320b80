"""maskwright show: what is in a dataset, and how it looks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from maskwright.cli import options
from maskwright.cli.console import Console
from maskwright.text import counted

if TYPE_CHECKING:
    from maskwright.types import Dataset

FAULTS = 10  # listed one by one


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
@options.reading
@options.console
def command(data: Path, out: Path, count: int, console: Console, **reading: Any) -> None:
    """See your images with their outlines, and what is in the data.

    \b
      maskwright show party/
      maskwright show party/train/via_region_data.json --out party.png --count 30
    """
    from maskwright.api.show import show

    out = options.beside_data(out, [data], console) if count else out
    result = show(data, out=out, count=count, progress=console.progress, log=console.log, **reading)
    if console.json:
        console.issues.extend(result.dataset.issues)
    console.result(result.to_dict(), lambda: _show(result.dataset, console))


def _show(dataset: Dataset, console: Console) -> None:
    from maskwright.formats.faults import FAULTY_RECORD, summarized

    states = ", ".join(f"{count} {state}" for state, count in dataset.state_counts().items() if count)
    images = counted(len(dataset), "image")
    console.show(f"{dataset.name} ({dataset.format}): {images}{f' ({states})' if states else ''}")
    _show_classes(dataset, console)
    for issue in summarized(dataset.issues):
        console.show(f"note: {issue}")
    faults = FAULTY_RECORD.among(dataset.issues)
    for fault in faults[:FAULTS]:
        console.show(f"fault: {fault}")
    if (more := len(faults) - FAULTS) > 0:
        console.show(f"{more} more faults: --json lists them all")


def _show_classes(dataset: Dataset, console: Console) -> None:
    """Objects (or images) of each class in each split."""
    parts = dataset.splits() or {"": dataset}
    rest = dataset.where(lambda record: record.split is None)
    if "" not in parts and sum(rest.class_counts().values()):
        parts["no split"] = rest
    unit = "images" if any(record.labels is not None for record in dataset) else "objects"
    counts = [part.class_counts() for part in parts.values()]
    columns = ["class", *(name or unit for name in parts), *["all"] * (len(parts) > 1)]
    rows = []
    for name in dataset.names:
        row = [count[name] for count in counts]
        rows.append([name, *row, *[sum(row)] * (len(parts) > 1)])
    console.table(columns, rows)
