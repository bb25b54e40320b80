"""maskwright stats: sizes, shapes and crowding of a dataset."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from maskwright.cli import browser, options
from maskwright.cli.console import Console

if TYPE_CHECKING:
    from maskwright.api.stats import StatsResult
    from maskwright.curate.stats import Spread

MEASURES = ("width", "height", "side", "width_by_height", "fraction_of_image", "fraction_of_box")


@click.command(options_metavar="[options]")
@options.data
@options.out("A page with plots (.html).")
@browser.option
@options.reading
@options.console
def command(data: Path, out: Path | None, open_page: bool, console: Console, **reading: Any) -> None:
    """Sizes and shapes of the images and objects, how crowded images are, and how anchors fit.

    The side of an object is that of the square of its box's area, in pixels of the image.

    \b
      maskwright stats party/
      maskwright stats party/ --out stats.html --open
    """
    from maskwright.api.stats import stats

    browser.need_page(open_page, out, f"maskwright stats {data}")
    result = stats(data, out=out, **reading)
    facts = result.to_dict()
    console.result(facts, lambda: _show(result, facts, console))
    if open_page and result.page is not None:
        browser.show_page(result.page, console)


def _show(result: StatsResult, facts: dict[str, Any], console: Console) -> None:
    console.show(f"{result.dataset.name}: {len(result.dataset):,} images, {len(result.stats):,} objects")
    rows = [[f"image {name}", *_row(facts["images"][name])] for name in ("width", "height")]
    if len(result.stats):
        rows.append(["objects per image", *_row(facts["crowding"]["per_image"])])
        rows += [[f"object {name.replace('_', ' ')}", *_row(facts["objects"][name])] for name in MEASURES]
    console.table(["", "min", "10 %", "median", "90 %", "max"], rows)
    _show_classes(facts["classes"], console)
    for fit in result.fits:
        console.show(
            f"anchors of {fit.model} at {fit.size} px: median IoU {fit.median:.2f}; {fit.above_half:.1%} of the "
            f"objects fit by half, {fit.smaller:.1%} are too small, {fit.larger:.1%} too large"
        )
    if result.page is not None:
        console.show(f"page  {result.page}")


def _show_classes(classes: dict[str, dict[str, Any]], console: Console) -> None:
    if not classes:
        return
    rows = []
    for name, mine in classes.items():
        side = mine["side"]
        spread = [None, None] if side is None else [_text(side.median), f"{_text(side.p10)} to {_text(side.p90)}"]
        rows.append([name, mine["objects"], mine["images"], *spread])
    console.table(["class", "objects", "images", "side", "10 % to 90 %"], rows)


def _row(spread: Spread | None) -> list[str]:
    values = (None,) * 5 if spread is None else (spread.min, spread.p10, spread.median, spread.p90, spread.max)
    return [_text(value) for value in values]


def _text(value: float | None) -> str:
    """Whole from 20 on, else with as many decimals as a ratio needs."""
    if value is None:
        return ""
    return f"{value:,.0f}" if value >= 20 or value.is_integer() else f"{value:.1f}" if value >= 1 else f"{value:.3f}"
