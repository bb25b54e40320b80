"""Tables as plain text, folded or written row below row where the terminal is too narrow for them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence

from maskwright.cli.lines import width_of
from maskwright.escaping import harmless


def table_text(
    columns: Sequence[str],
    rows: Iterable[Sequence[object]],
    head: Callable[[str], str] = lambda text: text,
    width: int | None = None,
) -> str:
    """A table as plain text, two spaces between columns; None is an empty cell.

    width  cells of a line at most: a table that is wider has its intervals below their values, or else each row as
           lines of "column  value"; None for any width

    >>> print(table_text(["class", "objects"], [["balloon", 255], ["string", 7]]))
    class    objects
    balloon      255
    string         7
    """
    rows = [list(row) for row in rows]
    numeric = [
        any(_is_number(row[index]) for row in rows)
        and all(_is_number(row[index]) or row[index] is None for row in rows)
        for index in range(len(columns))
    ]
    names, cells = [harmless(name) for name in columns], [[_cell(value) for value in row] for row in rows]
    for shown in (cells, [line for row in cells for line in _folded(row)]):
        lines = _lines(names, shown, numeric)
        if width is None or max(map(width_of, lines)) <= width:
            return "\n".join([head(lines[0]), *lines[1:]])
    return "\n".join(line for row in cells for line in _stacked(names, row, head))


def _lines(names: list[str], cells: list[list[str]], numeric: list[bool]) -> list[str]:
    table = [names, *cells]
    widths = [max(width_of(line[index]) for line in table) for index in range(len(names))]
    lines = []
    for line in table:
        padded = []
        for text, width, right in zip(line, widths, numeric, strict=True):
            space = " " * (width - width_of(text))
            padded.append(space + text if right else text + space)
        lines.append("  ".join(padded).rstrip())
    return lines


def _folded(row: list[str]) -> list[list[str]]:
    """A row whose intervals are in a line of their own: "0.968 (0.84 to 0.99)" as "0.968" and "0.84 to 0.99"."""
    halves = [text[:-1].split(" (") if text.endswith(")") and text.count(" (") == 1 else [text, ""] for text in row]
    below = [second for _, second in halves]
    return [[first for first, _ in halves], *([below] if any(below) else [])]


def _stacked(names: list[str], row: list[str], head: Callable[[str], str]) -> list[str]:
    """Each column in a line of its own below the row's first cell."""
    first, *others = [(name, text) for name, text in zip(names, row, strict=True) if text]
    longest = max((width_of(name) for name, _ in others), default=0)
    return [head(first[1]), *(f"  {name}{' ' * (longest - width_of(name))}  {text}" for name, text in others)]


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.3f}" if math.isfinite(value) else "-"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else harmless(str(value))
