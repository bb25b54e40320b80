"""`maskwright`: the table of commands. A command's module is imported when it is called, not before."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import MutableMapping, Sequence
from typing import NoReturn

import click

from maskwright.cli.console import STOPPED, Console, prepare_streams
from maskwright.cli.help import Context
from maskwright.errors import UnknownName
from maskwright.training.interrupts import stoppable

COMMANDS = {  # heading -> name -> where it lives, what it does
    "Data": {
        "show": ("maskwright.cli.show:command", "Show images with their annotations, and summarize a dataset."),
        "label": ("maskwright.cli.label:command", "Draw objects on images in the browser, with a model's help."),
        "check": ("maskwright.cli.check:command", "Find duplicates, leaks, label conflicts and faults."),
        "stats": ("maskwright.cli.stats:command", "Sizes, shapes and crowding of images and objects."),
        "convert": ("maskwright.cli.convert:command", "Convert annotations, and report what is lost."),
        "merge": ("maskwright.cli.merge:command", "Join several datasets into one."),
        "relabel": ("maskwright.cli.relabel:command", "Rename, join or drop classes."),
        "split": ("maskwright.cli.split:command", "Split a dataset; near-duplicates stay in the same split."),
        "synth": ("maskwright.cli.synth:command", "Render synthetic images with exact masks."),
        "download": ("maskwright.cli.download:command", "Fetch weights or a published dataset."),
    },
    "Train": {
        "train": ("maskwright.cli.train:command", "Train on your own images."),
        "cross-validate": ("maskwright.cli.cross_validate:command", "Evaluate a recipe by k-fold cross-validation."),
    },
    "Use": {
        "predict": ("maskwright.cli.predict:command", "Find objects in images."),
        "splash": ("maskwright.cli.splash:command", "Keep the objects in color, turn the rest gray."),
        "evaluate": ("maskwright.cli.evaluate:command", "Evaluate a model, with confidence intervals."),
        "serve": ("maskwright.cli.serve:command", "Answer predictions over HTTP; a page to try a model."),
        "threshold": ("maskwright.cli.threshold:command", "Choose the score threshold of a model."),
        "export": ("maskwright.cli.export:command", "Write a model for ONNX Runtime or OpenVINO."),
        "bench": ("maskwright.cli.bench:command", "Measure a model in every engine on this machine."),
        "run": ("maskwright.cli.run:command", "Run a script written for matterport's Mask_RCNN unchanged."),
    },
    "General": {
        "demo": ("maskwright.cli.demo:command", "Train, evaluate and predict on rendered images (3 min)."),
        "doctor": ("maskwright.cli.doctor:command", "Check the installation, the hardware and the weights."),
        "models": ("maskwright.cli.models:command", "List the models with their size and license."),
        "completion": ("maskwright.cli.completion:command", "Let the shell complete commands, options and files."),
    },
}
PLACES = {name: row for commands in COMMANDS.values() for name, row in commands.items()}


class Commands(click.Group):
    """A group that knows its commands by name only."""

    context_class = Context

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(PLACES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in PLACES:
            return None
        module, attribute = PLACES[cmd_name][0].split(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        command.context_class = Context
        return command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str, click.Command, list[str]]:
        name, *rest = args
        command = self.get_command(ctx, name)
        if command is None:
            if name.startswith("-"):
                raise click.NoSuchOption(name, ctx=ctx)
            raise UnknownName("command", name, PLACES, "`maskwright --help` lists them all")
        return name, command, rest

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for heading, commands in COMMANDS.items():
            with formatter.section(heading):
                formatter.write_dl([(f"{name:<14}", line) for name, (_, line) in commands.items()], col_max=14)


def _version(context: click.Context, _: click.Parameter, asked: bool) -> None:
    if asked:
        from maskwright import __version__

        click.echo(f"maskwright {__version__}")
        context.exit()


@click.command(
    cls=Commands,
    invoke_without_command=True,
    subcommand_metavar="COMMAND [options]",
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="`maskwright COMMAND --help` explains one.",
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
    if "_MASKWRIGHT_COMPLETE" in os.environ:  # a shell asks what may follow
        from maskwright.cli.completion import complete

        sys.exit(complete(commands, os.environ))
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


if __name__ == "__main__":
    main()
