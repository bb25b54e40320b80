"""maskwright evaluate: how good a model is, with intervals."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from maskwright.cli import browser, options
from maskwright.cli.console import Console
from maskwright.errors import RecipeError

if TYPE_CHECKING:
    from maskwright.api.evaluate import Evaluated
    from maskwright.evaluation.classification_metrics import ClassificationMetrics
    from maskwright.evaluation.detection_metrics import DetectionMetrics
    from maskwright.prediction.options import InferenceOptions


@click.command(options_metavar="[options]")
@click.argument("model", type=str)
@options.data
@click.option(
    "--split",
    type=click.Choice(["train", "val", "test", "all"]),
    help="Which images.  [default: test, else val, else those the run held back, else all]",
)
@click.option(
    "--bootstrap",
    type=click.IntRange(0),
    default=1000,
    show_default=True,
    metavar="N",
    help="Resamples for the intervals; 0 gives none.",
)
@click.option(
    "--against",
    metavar="MODEL",
    help="Another model: is one of the two better on these images? (McNemar's test; paired AP)",
)
@click.option("--coco", "twelve", is_flag=True, help="Print COCO's twelve lines too.")
@options.out("A folder for evaluation.json, evaluation.html and coco_results.json; of a classifier, scores.csv.")
@browser.option
@options.reading
@options.inference("size", "tile", "names", "device", "precision", "engine")
@options.seed
@options.cluster
@options.console
def command(
    model: str,
    data: Path,
    out: Path | None,
    twelve: bool,
    open_page: bool,
    inference: InferenceOptions,
    console: Console,
    **chosen: Any,
) -> None:
    """Measure how well a model finds the objects of annotated images, or says what whole images show.

    \b
      maskwright evaluate runs/party party/ --out metrics/ --open
      maskwright evaluate balloons holiday/via_region_data.json --split all
      maskwright evaluate runs/rust rust/ --against runs/rust-vgg16
      maskwright evaluate runs/party archive/ --ray auto
    """
    from maskwright.api.evaluate import evaluate

    if open_page and out is None:
        raise RecipeError(
            "a page is written into the folder --out", field="--open", expected="--out FOLDER", got="none",
            fix=f"maskwright evaluate {model} {data} --out metrics/ --open",
        )  # fmt: skip
    evaluated = evaluate(model, data, out=out, options=inference, progress=console.progress, log=console.log, **chosen)
    console.result(evaluated.facts(), lambda: _show(evaluated, out, twelve, console))
    if open_page and out is not None:
        browser.show_page(out / "evaluation.html", console)


def _show(evaluated: Evaluated, out: Path | None, twelve: bool, console: Console) -> None:
    show_metrics(evaluated.metrics, console)
    if twelve:
        _show_twelve(evaluated.metrics, console)
    for note in evaluated.evaluation.notes:
        console.show(note)
    if evaluated.against is not None:
        console.show(evaluated.against.sentence())
    if out:
        console.show(f"report  {out / 'evaluation.html'}")


def show_metrics(metrics: DetectionMetrics | ClassificationMetrics, console: Console) -> None:
    """Masks and boxes, class by class where there are several, each figure with its interval; or a classifier's."""
    from maskwright.evaluation.classification_metrics import ClassificationMetrics
    from maskwright.evaluation.detection import NOT_REQUESTED

    if isinstance(metrics, ClassificationMetrics):
        _show_predictions(metrics, console)
        return
    for kind in (metrics.mask, metrics.box):
        if kind is None:
            continue
        rows = [
            [
                row["class"],
                row["ground_truths"],
                _with(row["AP"], row["AP_interval"]),
                _with(row["AP50"], row["AP50_interval"]),
                _with(row["AR100"], None),
            ]
            for row in kind.rows()
        ]
        shown = rows if len(rows) > 2 else rows[-1:]
        console.table(
            ["class", "objects", "AP", "AP50", "AR100"], shown, title=f"{kind.kind} ({metrics.images} images)"
        )
    for kind, reason in metrics.reasons.items():
        if reason != NOT_REQUESTED:
            console.show(f"{kind}: n/a, {reason}")


def _show_twelve(metrics: DetectionMetrics | ClassificationMetrics, console: Console) -> None:
    from maskwright.evaluation.classification_metrics import ClassificationMetrics

    if isinstance(metrics, ClassificationMetrics):
        console.show("COCO's twelve lines are for objects; this model classifies whole images")
        return
    for kind in (metrics.mask, metrics.box):
        if kind is not None:
            for line in (f"{kind.kind}, {metrics.images} images", *kind.coco_lines()):
                console.show(line)


def _show_predictions(metrics: ClassificationMetrics, console: Console) -> None:
    rows = [
        [
            row["class"],
            row["support"],
            *(_with(row[name], row[f"{name}_interval"]) for name in ("precision", "recall", "f1", "auc")),
        ]
        for row in metrics.rows()
        if row["class"] != "micro avg" or metrics.multi_label
    ]
    console.table(["class", "images", "precision", "recall", "F1", "AUC"], rows, title=f"{metrics.images} images")
    accuracy = _with(metrics.accuracy, metrics.intervals.get("accuracy"))
    console.show(f"accuracy {accuracy}   AUC {_with(metrics.auc, metrics.intervals.get('AUC'))}")
    if metrics.confusion is not None and len(metrics.names) <= 12:
        table = [[name, *row] for name, row in zip(metrics.names, metrics.confusion.tolist(), strict=True)]
        console.table(["ground truth", *(f"predicted {name}" for name in metrics.names)], table)


def _with(value: float | None, interval: tuple[float, float] | None) -> str:
    if value is None:
        return "n/a"
    return f"{value:.3f}" + (f" ({interval[0]:.2f} to {interval[1]:.2f})" if interval else "")
