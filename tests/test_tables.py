"""Tables as CSV text: whatever a spreadsheet or a script makes of them is read, and no cell becomes a formula."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskwright import tables
from maskwright.errors import AnnotationError

CELL = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)


@pytest.mark.parametrize(
    ("text", "delimiter"),
    [
        ("file,labels\na.jpg,rust\n", ","),
        ("file;labels\na.jpg;rust\n", ";"),
        ("file\tlabels\r\na.jpg\trust\r\n", "\t"),
        ('"file","labels"\n"a.jpg","rust"\n', ","),
        ('sep=;\n"FILE";Labels\n\na.jpg;rust\n;\n', ";"),
        ("# File|LABELS\na.jpg|rust\n", "|"),
    ],
)
def test_a_table_is_read_whatever_parts_its_cells(text, delimiter):
    table = tables.parse(text, "a.csv", needed=["file"], known=["labels"])
    assert table.rows == [{"file": "a.jpg", "labels": "rust"}]
    assert table.delimiter == delimiter


def test_a_comma_divides_decimals_only_between_semicolons():
    assert tables.CsvTable((), [], ";").number("12,5") == 12.5
    assert tables.CsvTable((), [], ";").number("1e1") == 10
    with pytest.raises(ValueError, match="12,5"):
        tables.CsvTable((), [], ",").number("12,5")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("file,labels\nc,d.jpg,rust\n", "a row is too long"),
        ("file,labels\na.jpg\n", "a row is too short"),
        ("file,File,labels\na.jpg,b.jpg,rust\n", "two columns have the same name"),
        ("files,labels\na.jpg,rust\n", "a column is missing"),
        ('file,labels\n"a.jpg" x,rust\n', "not a CSV file"),
    ],
)
def test_a_table_that_could_be_read_in_two_ways_is_refused(text, said):
    with pytest.raises(AnnotationError, match=said):
        tables.parse(text, "a.csv", needed=["file"])


def test_a_cell_may_hold_a_megabyte():
    assert tables.parse("file,x\na.jpg," + "1" * 2**20, "a.csv").rows[0]["x"] == "1" * 2**20


@given(st.lists(st.tuples(CELL, CELL), max_size=5))
def test_what_is_written_is_read_again_and_no_cell_is_a_formula(rows):
    text = tables.written(["file", "labels"], rows)
    assert all(not cell.startswith(tables.FORMULA) or tables.guarded(cell) == cell
               for row in csv.reader(io.StringIO(text, newline="")) for cell in row)  # fmt: skip
    kept = [{"file": file, "labels": labels} for file, labels in rows if file.strip() or labels.strip()]
    assert tables.parse(text, "a.csv").rows == kept


@pytest.mark.parametrize("text", ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "'=1", "＝1"])
def test_a_formula_gets_an_apostrophe(text):
    assert tables.guarded(text) == "'" + text
    assert tables.unguarded(tables.guarded(text)) == text


@pytest.mark.parametrize("text", ["", "rust", "-1", "+1.5e-3", "'", "it's", "a=b", "'quoted'"])
def test_what_is_no_formula_stays_as_it_is(text):
    assert tables.guarded(text) == tables.unguarded(text) == text


def test_each_of_several_texts_in_a_cell_is_guarded():
    assert tables.written(["x"], [[tables.joined(["=a", "=b"], ";")]]) == "x\n'=a;'=b\n"
