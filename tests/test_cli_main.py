"""The command line as a whole: one table of commands, nothing heavy before it is needed."""

from __future__ import annotations

import importlib
import inspect
import json
import os
import re
import subprocess
import sys

import click
import pytest

from maskwright.cli.main import COMMANDS, PLACES, commands, main, wait_passively
from maskwright.training.recipe import Recipe

HEAVY = ("torch", "numpy", "PIL", "rich", "maskwright.types")


def run(*arguments: str, **settings) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "maskwright", *arguments], capture_output=True, encoding="utf-8", timeout=60, **settings
    )


def heavy_modules_after(code: str) -> list[str]:
    """Which of the heavy modules a fresh interpreter has loaded after this code, whether or not it ended by exit."""
    code = f"import sys\ntry:\n    {code}\nexcept SystemExit:\n    pass\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    return [name for name in HEAVY if name in done.stdout.split()]


# --- light ------------------------------------------------------------------------------------------------------------
def test_help_loads_nothing_heavy_and_no_command():
    assert heavy_modules_after("from maskwright.cli.main import main; main(['--help'])") == []
    code = "from maskwright.cli.main import main; main(['--help'])"
    done = subprocess.run(
        [sys.executable, "-c", f"import sys\ntry:\n    {code}\nexcept SystemExit:\n    print(*sys.modules)"],
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    loaded = {name for name in done.stdout.split() if name.startswith("maskwright.cli.")}
    assert loaded == {f"maskwright.cli.{name}" for name in ("main", "console", "help", "lines", "tables")}


def test_the_test_above_would_notice():
    assert heavy_modules_after("import maskwright.types, maskwright.cli.main") == ["numpy", "maskwright.types"]


@pytest.mark.parametrize("name", [name for name in PLACES if name in ("show", "split", "synth")])
def test_a_commands_help_loads_nothing_heavy(name):
    assert heavy_modules_after(f"from maskwright.cli.main import main; main(['{name}', '--help'])") == []


# --- the table --------------------------------------------------------------------------------------------------------
def test_every_command_stands_under_one_heading():
    assert list(COMMANDS) == ["Data", "Train", "Use", "General"]
    assert len(PLACES) == sum(len(names) for names in COMMANDS.values())


@pytest.mark.parametrize("name", PLACES)
def test_every_command_in_the_table_can_be_loaded_and_explains_itself(name, capsys):
    module, attribute = PLACES[name][0].split(":")
    command = getattr(importlib.import_module(module), attribute)
    assert isinstance(command, click.Command) and module == f"maskwright.cli.{name.replace('-', '_')}"
    with pytest.raises(SystemExit) as end:
        main([name, "--help"])
    text = capsys.readouterr().out
    assert end.value.code == 0
    assert f"  maskwright {name}" in text, "an example that runs"
    assert all(option.help for option in command.params if isinstance(option, click.Option)), "each option is explained"
    assert "--json" in text and "--debug" in text


def test_help_groups_the_commands(capsys):
    with pytest.raises(SystemExit) as end:
        main(["--help"])
    text = capsys.readouterr().out
    assert end.value.code == 0
    positions = [text.index(word) for word in ("Data:", "split", "Train:", "Use:", "General:")]
    assert positions == sorted(positions)
    assert all(re.search(rf"\n  {name}\s", text) for name in PLACES)


def test_no_command_shows_the_help(capsys):
    with pytest.raises(SystemExit) as end:
        main([])
    assert end.value.code == 0 and "Data:" in capsys.readouterr().out


def test_the_version_is_the_packages(capsys):
    import maskwright

    with pytest.raises(SystemExit) as end:
        main(["--version"])
    assert end.value.code == 0 and capsys.readouterr().out == f"maskwright {maskwright.__version__}\n"


def test_a_misspelt_command_is_named_with_the_nearest_one(capsys):
    with pytest.raises(SystemExit) as end:
        main(["spilt", "party"])
    assert end.value.code == 2
    assert capsys.readouterr() == (
        "", 'UnknownName: no command "spilt". Did you mean "split"? (`maskwright --help` lists them all)\n'
    )  # fmt: skip


def test_a_misspelt_option_is_named_with_the_nearest_one_and_obeys_json(capsys):
    with pytest.raises(SystemExit) as end:
        main(["split", "a", "b", "--vall", "0.2", "--json"])
    out, err = capsys.readouterr()
    assert end.value.code == 2 and "--val" in err
    assert json.loads(out)["error"] == "UsageError"


# --- one option grammar -----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("argument", ["epochs=3", "epoch=3", "json=true"])
def test_an_option_without_dashes_is_an_unexpected_argument(argument, capsys):
    with pytest.raises(SystemExit) as end:
        main(["train", "party", argument])
    out, err = capsys.readouterr()
    assert (end.value.code, out) == (2, "") and f"unexpected extra argument ({argument})" in err


@pytest.mark.parametrize("name", ["train", "cross-validate"])
def test_every_option_that_a_recipe_takes_has_the_recipes_name(name):
    """`--cached-views` sets `cached_views`: an option of another name would end in an error about a recipe."""
    command = commands.get_command(click.Context(commands), name)
    assert command is not None
    api = importlib.import_module(f"maskwright.api.{name.replace('-', '_')}")
    parameters = set(inspect.signature(getattr(api, name.replace("-", "_"))).parameters)
    known = {*parameters, *Recipe.__struct_fields__, "epochs", "layers", "lr"}
    others = {"as_json", "quiet", "debug", "open_page", "tried", "log_to"}
    assert {param.name for param in command.params} <= known | others


# --- as a program -----------------------------------------------------------------------------------------------------
def test_a_wrong_file_gives_2_and_no_traceback():
    done = run("show", "nowhere", "--json")
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert json.loads(done.stdout)["error"] == "DatasetError"


def test_a_closed_pipe_ends_quietly():
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-m", "maskwright", "--help"], stdout=write, stderr=subprocess.PIPE, text=True, timeout=60
    )
    os.close(write)
    assert done.returncode == 141 and done.stderr == ""


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8"])
def test_letters_a_console_cannot_show_do_not_stop_the_program(encoding):
    done = subprocess.run(
        [sys.executable, "-m", "maskwright", "show", "気球 ø"], capture_output=True, timeout=60,
        env={**os.environ, "PYTHONIOENCODING": encoding},
    )  # fmt: skip
    assert done.returncode == 2 and b"DatasetError" in done.stderr and b"Traceback" not in done.stderr


