"""Lines that fit the terminal: no word is broken, nothing is lost, a file gets them whole."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskwright.cli.lines import fitted, for_terminal, width_of
from maskwright.cli.tables import table_text

WORDS = st.lists(st.text("abc/.é気", min_size=1, max_size=24), max_size=30)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_an_empty_line_stays_empty():
    assert fitted("", 40) == "" and fitted("\n", 40) == "\n"


@given(WORDS, st.integers(20, 100), st.integers(0, 6))
def test_every_word_stays_whole_and_only_single_words_are_longer_than_the_line(words, width, indent):
    lines = fitted(" " * indent + " ".join(words), width).split("\n")
    assert " ".join(lines).split() == words
    assert all(width_of(line) <= width or len(line.split()) == 1 for line in lines)


def test_what_does_not_fit_is_aligned_behind_the_name_of_its_field():
    assert fitted("  fix       put the images beside this file, or into a folder", 40).split("\n") == [
        "  fix       put the images beside this",
        "            file, or into a folder",
    ]


def test_two_blanks_are_the_better_place_to_break():
    line = "best epoch 2 of 2: box AP 0.065  box AP50 0.170  mask AP 0.103  mask AP50 0.243"
    assert fitted(line, 70).split("\n") == [line[: line.index("  mask AP50")], "  mask AP50 0.243"]


def test_only_a_terminal_gets_broken_lines(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("COLUMNS", "20")
    text = "twenty cells are few for this sentence"
    assert for_terminal(text, io.StringIO()) == text
    assert for_terminal(text, Terminal()) == "twenty cells are few\n  for this sentence"


COLUMNS = ["class", "objects", "AP", "AP50"]
ROWS = [["balloon", 50, "0.563 (0.43 to 0.70)", "0.702 (0.56 to 0.85)"], ["cake", 7, None, "n/a"]]


def test_a_table_that_fits_is_left_alone():
    assert table_text(COLUMNS, ROWS, width=80) == table_text(COLUMNS, ROWS)


def test_a_table_that_is_too_wide_has_its_intervals_below_their_values():
    assert table_text(COLUMNS, ROWS, width=50).splitlines() == [
        "class    objects  AP            AP50",
        "balloon       50  0.563         0.702",
        "                  0.43 to 0.70  0.56 to 0.85",
        "cake           7                n/a",
    ]


def test_in_the_narrowest_terminal_every_row_is_a_list():
    assert table_text(COLUMNS, ROWS, width=30).splitlines() == [
        "balloon",
        "  objects  50",
        "  AP       0.563 (0.43 to 0.70)",
        "  AP50     0.702 (0.56 to 0.85)",
        "cake",
        "  objects  7",
        "  AP50     n/a",
    ]
