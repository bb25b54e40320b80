"""Count properties of the code that affect its readability, and fail if a count exceeds its limit.

    python tools/code_counts.py            the table, and exit status 1 where a limit is exceeded
    python tools/code_counts.py --json     the same for machines

The limits are the counts of the last review. Lower them when a change lowers a count; raise one only with a reason in
docs/decisions.md.
"""

from __future__ import annotations

import ast
import io
import json
import statistics
import sys
import tokenize
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "src" / "maskwright"
TASK_NAMES = {"segment", "detect", "classify"}
TASK_TYPES = {"Classifier", "ImageClassifier", "Detector", "ImageLabels"}
LIMITS = {
    "functions_over_50_lines": 20,
    "functions_over_8_parameters": 22,
    "type_ignores": 13,
    "task_checks_outside_tasks": 0,
    "variables_each_or_place": 0,
    "class_names_used_twice": 0,
    "imports_inside_models": 50,
}


def count(package: Path) -> dict[str, float]:
    """All counts of one package."""
    sources = {path: path.read_text("utf-8") for path in sorted(package.rglob("*.py"))}
    trees = {path: ast.parse(text) for path, text in sources.items()}
    lengths = [len(text.splitlines()) for text in sources.values()]
    functions = [node for tree in trees.values() for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    classes = Counter(node.name for tree in trees.values() for node in tree.body if isinstance(node, ast.ClassDef))
    outside_tasks = {path: tree for path, tree in trees.items() if "tasks" not in path.relative_to(package).parts}
    return {
        "files": len(sources),
        "median_file_lines": statistics.median(lengths),
        "largest_file_lines": max(lengths),
        "functions_over_50_lines": sum(_lines(function) > 50 for function in functions),
        "functions_over_8_parameters": sum(_parameters(function) > 8 for function in functions),
        "type_ignores": sum(text.count("type: ignore") for text in sources.values()),
        "task_checks_outside_tasks": sum(_task_checks(tree) for tree in outside_tasks.values()),
        "variables_each_or_place": sum(_bound(tree, {"each", "place"}) for tree in trees.values()),
        "class_names_used_twice": sum(number > 1 and not name.startswith("_") for name, number in classes.items()),
        "imports_inside_models": len(_arrows(trees, package / "models", f"{package.name}.models")),
        "comment_lines_percent": round(100 * sum(map(_comments, sources.values())) / sum(lengths), 1),
    }


def _lines(function: ast.FunctionDef) -> int:
    return (function.end_lineno or function.lineno) - function.lineno + 1


def _parameters(function: ast.FunctionDef) -> int:
    asked = function.args
    return len(asked.posonlyargs) + len(asked.args) + len(asked.kwonlyargs)


def _task_checks(tree: ast.AST) -> int:
    """Comparisons with task names, and isinstance on types of a task."""
    checks = 0
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            constants = [side.value for side in sides if isinstance(side, ast.Constant)]
            constants += [
                item.value
                for side in sides
                if isinstance(side, ast.Tuple | ast.List | ast.Set)
                for item in side.elts
                if isinstance(item, ast.Constant)
            ]
            checks += any(isinstance(value, str) and value in TASK_NAMES for value in constants)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "isinstance":
            checks += any(isinstance(name, ast.Name) and name.id in TASK_TYPES for name in ast.walk(node.args[1]))
    return checks


def _bound(tree: ast.AST, names: set[str]) -> int:
    """Number of bindings of these names: as variables, in loops, as parameters."""
    stored = [node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)]
    parameters = [node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)]
    return sum(name in names for name in [*stored, *parameters])


def _arrows(trees: dict[Path, ast.Module], folder: Path, package: str) -> set[tuple[str, str]]:
    """Imports from one file of a package by another, however often."""
    modules = {path: package + "." + ".".join(path.relative_to(folder).with_suffix("").parts)
               for path in trees if path.is_relative_to(folder)}  # fmt: skip
    known = set(modules.values())
    arrows = set()
    for path, module in modules.items():
        for node in ast.walk(trees[path]):
            if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith(package):
                targets = {f"{node.module}.{alias.name}" for alias in node.names} & known
                targets |= {node.module} & known if not targets else set()
                arrows |= {(module, target) for target in targets}
    return arrows


def _comments(text: str) -> int:
    """Number of lines with a comment."""
    return sum(token.type == tokenize.COMMENT for token in tokenize.generate_tokens(io.StringIO(text).readline))


def exceeded_limits(counts: dict[str, float], limits: dict[str, int]) -> list[str]:
    """The names of the counts that exceed their limit."""
    return [name for name, limit in limits.items() if counts[name] > limit]


def main(arguments: list[str]) -> int:
    counts = count(PACKAGE)
    exceeded = exceeded_limits(counts, LIMITS)
    if "--json" in arguments:
        print(json.dumps({"counts": counts, "limits": LIMITS, "exceeded": exceeded}, indent=1))
    else:
        for name, number in counts.items():
            limit = LIMITS.get(name)
            shown = "" if limit is None else f"   limit {limit:g}"
            print(f"{name:<30}{number:>8g}{shown}{'   EXCEEDED' if name in exceeded else ''}")
    return 1 if exceeded else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
