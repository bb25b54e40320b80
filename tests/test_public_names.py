"""Everything that pages, examples and notebooks import is a name of `maskwright` itself (or of `mrcnn`)."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
NOTEBOOKS = sorted((ROOT / "examples").glob("*.ipynb"))


def python_in(path: Path) -> Iterator[str]:
    """The Python of a script, of a notebook's cells (without its magics) or of a page's blocks."""
    text = path.read_text("utf-8")
    if path.suffix == ".py":
        yield text
    elif path.suffix == ".ipynb":
        for cell in json.loads(text)["cells"]:
            if cell["cell_type"] == "code":
                yield "".join(line for line in cell["source"] if not line.startswith("%"))
    else:
        yield from re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def inner_imports(code: str) -> list[str]:
    """The modules below `maskwright` that the code imports."""
    modules = []
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            modules += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            modules.append(node.module or "")
    return [module for module in modules if module.startswith("maskwright.")]


@pytest.mark.parametrize("path", [*PAGES, *EXAMPLES, *NOTEBOOKS], ids=lambda path: path.name)
def test_code_for_users_imports_only_public_names(path):
    assert [module for code in python_in(path) for module in inner_imports(code)] == []


def test_an_import_of_an_inner_module_would_be_noticed(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("```python\nimport maskwright\nfrom maskwright.api.watch import watch\n```\n")
    (code,) = python_in(page)
    assert inner_imports(code) == ["maskwright.api.watch"]
    notebook = tmp_path / "book.ipynb"
    source = ["%load_ext maskwright\n", "import maskwright.synth\n"]
    notebook.write_text(json.dumps({"cells": [{"cell_type": "code", "source": source}]}))
    assert [inner_imports(code) for code in python_in(notebook)] == [["maskwright.synth"]]


def test_there_is_code_on_pages_in_examples_and_in_notebooks():
    for paths in (PAGES, EXAMPLES, NOTEBOOKS):
        assert any("maskwright" in code for path in paths for code in python_in(path))
