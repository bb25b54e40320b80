"""maskwright splash: the objects in color on a gray image."""

from __future__ import annotations

from pathlib import Path

import click

from maskwright.cli import options
from maskwright.cli.console import Console
from maskwright.cli.predict import tell_counts


@click.command(options_metavar="[options]")
@click.argument("model", type=str)
@click.argument("sources", nargs=-1, metavar="SOURCES...")
@options.out("A folder for the pictures.", default=Path("splash"), show_default=True)
@click.option("--side-by-side", is_flag=True, help="The image as it was at the left.")
@click.option("--invert", is_flag=True, help="The objects gray, the rest in color.")
@options.choosing
@options.follow_source_links
@options.running
@options.console
def command(
    model: str,
    sources: tuple[str, ...],
    out: Path,
    side_by_side: bool,
    invert: bool,
    threshold: float | None,
    classes: tuple[str, ...] | None,
    size: int | None,
    tile: int | None,
    follow_links: bool,
    names: tuple[str, ...] | None,
    device: str,
    precision: str,
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
        loading = {
            "threshold": threshold, "size": size, "tile": tile, "names": names, "device": device, "precision": precision
        }  # fmt: skip
        drawn = drawing(side_by_side=side_by_side, invert=invert)
        return look_at(model, videos, out, console, loading, classes=classes, drawn=drawn)
    done = splash(
        model,
        list(sources),
        out=out,
        side_by_side=side_by_side,
        invert=invert,
        threshold=threshold,
        classes=classes,
        size=size,
        tile=tile,
        names=names,
        device=device,
        precision=precision,
        follow_links=follow_links,
        progress=console.progress,
        say=console.say,
    )
    return tell_counts(done, out, console)
