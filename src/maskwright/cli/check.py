"""maskwright check: what is wrong with a dataset, before anybody trains on it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from maskwright.cli import browser, options
from maskwright.cli.console import FAILED, Console

if TYPE_CHECKING:
    from maskwright.api.check import CheckResult
    from maskwright.issues import Issue
    from maskwright.types import Dataset

SHOWN = 5  # faulty records; the others are counted
DOUBTS_SHOWN = 20


@click.command(options_metavar="[options]")
@options.data
@click.option("--model", metavar="MODEL", help="Name the labels that this trained model doubts, the surest first.")
@options.out("A page with pictures of what was found (.html).")
@browser.option
@click.option("--fix", type=click.Path(path_type=Path), metavar="OUT", help="Write a cleaned copy to this new folder.")
@options.images
@options.class_attribute
@options.connected_components
@options.annotation_files
@options.follow_links
@options.cluster
@options.console
def command(data: Path, out: Path | None, open_page: bool, console: Console, **chosen: Any) -> int:
    """Look for copies, leaks between splits, label conflicts and faults, before you train.

    A folder may hold several datasets, such as class folders and boxes on the same images: each is checked by
    itself, then against the others. Nothing is changed.

    Exit code 1 where something would make a metric wrong: the same image in train and val or test, or in two classes.

    With --fix a cleaned copy is written, with a log of every change (changes.jsonl): without images that cannot be
    read, second copies and objects drawn twice, and with one spelling of each class. What only a person can decide
    is left as it is, and the log names it, too.

    With --model its predictions are compared with the labels: objects that nobody drew, other classes, boxes that lie
    elsewhere, objects that it does not see. A doubt is a place to look at, not an error, and changes no exit code.

    \b
      maskwright check party/
      maskwright check party/ --out check.html --open
      maskwright check party/ --model balloons
      maskwright check party/ --fix party-clean/
      maskwright check archive/ --ray local
    """
    from maskwright.api.check import check

    browser.need_page(open_page, out, f"maskwright check {data}")
    result = check(data, out=out, progress=console.progress, log=console.log, **chosen)
    console.result(result.to_dict(), lambda: _show(result, console))
    if open_page and result.page is not None:
        browser.show_page(result.page, console)
    return FAILED if result.serious else 0


def _show(result: CheckResult, console: Console) -> None:
    for dataset in result.data:
        format = "" if dataset.name.endswith(f"({dataset.format})") else f" ({dataset.format})"
        classes = ", ".join(f"{name} {count:,}" for name, count in dataset.class_counts().items())
        console.show(f"{dataset.name}{format}: {len(dataset):,} images; {classes or 'no classes'}")
        _show_facts(result, dataset, console)
        _list(result, dataset.name, console)
        _list_doubts(result.doubts.get(dataset.name), console)
    if len(result.data) > 1:
        console.show("Together")
        _list(result, "", console)
    if result.changes is not None:
        actions = Counter(change.action for change in result.changes)
        counts = ", ".join(f"{actions[action]:,} {action}" for action in ("removed", "changed", "read", "left"))
        console.show(f"cleaned copy: {counts}; the log is changes.jsonl in it")
    if result.page is not None:
        console.show(f"page  {result.page}")


def _show_facts(result: CheckResult, dataset: Dataset, console: Console) -> None:
    """Why this format; states of the images and their sizes; classes by split, where there are several of both."""
    from maskwright.api.check import sizes

    because = result.because.get(dataset.name)
    if because:
        console.show(f"  format: {dataset.format}, for {because}")
    if len(dataset):
        states = ", ".join(f"{count:,} {state}" for state, count in dataset.state_counts().items() if count)
        smallest, largest = (f"{width} x {height}" for width, height in sizes(dataset).values())
        console.show(f"  images: {states}; {smallest}" + (f" to {largest}" if largest != smallest else "") + " pixels")
    parts = dataset.splits()
    if len(parts) > 1 and dataset.names:
        counts = [part.class_counts() for part in parts.values()]
        rows = [[f"  {name}", *(counted[name] for counted in counts)] for name in dataset.names]
        console.table(["  class", *parts], rows)


def _list_doubts(doubts: tuple[Issue, ...] | None, console: Console) -> None:
    for issue in (doubts or ())[:DOUBTS_SHOWN]:
        console.show(f"  doubt: {issue}")
    if doubts is not None and len(doubts) > DOUBTS_SHOWN:
        console.show(f"  ... and {len(doubts) - DOUBTS_SHOWN:,} weaker doubts (--json names them all)")
    elif not doubts and doubts is not None:
        console.show("  the model doubts no label")


def _list(result: CheckResult, name: str, console: Console) -> None:
    from maskwright.formats.faults import FAULTY_RECORD

    issues = result.issues[name]
    records = FAULTY_RECORD.among(issues)
    left_out = {*records[SHOWN:]}
    for issue in issues:
        if issue not in left_out:
            console.show(f"  {'PROBLEM' if issue.severity == 'error' else 'note'}: {issue}")
    if left_out:
        console.show(f"  note: ... and {len(records) - SHOWN} more faulty records (--json names them all)")
    if not issues:
        console.show("  nothing found")
