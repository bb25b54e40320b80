"""What a library function shows while it works: nothing in a script, a bar and lines in a notebook, lines if asked.

Every public function that may take long calls `reporting(verbose, progress, log)` first. The command line passes its
own `progress` and `log`, and so is not concerned.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sized
from html import escape
from typing import Any, TypeVar

from maskwright.escaping import harmless
from maskwright.issues import Issue, Log, warn
from maskwright.kernel import display, in_notebook
from maskwright.progress import Progress, count_text, silent, time_text

Item = TypeVar("Item")

PATIENCE = 2.0  # seconds something may take before its progress is shown
EVERY = 10.0  # seconds between two lines of one activity
REFRESH = 0.3  # seconds between two states of a bar


def reporting(verbose: bool | None, progress: Progress | None, log: Log | None) -> tuple[Progress, Log]:
    """The `progress` and `log` of a function; one that was given is used as it is.

    verbose  True: both are printed. False: no progress, and of the issues warnings and errors become Python warnings.
             None: True in a notebook, False elsewhere
    """
    spoken = in_notebook() if verbose is None else verbose
    if progress is None:
        progress = silent if not spoken else NotebookBars() if in_notebook() else printed
    if log is None:
        log = print_issue if spoken else warn
    return progress, log


def automatic(
    items: Iterable[Item], *, total: int | None = None, label: str = "", unit: str = "", limit: float | None = None
) -> Iterable[Item]:
    """The default `progress` of functions without `verbose`: a bar in a notebook, nothing elsewhere."""
    if not in_notebook():
        return items
    return NotebookBars()(items, total=total, label=label, unit=unit, limit=limit)


def print_issue(issue: Issue) -> None:
    """A line on stdout."""
    print(issue, flush=True)


def printed(
    items: Iterable[Item], *, total: int | None = None, label: str = "", unit: str = "", limit: float | None = None
) -> Iterable[Item]:
    """Lines on stdout, for what takes over two seconds: "predicting: 12 of 61 images, 43 s left"."""

    def report(done: int, left: float | None) -> None:
        rest = "" if left is None else f", {time_text(left)}"
        print(f"{harmless(label)}: {count_text(done, _total(items, total), unit)}{rest}", flush=True)

    return _paced(items, _total(items, total), unit, report, EVERY, limit)


class NotebookBars:
    """Bars below a cell, one for each activity that takes over two seconds, gone when all are done."""

    def __init__(self) -> None:
        self._bars: dict[object, str] = {}
        self._shown: Any = None  # IPython's handle of what it displays, from the first bar on

    def __call__(
        self,
        items: Iterable[Item],
        *,
        total: int | None = None,
        label: str = "",
        unit: str = "",
        limit: float | None = None,
    ) -> Iterable[Item]:
        return self._watched(items, _total(items, total), label, unit, limit)

    def _watched(
        self, items: Iterable[Item], total: int | None, label: str, unit: str, limit: float | None
    ) -> Iterator[Item]:
        bar = object()

        def report(done: int, left: float | None) -> None:
            self._bars[bar] = bar_html(label, done, total, unit, left)
            self._show()

        try:
            yield from _paced(items, total, unit, report, REFRESH, limit)
        finally:
            if self._bars.pop(bar, None) is not None:
                self._show()

    def _show(self) -> None:
        data = {"text/html": "".join(self._bars.values()), "text/plain": ""}
        if self._shown is None:
            self._shown = display(data, raw=True, display_id=True)
        else:
            self._shown.update(data, raw=True)


def bar_html(label: str, done: int, total: int | None, unit: str, left: float | None) -> str:
    """One bar; its label may be the name of a file, so everything is escaped."""
    level = "" if total is None else f' value="{done}" max="{total}"'
    rest = "" if left is None else f", {time_text(left)}"
    words = f"{harmless(label)}: {count_text(done, total, unit)}{rest}"
    return f'<div><progress{level} style="width:16em"></progress> {escape(words)}</div>'


def _total(items: Iterable[Any], total: int | None) -> int | None:
    return len(items) if total is None and isinstance(items, Sized) else total


def _paced(
    items: Iterable[Item],
    total: int | None,
    unit: str,
    report: Callable[[int, float | None], None],
    every: float,
    limit: float | None,
) -> Iterator[Item]:
    """Passes the items through and calls `report(done, seconds left)` before an item, from two seconds on."""
    start, done = time.monotonic(), 0
    due = start + PATIENCE
    for item in items:
        now = time.monotonic()
        if now >= due:
            left = [] if limit is None else [max(start + limit - now, 0.0)]
            if done and total is not None:
                left.append((now - start) / done * (total - done))
            report(done, min(left, default=None))
            due = now + every
        yield item
        done += len(item) if unit == "B" and isinstance(item, Sized) else 1
