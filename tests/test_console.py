"""The console: results on stdout, everything else on stderr, every ending in words and with its exit code."""

from __future__ import annotations

import errno
import json
import math
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskwright.cli import console as console_module
from maskwright.cli.console import Console, plain
from maskwright.cli.tables import table_text
from maskwright.errors import DatasetError, FetchError, ImageError, UnknownName
from maskwright.issues import Kind
from maskwright.progress import Progress, time_text

CLIPPED = Kind("clipped", "warning", "{count} outlines were clipped")
BROKEN = Kind("broken", "error", "{error}")


def raising(error: BaseException):
    def work():
        raise error

    return work


# --- results ----------------------------------------------------------------------------------------------------------
def test_a_result_is_text_for_people(capsys):
    Console().result({"images": 61}, "61 images")
    assert capsys.readouterr() == ("61 images\n", "")


def test_a_result_is_one_document_for_machines(capsys):
    console = Console(json=True)
    console.show("for people")
    console.table(["class"], [["balloon"]])
    console.log(CLIPPED("party", count=13))
    console.result({"images": 61}, "61 images")
    out, err = capsys.readouterr()
    clipped = {"code": "clipped", "severity": "warning", "subject": "party", "values": {"count": 13}}
    assert json.loads(out) == {"images": 61, "issues": [{**clipped, "images": [], "fix": ""}]} and err == ""


def test_an_issue_is_a_line_on_stderr_and_quiet_keeps_back_all_but_errors(capsys):
    broken = BROKEN(error=ImageError("truncated", file="a.jpg"))
    for quiet, shown in ((False, "party: 13 outlines were clipped\nImageError: a.jpg: truncated\n"),
                         (True, "ImageError: a.jpg: truncated\n")):  # fmt: skip
        console = Console(quiet=quiet)
        console.log(CLIPPED("party", count=13))
        console.log(broken)
        assert capsys.readouterr() == ("", shown) and len(console.issues) == 2


def test_what_was_said_is_not_said_again_unless_it_is_an_error(capsys):
    console = Console()
    for issue in (CLIPPED("party", count=13), CLIPPED("party", count=12), CLIPPED("party", count=13)):
        console.log(issue)
    broken = BROKEN(error=ImageError("truncated", file="a.jpg"))
    console.log(broken)
    console.log(broken)
    lines = ["party: 13 outlines were clipped", "party: 12 outlines were clipped", *2 * [str(broken)]]
    assert capsys.readouterr().err.splitlines() == lines and len(console.issues) == 5


def test_quiet_keeps_results(capsys):
    Console(quiet=True).result({}, "61 images")
    assert capsys.readouterr().out == "61 images\n"


@dataclass
class Facts:
    place: Path
    metrics: np.ndarray


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None), ({}, {}), ((), []), (True, True), (math.nan, None), (-math.inf, None), (Path("a") / "b", "a/b"),
        (np.float32(0.5), 0.5), (np.array([1.0, np.nan]), [1.0, None]), (np.int64(3), 3), ({1: (2, 3)}, {"1": [2, 3]}),
        (Facts(Path("a"), np.arange(2)), {"place": "a", "metrics": [0, 1]}), (DatasetError, str(DatasetError)),
    ],
)  # fmt: skip
def test_facts_become_plain_json(value, expected):
    assert plain(value) == expected


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.text(), lambda item: st.lists(item) | st.dictionaries(
    st.text(), item)))  # fmt: skip
def test_plain_facts_can_always_be_written_and_are_left_alone_the_second_time(value):
    json.dumps(plain(value), allow_nan=False)
    assert plain(plain(value)) == plain(value)


def test_a_table_without_rows_is_its_head():
    assert table_text(["class", "objects"], []) == "class  objects"


def test_numbers_stand_to_the_right():
    text = table_text(["class", "objects", "AP"], [["balloon", 1255, 0.65321], ["気球", 7, None]])
    assert text.splitlines() == ["class    objects     AP", "balloon    1,255  0.653", "気球           7"]


# --- endings ----------------------------------------------------------------------------------------------------------
def test_work_that_ends_well_gives_0():
    assert Console().run(lambda: None) == 0


def test_a_command_may_choose_its_exit_code():
    assert Console().run(lambda: 3) == 3
    assert Console().run(lambda: True) == 0


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (DatasetError("no images", file="party"), 2, "DatasetError: party: no images\n"),
        (UnknownName("model", "smal", ["small"]), 2, 'UnknownName: no model "smal". Did you mean "small"?\n'),
        (FetchError("no network", fix="try again"), 1, "FetchError: no network\n  fix       try again\n"),
        (click.UsageError("Missing argument 'DATA'."), 2, "Missing argument 'DATA'.\n"),
        (KeyboardInterrupt(), 130, "Stopped.\n"),
        (click.Abort(), 130, "Stopped.\n"),
        (PermissionError(errno.EACCES, "Permission denied", "here"), 1,
         "MaskwrightError: here: the system refuses (Permission denied)\n"
         "  fix       ask its owner for the right, or name another\n"),
        (OSError(errno.ENOSPC, "No space left on device"), 1,
         "MaskwrightError: the system refuses (No space left on device)\n  fix       free some space\n"),
        (KeyError("x"), 70, "Something unexpected happened (KeyError: 'x'). Run the same command with --debug to see "
                            "where, and please report it.\n"),
        (MemoryError(), 70, "Something unexpected happened (MemoryError). Run the same command with --debug to see "
                            "where, and please report it.\n"),
    ],
)  # fmt: skip
def test_every_error_is_said_once_and_has_its_code(capsys, error, code, message):
    assert Console().run(raising(error)) == code
    assert capsys.readouterr() == ("", message)


