"""`maskwright`: the table of commands. A command's module is imported when it is called, not before."""

from __future__ import annotations

import importlib
import os
import re
import sys
from collections.abc import Mapping, MutableMapping, Sequence
from pathlib import Path
from typing import NoReturn

import click

from maskwright.cli.console import STOPPED, Console, prepare_streams
from maskwright.errors import RecipeError, UnknownName
from maskwright.training.interrupts import stoppable

COMMANDS = {  # heading -> name -> where it lives, what it does
    "Data": {
        "show": ("maskwright.cli.show:command", "See your images with their outlines, and what is in the data."),
        "check": ("maskwright.cli.check:command", "Find copies, leaks, label conflicts and faults before training."),
        "convert": ("maskwright.cli.convert:command", "Write annotations in another format, and say what is lost."),
        "split": ("maskwright.cli.split:command", "Divide a dataset; near-identical images stay together."),
        "synth": ("maskwright.cli.synth:command", "Make practice images with exact outlines."),
        "download": ("maskwright.cli.download:command", "Fetch weights or a published dataset."),
    },
    "Train": {
        "train": ("maskwright.cli.train:command", "Train on your own images."),
        "cross-validate": ("maskwright.cli.cross_validate:command", "Evaluate a recipe by k-fold cross-validation."),
    },
    "Use": {
        "predict": ("maskwright.cli.predict:command", "Find objects in images."),
        "splash": ("maskwright.cli.splash:command", "Keep the objects in color, turn the rest gray."),
        "evaluate": ("maskwright.cli.evaluate:command", "Measure how well a model does, with intervals."),
        "threshold": ("maskwright.cli.threshold:command", "Choose from which score on detections are taken."),
        "run": ("maskwright.cli.run:command", "Run a script written for matterport's Mask_RCNN, as it is."),
    },
    "House": {
        "demo": ("maskwright.cli.demo:command", "Everything once, on rendered images, in three minutes."),
        "doctor": ("maskwright.cli.doctor:command", "What this computer has, and whether all is well."),
        "models": ("maskwright.cli.models:command", "The models there are, their size and license."),
    },
}
PLACES = {name: row for commands in COMMANDS.values() for name, row in commands.items()}


class Commands(click.Group):
    """A group that knows its commands by name only."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(PLACES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in PLACES:
            return None
        module, attribute = PLACES[cmd_name][0].split(":")
        return getattr(importlib.import_module(module), attribute)

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str, click.Command, list[str]]:
        name, *rest = args
        command = self.get_command(ctx, name)
        if command is None:
            if name.startswith("-"):
                raise click.NoSuchOption(name, ctx=ctx)
            raise UnknownName("command", name, PLACES, "`maskwright --help` lists them all")
        return name, command, spelled_out(rest, command, name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for heading, commands in COMMANDS.items():
            with formatter.section(heading):
                formatter.write_dl([(f"{name:<9}", line) for name, (_, line) in commands.items()], col_max=12)


def _version(context: click.Context, _: click.Parameter, asked: bool) -> None:
    if asked:
        from maskwright import __version__

        click.echo(f"maskwright {__version__}")
        context.exit()


@click.command(
    cls=Commands,
    invoke_without_command=True,
    subcommand_metavar="COMMAND [options]",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="`maskwright COMMAND --help` explains one. Options may be written `epochs=3` or `--epochs 3`.",
)
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Show the version.")
@click.pass_context
def commands(context: click.Context) -> None:
    """Train, check, evaluate and run instance segmentation on your own images."""
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """The whole program: never returns, and never shows a traceback without --debug."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    prepare_streams()
    wait_passively(os.environ)
    console = Console.of(arguments)
    with stoppable() as stop:
        code = console.run(lambda: _invoke(arguments, console))
    sys.exit(128 + stop.number if code == STOPPED and stop.number else code)


def wait_passively(environment: MutableMapping[str, str]) -> None:
    """Threads of torch that wait for others sleep instead of spinning: on a busy machine a spinning thread takes the
    processor from the one it waits for. Before torch is loaded, and only where the person has not chosen.
    """
    if not {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME"} & set(environment):
        environment["OMP_WAIT_POLICY"] = "PASSIVE"


def _invoke(arguments: list[str], console: Console) -> object:
    """What click's own `main` does, less its ways to end: those are the console's."""
    try:
        with commands.make_context("maskwright", arguments, obj=console) as context:
            return commands.invoke(context)
    except click.exceptions.Exit as end:
        return end.exit_code
    except click.NoSuchOption as error:
        if error.ctx is None:
            raise
        from maskwright.cli.misspelt import mend

        raise mend(error, error.ctx) from error


# --- epochs=3 ---------------------------------------------------------------------------------------------------------
_PAIR = re.compile(r"([A-Za-z][\w-]*)=(.*)", re.DOTALL)
_YES, _NO = ("1", "true", "yes", "on"), ("0", "false", "no", "off")


def spelled_out(arguments: Sequence[str], command: click.Command, name: str) -> list[str]:
    """The arguments with every `epochs=3` as `--epochs=3`, where the command has such an option.

    Values of options before it (`--out a=b`), everything behind `--` and names of files that exist stay as they are.
    """
    options = _long_options(command)
    takes_value = {
        opt
        for param in command.params
        if isinstance(param, click.Option) and not param.is_flag and not param.count
        for opt in param.opts
    }
    spelled: list[str] = []
    for index, argument in enumerate(arguments):
        if argument == "--":
            return [*spelled, *arguments[index:]]
        pair = _PAIR.fullmatch(argument)
        if pair is None or (index and arguments[index - 1] in takes_value):
            spelled.append(argument)
            continue
        key, value = pair[1].replace("_", "-"), pair[2]
        if key in options:
            spelled += _option(options[key], key, value)
        elif not Path(argument).exists():
            _refuse_misspelt(key, command, options, name)
            spelled.append(argument)
        else:
            spelled.append(argument)
    return spelled


def _refuse_misspelt(key: str, command: click.Command, options: Mapping[str, click.Option], name: str) -> None:
    """`epoch=3` where the option is `epochs`, `model=balloons` where MODEL is an argument; else it may be a source."""
    from maskwright.cli.misspelt import argument_named, by_place
    from maskwright.suggestions import option_meant

    if argument_named(key, command) is not None:
        raise by_place(key, command, name)
    if (meant := option_meant(key, options)) is not None:
        raise UnknownName("option", key, options, f"`maskwright {name} --help` lists them all", meant)


def _long_options(command: click.Command) -> dict[str, click.Option]:
    return {
        opt[2:]: param
        for param in command.params
        if isinstance(param, click.Option)
        for opt in (*param.opts, *param.secondary_opts)
        if opt.startswith("--")
    }


def _option(option: click.Option, key: str, value: str) -> list[str]:
    if not option.is_flag:
        return [f"--{key}={value}"]
    if value.lower() not in _YES + _NO:
        raise RecipeError("this option is a switch", field=key, expected="true or false", got=value)
    expected = value.lower() in _YES
    if key in (opt[2:] for opt in option.secondary_opts):
        expected = not expected
    if expected:
        return [option.opts[0]]
    return option.secondary_opts[:1]


if __name__ == "__main__":
    main()
