"""maskwright splash: the objects in color on a gray image."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from maskwright.cli import options
from maskwright.cli.console import Console
from maskwright.cli.predict import show_predictions
from maskwright.errors import RecipeError

if TYPE_CHECKING:
    from maskwright.prediction.options import InferenceOptions


@click.command(options_metavar="[options]")
@click.argument("model", type=str)
@click.argument("sources", nargs=-1, metavar="SOURCES...")
@options.out("A folder for the pictures.", default=Path("splash"), show_default=True)
@click.option("--side-by-side", is_flag=True, help="The image as it was at the left.")
@click.option("--invert", is_flag=True, help="The objects gray, the rest in color.")
@options.inference("threshold", "size", "tile", "names", "device", "precision", "engine")
@options.classes
@options.recursive
@options.resume
@options.video_times
@click.option("--every", type=click.IntRange(1), metavar="N", help="In videos: only every second (2), ... frame.")
@options.follow_source_links
@options.console
def command(
    model: str, sources: tuple[str, ...], out: Path, inference: InferenceOptions, console: Console, **chosen: Any
) -> int:
    """Keep the objects in color and turn the rest gray, on images or in videos.

    \b
      maskwright splash balloons party.jpg
      maskwright splash runs/party holiday/*.jpg --side-by-side --out pictures/
      maskwright splash balloons party.mp4
    """
    from maskwright.api.splash import Splash, splash
    from maskwright.cli.videos import predict_and_show, videos_among

    options.need_sources(model, sources, "splash")
    out = options.beside_data(out, [Path(source) for source in sources if Path(source).is_dir()], console)
    if videos := videos_among(sources, frames=chosen["fps"] is not None):
        drawn = Splash(side_by_side=chosen["side_by_side"], invert=chosen["invert"])
        settings = {"drawn": drawn, "classes": chosen["classes"], "resume": chosen["resume"],
                    "timing": options.timing_of(chosen)}  # fmt: skip
        return predict_and_show(model, videos, console, out=out, options=inference, **settings)
    options.refuse_times(chosen)
    if chosen["resume"] or chosen["every"]:
        raise RecipeError("this is for videos", field="--resume, --every", expected="a video", got="images")
    for name in (*options.TIMES, "resume", "every"):
        del chosen[name]
    predicted = splash(
        model, list(sources), out=out, options=inference, progress=console.progress, log=console.log, **chosen
    )
    return show_predictions(predicted, console)
