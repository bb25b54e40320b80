"""--open: the page that a command wrote, in the browser."""

from __future__ import annotations

import os
import sys
import webbrowser
from pathlib import Path

import click

from maskwright.cli.console import Console
from maskwright.errors import RecipeError
from maskwright.issues import Kind

BROWSER_NOT_FOUND = Kind("browser_not_found", "warning", "no browser was found here: open {page} yourself")

option = click.option("--open", "open_page", is_flag=True, help="Show the page in the browser.")


def need_page(asked: bool, out: Path | None, command: str) -> None:
    """--open of a command that writes its page to --out."""
    if asked and out is None:
        raise RecipeError("a page is written to --out", field="--open", expected="--out PAGE.html", got="none",
                          fix=f"{command} --out page.html --open")  # fmt: skip


def show_page(page: Path, console: Console) -> None:
    """Open it; where there is no browser with a window, say where the page is."""
    address = page.resolve().as_uri()
    if not (has_windows() and webbrowser.open(address)):
        console.log(BROWSER_NOT_FOUND(page=str(page)))


def has_windows() -> bool:
    """Without a screen Linux would start a browser that fills the terminal, and wait for its end."""
    named = ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")
    return sys.platform in ("win32", "darwin") or any(os.environ.get(name) for name in named)
