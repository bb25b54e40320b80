"""Progress bars on stderr, one under the other; imported when the first one is shown."""

from __future__ import annotations

import math
import time

from rich import progress
from rich.console import Console as RichConsole
from rich.table import Column
from rich.text import Text

from maskwright.cli.lines import terminal_width
from maskwright.progress import count_text, time_text

NUMBERS = 50  # cells beside a bar: what is done, how far, the time left


def _column() -> Column:
    """Cut short rather than broken into two lines."""
    return Column(no_wrap=True)


class _TimeLeft(progress.ProgressColumn):
    """Counts down to the expected end, also between two items: an epoch may take minutes."""

    def render(self, task: progress.Task) -> Text:
        end = task.fields["end"]
        return Text("" if end is None else time_text(max(0.0, end - time.monotonic())), style="progress.remaining")


class ProgressBars:
    """All bars that are shown at the moment."""

    def __init__(self) -> None:
        room = terminal_width() - NUMBERS
        self._shown = progress.Progress(
            progress.TextColumn("{task.description}", markup=False, table_column=_column()),
            *([progress.BarColumn(bar_width=min(30, room))] if room >= 10 else []),
            progress.TextColumn("{task.fields[count]}", markup=False, table_column=_column()),
            _TimeLeft(_column()),
            console=RichConsole(stderr=True),
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._shown.start()

    def __len__(self) -> int:
        return len(self._shown.tasks)

    def open(self, label: str, total: int | None) -> progress.TaskID:
        return self._shown.add_task(label, total=total, count="", end=None)

    def update(self, bar: progress.TaskID, done: int, unit: str, start: float, latest: float = math.inf) -> None:
        """`start` is when the work began (time.monotonic), which is before its bar appeared; `latest` when it ends at
        the latest."""
        total = self._shown.tasks[self._shown.task_ids.index(bar)].total
        now = time.monotonic()
        end = now + (now - start) / done * (total - done) if done and total is not None else None
        if latest < math.inf:
            end = min(end or latest, latest)
        self._shown.update(bar, completed=done, count=count_text(done, total, unit), end=end)

    def close(self, bar: progress.TaskID) -> None:
        self._shown.remove_task(bar)

    def print(self, text: str) -> None:
        """A line above the bars."""
        self._shown.console.print(text, markup=False, highlight=False, soft_wrap=True)

    def stop(self) -> None:
        self._shown.stop()
