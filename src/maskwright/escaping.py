r"""Text from outside (names of files and classes, tags, what a server says) as a terminal may show it.

Escaped   control characters (\x1b begins colors, titles and cleared screens; \n fakes lines), marks that turn the
          direction of writing, line separators; what is left of a file name's bytes that are no UTF-8 (\xe9)
Kept      every letter of every script, and the backslash itself: Windows paths stay readable
"""

from __future__ import annotations

import re

_BYTES = re.compile("[\ud800-\udfff]")
_HARMFUL = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def harmless(text: str, lines: bool = False) -> str:
    r"""The text with everything that a terminal would obey spelt out; with `lines` its line feeds are kept.

    >>> print(harmless("a\x1b[31m.jpg: 99 balloon\n"))
    a\x1b[31m.jpg: 99 balloon\n
    """
    if lines:
        return "\n".join(harmless(line) for line in text.split("\n"))
    return text if text.isascii() and text.isprintable() else _HARMFUL.sub(_spelt, text)


def spelt(name: str) -> str:
    """A name for a file of UTF-8: bytes that are none as in addresses (caf%E9.jpg), which readers decode again.

    >>> spelt("café.jpg"), spelt("caf\udce9 100%.jpg")
    ('café.jpg', 'caf%E9 100%25.jpg')
    """
    if not _BYTES.search(name):
        return name
    return re.sub("[%\ud800-\udfff]", lambda detections: f"%{ord(detections[0]) & 0xFF:02X}", name)


def _spelt(detections: re.Match[str]) -> str:
    character = detections[0]
    if short := {"\n": r"\n", "\r": r"\r", "\t": r"\t"}.get(character):
        return short
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # how Python keeps a byte of a file name that is no UTF-8
        code -= 0xDC00
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
