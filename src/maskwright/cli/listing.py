"""Tables whose last column holds sentences: broken into lines that fit the terminal."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Iterable, Sequence

from maskwright.cli.console import Console, table_text

WIDEST, NARROWEST = 100, 24  # letters: of a whole line, and of the last column however small the terminal is


def listing(console: Console, columns: Sequence[str], rows: Iterable[Sequence[object]], title: str = "") -> None:
    """A table; the sentences in its last column go on below themselves, a "\\n" begins a new line.

    >>> listing(console, ["model", "what it is"], [["small", "our own for a laptop's CPU"]], "Networks")
    """
    rows = [list(row) for row in rows]
    before = max((len(line) for line in table_text(columns[:-1], [row[:-1] for row in rows]).splitlines()), default=0)
    width = max(line_width() - before - 2, NARROWEST)
    broken = []
    for *cells, sentences in rows:
        first, *further = wrapped(str(sentences), width)
        broken += [[*cells, first], *([*[None] * len(cells), line] for line in further)]
    console.table(columns, broken, title)


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
