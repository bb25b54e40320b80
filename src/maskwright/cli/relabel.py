"""maskwright relabel: the same objects under other classes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from maskwright.cli import options
from maskwright.cli.console import Console
from maskwright.cli.convert import to
from maskwright.errors import RecipeError


def _renamed(context: click.Context, parameter: click.Parameter, pairs: tuple[str, ...]) -> dict[str, str]:
    """OLD=NEW, several times."""
    found: dict[str, str] = {}
    for pair in pairs:
        old, equals, new = pair.rpartition("=")
        if not equals or not old or not new:
            raise RecipeError("not a new name for a class", field="--rename", expected="OLD=NEW", got=pair)
        found[old] = new
    return found


@click.command(options_metavar="[options]")
@options.data
@options.new_data
@click.option("--rename", multiple=True, metavar="OLD=NEW", callback=_renamed, help="Rename a class, or join it.")
@click.option("--drop", multiple=True, metavar="NAME", help="Take the objects of a class out.")
@to(default="coco", show_default=True)
@click.option("--copy-images", is_flag=True, help="Copy the images beside what is written.")
@options.reading
@options.console
def command(data: Path, out: Path, console: Console, **chosen: Any) -> None:
    """Rename, join and drop classes of DATA, and write the result to OUT. DATA is left as it is.

    Classes that get one name are joined. An image whose objects were all dropped counts as empty.

    \b
      maskwright relabel steel/ steel.json --rename Rust=rust --drop unsure
    """
    from maskwright.api.relabel import relabel

    result = relabel(data, out, progress=console.progress, log=console.log, **chosen)
    console.result(result.to_dict(), f"{result.images:,} images with {result.objects:,} objects: {out}")