def test_a_folder_with_something_in_it_is_never_replaced(tmp_path, capsys):
    (tmp_path / "mine.txt").write_text("precious", encoding="utf-8")
    with pytest.raises(SystemExit) as end:
        main(["split", str(tmp_path), str(tmp_path)])
    assert end.value.code == 1
    assert (tmp_path / "mine.txt").read_text(encoding="utf-8") == "precious"
    assert "this is there already" in capsys.readouterr().err


def test_the_group_has_nothing_but_its_commands():
    assert commands.list_commands(click.Context(commands)) == list(PLACES)


# --- a busy machine -------------------------------------------------------------------------------------------------
def test_waiting_threads_sleep_unless_the_person_chose_otherwise():
    made: dict[str, str] = {}
    wait_passively(made)
    assert made == {"OMP_WAIT_POLICY": "PASSIVE"}
    for name in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME"):
        chosen = {name: "ACTIVE"}
        wait_passively(chosen)
        assert chosen == {name: "ACTIVE"}


def test_the_library_alone_sets_no_variable():
    code = "import os; before = dict(os.environ); import maskwright; maskwright.load; print(before == dict(os.environ))"
    environment = {key: value for key, value in os.environ.items() if key != "OMP_WAIT_POLICY"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, env=environment)
    assert done.stdout == "True\n"


def test_the_program_sets_it_before_torch_is_loaded():
    code = (
        "import sys, os\nfrom maskwright.cli import main as program\n"
        "def seen(*_):\n    print(os.environ.get('OMP_WAIT_POLICY'), 'torch' in sys.modules)\n"
        "program._invoke = seen\nprogram.main([])"
    )
    environment = {key: value for key, value in os.environ.items() if key != "OMP_WAIT_POLICY"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, env=environment)
    assert done.stdout == "PASSIVE False\n"


@pytest.mark.skipif(sys.platform == "win32", reason="there such a name is just absent")
@pytest.mark.parametrize(
    "words",
    [("show",), ("train",), ("evaluate", "balloons"), ("predict",), ("splash", "balloons"), ("cross-validate",)],
)
def test_a_name_that_no_file_can_have_is_an_input_error_and_no_bug_of_ours(words, capsys):
    with pytest.raises(SystemExit) as ended:
        main([*words, "a" * 300, *["b.jpg"] * (words == ("predict",))])
    told = capsys.readouterr().err
    assert ended.value.code not in (0, 70) and "unexpected" not in told and len(told) < 1500
