"""maskwright bench: the time of every engine on this machine."""

from __future__ import annotations

import click

from maskwright.cli import options
from maskwright.cli.console import Console


@click.command(options_metavar="[options]")
@click.argument("model", type=str)
@click.argument("images", nargs=-1, metavar="[IMAGES...]")
@click.option("--rounds", type=click.IntRange(1, 1000), default=5, show_default=True, help="Turns of every engine.")
@click.option("--save", is_flag=True, help="Make the recommended engine the default of this machine.")
@options.size
@options.console
def command(model: str, images: tuple[str, ...], rounds: int, save: bool, size: int | None, console: Console) -> int:
    """Measure a model in every installed engine and precision, and recommend one.

    \b
      maskwright bench balloons
      maskwright bench runs/party party/val/ --rounds 20 --save

    Without IMAGES a rendered one is predicted. The engines take turns; times are medians, in milliseconds an image.
    """
    from maskwright.api.bench import STAGES, bench

    done = bench(
        model, list(images) or None, rounds=rounds, size=size, save=save, progress=console.progress, log=console.log
    )  # fmt: skip

    def show() -> None:
        heads = "".join(f"{stage:>13}" for stage in STAGES)
        console.show(f"{'':<16}{heads}{'total':>8}{'CPU':>8}{'MB':>7}")
        for row in done.rows:
            stages = "".join(f"{row.stages[stage]:>13.1f}" for stage in STAGES)
            memory = "-" if row.peak_mb is None else f"{row.peak_mb:.0f}"
            console.show(f"{row.engine + ' ' + row.precision:<16}{stages}{row.total:>8.1f}{row.cpu:>8.1f}{memory:>7}")
        best = done.recommended
        console.show(f"recommended: --engine {best.engine} --precision {best.precision}")
        if done.saved is not None:
            console.show(f"saved: {done.saved}")

    console.result(done.facts(), show)
    return 0
