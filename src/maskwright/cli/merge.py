"""maskwright merge: several datasets become one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from maskwright.cli import options
from maskwright.cli.console import Console
from maskwright.cli.convert import to


@click.command(options_metavar="[options]")
@click.argument("data", type=click.Path(path_type=Path), nargs=-1, required=True, metavar="DATA DATA ...")
@options.out("The new folder.", required=True)
@to(default="coco", show_default=True)
@click.option("--partial", is_flag=True, help="On the images of each DATA only its own classes were looked for.")
@options.reading
@options.console
def command(data: tuple[Path, ...], out: Path, console: Console, **chosen: Any) -> None:
    """Join datasets: all images are copied into one new folder, with their annotations.

    Classes of one name become one; `maskwright relabel` renames them before. Images that are in two of the datasets
    are reported, and train, val and test are kept.

    \b
      maskwright merge party/ fair/ --out both/
    """
    from maskwright.api.merge import merge

    result = merge(data, out, progress=console.progress, log=console.log, **chosen)
    console.result(result.to_dict(), f"{result.images:,} images with {result.objects:,} objects: {out}")
