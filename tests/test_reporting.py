"""What functions show while they work: nothing in a script, lines if asked, bars in a notebook."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest
from notebook_standin import notebook

from maskwright import reporting
from maskwright.errors import RecipeError
from maskwright.issues import Issues, Kind, warn
from maskwright.progress import seconds_of, silent
from maskwright.training.defaults import from_options

FOUND = Kind("found_something", "info", "{count} found")


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Progress is shown from the first item on."""
    monkeypatch.setattr(reporting, "PATIENCE", -1.0)
    monkeypatch.setattr(reporting, "EVERY", 0.0)
    monkeypatch.setattr(reporting, "REFRESH", 0.0)


# --- scripts ----------------------------------------------------------------------------------------
def test_a_script_is_told_nothing_unless_it_asks():
    assert reporting.reporting(None, None, None) == (silent, warn)
    assert reporting.reporting(False, None, None) == (silent, warn)


def test_verbose_prints_progress_and_issues(impatient, capsys):
    progress, log = reporting.reporting(True, None, None)
    assert list(progress(["a", "b", "c"], label="predicting", unit="images")) == ["a", "b", "c"]
    log(FOUND(count=3))
    first, *rest, last = capsys.readouterr().out.splitlines()
    assert first == "predicting: 0 of 3 images"
    assert [line.partition(",")[0] for line in rest] == ["predicting: 1 of 3 images", "predicting: 2 of 3 images"]
    assert all(line.endswith(" left") for line in rest)
    assert last == "3 found"


def test_what_is_quick_prints_no_progress(capsys):
    progress, _ = reporting.reporting(True, None, None)
    assert list(progress(range(3), label="predicting")) == [0, 1, 2]
    assert capsys.readouterr().out == ""


def test_reporting_of_ones_own_is_used_as_it_is():
    progress, log = reporting.reporting(True, silent, issues := Issues())
    assert progress is silent and log is issues  # an empty list, too


def test_a_label_cannot_command_the_terminal(impatient, capsys):
    assert list(reporting.printed([1], label="a\x1b[2J.jpg")) == [1]
    assert "\x1b" not in capsys.readouterr().out


# --- notebooks --------------------------------------------------------------------------------------
def test_a_notebook_shows_a_bar_by_itself_and_takes_it_away(impatient, monkeypatch):
    _, shown = notebook(monkeypatch)
    progress, log = reporting.reporting(None, None, None)
    assert log is reporting.print_issue
    states = []
    for _ in progress(["a", "b"], label="<b>.jpg"):
        states.append(shown.outputs[0]["text/html"])
    assert 'value="1" max="2"' in states[1] and "&lt;b&gt;.jpg: 1 of 2" in states[1]
    assert shown.outputs == [{"text/html": "", "text/plain": ""}]


def test_bars_of_nested_activities_share_an_output(impatient, monkeypatch):
    _, shown = notebook(monkeypatch)
    bars = reporting.NotebookBars()
    for _ in bars([1], label="outer"):
        for _ in bars([1], label="inner"):
            assert [shown.outputs[0]["text/html"].count(name) for name in ("outer", "inner")] == [1, 1]
    assert len(shown.outputs) == 1


def test_a_bar_disappears_after_an_error(impatient, monkeypatch):
    def failing() -> Iterator[int]:
        yield 1
        raise ValueError

    _, shown = notebook(monkeypatch)
    with pytest.raises(ValueError):
        list(reporting.automatic(failing(), total=2, label="reading"))
    assert shown.outputs[0]["text/html"] == ""


def test_a_notebook_can_be_kept_quiet(monkeypatch):
    notebook(monkeypatch)
    assert reporting.reporting(False, None, None) == (silent, warn)


def test_a_script_never_imports_ipython():
    code = (
        "import sys, maskwright; list(maskwright.read and __import__('maskwright.reporting').reporting.automatic([1]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", f"{code}; print('IPython' in sys.modules)"], capture_output=True, text=True, check=False
    )
    assert done.stdout == "False\n", done.stderr


# --- time -------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("span", "seconds"), [(90, 90.0), ("90", 90.0), ("90s", 90.0), (" 20 M ", 1200.0), ("1.5h", 5400.0), (0, 0.0)]
)
def test_a_span_of_time_is_text_or_seconds(span, seconds):
    assert seconds_of(span) == seconds
    assert from_options(time_budget=span).time_budget == seconds


@pytest.mark.parametrize("span", ["soon", "0m", "-5m", "5 minutes", ""])
def test_what_is_no_span_of_time_is_an_error_that_shows_one(span):
    with pytest.raises(RecipeError) as caught:
        from_options(time_budget=span)
    assert caught.value.parts == {"field": "time_budget", "expected": "90s, 20m or 1.5h", "got": repr(span)}


@pytest.mark.parametrize("span", [[5], {"minutes": 5}])
def test_a_time_budget_of_another_type_is_an_error(span):
    with pytest.raises(RecipeError, match="an option has a wrong value"):
        from_options(time_budget=span)
