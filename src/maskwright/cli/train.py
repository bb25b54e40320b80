"""maskwright train: annotated images in, a model out."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import click

from maskwright.cli import browser, options
from maskwright.cli.console import Console
from maskwright.cli.trying import TryCommand, try_and_show
from maskwright.errors import RecipeError
from maskwright.progress import seconds_of


def seconds(context: click.Context, parameter: click.Parameter, value: str | None) -> float | None:
    """20m, 90s, 1.5h or plain seconds."""
    try:
        return None if value is None else seconds_of(value)
    except RecipeError as error:
        raise click.BadParameter(
            f"{value!r} is no span of time: {error.parts['expected']}", context, parameter
        ) from error


@click.command(cls=TryCommand, options_metavar="[options]")
@click.argument("data", type=click.Path(path_type=Path), required=False)
@click.option(
    "--task",
    type=click.Choice(["segment", "detect", "classify"]),
    help="Outlines, boxes, or classes of whole images.  [default: what the model is for]",
)
@click.option("--model", metavar="NAME", help="`maskwright models` lists them.  [default: small]")
@click.option(
    "--backbone",
    metavar="NAME",
    help="Of `small`: efficientnet_lite0, mobilenet_v3_large or mobilenet_v2.  [default: efficientnet_lite0]",
)
@click.option(
    "--weights",
    metavar="WHAT",
    help="To start from: bundled, coco, imagenet, last, best, none, a path.  [default: the model's own]",
)
@click.option(
    "--layers", metavar="WHICH", help="heads, 3+, 4+, 5+, all, or a regular expression.  [default: heads, then all]"
)
@click.option(
    "--epochs", type=click.IntRange(1), metavar="N", help="Rounds; each ends with a validation.  [default: 30]"
)
@click.option(
    "--time-budget",
    metavar="SPAN",
    callback=seconds,
    help="Train this long, such as 20m; what was used before --resume counts, reading the data, the last validation "
    "and the report do not.",
)
@click.option(
    "--size", type=int, metavar="PIXELS", help="Long side of what the network sees.  [default: 512 for small]"
)
@click.option(
    "--tile",
    type=click.IntRange(0, 65536),
    metavar="PIXELS",
    help="Of larger images show parts of so many image pixels a side: for small things.  [default: 0, whole images]",
)
@click.option(
    "--batch",
    type=click.IntRange(1),
    metavar="N",
    help="Images computed at once, by all processes of torchrun together.  [default: 4 for small]",
)
@click.option(
    "--accumulate",
    type=click.IntRange(1),
    metavar="N",
    help="Batches a step: their gradients are added up, so a step has N times --batch images.  [default: 1]",
)
@click.option(
    "--lr", type=click.FloatRange(0, min_open=True), metavar="RATE", help="Learning rate.  [default: 0.001 for small]"
)
@click.option(
    "--cached-views",
    type=click.IntRange(0),
    metavar="N",
    help="With a frozen backbone (--layers heads): cache N augmented views per image.  [default: 0, none]",
)
@click.option("--workers", type=click.IntRange(0), metavar="N", help="Threads that prepare images.  [default: 1]")
@click.option(
    "--patience",
    type=click.IntRange(0),
    metavar="N",
    help="Stop after N epochs without a better figure, 0 never.  [default: 20]",
)
@click.option(
    "--validate/--no-validate",
    default=True,
    show_default=True,
    help="Hold images back to choose the best epoch; without, train on all and keep the last weights.",
)
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda", "mps"]), help="Where to compute.  [default: auto]")
@click.option("--precision", type=click.Choice(["auto", "fp32", "bf16"]), help="Of the arithmetic.  [default: auto]")
@click.option("--seed", type=click.IntRange(0), metavar="N", help="Another seed, another draw.  [default: 0]")
@click.option(
    "--recipe", type=click.Path(path_type=Path), metavar="FILE", help="A TOML recipe; options go on top of it."
)
@click.option("--name", metavar="NAME", help="Of the run's folder.  [default: the data's name]")
@options.out("Where run folders are made.", default=Path("runs"), show_default=True)
@click.option(
    "--resume", type=click.Path(path_type=Path), metavar="RUN", help="Go on with a stopped run, exactly where it was."
)
@click.option(
    "--log-to",
    type=click.Choice(["mlflow", "wandb"]),
    multiple=True,
    help="Log the metrics of each epoch to MLflow or Weights & Biases, too.",
)
@options.class_attribute
@click.option("--connected-components", is_flag=True, default=None, help="In masks each connected part is one object.")
@options.annotation_files
@click.option("--follow-links", is_flag=True, default=None, help="Follow links that lead out of DATA.")
@click.option("--allow-faulty", is_flag=True, default=None, help="Leave faulty records out, even where they are many.")
@click.option(
    "--try", "tried", multiple=True, metavar="NAME=A,B ...",
    help="Instead of one run a few short ones, with every combination of these values; a table with intervals, and the "
    "command of the best.  [of 3m each, unless --time-budget or --epochs says otherwise]",
)  # fmt: skip
@browser.option
@options.console
def command(
    data: Path | None,
    log_to: tuple[str, ...],
    console: Console,
    open_page: bool,
    tried: tuple[str, ...],
    **chosen: Any,
) -> None:
    """Train on your own annotated images.

    \b
      maskwright train party/ --time-budget 20m
      maskwright train party/ --weights none --epochs 60 --name first
      maskwright train rust/ --task classify
      maskwright train party/ --try lr=1e-3,3e-4 size=448,640 --time-budget 3m
      maskwright train --resume runs/first
      torchrun --nproc-per-node 4 -m maskwright train party/ --batch 16
    """
    from maskwright.api.train import train
    from maskwright.training.distributed import launched
    from maskwright.training.experiment_logs import EXPERIMENT_LOGS

    leads = launched().leads
    console.quiet |= not leads
    if data is not None:
        chosen["out"] = options.beside_data(chosen["out"], [data], console)
    if tried:
        if data is None:
            raise RecipeError("no data were named", field="DATA", fix="maskwright train FOLDER --try lr=1e-3,3e-4")
        if log_to:
            raise RecipeError("short runs are compared here", field="--log-to", expected="--try alone", got="both")
        return try_and_show(data, tried, console, chosen)
    callbacks = [EXPERIMENT_LOGS[name]() for name in log_to]
    trained = train(data, progress=console.progress, log=console.log, callbacks=callbacks, **chosen)
    if not leads:
        return None
    facts = {
        "run": trained.folder,
        "model": trained.model,
        "epochs": trained.epochs,
        "best_epoch": trained.best_epoch,
        "seconds": round(trained.seconds, 1),
        "validation": trained.metrics,
    }

    def tell() -> None:
        metrics = "  ".join(f"{name.replace('_', ' ')} {value:.3f}" for name, value in trained.metrics.items())
        kept = f"best epoch {trained.best_epoch} of {trained.epochs}: {metrics}"
        console.show(
            kept if metrics else f"epoch {trained.best_epoch} of {trained.epochs} is kept; nothing was validated"
        )
        console.show(f"model   {trained.model}")
        console.show(f"report  {trained.folder / 'report.html'}")
        run = shlex.quote(str(trained.folder))
        console.show(f"next    maskwright predict {run} IMAGES")
        console.show(f"        maskwright evaluate {run} {shlex.quote(str(data or 'DATA'))}")

    console.result(facts, tell)
    if open_page:
        browser.show_page(trained.folder / "report.html", console)
    return None
