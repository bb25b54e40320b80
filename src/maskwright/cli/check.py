"""maskwright check: what is wrong with a dataset, before anybody trains on it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from maskwright.cli import options
from maskwright.cli.console import FAILED, Console
from maskwright.issues import as_json

if TYPE_CHECKING:
    from maskwright.api.check import Checked

SHOWN = 5  # faulty records; the others are counted


@click.command(options_metavar="[options]")
@options.data
@options.class_attribute
@options.connected_components
@options.annotations
@options.follow_links
@options.console
def command(data: Path, console: Console, **reading: Any) -> int:
    """Look for copies, leaks between splits, label conflicts and faults, before you train.

    A folder may hold several datasets, such as class folders and boxes on the same images: each is checked by
    itself, then against the others. Nothing is changed.

    Exit code 1 where something would make a metric wrong: the same image in train and val or test, or in two classes.

    \b
      maskwright check party/
    """
    from maskwright.api.check import check_data

    checked = check_data(data, progress=console.progress, **reading)
    console.result(_facts(checked), lambda: _tell(checked, console))
    return FAILED if checked.serious else 0


def _facts(checked: Checked) -> dict[str, object]:
    return {
        "serious": checked.serious,
        "data": [
            {
                "name": record.name,
                "format": record.format,
                "images": len(record),
                "states": record.state_counts(),
                "splits": {name: len(part) for name, part in record.splits().items()},
                "classes": record.class_counts(),
                "issues": [as_json(issue) for issue in checked.issues[record.name]],
            }
            for record in checked.data
        ],
        "shared": [as_json(issue) for issue in checked.issues.get("", ())],
    }


def _tell(checked: Checked, console: Console) -> None:
    for record in checked.data:
        format = "" if record.name.endswith(f"({record.format})") else f" ({record.format})"
        classes = ", ".join(f"{name} {count:,}" for name, count in record.class_counts().items())
        console.show(f"{record.name}{format}: {len(record):,} images; {classes or 'no classes'}")
        _list(checked, record.name, console)
    if len(checked.data) > 1:
        console.show("Together")
        _list(checked, "", console)


def _list(checked: Checked, name: str, console: Console) -> None:
    from maskwright.formats.faults import FAULTY_RECORD

    issues = checked.issues[name]
    records = FAULTY_RECORD.among(issues)
    left_out = {*records[SHOWN:]}
    for issue in issues:
        if issue not in left_out:
            console.show(f"  {'PROBLEM' if issue.severity == 'error' else 'note'}: {issue}")
    if left_out:
        console.show(f"  note: ... and {len(records) - SHOWN} more faulty records (--json names them all)")
    if not issues:
        console.show("  nothing found")
