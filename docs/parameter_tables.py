"""Docstrings as the API reference shows them: aligned parameter columns become tables, examples become code.

mkdocstrings loads this as a griffe extension. Docstrings are written for readers of the code: `name  meaning` in
columns, `>>>` lines for examples; neither is Markdown.
"""

from __future__ import annotations

import re
from typing import Any

import griffe

ENTRY = re.compile(r"(?P<name>[*\w][\w*]*(?:, [\w*]+)*) {2,}(?P<meaning>\S.*)")


class ParameterTables(griffe.Extension):
    def on_instance(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        if obj.docstring is not None:
            obj.docstring.value = as_markdown(obj.docstring.value)


def as_markdown(docstring: str) -> str:
    """Each block between blank lines as a table, as code, or as it is.

    >>> print(as_markdown("Boxes.\\n\\nsize  (height, width)\\n      in pixels"))
    Boxes.
    <BLANKLINE>
    | name | meaning |
    |---|---|
    | `size` | (height, width) in pixels |
    """
    return "\n\n".join(map(_block, re.split(r"\n\s*\n", docstring)))


def _block(block: str) -> str:
    lines = block.splitlines()
    if lines[0].startswith(">>>"):
        return "```pycon\n" + block + "\n```"
    rows: list[list[str]] = []
    for line in lines:
        entry = ENTRY.fullmatch(line)
        if entry is not None:
            rows.append([f"`{entry['name']}`", entry["meaning"]])
        elif rows and line.startswith(" "):
            rows[-1][1] += " " + line.strip()
        else:
            return block
    return "\n".join(["| name | meaning |", "|---|---|", *(f"| {name} | {_cell(meaning)} |" for name, meaning in rows)])


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")
