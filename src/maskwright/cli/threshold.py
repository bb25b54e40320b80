"""maskwright threshold: from which score on detections are taken."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from maskwright.cli import options
from maskwright.cli.console import Console


@click.command(options_metavar="[options]")
@click.argument("model", type=str)
@options.data
@click.option("--recall", type=float, metavar="R", help="Recall of at least R, with the fewest false alarms.")
@click.option("--precision", type=float, metavar="P", help="Precision of at least P, with the most recall.")
@click.option("--f1", is_flag=True, help="The best balance of both.")
@click.option("--cost", metavar="FP:FN", help="The least cost, such as 1:20 where a miss costs twenty false alarms.")
@click.option("--class", "name", metavar="NAME", help="For this class.  [default: one for all classes]")
@click.option(
    "--split",
    type=click.Choice(["val", "train", "all"]),
    help="Which images choose.  [default: val, else those the run held back, else all]",
)
@click.option(
    "--keep/--no-keep", default=True, help="Write it into the model's card, or only show it.  [default: keep]"
)
@options.allow_faulty
@options.annotation_files
@options.follow_links
@options.inference("tile", "names", "device")
@options.console
def command(
    model: str,
    data: Path,
    recall: float | None,
    precision: float | None,
    f1: bool,
    cost: str | None,
    console: Console,
    **chosen: Any,
) -> None:
    """Choose from which score on a model's detections are taken, and say what that costs and promises.

    \b
      maskwright threshold runs/rust rust/ --recall 0.99
      maskwright threshold runs/rust rust/ --cost 1:20 --no-keep
    """
    from maskwright.api.threshold import threshold
    from maskwright.evaluation.operating_point import Aim

    result = threshold(
        model,
        data,
        Aim.of(recall, precision, f1, cost),
        options=chosen.pop("inference"),
        progress=console.progress,
        log=console.log,
        **chosen,
    )

    def show() -> None:
        for sentence in result.point.sentences():
            console.show(sentence)
        if result.kept is not None:
            console.show(f"kept in {result.kept}")

    console.result(result.facts(), show)
