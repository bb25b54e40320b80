"""Sends inputs to a worker, ends it when it hangs, and counts the outcomes."""

from __future__ import annotations

import contextlib
import itertools
import multiprocessing
import shutil
import tempfile
import time
import traceback
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from fuzz import worker
from fuzz.kinds import KINDS

SECONDS = 2.0  # of computing for one input
WAIT = 60.0  # seconds by the clock until a process that does not answer is ended: a busy machine is no hang
MEGABYTES = 1024
STARTING = 300.0
AHEAD = 32  # inputs that wait in the queue of a process


@dataclass
class Detections:
    """One kind of failure: its first input, and the number of inputs."""

    kind: str
    seed: int
    what: str
    trace: str
    count: int = 1

    @property
    def again(self) -> str:
        return f"python -m fuzz --only {self.kind} --seed {self.seed}"


@dataclass
class Report:
    inputs: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)
    findings: dict[tuple[str, str], Detections] = field(default_factory=dict)
    peak: tuple[float, str, int] = (0.0, "", 0)
    slowest: tuple[float, str, int] = (0.0, "", 0)
    spent: Counter[str] = field(default_factory=Counter)  # seconds of computing
    seconds: float = 0.0

    def add(self, kind: str, seed: int, outcome: dict[str, Any]) -> bool:
        """Whether this is a new finding."""
        if outcome["outcome"] == "not made":
            return False
        self.inputs[kind] += 1
        seconds = outcome.get("seconds", 0.0)
        self.spent[kind] += seconds  # type: ignore[assignment]
        self.slowest = max(self.slowest, (seconds, kind, seed))
        if outcome.get("peak", 0.0) > self.peak[0]:
            self.peak = (outcome["peak"], kind, seed)
        if outcome["outcome"] != "finding" and seconds > SECONDS:
            outcome = {"outcome": "finding", "what": f"more than {SECONDS:g} seconds of computing", "trace": ""}
        self.outcomes[outcome["outcome"]] += 1
        if outcome["outcome"] != "finding":
            return False
        key = kind, outcome["what"]
        if key in self.findings:
            self.findings[key].count += 1
            return False
        self.findings[key] = Detections(kind, seed, outcome["what"], outcome.get("trace", ""))
        return True

    def facts(self) -> dict[str, Any]:
        return {
            "inputs": sum(self.inputs.values()),
            "inputs_by_kind": dict(self.inputs),
            "read": self.outcomes["read"],
            "refused": self.outcomes["refused"],
            "findings": [
                {"kind": found.kind, "seed": found.seed, "what": found.what, "count": found.count, "again": found.again}
                for found in self.findings.values()
            ],
            "peak_megabytes": round(self.peak[0], 1),
            "peak_input": list(self.peak[1:]),
            "slowest_seconds": round(self.slowest[0], 3),
            "slowest_input": list(self.slowest[1:]),
            "seconds": round(self.seconds, 1),
        }


class Worker:
    """One worker process; replaced when it dies."""

    def __init__(self, names: list[str], work: Path, megabytes: int) -> None:
        self.names, self.work, self.megabytes = names, work, megabytes
        self.process: Any = None
        self.waiting: deque[tuple[str, int]] = deque()

    def start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        arguments = theirs, self.names, str(self.work), self.megabytes
        self.process = context.Process(target=worker.serve, args=arguments, daemon=True)
        self.process.start()
        theirs.close()
        ready = self._answer(STARTING)
        if ready["outcome"] != "ready":
            raise RuntimeError(f"{ready['what']}\n{ready.get('trace', '')}")

    def ask(self, name: str, seed: int) -> None:
        """Put an input into the queue: the process need not wait for us between two."""
        self.waiting.append((name, seed))
        if self.process is not None:
            self._send((name, seed))

    def _send(self, asked: tuple[str, int]) -> None:
        with contextlib.suppress(ConnectionError):  # it died just now: `answer` will see
            self.connection.send(asked)

    def answer(self) -> tuple[str, int, dict[str, Any]]:
        """What became of the first input in the queue.

        Too much time or memory must show twice, the second time in a new process: the first may have had little left
        after thousands of inputs, or a busy machine.
        """
        outcome = self._first()
        if _by_bounds(outcome):
            self.end()
            outcome = self._first()
        return (*self.waiting.popleft(), outcome)

    def _first(self) -> dict[str, Any]:
        """The answer to the first in the queue: where the process died or was ended, this one is to blame."""
        if self.process is None:
            self.start()
            for asked in self.waiting:
                self._send(asked)
        return self._answer(WAIT)

    def _answer(self, seconds: float) -> dict[str, Any]:
        try:
            if self.connection.poll(seconds):
                return self.connection.recv()
            what = f"no answer in {seconds:g} seconds"
        except (EOFError, ConnectionError):
            self.process.join(10)
            what = f"the process died ({self.process.exitcode})"
        self.end()
        return {"outcome": "finding", "what": what, "trace": ""}

    def end(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.join()
            self.connection.close()
            self.process = None


def _by_bounds(outcome: dict[str, Any]) -> bool:
    what = outcome.get("what", "")
    return outcome.get("seconds", 0.0) > SECONDS or what.startswith(("MemoryError", "no answer"))


def run(
    names: list[str], seconds: float, count: int | None = None, first: int = 1,
    keep: Path | None = None, megabytes: int = MEGABYTES, say: Callable[[str], None] = lambda text: None,
) -> Report:  # fmt: skip
    """Inputs of these kinds in turn, from seed `first` on, until the time is over or so many of each were read.

    keep  a folder for the inputs that failed; None keeps none
    say   is told of each way to fail when it is met first
    """
    report, began = Report(), time.monotonic()
    with tempfile.TemporaryDirectory(prefix="fuzz-", ignore_cleanup_errors=True) as work:
        process = Worker(names, Path(work), megabytes)
        try:
            process.start()
            began, inputs = time.monotonic(), _inputs(names, first, count)
            while True:
                left = AHEAD - len(process.waiting) if time.monotonic() - began < seconds else 0
                for name, seed in islice(inputs, left):
                    process.ask(name, seed)
                if not process.waiting:
                    break
                name, seed, outcome = process.answer()
                if report.add(name, seed, outcome):
                    say(f"{name} {seed}: {list(report.findings.values())[-1].what}")
                    if keep is not None:
                        _kept(keep, Path(work), name, seed, outcome)
        except KeyboardInterrupt:
            say("stopped")
        finally:
            process.end()
    report.seconds = time.monotonic() - began
    return report


def _inputs(names: list[str], first: int, count: int | None) -> Iterator[tuple[str, int]]:
    """(kind, seed) in turn; of kinds that cost much only some seeds, unless they are asked for alone."""
    for seed in range(first, first + count) if count is not None else itertools.count(first):
        yield from ((name, seed) for name in names if len(names) == 1 or seed % KINDS[name].every == 0)


def _kept(keep: Path, work: Path, name: str, seed: int, outcome: dict[str, Any]) -> None:
    folder = keep / f"{name}-{seed}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        worker.made(KINDS[name], seed, folder / "input", work / "valid" / name)
    except Exception:
        (folder / "not_made.txt").write_text(traceback.format_exc(), "utf-8")
    text = f"{outcome.get('what', 'too slow')}\n\n{outcome.get('trace', '')}\n"
    (folder / "finding.txt").write_text(text, "utf-8", errors="backslashreplace")
