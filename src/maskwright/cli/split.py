"""maskwright split: one dataset into train, val and test folders."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from maskwright.cli import options
from maskwright.cli.console import Console


@click.command(options_metavar="[options]")
@options.data
@options.new_data
@click.option(
    "--val",
    type=float,
    default=0.2,
    show_default=True,
    metavar="FRACTION",
    help="Fraction of images held back for validation, 0..1.",
)
@click.option(
    "--test",
    type=float,
    default=0.0,
    show_default=True,
    metavar="FRACTION",
    help="Fraction of images held back for a final evaluation, 0..1.",
)
@click.option(
    "--group-by",
    default="near-duplicate",
    show_default=True,
    metavar="RULE",
    help="What is never divided: near-duplicate, folder, series, or a regex on the path.",
)
@click.option(
    "--format",
    metavar="NAME",
    help="Of the annotations written: coco keeps holes and parts, via is for drawing on in VIA, labels-csv holds "
    "classes of whole images.  [default: coco; of classes, folders, or labels-csv where images have none or several]",
)
@options.seed
@options.reading
@options.console
def command(data: Path, out: Path, console: Console, **chosen: Any) -> None:
    """Divide a dataset so that near-identical images never end up on both sides.

    Images are copied into OUT/train, OUT/val (and OUT/test), each with its annotations. DATA is left as it is.

    \b
      maskwright split party/ party-split/ --val 0.2
    """
    from maskwright.api.split import split

    result = split(data, out, progress=console.progress, log=console.log, **chosen)
    counts = {name: part.class_counts() for name, part in result.parts.items()}
    rows = [[name, len(part), *counts[name].values()] for name, part in result.parts.items()]
    console.result(result.to_dict(), lambda: console.table(["", "images", *result.dataset.names], rows))
