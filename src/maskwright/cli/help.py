"""The text of --help, as wide as the terminal: in a narrow one the help of an option stands below its name."""

from __future__ import annotations

from collections.abc import Iterable

import click

from maskwright.cli.lines import fitted, line_width, wrapped

NARROW = 60  # cells; below, two columns leave no room for either


class HelpFormatter(click.HelpFormatter):
    """click's own never goes below 50 cells, and leaves examples as long as they are."""

    def __init__(self, indent_increment: int = 2, width: int | None = None, max_width: int | None = None) -> None:
        super().__init__(indent_increment, width or line_width(), max_width)

    def write(self, string: str) -> None:
        super().write(fitted(string, self.width))

    def write_dl(self, rows: Iterable[tuple[str, str]], col_max: int = 30, col_spacing: int = 2) -> None:
        if self.width >= NARROW:
            super().write_dl(rows, col_max, col_spacing)
            return
        indent = " " * self.current_indent
        for name, text in rows:
            self.write(f"{indent}{name.strip()}\n")
            for line in wrapped(text, self.width - self.current_indent - 4) if text else []:
                self.write(f"{indent}    {line}\n")


class Context(click.Context):
    """A context whose help is written by the formatter above."""

    formatter_class = HelpFormatter
