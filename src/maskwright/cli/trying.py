"""train --try: the table of a few short runs, and the command of the best one."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from maskwright.cli.console import Console
from maskwright.errors import RecipeError, UnknownName

if TYPE_CHECKING:
    from maskwright.api.try_settings import Tried

OPTION = "--try"
BUDGETS = ("time_budget", "epochs", "name", "out")  # of the short runs only


class TryCommand(click.Command):
    """Takes several settings behind one --try: `--try lr=1e-3,3e-4 size=448,640`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return super().parse_args(ctx, spread(args))


def spread(arguments: Iterable[str]) -> list[str]:
    """The option before each setting.

    >>> spread(["party", "--try", "lr=1e-3,3e-4", "size=448,640", "--seed", "1"])
    ['party', '--try', 'lr=1e-3,3e-4', '--try', 'size=448,640', '--seed', '1']
    """
    spelled: list[str] = []
    settings = False
    for argument in arguments:
        if settings and "=" in argument and not argument.startswith("-"):
            if spelled[-1] != OPTION:
                spelled.append(OPTION)
        else:
            settings = argument == OPTION
        spelled.append(argument)
    return spelled


def settings_of(texts: Iterable[str], command: click.Command) -> dict[str, list[Any]]:
    """{"lr": [0.001, 0.0003]} of "lr=1e-3,3e-4": names are options of the command, values of the option's type."""
    options = {param.name: param for param in command.params if isinstance(param, click.Option)}
    settings: dict[str, list[Any]] = {}
    for text in texts:
        name, equals, values = text.partition("=")
        name = name.strip().lstrip("-").replace("-", "_")
        if not equals or not values.strip():
            raise RecipeError("a setting to try has values", field=OPTION, expected="lr=1e-3,3e-4", got=text)
        if name not in options:
            known = [known for known in options if known]
            raise UnknownName("option of train", name, known, "`maskwright train --help` lists them")
        option = options[name]
        try:
            settings[name] = [option.type.convert(value.strip(), option, None) for value in values.split(",")]
        except click.BadParameter as error:
            raise RecipeError("an option has a wrong value", field=f"{OPTION} {name}", got=error.message) from error
    return settings


def try_and_show(data: Path, texts: Iterable[str], console: Console, chosen: dict[str, Any]) -> None:
    from maskwright.api.try_settings import try_settings

    command = click.get_current_context().command
    settings = settings_of(texts, command)
    if chosen.pop("resume") is not None or not chosen.pop("validate"):
        raise RecipeError("runs are compared on validation images, from their beginning", field=OPTION,
                          expected="neither --resume nor --no-validate", got="one of them")  # fmt: skip
    tried = try_settings(data, settings, progress=console.progress, log=console.log, **chosen)
    again = following(data, chosen | (tried.best.settings if tried.best else {})) if tried.best else None
    console.result({**tried.to_dict(), "command": again}, lambda: _show(tried, again, console))


def following(data: Path, options: dict[str, Any]) -> str:
    """The command that trains with these options, without the budget of the short runs."""
    words = ["maskwright", "train", str(data)]
    for name, value in options.items():
        if value is not None and value is not False and name not in BUDGETS:
            words += [f"--{name.replace('_', '-')}", *([] if value is True else [str(value)])]
    return shlex.join(words)


def _show(tried: Tried, again: str | None, console: Console) -> None:
    from maskwright.api.try_settings import with_interval

    first = tried.runs[0]
    rows = [
        [
            *map(str, run.settings.values()), run.epochs or None,
            *(with_interval(run.metrics.get(name), run.intervals.get(name)) for name in first.metrics),
        ]
        for run in tried.runs
    ]  # fmt: skip
    title = f"on {first.images} validation images, the best first" if first.images else "every run failed"
    console.table([*first.settings, "epochs", *first.metrics], rows, title=title)
    if tried.close():
        console.show("The second best is within the interval of the best: their order may be chance.")
    if again:
        console.show(f"next    {again}")
