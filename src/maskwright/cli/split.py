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
    metavar="FRACTION",
    help="Fraction of images held back for validation, 0..1.  [default: 0.2]",
)
@click.option(
    "--test",
    type=float,
    default=0.0,
    show_default=True,
    metavar="FRACTION",
    help="Fraction of images held back for a final evaluation, 0..1.",
)
@click.option("--folds", type=click.IntRange(2), metavar="K", help="K divisions: each image is in the val of one.")
@click.option(
    "--group-by",
    default="near-duplicate",
    show_default=True,
    metavar="RULE",
    help="What is never divided: near-duplicate, folder, series, video, or a regex on the path.",
)
@click.option(
    "--images",
    type=click.Choice(["copy", "link", "move", "list"]),
    default="copy",
    show_default=True,
    help="How images come into OUT; link: as hard links, which take no space; move: taken out of DATA when all is "
    "written; list: only train.txt, val.txt with their paths.",
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

    Images are copied into OUT/train, OUT/val (and OUT/test), each with its annotations; of folds into OUT/fold_1/train
    and so on. DATA is left as it is, unless images are moved.

    \b
      maskwright split party/ party-split/ --val 0.2
      maskwright split party/ party-folds/ --folds 5 --images list
      maskwright split frames/ frames-split/ --group-by video --images link
    """
    from maskwright.api.split import split

    result = split(data, out, progress=console.progress, log=console.log, **chosen)
    parts = dict(result.parts)
    for number, fold in enumerate(result.folds, 1):
        parts |= {f"fold {number}, {name}": part for name, part in fold.items()}
    rows = [[name, len(part), *part.class_counts().values()] for name, part in parts.items()]
    console.result(result.to_dict(), lambda: console.table(["", "images", *result.dataset.names], rows))
