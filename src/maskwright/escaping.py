r"""Escapes untrusted text (names of files and classes, tags, server responses) for the terminal.

Escaped   control characters (\x1b starts escape sequences, \n imitates lines), bidirectional control characters, line
          separators, bytes of file names that are not UTF-8 (\xe9)
Kept      letters of all scripts, and the backslash: Windows paths stay readable
"""

from __future__ import annotations

import re

_BYTES = re.compile("[\ud800-\udfff]")
_HARMFUL = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def harmless(text: str, lines: bool = False) -> str:
    r"""The text with control characters escaped; `lines=True` keeps line feeds.

    >>> print(harmless("a\x1b[31m.jpg: 99 balloon\n"))
    a\x1b[31m.jpg: 99 balloon\n
    """
    if lines:
        return "\n".join(harmless(line) for line in text.split("\n"))
    return text if text.isascii() and text.isprintable() else _HARMFUL.sub(_escape, text)


def percent_encoded(name: str) -> str:
    """A file name as UTF-8 text: bytes that are not UTF-8 are percent-encoded, and decoded again by the readers.

    >>> percent_encoded("café.jpg"), percent_encoded("caf\udce9 100%.jpg")
    ('café.jpg', 'caf%E9 100%25.jpg')
    """
    if not _BYTES.search(name):
        return name
    return re.sub("[%\ud800-\udfff]", lambda match: f"%{ord(match[0]) & 0xFF:02X}", name)


def _escape(match: re.Match[str]) -> str:
    character = match[0]
    if short := {"\n": r"\n", "\r": r"\r", "\t": r"\t"}.get(character):
        return short
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # Python's surrogate escape of a byte that is not UTF-8
        code -= 0xDC00
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
