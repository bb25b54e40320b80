"""What a shell is answered when the person presses Tab."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest

from maskwright.cli.completion import SHELLS


def maskwright(*arguments: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "maskwright", *arguments],
        capture_output=True, encoding="utf-8", timeout=60, env={**os.environ, **environment},
    )  # fmt: skip
    return done.stdout


def completed(line: str, unfinished: str) -> list[str]:
    """What may stand for the last word of a line in bash."""
    words = [*line.split(), unfinished] if unfinished == "" else line.split()
    answer = maskwright(
        _MASKWRIGHT_COMPLETE="bash_complete", COMP_WORDS=" ".join(words), COMP_CWORD=str(len(words) - 1)
    )
    return [row.partition(",")[2] for row in answer.splitlines()]


def test_commands_are_completed():
    assert completed("maskwright tra", "tra") == ["train"]
    assert {"show", "train", "predict", "completion"} <= set(completed("maskwright", ""))


def test_options_of_a_command_and_their_values_are_completed():
    assert "--time-budget" in completed("maskwright train --ti", "--ti")
    assert completed("maskwright predict --device c", "c") == ["cpu", "cuda"]


def test_a_command_that_does_not_exist_has_nothing_to_complete():
    assert completed("maskwright trian --ti", "--ti") == []


@pytest.mark.parametrize("shell", SHELLS)
def test_the_script_of_each_shell_asks_maskwright(shell):
    script = maskwright("completion", shell)
    assert "_MASKWRIGHT_COMPLETE" in script and f"{shell}_complete" in script and "maskwright" in script


def test_powershell_is_answered_with_kind_value_and_help():
    answer = maskwright(_MASKWRIGHT_COMPLETE="powershell_complete", COMP_LINE="maskwright cro", COMP_WORD="cro")
    (row,) = answer.splitlines()
    assert row.startswith("plain\tcross-validate\tEvaluate a recipe")


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_bash_takes_the_script():
    script = maskwright("completion", "bash")
    done = subprocess.run(["bash", "-c", script + "\ncomplete -p maskwright"], capture_output=True, text=True)
    assert done.returncode == 0 and "maskwright" in done.stdout
