"""maskwright check: what is wrong with a data set, before anybody trains on it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from maskwright.cli import options
from maskwright.cli.console import FAILED, Console

if TYPE_CHECKING:
    from maskwright.jobs.check import Checked


@click.command(options_metavar="[options]")
@options.data
@options.class_attribute
@options.connected_components
@options.annotations
@options.follow_links
@options.console
def command(data: Path, console: Console, **reading: Any) -> int:
    """Look for copies, leaks between splits, label conflicts and faults, before you train.

    A folder may hold several data sets, such as class folders and boxes on the same photos: each is checked by
    itself, then against the others. Nothing is changed.

    Exit code 1 where something would make a figure wrong: the same photo in train and val or test, or in two classes.

    \b
      maskwright check party/
    """
    from maskwright.jobs.check import check_data

    checked = check_data(data, progress=console.progress, **reading)
    console.result(_facts(checked), lambda: _tell(checked, console))
    return FAILED if checked.serious else 0


def _facts(checked: Checked) -> dict[str, object]:
    return {
        "serious": checked.serious,
        "data": [
            {
                "name": each.name,
                "format": each.format,
                "photos": len(each),
                "states": each.state_counts(),
                "splits": {name: len(part) for name, part in each.splits().items()},
                "classes": each.class_counts(),
                "findings": checked.findings[each.name],
                "faults": each.faults,
            }
            for each in checked.data
        ],
        "shared": checked.findings.get("", ()),
    }


def _tell(checked: Checked, console: Console) -> None:
    for each in checked.data:
        format = "" if each.name.endswith(f"({each.format})") else f" ({each.format})"
        classes = ", ".join(f"{name} {count:,}" for name, count in each.class_counts().items())
        console.show(f"{each.name}{format}: {len(each):,} photos; {classes or 'no classes'}")
        _list(checked, each.name, console)
    if len(checked.data) > 1:
        console.show("Together")
        _list(checked, "", console)


def _list(checked: Checked, name: str, console: Console) -> None:
    for finding in checked.findings[name]:
        console.show(f"  {'PROBLEM' if finding.serious else 'note'}: {finding.text}")
    if not checked.findings[name]:
        console.show("  nothing found")
