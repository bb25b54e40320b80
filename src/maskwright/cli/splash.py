"""maskwright splash: the objects in colour on a grey photo."""

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
@click.option("--side-by-side", is_flag=True, help="The photo as it was at the left.")
@click.option("--invert", is_flag=True, help="The objects grey, the rest in colour.")
@options.choosing
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
    names: tuple[str, ...] | None,
    device: str,
    precision: str,
    console: Console,
) -> int:
    """Keep the objects in colour and turn the rest grey, on photos or in films.

    \b
      maskwright splash balloons party.jpg
      maskwright splash runs/party holiday/*.jpg --side-by-side --out pictures/
      maskwright splash balloons party.mp4
    """
    from maskwright.cli.films import films_among, look_at
    from maskwright.jobs.splash import drawing, splash

    options.need_sources(model, sources, "splash")
    out = options.beside_data(out, [Path(source) for source in sources if Path(source).is_dir()], console)
    if films := films_among(sources):
        loading = {
            "threshold": threshold, "size": size, "tile": tile, "names": names, "device": device, "precision": precision
        }  # fmt: skip
        drawn = drawing(side_by_side=side_by_side, invert=invert)
        return look_at(model, films, out, console, loading, classes=classes, drawn=drawn)
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
        progress=console.progress,
        say=console.say,
    )
    return tell_counts(done, out, console)
