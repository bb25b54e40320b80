"""maskwright synth: practice images with exact outlines."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from maskwright.cli import options
from maskwright.cli.console import Console
from maskwright.errors import RecipeError

if TYPE_CHECKING:
    from maskwright.types import Dataset


@click.command(options_metavar="[options]")
@click.argument("kind", metavar="balloons|welds|rust")
@options.new_data
@click.option("--count", type=click.IntRange(1), default=60, show_default=True, metavar="N", help="Images to make.")
@click.option(
    "--val",
    type=float,
    default=0.2,
    show_default=True,
    metavar="FRACTION",
    help="Fraction of them held back for validation, 0..1.",
)
@click.option("--size", default="640x480", show_default=True, metavar="WxH", help="Width and height in pixels.")
@click.option("--format", default="via", show_default=True, metavar="NAME", help="Of the annotations: via or coco.")
@options.seed
@options.console
def command(kind: str, out: Path, count: int, val: float, size: str, format: str, seed: int, console: Console) -> None:
    """Make practice images with exact outlines: data to try everything on before you have drawn your own.

    \b
      maskwright synth balloons party/ --count 60
    """
    from maskwright import formats
    from maskwright.synth.scene import render_set

    rendered = render_set(
        kind, count, out, seed=seed, val=val, size=_size(size), format=format, progress=console.progress
    )
    written = formats.read(out)  # a format may hold an object of several parts as several: what is there is counted
    facts = {
        "out": out,
        "images": len(written),
        "objects": written.class_counts(),
        "splits": {name: len(part) for name, part in written.splits().items()},
    }
    for issue in rendered.issues:
        console.log(issue)
    console.result(facts, lambda: _tell(written, out, console))


def _size(text: str) -> tuple[int, int]:
    """640x480 -> (480, 640): people say width first, arrays height."""
    sides = re.fullmatch(r"(\d{1,5})\s*[x×]\s*(\d{1,5})", text.strip().lower())
    if sides is None:
        raise RecipeError("not a size", field="--size", expected="width x height in pixels, such as 640x480", got=text)
    return int(sides[2]), int(sides[1])


def _tell(written: Dataset, out: Path, console: Console) -> None:
    objects = ", ".join(f"{name} {count:,}" for name, count in written.class_counts().items())
    parts = ", ".join(f"{len(part)} {name}" for name, part in written.splits().items())
    console.show(f"{out}: {len(written)} images ({parts}); objects: {objects}")
