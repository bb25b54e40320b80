"""In a terminal of 80 cells, and in one of 40, no command breaks a word; into a file it writes whole lines."""

from __future__ import annotations

from pathlib import Path

import click
import pytest
from tiny_runs import classifier_folder, model_folder

from maskwright.cli.lines import width_of
from maskwright.cli.main import PLACES, main
from maskwright.synth import render_set

WIDTHS = (80, 40)
Capture = pytest.CaptureFixture[str]


def broken(text: str, width: int) -> list[str]:
    """Lines longer than the terminal, but for those of one word: a path, an address."""
    return [line for line in click.unstyle(text).split("\n") if width_of(line) > width and len(line.split()) > 1]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """party/, twins/ (with one image twice), a detector and a classifier."""
    folder = tmp_path_factory.mktemp("terminal")
    render_set("balloons", 6, folder / "party", size=(96, 128))
    images = sorted((folder / "party" / "train").glob("*.jpg"))
    for index, name in enumerate(("a photograph with a long name that says what is on it", "twin", "third")):
        for label in ("rust", "no rust to be seen"):
            (folder / "twins" / label).mkdir(parents=True, exist_ok=True)
            (folder / "twins" / label / f"{name}.jpg").write_bytes(images[index % 2].read_bytes())
    model_folder(folder / "model")
    classifier_folder(folder / "classifier", ("rust", "no rust to be seen"))
    return folder


def shown(capsys: Capture, monkeypatch: pytest.MonkeyPatch, width: int, *words: str, terminal: bool = True) -> str:
    """Both streams of a command, as if each were a terminal of that width."""
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setattr("maskwright.cli.lines.is_terminal", lambda stream: terminal)
    with pytest.raises(SystemExit):
        main(list(words))
    return "".join(capsys.readouterr())


def test_a_broken_word_would_be_noticed() -> None:
    assert broken("one two three", 8) == ["one two three"]
    assert broken("https://example.org/one", 8) == [] == broken("one two", 8)


@pytest.mark.parametrize("command", ["", *PLACES])
@pytest.mark.parametrize("width", WIDTHS)
def test_help_fits(command: str, width: int, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    text = shown(capsys, monkeypatch, width, *command.split(), "--help")
    assert "Usage: maskwright" in text and broken(text, width) == []


COMMANDS = [
    "show party", "check party", "check twins", "models", "models --card model", "doctor", "download",
    "split twins halves --val 0.5", "convert party party.json --to coco", "predict model party/val --no-pictures",
    "predict classifier twins/rust --no-pictures", "evaluate model party", "evaluate classifier twins --split all",
    "show nowhere", "predict balon party", "train party --size 500", "train party --lrr 1", "evaluate balloons twins",
]  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS)
def test_what_commands_say_fits(command: str, place: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)
    for width in WIDTHS:
        text = shown(capsys, monkeypatch, width, *command.split())
        assert text.strip() and broken(text, width) == [], text


def test_into_a_file_lines_are_whole(place: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)
    text = shown(capsys, monkeypatch, 40, "check", "twins", terminal=False)
    assert broken(text, 40) and "a photograph with a long name that says what is on it.jpg" in text
