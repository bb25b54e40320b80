"""The terminal, in one place: results on stdout; issues, progress and errors on stderr; exit codes.

    0    done                          70   something unexpected (a fault of ours)
    1    it could not be done          130  stopped by Ctrl-C
    2    the input is wrong            141  the reader of our output went away
                                       143, 129, ...  stopped by the system (128 and the signal's number)

Commands get a `Console`; library functions get its `log` and `progress`. Nothing else prints. Whatever it shows is
made harmless here: names of files and classes may hold what a terminal obeys.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import io
import json
import math
import os
import sys
import textwrap
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Sized
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from maskwright.cli import lines
from maskwright.cli.lines import for_terminal, terminal_width
from maskwright.cli.tables import table_text
from maskwright.errors import InputError, MaskwrightError
from maskwright.escaping import harmless
from maskwright.issues import Issue, Issues, as_json

if TYPE_CHECKING:
    from maskwright.cli.bars import ProgressBars

Item = TypeVar("Item")

PATIENCE = 2.0  # seconds something may take before a progress bar appears

FAILED, WRONG_INPUT, UNEXPECTED, STOPPED, READER_GONE = 1, 2, 70, 130, 141
REFUSED = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC)  # what the system may answer to anything


class Console:
    """What a command says and shows.

    json    one JSON document on stdout instead of text and tables; it has all issues
    quiet   no progress, and of the issues only errors; results stay
    debug   tracebacks
    issues  what was reported so far
    """

    def __init__(self, *, json: bool = False, quiet: bool = False, debug: bool = False) -> None:
        self.json, self.quiet, self.debug = json, quiet, debug
        self.issues = Issues()
        self._said: set[str] = set()
        self._bars: ProgressBars | None = None  # while at least one is shown

    @classmethod
    def of(cls, arguments: Sequence[str]) -> Console:
        """As the command line asks, before it is parsed: even a misspelt option is reported as --json wishes."""
        given = {argument for argument in arguments if argument != "--"}
        return cls(json="--json" in given, quiet="--quiet" in given, debug="--debug" in given)

    # --- results: stdout ----------------------------------------------------------------------------------------------
    def result(self, facts: object, text: str | Callable[[], None] | None = None) -> None:
        """What the command found out. With --json `facts` and the issues so far as one document, otherwise `text` (or
        what it shows).

        >>> console.result({"images": 61}, "61 images")
        """
        if self.json:
            document = plain(facts)
            if isinstance(document, dict):
                document["issues"] = plain([as_json(issue) for issue in self.issues])
            print(json.dumps(document, indent=2, allow_nan=False))  # ASCII only: safe on every console
        elif callable(text):
            text()
        elif text is not None:
            self.show(text)

    def show(self, text: str = "") -> None:
        """A line of the result, for people."""
        if self.json:
            return
        text = for_terminal(harmless(text), sys.stdout)
        if self._bars is not None and lines.is_terminal(sys.stdout):
            self._bars.print(text)
        else:
            print(text)

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[object]], title: str = "") -> None:
        """A table of the result, for people: numbers to the right, everything else to the left."""
        if not self.json:
            if title:
                print(_bold(for_terminal(harmless(title), sys.stdout)))
            width = terminal_width() if lines.is_terminal(sys.stdout) else None
            print(table_text(columns, rows, head=_bold, width=width))

    # --- issues and progress: stderr ----------------------------------------------------------------------------------
    def log(self, issue: Issue, indent: str = "") -> None:
        """The `log` of library functions: an issue is shown, and kept for the JSON document. What was said before in
        the same words is not shown again, unless it is an error."""
        self.issues(issue)
        text = str(issue)
        if self.json or (self.quiet and issue.severity != "error"):
            return
        if issue.severity != "error":
            if text in self._said:
                return
            self._said.add(text)
        text = for_terminal(textwrap.indent(text, indent), sys.stderr)
        if self._bars is not None:
            self._bars.print(text)
        else:
            print(text, file=sys.stderr)

    def progress(
        self,
        items: Iterable[Item],
        total: int | None = None,
        label: str = "",
        unit: str = "",
        limit: float | None = None,
    ) -> Iterable[Item]:
        """The same items (a `maskwright.progress.Progress`); a bar with the time left once they take over two seconds.

        >>> for image in console.progress(images, label="reading", unit="images"): ...
        """
        if self.quiet or not sys.stderr.isatty():
            return items
        if total is None and isinstance(items, Sized):
            total = len(items)
        return self._with_bar(items, total, label, unit, limit)

    def _with_bar(
        self, items: Iterable[Item], total: int | None, label: str, unit: str, limit: float | None
    ) -> Iterator[Item]:
        start, bar, done = time.monotonic(), None, 0
        latest = math.inf if limit is None else start + limit
        try:
            for item in items:
                if bar is None and time.monotonic() - start > PATIENCE:
                    from maskwright.cli.bars import ProgressBars

                    self._bars = self._bars or ProgressBars()
                    bar = self._bars.open(harmless(label), total)
                if bar is not None and self._bars is not None:
                    self._bars.update(bar, done, unit, start, latest)
                yield item
                done += len(item) if unit == "B" and isinstance(item, Sized) else 1
        finally:
            if bar is not None and self._bars is not None:  # an error may have swept all bars away
                self._bars.close(bar)
                if not len(self._bars):
                    self._sweep()

    def _sweep(self) -> None:
        if self._bars is not None:
            self._bars.stop()
            self._bars = None

    # --- the end ------------------------------------------------------------------------------------------------------
    def run(self, work: Callable[[], object]) -> int:
        """Do the work of a command and say how it ended: the exit code. Every error becomes words here."""
        try:
            code = work()
            sys.stdout.flush()
            return code if type(code) is int else 0
        except (KeyboardInterrupt, click.Abort):
            return self._end(STOPPED, "Stopped.", {"error": "Stopped", "message": "stopped by Ctrl-C"})
        except MaskwrightError as error:
            code = WRONG_INPUT if isinstance(error, InputError) else FAILED
            return self._end(code, str(error), error.facts())
        except click.ClickException as error:
            return self._end(
                WRONG_INPUT, _usage_text(error), {"error": "UsageError", "message": error.format_message()}
            )
        except OSError as error:
            if isinstance(error, BrokenPipeError) or (os.name == "nt" and error.errno == 22):
                _hush()
                return READER_GONE
            if error.errno in REFUSED:  # not our fault, wherever it happened
                fix = (
                    "free some space" if error.errno == errno.ENOSPC else "ask its owner for the right, or name another"
                )
                failure = MaskwrightError(f"the system refuses ({error.strerror})", file=error.filename, fix=fix)
                return self._end(FAILED, str(failure), failure.facts())
            if error.errno == errno.ENAMETOOLONG:
                name = str(error.filename)
                failure = MaskwrightError(
                    "no file can have so long a name", file=f"{name[:60]}...", got=f"{len(name)} characters"
                )
                return self._end(WRONG_INPUT, str(failure), failure.facts())
            return self._unexpected(error)
        except Exception as error:
            return self._unexpected(error)

    def _unexpected(self, error: Exception) -> int:
        what = f"{type(error).__name__}: {error}".splitlines()[0].rstrip(": ")
        message = f"Something unexpected happened ({what})."
        if not self.debug:
            message += " Run the same command with --debug to see where, and please report it."
        return self._end(UNEXPECTED, message, {"error": "Unexpected", "message": what})

    def _end(self, code: int, message: str, facts: Mapping[str, object]) -> int:
        """Message on stderr, with --json its parts as the one document on stdout; with --debug the way it came."""
        self._sweep()
        try:
            if self.debug:
                traceback.print_exc()
            print(for_terminal(harmless(message, lines=True), sys.stderr), file=sys.stderr)
            if self.json:
                self.result(facts)
            sys.stdout.flush()
        except OSError:
            _hush()
        return code


def prepare_streams() -> None:
    """Letters that a console cannot show become "?", not an error (Windows code pages, LANG=C, odd file names)."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


# --- plain things -----------------------------------------------------------------------------------------------------
def plain(value: Any) -> Any:
    """The same facts in JSON's own types: arrays as lists, paths as text, NaN and infinities as null."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Path):
        return value.as_posix()
    to_list = getattr(value, "tolist", None)  # numpy's and torch's, without importing them
    if callable(to_list) and not isinstance(value, type):
        return plain(to_list())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(item) for item in value]
    return value if value is None or isinstance(value, (str, int, bool)) else str(value)


def _bold(text: str) -> str:
    return click.style(text, bold=True) if sys.stdout.isatty() and "NO_COLOR" not in os.environ else text


def _usage_text(error: click.ClickException) -> str:
    context = error.ctx if isinstance(error, click.UsageError) else None
    if context is None:
        return error.format_message()
    usage = " ".join([context.command_path, *context.command.collect_usage_pieces(context)])
    return f"{error.format_message()}\n  usage   {usage}\n  help    {context.command_path} --help"


def _hush() -> None:
    """Point stdout at nothing, so that Python's own last flush does not complain about the closed pipe."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
