"""maskwright splash: the objects in color on a gray image."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from maskwright.cli import options
from maskwright.cli.console import Console
from maskwright.cli.predict import tell_counts

if TYPE_CHECKING:
    from maskwright.prediction.options import InferenceOptions


@click.command(options_metavar="[options]")
@click.argument("model", type=str)
@click.argument("sources", nargs=-1, metavar="SOURCES...")
@options.out("A folder for the pictures.", default=Path("splash"), show_default=True)
@click.option("--side-by-side", is_flag=True, help="The image as it was at the left.")
@click.option("--invert", is_flag=True, help="The objects gray, the rest in color.")
@options.inference("threshold", "size", "tile", "names", "device", "precision")
@options.classes
@options.follow_source_links
@options.console
def command(
    model: str,
    sources: tuple[str, ...],
    out: Path,
    side_by_side: bool,
    invert: bool,
    inference: InferenceOptions,
    classes: tuple[str, ...] | None,
    follow_links: bool,
    console: Console,
) -> int:
    """Keep the objects in color and turn the rest gray, on images or in videos.

    \b
      maskwright splash balloons party.jpg
      maskwright splash runs/party holiday/*.jpg --side-by-side --out pictures/
      maskwright splash balloons party.mp4
    """
    from maskwright.api.splash import drawing, splash
    from maskwright.cli.videos import look_at, videos_among

    options.need_sources(model, sources, "splash")
    out = options.beside_data(out, [Path(source) for source in sources if Path(source).is_dir()], console)
    if videos := videos_among(sources):
        drawn = drawing(side_by_side=side_by_side, invert=invert)
        return look_at(model, videos, out, console, inference, classes=classes, drawn=drawn)
    done = splash(
        model,
        list(sources),
        out=out,
        side_by_side=side_by_side,
        invert=invert,
        classes=classes,
        follow_links=follow_links,
        options=inference,
        progress=console.progress,
        say=console.say,
    )
    return tell_counts(done, out, console)
