"""Tables as CSV text: what spreadsheets and scripts write is read; what a spreadsheet would compute is never written.

Looks like   file,labels      or with ; (Excel where the comma divides decimals), tabs or |, cells quoted or not, column
             a.jpg,rust       names in any case, a first line sep=;
Formulas     a text that begins like one (=, +, -, @, a tab) is written with an apostrophe before it, and `parse` takes
             the apostrophe away again: a class or a file name must never run in somebody's spreadsheet
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from maskwright.errors import AnnotationError

DELIMITERS = (",", ";", "\t", "|")
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
_SEP = re.compile(r'"?sep=(.)"?')


@dataclass(frozen=True)
class Table:
    """columns in the file's order; rows by column name, each with all columns; `delimiter` as found."""

    columns: tuple[str, ...]
    rows: list[dict[str, str]]
    delimiter: str = ","

    def number(self, cell: str) -> float:
        """A cell as a number; ValueError where it is none. Between semicolons 12,5 is twelve and a half."""
        if self.delimiter == ";" and cell.count(",") == 1 and "." not in cell:
            cell = cell.replace(",", ".")
        return float(cell)


def columns(text: str) -> tuple[str, list[str], int]:
    """(delimiter, column names, lines before the first row): what the first line of a table says.

    The delimiter is the one that gives most cells; a column name loses a leading "#" and blanks.

    >>> columns('sep=;\\n"File";"Labels"\\n')
    (';', ['File', 'Labels'], 2)
    """
    first, _, rest = text.partition("\n")
    declared = _SEP.fullmatch(first.strip())
    if declared is not None:
        first = rest.partition("\n")[0]
    several = (declared[1],) if declared is not None else DELIMITERS
    cells = {delimiter: _cells(first, delimiter) for delimiter in several}
    delimiter = max(several, key=lambda item: len(cells[item]))  # of equals the first
    return delimiter, [name.strip().lstrip("#").strip() for name in cells[delimiter]], 1 + (declared is not None)


def sample(text: str, most: int) -> list[list[str]] | None:
    """The cells of the first rows behind the header; None where this is no CSV."""
    delimiter, _, lines = columns(text)
    try:
        return list(csv.reader(text.splitlines()[lines : lines + most], delimiter=delimiter, strict=True))
    except csv.Error:
        return None


def parse(text: str, file: object, needed: Iterable[str] = (), known: Iterable[str] = ()) -> Table:
    """The whole table; rows without any content are passed over.

    needed  columns that must be there; known: columns that may be. Both are found in any case and named as here
    """
    needed = tuple(needed)
    delimiter, names, lines = columns(text)
    spelt = {name.casefold(): name for name in (*needed, *known)}
    names = [name if name in spelt.values() else spelt.get(name.casefold(), name) for name in names]
    _check(names, needed, tuple(spelt.values()), file)
    csv.field_size_limit(max(csv.field_size_limit(), len(text)))  # the module's own limit cuts outlines of many points
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    detections = []
    try:
        for _ in range(lines):
            next(rows, None)
        for cells in rows:
            row = [unguarded(cell) for cell in cells]
            if not any(cell.strip() for cell in row):
                continue
            if len(row) < len(names) or any(cell.strip() for cell in row[len(names) :]):
                short = len(row) < len(names)
                raise AnnotationError(
                    "a row is too short" if short else "a row is too long", file=file, record=f"line {rows.line_num}",
                    expected=f"{len(names)} cells", got=f"{len(row)}",
                    fix="the file may be cut off: export it again" if short else
                    f"put a cell that holds {_called(delimiter)} into double quotes",
                )  # fmt: skip
            detections.append(dict(zip(names, row, strict=False)))
    except csv.Error as error:
        raise AnnotationError("not a CSV file", file=file, record=f"line {rows.line_num}", got=str(error)) from error
    return Table(tuple(names), detections, delimiter)


def written(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """CSV text with a header, lines ending in a line feed; None is an empty cell, no text is a formula.

    >>> written(["file", "labels"], [["a.jpg", "=1+1"], ["b.jpg", None]])
    "file,labels\\na.jpg,'=1+1\\nb.jpg,\\n"
    """
    cells = ([_quoted(cell) for cell in row] for row in (columns, *rows))
    return "".join((",".join(row) or '""') + "\n" for row in cells)


def _quoted(cell: object) -> str:
    """Python's own writer leaves a lone carriage return unquoted, and then cannot read it."""
    text = "" if cell is None else guarded(cell) if isinstance(cell, str) else str(cell)
    return '"' + text.replace('"', '""') + '"' if any(mark in text for mark in ',"\n\r') else text


def guarded(text: str) -> str:
    """With an apostrophe before what a spreadsheet would take for a formula; numbers are none."""
    return "'" + text if _formula(text) else text


def joined(texts: Sequence[str], between: str) -> str:
    """One cell of several texts, each guarded: read with another delimiter they would stand in cells of their own."""
    return between.join([*texts[:1], *map(guarded, texts[1:])])  # the first is guarded as the whole cell is


def unguarded(text: str) -> str:
    """The text of which `guarded` made this one."""
    return text[1:] if text.startswith("'") and _formula(text) else text


def _formula(text: str) -> bool:
    """It begins like a formula, with or without apostrophes before it (so that `unguarded` knows how many to leave)."""
    bare = text.lstrip("'")
    return bare.startswith(FORMULA) and not re.fullmatch(r"[-+][\d.]+(e[-+]?\d+)?", bare, re.IGNORECASE)


def _cells(line: str, delimiter: str) -> list[str]:
    try:
        return next(csv.reader([line], delimiter=delimiter), [])
    except csv.Error:  # a line of megabytes, say
        return []


def _called(delimiter: str) -> str:
    return {",": "a comma", ";": "a semicolon", "\t": "a tab"}.get(delimiter, delimiter)


def _check(names: Sequence[str], needed: Sequence[str], known: Sequence[str], file: object) -> None:
    missing = [name for name in needed if name not in names]
    if missing:
        raise AnnotationError("a column is missing", file=file, record="line 1", expected=", ".join(missing),
                              got=", ".join(names))  # fmt: skip
    twice = next((name for name in known if names.count(name) > 1), None)
    if twice is not None:
        raise AnnotationError("two columns of one name", file=file, record="line 1", field=twice, expected="one",
                              got=", ".join(names), fix="take one of them out, or rename it")  # fmt: skip
