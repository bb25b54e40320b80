"""The script that counts what makes code hard to read notices when a count grows."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).resolve().parents[1] / "tools" / "code_counts.py"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("code_counts", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def package(folder: Path, **files: str) -> Path:
    """A package `small` with these files; "__" in a name is a folder."""
    root = folder / "small"
    for name, text in files.items():
        path = root / f"{name.replace('__', '/')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root


def test_a_file_of_one_line_counts_nothing(script, tmp_path):
    counts = script.count(package(tmp_path, one="x = 1\n"))
    assert (counts["files"], counts["largest_file_lines"]) == (1, 1)
    assert all(counts[name] == 0 for name in script.LIMITS)


GROWN = {
    "functions_over_50_lines": {"one": "def f():\n" + "    x = 1\n" * 50},
    "functions_over_8_parameters": {"one": "def f(a, b, c, d, e, *, f, g, h, i):\n    pass\n"},
    "type_ignores": {"one": "x = 1  # type: ignore[assignment]\n"},
    "task_checks_outside_tasks": {"one": 'def f(task):\n    return task == "classify"\n'},
    "variables_each_or_place": {"one": "for each in ():\n    pass\n"},
    "class_names_used_twice": {"one": "class A:\n    pass\n", "two": "class A:\n    pass\n"},
    "imports_inside_models": {"models__one": "x = 1\n", "models__two": "from small.models.one import x\n"},
}


@pytest.mark.parametrize("name", GROWN)
def test_a_grown_count_exceeds_its_limit(script, tmp_path, name):
    counts = script.count(package(tmp_path, **GROWN[name]))
    assert script.exceeded_limits(counts, dict.fromkeys(script.LIMITS, 0)) == [name]
    assert script.exceeded_limits(counts, {name: int(counts[name])}) == []


def test_every_limit_has_a_case_above(script):
    assert set(GROWN) == set(script.LIMITS)


def test_a_grown_count_fails_the_script(script, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(script, "PACKAGE", package(tmp_path, **GROWN["type_ignores"]))
    assert script.main([]) == 0
    monkeypatch.setattr(script, "LIMITS", {"type_ignores": 0})
    assert script.main([]) == 1
    assert "EXCEEDED" in capsys.readouterr().out


def test_a_check_of_the_task_inside_tasks_is_no_finding(script, tmp_path):
    source = GROWN["task_checks_outside_tasks"]["one"]
    assert script.count(package(tmp_path, tasks__one=source))["task_checks_outside_tasks"] == 0
