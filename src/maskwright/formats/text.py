"""The text in an annotation file: UTF-8 as a rule, UTF-16 and UTF-32 where the first bytes say so, and in XML whatever
its declaration names."""

from __future__ import annotations

import codecs
import re

_MARKS = {  # the longer ones first: UTF-32's begins with UTF-16's
    codecs.BOM_UTF32_LE: "utf-32", codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16",
}  # fmt: skip
_DECLARED = re.compile(rb"""\s{0,99}<\?xml\s[^>]{0,200}?\sencoding\s{0,9}=\s{0,9}["']([\w.:-]{1,40})["']""")
_LETTERS = re.compile(r"utf|gb|big5|cp|iso|ascii|latin|mac|koi8|shift|euc|johab|hz|tis|kz|hp|ptcp")


def encoding(data: bytes) -> str:
    """The encoding of a file that begins like this; "utf-8-sig" unless it says otherwise.

    LookupError where its XML declaration names none that Python knows as one of letters.
    """
    for mark, name in _MARKS.items():
        if data.startswith(mark):
            return name
    if re.match(rb"[\t -~\r\n]\0[\t -~\r\n]\0", data):  # two ASCII characters without a mark
        return "utf-16-le"
    if re.match(rb"\0[\t -~\r\n]\0[\t -~\r\n]", data):
        return "utf-16-be"
    declared = _DECLARED.match(data)
    if declared is None or data.startswith(codecs.BOM_UTF8):
        return "utf-8-sig"
    name = codecs.lookup(declared[1].decode()).name
    if not _LETTERS.match(name):
        raise LookupError(f"unknown encoding: {name}")
    if name in ("gb2312", "gbk"):  # what calls itself so holds letters of the larger set, too
        return "gb18030"
    return "utf-8-sig" if name == "utf-8" else name


def beginning(data: bytes) -> str:
    """The text of a file's first bytes, whatever they are: what cannot be read becomes a question mark in a box."""
    try:
        return data.decode(encoding(data), errors="replace")
    except LookupError:
        return data.decode("utf-8-sig", errors="replace")
