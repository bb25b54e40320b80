"""Lines that fit the terminal: broken between words, the rest indented below."""

from __future__ import annotations

import re
import shutil
import textwrap
from typing import TextIO

WIDEST = 100  # cells of a line of prose, however wide the terminal
FIELD = re.compile(r"( *)(\S+ {2,})?")  # "  fix       name another": what follows is aligned behind the two blanks


def line_width() -> int:
    """Cells in a line of this terminal, as prose uses them."""
    return min(terminal_width(), WIDEST)


def terminal_width() -> int:
    return max(shutil.get_terminal_size().columns, 20)


def width_of(text: str) -> int:
    """Cells on a terminal: Chinese, Japanese and Korean letters take two."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def wrapped(text: str, width: int) -> list[str]:
    """Lines of at most `width`, broken between words only: an address or a path stays whole, to be copied.

    >>> wrapped("cite the authors\\npip install x", 10)
    ['cite the', 'authors', 'pip', 'install x']
    """
    return [
        line
        for part in text.split("\n")
        for line in textwrap.wrap(part, width, break_long_words=False, break_on_hyphens=False) or [""]
    ]


def for_terminal(text: str, stream: TextIO) -> str:
    """The text as `stream` should show it: a terminal's lines are broken between words, a file's are left as they
    are."""
    return fitted(text, terminal_width()) if is_terminal(stream) else text


def is_terminal(stream: TextIO) -> bool:
    return stream.isatty()


def fitted(text: str, width: int) -> str:
    """Lines of at most `width` cells; what does not fit goes on below, indented behind the line's own indentation or
    its field name. Two blanks are a better place to break than one; what has no blank stays whole.

    >>> print(fitted("  fix       put the images beside this file", 30))
      fix       put the images
                beside this file
    """
    return "\n".join(part for line in text.split("\n") for part in _fitted(line, width))


def _fitted(line: str, width: int) -> list[str]:
    if width_of(line) <= width:
        return [line]
    match = FIELD.match(line)
    assert match is not None  # it matches an empty line, too
    indent, field = len(match[1]), match[0]
    below = width_of(field) if match[2] and width_of(field) <= width // 3 else indent + 2
    lines, current = [], line
    while width_of(current) > width:
        cut = _cut(current, width, below if lines else width_of(field))
        if cut is None:
            break
        lines.append(current[:cut].rstrip())
        current = " " * below + current[cut:].lstrip()
    return [*lines, current]


def _cut(line: str, width: int, start: int) -> int | None:
    """Where to break: the last gap of two blanks in the line's second half, else the last blank that fits, else the
    first one; None where there is none behind `start`."""
    gaps = [item for item in re.finditer(" +", line) if item.start() >= max(start, 1)]
    fitting = [item for item in gaps if width_of(line[: item.start()]) <= width]
    wide = [item for item in fitting if len(item[0]) > 1 and item.start() > width // 2]
    best = wide[-1] if wide else fitting[-1] if fitting else gaps[0] if gaps else None
    return None if best is None else best.start()
