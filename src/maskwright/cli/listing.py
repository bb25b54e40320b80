"""Tables whose last column holds sentences: broken into lines that fit the terminal."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Iterable, Sequence

from maskwright.cli.console import Console, table_text

WIDEST, NARROWEST = 100, 30  # letters: of a whole line, and of a last column that can still be read


def listing(console: Console, columns: Sequence[str], rows: Iterable[Sequence[object]], title: str = "") -> None:
    """A table; the sentences in its last column go on below themselves, a "\\n" begins a new line. In a narrow terminal
    they stand below their row.

    >>> listing(console, ["model", "what it is"], [["small", "our own for a laptop's CPU"]], "Networks")
    """
    rows = [list(row) for row in rows]
    before = max((len(line) for line in table_text(columns[:-1], [row[:-1] for row in rows]).splitlines()), default=0)
    width = line_width() - before - 2
    if width < NARROWEST:
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
    for first, *cells, sentences in rows:
        known = [f"{name} {cell}" for name, cell in zip(columns[1:-1], cells, strict=True) if cell is not None]
        console.show("  ".join([str(first), *known]))
        for line in wrapped(str(sentences), max(line_width() - 4, NARROWEST)):
            console.show(f"    {line}")


def line_width() -> int:
    """Letters in a line of this terminal."""
    return min(shutil.get_terminal_size().columns, WIDEST)


def wrapped(text: str, width: int) -> list[str]:
    """Lines of at most `width`, broken between words only: an address or a path stays whole, to be copied.

    >>> wrapped("cite the authors\\npip install x", 10)
    ['cite the', 'authors', 'pip', 'install x']
    """
    return [
        line
        for part in text.split("\n")
        for line in textwrap.wrap(part, width, break_long_words=False, break_on_hyphens=False) or [""]
    ]
