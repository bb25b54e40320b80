"""What the house promises about itself: nothing heavy on import, no giant files, pages that say what is true."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import maskwright

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "src" / "maskwright"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("**/*.md"))]
HEAVY = {"torch", "numpy", "PIL", "rich"}


def fresh(code: str) -> set[str]:
    """The modules a new interpreter holds after running `code`."""
    report = "\nimport sys; print('LOADED', *sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code + report], capture_output=True, text=True, check=True)
    return set(done.stdout.rsplit("LOADED", 1)[1].split())


def blocks(page: Path, language: str) -> list[str]:
    """The fenced blocks of one language."""
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text("utf-8"), re.MULTILINE | re.DOTALL)


def commands(page: Path, program: str) -> Iterator[list[str]]:
    """The words after `program` wherever a shell block of the page calls it."""
    for line in "\n".join(blocks(page, "sh")).splitlines():
        for call in line.split("&&"):
            words = call.split("#")[0].split()
            if words[:1] == [program]:
                yield words[1:]


# --- start-up -----------------------------------------------------------------------------------
def test_importing_maskwright_leaves_torch_and_numpy_alone():
    assert not fresh("import maskwright") & HEAVY


def test_the_test_above_would_notice():
    assert fresh("import maskwright; maskwright.RleMasks") & HEAVY == {"numpy"}


HELP = """
import runpy, sys
sys.argv = ["maskwright", "--help"]
try:
    runpy.run_module("maskwright", run_name="__main__")
except SystemExit as end:
    assert not end.code
"""


def test_the_help_leaves_torch_and_numpy_alone():
    assert not fresh(HELP) & {"torch", "numpy", "PIL"}


def test_that_test_too_would_notice():
    assert "numpy" in fresh(HELP + "import maskwright.types")


# --- public names -------------------------------------------------------------------------------
@pytest.mark.parametrize("name", sorted(maskwright._PUBLIC))
def test_every_public_name_is_found(name):
    module, _, attribute = maskwright._PUBLIC[name].partition(":")
    loaded = importlib.import_module(module)
    assert getattr(maskwright, name) is (getattr(loaded, attribute) if attribute else loaded)
    assert name in dir(maskwright)


def test_the_type_checker_knows_every_public_name():
    (block,) = [
        node for node in ast.parse((PACKAGE / "__init__.py").read_text("utf-8")).body if isinstance(node, ast.If)
    ]
    imported: dict[str, str] = {}
    for statement in block.body:
        if isinstance(statement, ast.ImportFrom):
            (alias,) = statement.names
            whole = f"{statement.module}.{alias.name}:"
            imported[alias.asname or ""] = (
                whole if whole in maskwright._PUBLIC.values() else f"{statement.module}:{alias.name}"
            )
        elif isinstance(statement, ast.Assign):  # draw_outlines = _draw_outlines: of another name in its module
            (target,), value = statement.targets, statement.value
            assert isinstance(target, ast.Name) and isinstance(value, ast.Name)
            imported[target.id] = imported.pop(value.id)
    assert imported == maskwright._PUBLIC


def test_no_room_has_the_name_of_a_public_function():
    """Importing a room `predict/` would put the module in the place of the function."""
    assert not {path.name for path in PACKAGE.iterdir() if path.is_dir()} & set(maskwright._PUBLIC)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'maskwright' has no attribute 'color'"):
        maskwright.color  # noqa: B018


# --- size ---------------------------------------------------------------------------------------
def long_files(folder: Path, limit: int = 500) -> list[str]:
    return [path.name for path in folder.rglob("*.py") if len(path.read_text("utf-8").splitlines()) > limit]


def test_no_file_passes_500_lines():
    assert long_files(ROOT / "src") == []


def test_a_file_of_501_lines_is_noticed(tmp_path):
    (tmp_path / "short.py").write_text("a = 1\n" * 500)
    (tmp_path / "long.py").write_text("a = 1\n" * 501)
    assert long_files(tmp_path) == ["long.py"]


# --- the plan of the house ----------------------------------------------------------------------
def named(section: str) -> set[str]:
    """The packages in the first column of a section's table: {"errors.py", "formats/", ...}."""
    page = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    text = re.search(rf"^## {section}\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL)
    return set(re.findall(r"^\| `([\w./]+)` \|", text[1], re.MULTILINE)) if text else set()


def standing() -> set[str]:
    folders = {f"{path.parent.name}/" for path in PACKAGE.glob("*/__init__.py")}
    return folders | {path.name for path in PACKAGE.glob("*.py") if not path.name.startswith("__")}


def test_the_packages_on_the_plan_are_the_packages_that_stand():
    assert named("Packages") == standing()


def test_the_file_to_begin_with_exists():
    rows = re.findall(
        r"^\| `(\w+/)` \|.*\| `(\w+\.py)` \|$", (ROOT / "docs" / "architecture.md").read_text("utf-8"), re.M
    )
    assert rows
    assert [room + file for room, file in rows if not (PACKAGE / room / file).is_file()] == []


# --- pages --------------------------------------------------------------------------------------
def test_every_make_command_on_a_page_is_a_target():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    asked = {words[0] for page in PAGES for words in commands(page, "make")}
    assert {"demo", "test"} <= asked <= targets


def test_every_maskwright_command_on_a_page_exists():
    asked = {words[0] for page in PAGES for words in commands(page, "maskwright")}
    assert asked
    for command in sorted(asked):
        call = [sys.executable, "-m", "maskwright", command, "--help"]
        done = subprocess.run(call, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_python_on_a_page_is_python(page):
    for code in blocks(page, "python"):
        compile(code, page.name, "exec")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text("utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []
