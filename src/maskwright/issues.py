"""Issue: what a function reports without failing, as data; it becomes a sentence only where a person reads it.

    OUTLINES_CLIPPED = Kind("outlines_clipped", "warning", "{count} outline reached past the edge: clipped",
                            "{count} outlines reached past the edge: clipped")

    log(OUTLINES_CLIPPED("via.json", count=13, images=names))

A `Kind` is a constant of the module that reports it, its code is unique (docs/warnings.md lists them all). Library
functions take `log: Log = warn`: in Python, errors and warnings become an `IssueWarning`; the command line shows them
on stderr and puts them into `--json`. Nothing parses the sentence: code and values say the same.
"""

from __future__ import annotations

import re
import string
import sys
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from maskwright.errors import MaskwrightError
from maskwright.escaping import harmless
from maskwright.text import counted

Severity = Literal["error", "warning", "info"]


@dataclass(frozen=True, slots=True)
class Issue:
    """One thing to report; `str()` gives the sentence, with everything that a terminal would obey escaped.

    code      stable, for programs: "outlines_clipped"
    severity  "error": something asked for could not be done, or a metric would be wrong; "warning": look at it;
              "info": progress, and what is as it should be
    subject   what it is about: a dataset, a file, a record; "" where that is clear
    values    what the sentence is made of, by name; `count` wherever something was counted
    images    the images it is about: their paths, or their names as the annotations have them
    fix       what to do about it, "" where there is nothing to do
    """

    code: str
    severity: Severity
    subject: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)
    images: tuple[Path | str, ...] = ()
    fix: str = ""
    wording: str = field(default="", compare=False, repr=False)

    @property
    def sentence(self) -> str:
        """What is reported, without the subject."""
        return _sentence(self.wording, {**self.values, "images": self.images, "fix": self.fix})

    def __str__(self) -> str:
        return f"{harmless(self.subject)}: {self.sentence}" if self.subject else self.sentence

    def __hash__(self) -> int:  # values may hold lists
        return hash((self.code, self.subject, self.images))

    def within(self, name: str) -> Issue:
        """The same issue of a part of something larger: subject "party: train" instead of "train"."""
        return replace(self, subject=f"{name}: {self.subject}" if self.subject else name)


Log = Callable[[Issue], None]


@dataclass(frozen=True, slots=True)
class Kind:
    """What all issues of one code share; called with the values, it makes one of them.

    wording  the sentence: {name} is a value, {count:image} a number with its noun, {names:3} the first three of a
             list, {names!q:3} in quotes, {names:&} all joined by "and", {images:3} and {fix} are the issue's own; a
             part in [brackets] is left out where one of its values is empty
    plural   the sentence where `count` is not 1, if it differs
    """

    code: str
    severity: Severity
    wording: str
    plural: str = ""
    fix: str = ""

    def __call__(
        self, subject: object = "", *, images: Iterable[Path | str] = (), fix: str | None = None, **values: Any
    ) -> Issue:
        wording = self.plural if self.plural and values.get("count") != 1 else self.wording
        advice = self.fix if fix is None else fix
        return Issue(self.code, self.severity, str(subject), values, tuple(images), advice, wording)

    def among(self, issues: Iterable[Issue]) -> list[Issue]:
        """Those of this kind."""
        return [issue for issue in issues if issue.code == self.code]


class Issues(list[Issue]):
    """A log that keeps what it is told: `issues = Issues(); train("party/", log=issues)`."""

    def __call__(self, issue: Issue) -> None:
        self.append(issue)


class IssueWarning(UserWarning):
    """An issue as a Python warning. Its text begins with the code, so that it can be filtered by code:

    >>> warnings.filterwarnings("ignore", message="outlines_clipped:", category=IssueWarning)
    """

    def __init__(self, issue: Issue) -> None:
        super().__init__(f"{issue.code}: {issue}")
        self.issue = issue


def warn(issue: Issue) -> None:
    """The default log of library functions: a Python warning at the line that called maskwright; info is dropped."""
    if issue.severity != "info":
        warnings.warn(IssueWarning(issue), stacklevel=_depth_of_caller())


def as_json(issue: Issue) -> dict[str, Any]:
    """The same facts for machines, in JSON's own types as far as the values are."""
    return {
        "code": issue.code,
        "severity": issue.severity,
        "subject": issue.subject,
        "values": {name: _plain(value) for name, value in issue.values.items()},
        "images": _plain(issue.images),
        "fix": issue.fix,
    }


def _plain(value: Any) -> Any:
    if isinstance(value, MaskwrightError):
        return value.facts()
    if isinstance(value, Path):
        return value.as_posix()
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


def _depth_of_caller() -> int:
    """The stack level, as `warn` sees it, of the first frame outside maskwright."""
    frame, depth = sys._getframe(1), 1
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] == "maskwright":
        frame, depth = frame.f_back, depth + 1
    return depth


# --- sentences --------------------------------------------------------------------------------------------------------
class _Words(string.Formatter):
    """Formats the values of a wording: lists and counts by name are joined by commas, texts escaped, errors shown in
    full."""

    def convert_field(self, value: Any, conversion: str | None) -> Any:
        if conversion == "q":
            return [f'"{_name(item)}"' for item in value] if isinstance(value, list | tuple) else f'"{value}"'
        return super().convert_field(value, conversion)  # type: ignore[arg-type]

    def format_field(self, value: Any, format_spec: str) -> str:
        if isinstance(value, list | tuple):
            if format_spec == "&":
                return harmless(" and ".join(map(_name, value)))
            most = int(format_spec or len(value))
            return harmless(", ".join([*map(_name, value[:most]), *["..."] * (len(value) > most)]))
        if isinstance(value, Mapping):
            return harmless(", ".join(f"{name} {number:,}" for name, number in value.items()))
        if isinstance(value, MaskwrightError):
            return str(value)
        if isinstance(value, int) and _NOUN.fullmatch(format_spec):
            return counted(value, format_spec)
        return harmless(format(value, format_spec))


def _name(item: object) -> str:
    """Images are listed by their names, without folders."""
    return item.name if isinstance(item, Path) else str(item)


_WORDS = _Words()
_NOUN = re.compile(r"[a-z][a-z ]+")
_OPTIONAL = re.compile(r"\[([^\]]*)\]")
_EMPTY = (None, "", (), [], {})


def _sentence(wording: str, values: Mapping[str, Any]) -> str:
    def optional(part: re.Match[str]) -> str:
        names = [name for _, name, _, _ in _WORDS.parse(part[1]) if name]
        return "" if any(values.get(name) in _EMPTY for name in names) else part[1]

    return _WORDS.vformat(_OPTIONAL.sub(optional, wording), (), values)
