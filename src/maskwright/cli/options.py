"""Options that several commands share, each defined once."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from maskwright.cli.console import Console
from maskwright.errors import OutputError

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


def console(function: Callable[..., Any]) -> Callable[..., Any]:
    """--json, --quiet, --debug; the function gets `console` instead of the three."""

    @click.option("--json", "as_json", is_flag=True, help="Results as one JSON document on stdout.")
    @click.option("--quiet", is_flag=True, help="No remarks, no progress bars.")
    @click.option("--debug", is_flag=True, help="Show where an error came from.")
    @click.pass_context
    @functools.wraps(function)
    def with_console(
        context: click.Context, /, *arguments: Any, as_json: bool, quiet: bool, debug: bool, **options: Any
    ) -> Any:
        console = context.find_object(Console) or Console()
        console.json, console.quiet, console.debug = as_json, quiet, debug
        return function(*arguments, console=console, **options)

    return with_console


names = click.option(
    "--names",
    metavar="A,B",
    callback=lambda context, parameter, value: tuple(each.strip() for each in value.split(",")) if value else None,
    help="The classes of a .h5 file of matterport's, in order, without the background.",
)
device = click.option(
    "--device",
    type=click.Choice(["auto", "cpu", "cuda", "mps"]),
    default="auto",
    show_default=True,
    help="Where to compute; auto takes a GPU where there is one.",
)
precision = click.option(
    "--precision",
    type=click.Choice(["auto", "f32", "bf16"]),
    default="auto",
    show_default=True,
    help="Of the arithmetic; auto takes bf16 where the processor has it natively.",
)
seed = click.option(
    "--seed",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    metavar="N",
    help="Another seed, another draw; the same seed, the same result.",
)
allow_faulty = click.option(
    "--allow-faulty", is_flag=True, help="Leave faulty records out, even where they are many, and name them."
)
data = click.argument("data", type=click.Path(path_type=Path))


def out(help: str, **settings: Any) -> Decorator:
    """--out PATH, -o PATH, with what lands there in the help."""
    return click.option("--out", "-o", type=click.Path(path_type=Path), metavar="PATH", help=help, **settings)


def refuse_filled(folder: Path) -> None:
    """A folder to be written must be new or empty: nothing of the user's is ever replaced."""
    try:
        filled = folder.exists() and (not folder.is_dir() or any(folder.iterdir()))
    except OSError as error:
        raise OutputError("cannot be looked into", file=folder, got=error.strerror) from error
    if filled:
        raise OutputError("this is there already, and would be replaced", file=folder, fix="name a new folder")
