"""CSV as written by spreadsheets and scripts; on writing, no cell is a formula.

Looks like   file,labels      or with ; (Excel with decimal commas), tabs or |, cells quoted or not, column names in
             a.jpg,rust       upper or lower case, a first line sep=;
Formulas     a text that begins like one (=, +, -, @, a tab) is written with an apostrophe in front, which `parse`
             removes: a class or file name must never be executed in a spreadsheet
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
class CsvTable:
    """A parsed table.

    columns    column names in the order of the file
    rows       dicts by column name, each with all columns
    delimiter  as detected
    """

    columns: tuple[str, ...]
    rows: list[dict[str, str]]
    delimiter: str = ","

    def number(self, cell: str) -> float:
        """A cell as a number, ValueError if it is not one. With semicolons as delimiter 12,5 is 12.5."""
        if self.delimiter == ";" and cell.count(",") == 1 and "." not in cell:
            cell = cell.replace(",", ".")
        return float(cell)


def columns(text: str) -> tuple[str, list[str], int]:
    """(delimiter, column names, number of lines before the first row) from the header of a table.

    The delimiter is the one that gives the most cells; a leading "#" and blanks of column names are removed.

    >>> columns('sep=;\\n"File";"Labels"\\n')
    (';', ['File', 'Labels'], 2)
    """
    first, _, rest = text.partition("\n")
    declared = _SEP.fullmatch(first.strip())
    if declared is not None:
        first = rest.partition("\n")[0]
    several = (declared[1],) if declared is not None else DELIMITERS
    cells = {delimiter: _cells(first, delimiter) for delimiter in several}
    delimiter = max(several, key=lambda item: len(cells[item]))  # ties: the first
    return delimiter, [name.strip().lstrip("#").strip() for name in cells[delimiter]], 1 + (declared is not None)


def sample(text: str, count: int) -> list[list[str]] | None:
    """The cells of the first `count` rows after the header; None if this is not CSV."""
    delimiter, _, lines = columns(text)
    try:
        return list(csv.reader(text.splitlines()[lines : lines + count], delimiter=delimiter, strict=True))
    except csv.Error:
        return None


def parse(text: str, file: object, needed: Iterable[str] = (), known: Iterable[str] = ()) -> CsvTable:
    """Parse a table; empty rows are skipped. AnnotationError names the line of a malformed row.

    needed  required columns
    known   optional columns. Both are matched case-insensitively and renamed to these names
    file    for error messages
    """
    needed = tuple(needed)
    delimiter, names, lines = columns(text)
    canonical = {name.casefold(): name for name in (*needed, *known)}
    names = [name if name in canonical.values() else canonical.get(name.casefold(), name) for name in names]
    _check(names, needed, tuple(canonical.values()), file)
    csv.field_size_limit(
        max(csv.field_size_limit(), len(text))
    )  # the default limit is too small for outlines of many points
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    parsed = []
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
                    fix="the file may be truncated: export it again" if short else
                    f"put a cell that contains {_delimiter_name(delimiter)} in double quotes",
                )  # fmt: skip
            parsed.append(dict(zip(names, row, strict=False)))
    except csv.Error as error:
        raise AnnotationError("not a CSV file", file=file, record=f"line {rows.line_num}", got=str(error)) from error
    return CsvTable(tuple(names), parsed, delimiter)


def written(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """CSV text with a header, with line feeds; None is an empty cell, formulas are guarded by an apostrophe.

    >>> written(["file", "labels"], [["a.jpg", "=1+1"], ["b.jpg", None]])
    "file,labels\\na.jpg,'=1+1\\nb.jpg,\\n"
    """
    cells = ([_quoted(cell) for cell in row] for row in (columns, *rows))
    return "".join((",".join(row) or '""') + "\n" for row in cells)


def _quoted(cell: object) -> str:
    """A quoted cell; Python's writer does not quote a lone carriage return, and then cannot read it."""
    text = "" if cell is None else guarded(cell) if isinstance(cell, str) else str(cell)
    return '"' + text.replace('"', '""') + '"' if any(mark in text for mark in ',"\n\r') else text


def guarded(text: str) -> str:
    """The text with an apostrophe in front if a spreadsheet would take it for a formula; not for numbers."""
    return "'" + text if _formula(text) else text


def joined(texts: Sequence[str], between: str) -> str:
    """One cell of several texts, each guarded: with another delimiter they would be cells of their own."""
    return between.join([*texts[:1], *map(guarded, texts[1:])])  # the first is guarded with the whole cell


def unguarded(text: str) -> str:
    """Inverse of `guarded`."""
    return text[1:] if text.startswith("'") and _formula(text) else text


def _formula(text: str) -> bool:
    """Whether the text begins like a formula, also after apostrophes, so that `unguarded` removes exactly one."""
    bare = text.lstrip("'")
    return bare.startswith(FORMULA) and not re.fullmatch(r"[-+][\d.]+(e[-+]?\d+)?", bare, re.IGNORECASE)


def _cells(line: str, delimiter: str) -> list[str]:
    try:
        return next(csv.reader([line], delimiter=delimiter), [])
    except csv.Error:  # such as a line of megabytes
        return []


def _delimiter_name(delimiter: str) -> str:
    return {",": "a comma", ";": "a semicolon", "\t": "a tab"}.get(delimiter, delimiter)


def _check(names: Sequence[str], needed: Sequence[str], known: Sequence[str], file: object) -> None:
    missing = [name for name in needed if name not in names]
    if missing:
        raise AnnotationError("a column is missing", file=file, record="line 1", expected=", ".join(missing),
                              got=", ".join(names))  # fmt: skip
    duplicate = next((name for name in known if names.count(name) > 1), None)
    if duplicate is not None:
        raise AnnotationError("two columns have the same name", file=file, record="line 1", field=duplicate,
                              expected="one", got=", ".join(names), fix="remove or rename one of them")  # fmt: skip
