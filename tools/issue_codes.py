"""List the codes of all issues, as the source declares them, in docs/warnings.md.

    python tools/issue_codes.py            the table
    python tools/issue_codes.py --write    the page with this table

tests/test_issue_codes.py fails where the page and the source differ.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "src" / "maskwright"
PAGE = ROOT / "docs" / "warnings.md"
BEGIN, END = "<!-- codes: python tools/issue_codes.py --write -->", "<!-- end of codes -->"
PARAMETERS = ("code", "severity", "wording", "plural", "fix")


@dataclass(frozen=True)
class Declared:
    """One `Kind` as its module declares it."""

    module: Path
    name: str
    code: str
    severity: str
    wording: str
    plural: str = ""
    fix: str = ""


def declared(package: Path) -> list[Declared]:
    """All of them, by code. ValueError for one that is no constant of a module, or not made of literals."""
    found = []
    for path in sorted(package.rglob("*.py")):
        tree = ast.parse(path.read_text("utf-8"))
        calls = {node for node in ast.walk(tree) if isinstance(node, ast.Call) and _is_kind(node)}
        for name, call in _constants(tree):
            calls.discard(call)
            found.append(Declared(path.relative_to(package), name, **_arguments(call)))
        for call in calls:
            raise ValueError(f"{path}:{call.lineno}: a Kind is a constant of its module")
    return sorted(found, key=lambda kind: kind.code)


def _is_kind(node: ast.Call) -> bool:
    return isinstance(node.func, ast.Name) and node.func.id == "Kind"


def _constants(tree: ast.Module) -> Iterator[tuple[str, ast.Call]]:
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call) and _is_kind(node.value):
            (target,) = node.targets
            if isinstance(target, ast.Name):
                yield target.id, node.value


def _arguments(call: ast.Call) -> dict[str, str]:
    values = dict(zip(PARAMETERS, map(ast.literal_eval, call.args), strict=False))
    return values | {word.arg: ast.literal_eval(word.value) for word in call.keywords if word.arg}


def table(kinds: list[Declared]) -> str:
    """Markdown: code, severity, the sentence with the names of its values."""
    rows = [f"| `{kind.code}` | {kind.severity} | {_cell(kind)} |" for kind in kinds]
    return "\n".join(["| code | severity | message |", "|---|---|---|", *rows])


def _cell(kind: Declared) -> str:
    text = re.sub(r"\{(\w+):([a-z][a-z ]+)\}", r"{\1} \2s", kind.plural or kind.wording)  # a number with its noun
    text = re.sub(r"\{(\w+)[!:][^}]*\}", r"{\1}", text).replace("{fix}", kind.fix or "{fix}")
    return text.replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")


def page(text: str) -> str:
    """The page with the table of today."""
    before, rest = text.split(BEGIN)
    return f"{before}{BEGIN}\n\n{table(declared(PACKAGE))}\n\n{END}{rest.split(END)[1]}"


def main() -> int:
    if "--write" in sys.argv[1:]:
        PAGE.write_text(page(PAGE.read_text("utf-8")), encoding="utf-8", newline="\n")
    else:
        print(table(declared(PACKAGE)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
