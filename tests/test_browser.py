"""--open shows the page that a command wrote, and says where it is where no browser can."""

from __future__ import annotations

from pathlib import Path

import pytest

from maskwright.cli import browser
from maskwright.cli.console import Console
from maskwright.cli.main import main


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    addresses: list[str] = []
    monkeypatch.setattr(browser, "has_windows", lambda: True)
    monkeypatch.setattr(browser.webbrowser, "open", lambda address: not addresses.append(address))
    return addresses


def test_the_page_is_opened_by_its_whole_address(opened: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    console = Console()
    browser.show_page(Path("my page.html"), console)
    assert opened == [(tmp_path / "my page.html").as_uri()] and not console.issues


def test_without_a_screen_nothing_is_started_and_the_page_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(browser.sys, "platform", "linux")
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(browser.webbrowser, "open", lambda address: pytest.fail("a browser was started"))
    console = Console(quiet=True)
    browser.show_page(Path("report.html"), console)
    assert [str(issue) for issue in console.issues] == ["no browser was found here: open report.html yourself"]


@pytest.mark.parametrize("command", [["evaluate", "balloons", "party"], ["predict", "balloons", "party"]])
def test_open_needs_a_page(command: list[str], opened: list[str], capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as ended:
        main([*command, "--open"])
    assert ended.value.code == 2 and not opened
    assert "--open" in capsys.readouterr().err


def test_train_opens_its_report(opened: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from maskwright.api.train import Trained

    run = tmp_path / "runs" / "party"
    monkeypatch.setattr("maskwright.api.train.train", lambda *_, **__: Trained(run, run / "best", 1, 1, 1.0, {}))
    with pytest.raises(SystemExit) as ended:
        main(["train", str(tmp_path / "party"), "--out", str(tmp_path / "runs"), "--open"])
    assert ended.value.code == 0 and opened == [(run / "report.html").as_uri()]
