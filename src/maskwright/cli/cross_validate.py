"""maskwright cross-validate: k-fold cross-validation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from maskwright.cli import options
from maskwright.cli.console import Console
from maskwright.cli.evaluate import show_metrics
from maskwright.cli.train import seconds


@click.command(options_metavar="[options]")
@options.data
@click.option("--k", type=click.IntRange(2), default=3, show_default=True, metavar="N", help="How many folds.")
@click.option(
    "--repeats",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    metavar="N",
    help="Cross-validate again, on other folds.",
)
@click.option(
    "--task",
    type=click.Choice(["segment", "detect", "classify"]),
    help="Outlines, boxes, or classes of whole images.  [default: what the model is for]",
)
@click.option("--model", metavar="NAME", help="As for train.  [default: small]")
@click.option("--backbone", metavar="NAME", help="As for train.")
@click.option("--weights", metavar="WHAT", help="To start from, as for train.  [default: bundled]")
@click.option("--layers", metavar="WHICH", help="As for train.")
@click.option("--cached-views", type=click.IntRange(0), metavar="N", help="As for train.")
@click.option("--epochs", type=click.IntRange(1), metavar="N", help="Of each fold.  [default: 30]")
@click.option("--time-budget", metavar="SPAN", callback=seconds, help="Of each fold, such as 10m.")
@click.option("--size", type=int, metavar="PIXELS", help="Long side of what the network sees.")
@click.option("--tile", type=click.IntRange(0, 65536), metavar="PIXELS", help="As for train.")
@click.option("--batch", type=click.IntRange(1), metavar="N", help="Images a step.")
@click.option("--lr", type=click.FloatRange(0, min_open=True), metavar="RATE", help="Learning rate.")
@click.option("--name", metavar="NAME", help="Of the runs' folders.  [default: the data's name and -folds]")
@options.out("Where run folders are made.", default=Path("runs"), show_default=True)
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda", "mps"]), help="Where to compute.  [default: auto]")
@click.option("--precision", type=click.Choice(["auto", "fp32", "bf16"]), help="Of the arithmetic.  [default: auto]")
@options.reading
@options.seed
@options.console
def command(data: Path, console: Console, **chosen: Any) -> None:
    """Evaluate a recipe by k-fold cross-validation: each image once, by a model that never saw it.

    \b
      maskwright cross-validate party/ --k 3 --time-budget 10m
      maskwright cross-validate rust/ --task classify --k 5 --repeats 3
    """
    from maskwright.api.cross_validate import cross_validate
    from maskwright.evaluation.classification_metrics import ClassificationMetrics

    chosen["out"] = options.beside_data(chosen["out"], [data], console)
    done = cross_validate(data, progress=console.progress, log=console.log, **chosen)
    facts = {
        "pooled": done.pooled.facts(),
        "folds": [metrics.facts() for metrics in done.folds],
        "runs": done.folders,
    }

    def tell() -> None:
        for number, metrics in enumerate(done.folds, 1):
            if isinstance(metrics, ClassificationMetrics):
                console.show(f"fold {number}: accuracy {_text(metrics.accuracy)}  AUC {_text(metrics.auc)}")
                continue
            best = metrics.best_kind
            if best is not None:
                console.show(f"fold {number}: {best.kind} AP {_text(best.AP)}  AP50 {_text(best.AP50)}")
        show_metrics(done.pooled, console)

    console.result(facts, tell)


def _text(value: float | None) -> str:
    return "n/a" if value is None else f"{value:.3f}"
