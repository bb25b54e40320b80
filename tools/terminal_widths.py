"""Run a command in a terminal of a given width, and report the lines that do not fit: there words would be broken.

    python tools/terminal_widths.py 80 maskwright show party/
    python tools/terminal_widths.py 40 maskwright models

Shows what the terminal holds at the end, overlong lines marked by "!"; ends with exit code 1 where there are any. A
line of one word, such as a path or an address, may be longer: it stays whole, to be copied. Needs Linux or macOS.
"""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios

from maskwright.cli.lines import width_of

CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def overlong(text: str, width: int) -> list[str]:
    """The lines in which a terminal of `width` cells breaks a word.

    >>> overlong("one two\\nhttps://example.org/a", 6)
    ['one two']
    """
    return [line for line in text.split("\n") if width_of(line) > width and len(line.split()) > 1]


def captured(command: list[str], width: int) -> tuple[str, int]:
    """What the command leaves on a terminal of `width` cells, without colors and wiped bars; its exit code."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, width, 0, 0))
    environment = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "NO_COLOR")}
    process = subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, env={**environment, "TERM": "xterm-256color"}
    )
    os.close(theirs)
    data = b""
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:  # Linux says so at the end
            break
        if not part:
            break
        data += part
    os.close(ours)
    text = CONTROL.sub("", data.decode("utf-8", "replace").replace("\r\n", "\n"))
    return "\n".join(line.rpartition("\r")[2] for line in text.split("\n")), process.wait()


def main() -> int:
    width, *command = sys.argv[1:]
    text, code = captured(command, int(width))
    wrong = overlong(text, int(width))
    for line in text.split("\n"):
        print(("! " if line in wrong else "  ") + line)
    print(f"exit code {code}; {len(wrong)} lines of more than {width} cells")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
