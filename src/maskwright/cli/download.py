"""maskwright download: weights and datasets that others have published."""

from __future__ import annotations

from pathlib import Path

import click

from maskwright.cli import options
from maskwright.cli.console import Console
from maskwright.errors import RecipeError
from maskwright.issues import Kind

LICENSE = Kind("license", "info", "license: {license}")
NEXT_COMMAND = Kind("next_command", "info", "next:    {command}")


@click.command(options_metavar="[options]")
@click.argument("what", required=False)
@click.argument("model", required=False)
@click.option("--model", "for_model", metavar="NAME", help="The same as MODEL.")
@options.out("Folder to put it in.  [default: the cache for weights, this folder for data]")
@click.option("--list", "listed", is_flag=True, help="What there is; so does the command without WHAT.")
@options.console
def command(
    what: str | None, model: str | None, for_model: str | None, out: Path | None, listed: bool, console: Console
) -> None:
    """Fetch weights or a published dataset, unless it is here already.

    WHAT is coco or imagenet (weights, for the network or backbone MODEL), or the name of a dataset. The same command
    resumes an interrupted download.

    \b
      maskwright download --list
      maskwright download coco mask_rcnn_r50
      maskwright download balloon --out data
    """
    from maskwright.api.download import download

    if listed or what is None:
        return _list(console)
    if model and for_model and model != for_model:
        raise RecipeError("two networks are named", field="--model", expected=model, got=for_model, fix="name one")
    done = download(what, model or for_model, out=out, progress=console.progress)
    console.log(LICENSE(license=done.license))
    if done.kind == "data":
        console.log(NEXT_COMMAND(command=f"maskwright show {done.path}"))
    console.result(done, f"{done.path}")
    return None


def _list(console: Console) -> None:
    from maskwright.api.models import weights_to_fetch
    from maskwright.cli.listing import listing
    from maskwright.cli.models import show_weights
    from maskwright.curate.published import PUBLISHED

    weights = weights_to_fetch()

    def tell() -> None:
        show_weights(weights, console)
        console.show()
        rows = [[name, f"{item.about}\n{item.license}\n{item.page}"] for name, item in PUBLISHED.items()]
        listing(console, ["name", "what it is, its license, where to read about it"], rows, "Datasets")
        console.show()
        console.show("maskwright download coco mask_rcnn_r50")
        console.show("maskwright download balloon --out data")

    console.result({"weights": weights, "data": PUBLISHED}, tell)
