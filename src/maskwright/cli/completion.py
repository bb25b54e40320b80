"""maskwright completion: the script that lets a shell complete commands, options and file names."""

from __future__ import annotations

import os
from collections.abc import Mapping

import click
from click.shell_completion import (
    CompletionItem,
    ShellComplete,
    add_completion_class,
    get_completion_class,
    shell_complete,
)

from maskwright.cli import options
from maskwright.cli.console import Console
from maskwright.errors import MaskwrightError

VARIABLE = "_MASKWRIGHT_COMPLETE"  # the script calls maskwright with this set
PROGRAM = "maskwright"
SHELLS = ("bash", "zsh", "fish", "powershell")

_POWERSHELL = r"""
Register-ArgumentCompleter -Native -CommandName %(prog_name)s -ScriptBlock {
    param($word, $line, $position)
    $env:%(complete_var)s = "powershell_complete"
    $env:COMP_LINE = $line.ToString()
    $env:COMP_WORD = $word
    %(prog_name)s | ForEach-Object {
        $kind, $value, $help = $_ -split "`t", 3
        if ($kind -eq "plain") {
            $tip = ($help, $value -ne "")[0]
            [System.Management.Automation.CompletionResult]::new($value, $value, "ParameterValue", $tip)
        }
    }
    Remove-Item Env:%(complete_var)s, Env:COMP_LINE, Env:COMP_WORD
}
"""


class PowerShell(ShellComplete):
    """Windows PowerShell 5 and PowerShell 7: names of files are completed by the shell itself."""

    name = "powershell"
    source_template = _POWERSHELL

    def get_completion_args(self) -> tuple[list[str], str]:
        words = os.environ["COMP_LINE"].split()[1:]
        unfinished = os.environ["COMP_WORD"]
        return (words[:-1] if unfinished and words else words), unfinished

    def format_completion(self, item: CompletionItem) -> str:
        return f"{item.type}\t{item.value}\t{item.help or ''}"


add_completion_class(PowerShell)


@click.command(options_metavar="[options]")
@click.argument("shell", type=click.Choice(SHELLS))
@options.console
def command(shell: str, console: Console) -> None:
    """Print the script with which SHELL completes maskwright's commands, options and file names.

    \b
      maskwright completion bash >> ~/.bashrc
      maskwright completion zsh >> ~/.zshrc
      maskwright completion fish > ~/.config/fish/completions/maskwright.fish
      maskwright completion powershell >> $PROFILE

    Open a new terminal afterwards.
    """
    completer = get_completion_class(shell)
    assert completer is not None  # every name of SHELLS has one
    script = completer(click.get_current_context().find_root().command, {}, PROGRAM, VARIABLE).source()
    console.result({"shell": shell, "script": script}, lambda: click.echo(script))


def complete(commands: click.Command, environment: Mapping[str, str]) -> int:
    """Answer the shell's question in `environment`; the exit code."""
    try:
        return shell_complete(commands, {}, PROGRAM, VARIABLE, environment[VARIABLE])
    except MaskwrightError:  # a command that does not exist has nothing to complete
        return 0