@pytest.mark.parametrize("error", [DatasetError("no images", file="party"), KeyError("x"), KeyboardInterrupt()])
def test_with_json_stdout_still_holds_one_document(capsys, error):
    Console(json=True).run(raising(error))
    out, err = capsys.readouterr()
    facts = json.loads(out)
    assert set(facts) >= {"error", "message"} and err.strip()
    if isinstance(error, DatasetError):
        assert facts == {"error": "DatasetError", "message": "no images", "file": "party", "issues": []}


def test_only_debug_shows_a_traceback(capsys):
    Console().run(raising(ValueError("x")))
    assert "Traceback" not in capsys.readouterr().err
    Console(debug=True).run(raising(ValueError("x")))
    assert "Traceback" in capsys.readouterr().err


def test_a_reader_that_went_away_is_no_error(capsys, monkeypatch):
    monkeypatch.setattr(console_module, "_hush", lambda: None)
    assert Console().run(raising(BrokenPipeError())) == 141
    assert capsys.readouterr() == ("", "")


def test_the_command_line_is_looked_at_before_it_is_parsed():
    console = Console.of(["split", "--jsonn", "--json", "--debug"])
    assert console.json and console.debug and not console.quiet


# --- progress ---------------------------------------------------------------------------------------------------------
def test_progress_hands_on_the_same_items():
    as_everybody_calls_it: Progress = Console().progress
    assert list(as_everybody_calls_it(iter("abc"), total=3, label="reading", unit="images")) == ["a", "b", "c"]
    assert list(Console().progress([])) == []


@pytest.fixture
def terminal(monkeypatch):
    """stderr as if it were a terminal, and a clock that runs a second a look."""
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    seconds = iter(range(10_000))
    monkeypatch.setattr(console_module.time, "monotonic", lambda: float(next(seconds)))


def test_a_bar_appears_only_after_two_seconds(terminal):
    console = Console()
    shown = [console._bars is not None for _ in console.progress(range(6), label="reading", unit="images")]
    assert shown == [False, False, True, True, True, True]
    assert console._bars is None


def test_the_bar_tells_what_and_how_far(terminal):
    console = Console()
    for _ in console.progress(range(61), label="reading", unit="images"):
        if console._bars is not None:
            told = console._bars._shown.tasks[0]
    assert told.description == "reading" and told.fields["count"] == "60 of 61 images" and told.total == 61


def test_pieces_of_bytes_are_counted_by_their_length(terminal):
    console = Console()
    for _ in console.progress([b"x" * 1_000_000] * 9, total=9_000_000, label="weights", unit="B"):
        if console._bars is not None:
            told = console._bars._shown.tasks[0]
    assert told.completed == 8_000_000 and told.fields["count"] == "8.0 of 9.0 MB"


def test_the_time_left_is_known_as_soon_as_the_bar_is_there(terminal):
    console = Console()
    ends = []
    for _ in console.progress(range(10), label="training", unit="epochs"):
        if console._bars is not None:
            ends.append(console._bars._shown.tasks[0].fields["end"])
    assert len(ends) > 5 and None not in ends


def test_work_with_a_limit_ends_no_later(terminal):
    console = Console()
    left = []
    for _ in console.progress(range(100), label="epoch 1", unit="steps", limit=30):
        if console._bars is not None:
            left.append(console._bars._shown.tasks[0].fields["end"])
    assert set(left) == {min(left)} and min(left) < 40  # 100 steps of two looks at the clock would take longer


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s left"), (42.3, "43 s left"), (605, "10 min 5 s left"), (7300, "2 h 1 min left")],
)
def test_the_time_left_is_written_as_people_say_it(seconds, text):
    assert time_text(seconds) == text


def test_bars_may_be_nested_and_are_swept_away_by_an_error(terminal):
    console = Console()

    def work():
        for _ in console.progress(range(9), label="epochs"):
            for step in console.progress(range(9), label="steps"):
                if step == 5:
                    raise FetchError("no network")

    assert console.run(work) == 1
    assert console._bars is None


def test_quiet_and_pipes_show_no_bar(terminal, monkeypatch):
    console = Console(quiet=True)
    assert all(console._bars is None for _ in console.progress(range(6)))
    monkeypatch.setattr("sys.stderr.isatty", lambda: False, raising=False)
    console = Console()
    assert all(console._bars is None for _ in console.progress(range(6)))
