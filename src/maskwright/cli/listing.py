"""Tables whose last column holds sentences: broken into lines that fit the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from maskwright.cli.console import Console
from maskwright.cli.lines import line_width, width_of, wrapped
from maskwright.cli.tables import table_text

NARROWEST = 30  # letters of a last column that can still be read


def listing(console: Console, columns: Sequence[str], rows: Iterable[Sequence[object]], title: str = "") -> None:
    """A table; the sentences in its last column go on below themselves, a "\\n" begins a new line. In a narrow terminal
    they stand below their row.

    >>> listing(console, ["model", "what it is"], [["small", "our own for a laptop's CPU"]], "Networks")
    """
    rows = [list(row) for row in rows]
    before = max((len(line) for line in table_text(columns[:-1], [row[:-1] for row in rows]).splitlines()), default=0)
    width = line_width() - before - 2
    longest = max((width_of(word) for row in rows for word in str(row[-1]).split()), default=0)
    if width < max(NARROWEST, longest):
        _stacked(console, columns, rows, title)
        return
    broken = []
    for *cells, sentences in rows:
        first, *further = wrapped(str(sentences), width)
        broken += [[*cells, first], *([*[None] * len(cells), line] for line in further)]
    console.table(columns, broken, title)


def _stacked(console: Console, columns: Sequence[str], rows: Iterable[Sequence[object]], title: str) -> None:
    """Where the terminal is too narrow for a table: each row as a line, its sentences below it."""
    if title:
        console.show(title)
    plain = 1 if columns[0] else 2  # cells that need no heading: what the row is about
    for *cells, sentences in rows:
        named = zip([*[""] * plain, *columns[plain:-1]], cells, strict=True)
        console.show("  ".join(f"{name} {cell}".strip() for name, cell in named if cell not in (None, "")))
        for line in wrapped(str(sentences), max(line_width() - 4, NARROWEST)):
            console.show(f"    {line}")
