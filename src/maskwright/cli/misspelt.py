"""The error for an option that a command does not have."""

from __future__ import annotations

import click

from maskwright.errors import RecipeError
from maskwright.suggestions import option_meant


def mend(error: click.NoSuchOption, context: click.Context) -> Exception:
    """The error to show instead of click's own, which offers whatever shares its two dashes."""
    command, name = context.command, error.option_name.lstrip("-")
    if argument_named(name, command) is not None:
        return positional(name, command, context.info_name or "")
    text = f"No such option '{error.option_name}'."
    if error.option_name.startswith("--") and (meant := option_meant(name, long_options(command))):
        text += f" Did you mean '--{meant}'?"
    return click.UsageError(text, context)


def long_options(command: click.Command) -> list[str]:
    """Without their dashes."""
    opts = [
        opt
        for param in command.params
        if isinstance(param, click.Option)
        for opt in (*param.opts, *param.secondary_opts)
    ]
    return [opt[2:] for opt in opts if opt.startswith("--")]


def argument_named(name: str, command: click.Command) -> click.Argument | None:
    """The argument of the command, such as MODEL, that somebody wrote as an option."""
    return next((param for param in command.params if isinstance(param, click.Argument) and param.name == name), None)


def positional(name: str, command: click.Command, called: str) -> RecipeError:
    arguments = [param.human_readable_name.strip("[]") for param in command.params if isinstance(param, click.Argument)]
    return RecipeError(
        f"{name.upper()} is an argument, not an option",
        field=name,
        expected=" ".join([f"maskwright {called}", *arguments]),
        got="an option",
        fix=f"write the value alone, without --{name}",
    )
