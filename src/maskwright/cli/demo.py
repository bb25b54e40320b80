"""maskwright demo: the whole way once."""

from __future__ import annotations

from pathlib import Path

import click

from maskwright.cli import browser, options
from maskwright.cli.console import Console
from maskwright.issues import Issue
from maskwright.text import counted, listed


@click.command(options_metavar="[options]")
@options.out("A folder of its own.", default=Path("runs/demo"), show_default=True)
@click.option(
    "--seconds", type=click.FloatRange(5), default=60, show_default=True, metavar="S", help="How long to train."
)
@options.device
@options.precision
@options.seed
@browser.option
@options.console
def command(
    out: Path, seconds: float, device: str, precision: str, seed: int, open_page: bool, console: Console
) -> None:
    """See everything once in under three minutes: rendered party images, training, metrics, splash, a page.

    \b
      maskwright demo --open
      maskwright demo --seconds 300 --out runs/longer
    """
    from maskwright.api.demo import STEPS, demo

    steps = {kind.code for kind in STEPS}

    def log(issue: Issue) -> None:
        console.log(issue, indent="" if issue.code in steps else " " * 5)

    done = demo(
        out,
        seconds=seconds,
        seed=seed,
        device=device,
        precision=precision,
        progress=console.progress,
        log=log,
    )
    metrics = done.evaluated.metrics
    facts = {
        "report": done.report,
        "run": done.trained.folder,
        "counts": done.counts,
        "seconds": round(done.seconds, 1),
        "metrics": metrics.facts(),
    }

    def tell() -> None:
        mask = metrics.mask
        if mask is not None and mask.AP50 is not None:
            low, high = mask.intervals.get("AP50") or (mask.AP50, mask.AP50)
            console.show(
                f"mask AP50 {mask.AP50:.3f} ({low:.2f} to {high:.2f}) "
                f"on {counted(metrics.images, 'image')} it never saw"
            )
        detected = listed(done.counts, "nothing")
        console.show(
            f"detected on them: {detected}; in the ground truth: {metrics.ground_truths}; {done.seconds:.0f} s in all"
        )
        console.show(f"report  {done.report}")
        console.show("")
        console.show("Your turn, with a folder of your own images and their VIA or COCO file")
        console.show("(after `make demo`, first: source .venv/bin/activate):")
        console.show("  maskwright show FOLDER")
        console.show("  maskwright train FOLDER --time-budget 20m --name mine")
        console.show("  maskwright splash runs/mine IMAGE")

    console.result(facts, tell)
    if open_page:
        browser.show_page(done.report, console)
