"""What a terminal would obey is spelt out; everything else is left as it is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskwright.cli.console import Console, table_text
from maskwright.errors import DatasetError
from maskwright.escaping import harmless
from maskwright.issues import Kind

NASTY = "a\x1b]0;pwned\x07\x1b[31m\n99 images\r\x9b2J\u202egpj\u2028.jpg"
NAMED = Kind("named", "warning", "{names!q} in {where}")
BROKEN = Kind("broken", "error", "{error}")
SHOWN = r"a\x1b]0;pwned\x07\x1b[31m\n99 images\r\x9b2J\u202egpj\u2028.jpg"


def test_control_characters_are_spelt_out():
    assert harmless(NASTY) == SHOWN


@pytest.mark.parametrize("text", ["", "party_07.jpg", "气球 café Ünï ملف תמונה 🎈.jpg", r"C:\Users\me\new.jpg", "a  b"])
def test_letters_of_every_script_and_backslashes_are_left_alone(text):
    assert harmless(text) == text


def test_a_file_name_that_is_no_utf_8_shows_its_byte():
    assert harmless(b"caf\xe9.jpg".decode("utf-8", "surrogateescape")) == r"caf\xe9.jpg"


def test_lines_are_kept_where_they_are_ours():
    assert harmless("one\ntwo\x1b", lines=True) == "one\ntwo\\x1b"


@given(st.text(st.characters()))
def test_whatever_the_text_nothing_is_left_to_obey_and_a_terminal_can_take_it(text):
    shown = harmless(text)
    assert not any(ord(letter) < 32 or 127 <= ord(letter) < 160 for letter in shown)
    shown.encode("utf-8")
    assert harmless(shown) == shown


@pytest.mark.parametrize(
    "way", ["show", "issue", "result", "table cell", "table head", "table title", "error", "broken image"]
)
def test_every_way_to_the_terminal_is_harmless(way, capsys):
    console = Console()
    {
        "show": lambda: console.show(f"{NASTY}: 1 balloon"),
        "issue": lambda: console.log(NAMED(NASTY, names=[NASTY], where=NASTY)),
        "result": lambda: console.result({}, NASTY),
        "table cell": lambda: console.table(["class"], [[NASTY]]),
        "table head": lambda: console.table([NASTY], [["balloon"]]),
        "table title": lambda: console.table(["class"], [["balloon"]], title=NASTY),
        "error": lambda: console.run(lambda: _raise(DatasetError(NASTY, file=NASTY, record=NASTY, got=NASTY))),
        "broken image": lambda: console.log(BROKEN(error=DatasetError(NASTY, file=NASTY, record=NASTY, got=NASTY))),
    }[way]()
    shown = "".join(capsys.readouterr())
    assert r"\x1b]0;pwned\x07" in shown
    assert not set(shown) & set("\x1b\x07\r\x9b\u202e\u2028") and "\n99 images" not in shown


def test_an_unexpected_error_is_harmless_too(capsys):
    Console().run(lambda: _raise(KeyError(NASTY)))
    Console().run(lambda: _raise(OSError(5, "gone", NASTY)))
    assert not set(capsys.readouterr().err) & set("\x1b\x07\r\x9b")


def test_a_part_of_several_lines_stands_under_its_first():
    assert str(DatasetError("wrong", got="a\nb")) == "DatasetError: wrong\n  got       a\n          b"


def test_columns_are_as_wide_as_what_is_shown():
    assert table_text(["a", "b"], [["\x1b", "x"], ["", "y"]]).splitlines() == ["a     b", r"\x1b  x", "      y"]


def _raise(error: BaseException) -> None:
    raise error
