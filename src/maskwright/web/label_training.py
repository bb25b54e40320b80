"""Training from the label page: `maskwright train` on the labels so far, in a process of its own, then its evaluation.

The command is the one that anybody would type, so a run started here is a run like others: its folder, its report.
"""

from __future__ import annotations

import contextlib
import csv
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from maskwright import files
from maskwright.errors import MaskwrightError
from maskwright.issues import Kind, Log
from maskwright.web.refusal import Refusal
from maskwright.weights.card import CARD

TRAINING_FAILED = Kind("training_failed", "error", "the training from the page failed: {reason}")
LOWEST_PRIORITY = 10  # of a process (nice): labeling goes first
SHOWN = ("epoch", "seconds", "loss", "val_loss", "mask_AP", "mask_AP50", "box_AP", "box_AP50")
UNDER_WAY = ("training", "evaluating", "loading")


@dataclass(eq=False)
class Run:
    """One training.

    state    training, evaluating, loading (the model becomes the assistant), done, stopped (without a model), failed
    seconds  the time budget
    metrics  "mask" or "box": {"AP": ..., "AP_interval": [low, high], ...}, on images that were held back
    """

    folder: Path
    seconds: float
    began: float = field(default_factory=time.monotonic)
    state: str = "training"
    stopped: bool = False
    spent: float | None = None
    metrics: dict[str, Any] = field(default_factory=dict)
    error: dict[str, str] | None = None

    def facts(self) -> dict[str, Any]:
        return {
            "name": self.folder.name,
            "state": self.state,
            "seconds": self.seconds,
            "spent": round(time.monotonic() - self.began if self.spent is None else self.spent, 1),
            "history": history(self.folder),
            "metrics": self.metrics,
            "error": self.error,
        }


def history(run: Path) -> list[dict[str, float]]:
    """The curves of a run's results.csv, a row an epoch; [] before the first."""
    try:
        with (run / "results.csv").open(encoding="utf-8", newline="") as opened:
            rows = list(csv.DictReader(opened))
        return [{name: float(row[name]) for name in SHOWN if row.get(name)} for row in rows]
    except (OSError, ValueError, csv.Error):
        return []


class Training:
    """At most one training at a time.

    data    the annotation file; called when a training starts, raises where the labels are not in it
    runs    where run folders are made
    loaded  called with the folder of the model that came out
    """

    def __init__(self, data: Callable[[], Path], runs: Path, loaded: Callable[[Path], object], log: Log) -> None:
        self._data, self._runs, self._loaded, self._log = data, runs, loaded, log
        self._run: Run | None = None
        self._process: subprocess.Popen[str] | None = None
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def facts(self) -> dict[str, Any] | None:
        """The latest training; None where there was none."""
        return None if self._run is None else self._run.facts()

    @property
    def state(self) -> str | None:
        return None if self._run is None else self._run.state

    def start(self, seconds: float) -> None:
        """Refusal where one is under way."""
        with self._lock:
            if self.state in UNDER_WAY:
                raise Refusal(409, "a training is under way", fix="stop it first")
            data = self._data()
            folder = next(self._runs / name for name in files.numbered(data.parent.resolve().name or "labels", 200)
                          if not os.path.lexists(self._runs / name))  # fmt: skip
            self._run = run = Run(folder, seconds)
            self._thread = threading.Thread(target=self._follow, args=(run, data), name="training", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """The step under way is finished; the best model so far is kept where there is one."""
        with self._lock:
            run, process = self._run, self._process
            if run is not None and run.state in UNDER_WAY:
                run.stopped = True
                if process is not None:
                    process.terminate()

    def close(self) -> None:
        self.stop()
        if self._thread is not None:
            self._thread.join()

    # --- in the thread ------------------------------------------------------------------------------------------------
    def _follow(self, run: Run, data: Path) -> None:
        try:
            self._train(run, data)
        except MaskwrightError as error:
            run.error, run.state = error.facts(), "failed"
        except Exception as error:
            run.error, run.state = {"error": "Unexpected", "message": f"{type(error).__name__}: {error}"}, "failed"
        if run.state == "failed":
            self._log(TRAINING_FAILED(reason=(run.error or {}).get("message", "unknown")))
        run.spent = time.monotonic() - run.began

    def _train(self, run: Run, data: Path) -> None:
        command = ["train", str(data), "--out", str(self._runs), "--name", run.folder.name]
        code, answer = self._call(run, [*command, "--time-budget", f"{run.seconds:g}s"])
        if not (run.folder / "best" / CARD).is_file() or (code and not run.stopped):
            if run.stopped:
                run.state = "stopped"
            else:
                run.state, run.error = "failed", {key: str(value) for key, value in answer.items() if key != "issues"}
            return
        run.state = "evaluating"
        if not run.stopped:
            code, answer = self._call(run, ["evaluate", str(run.folder), str(data)])
            run.metrics = {} if code else _metrics(answer)
        run.state = "loading"
        self._loaded(run.folder / "best")
        run.state = "done"

    def _call(self, run: Run, arguments: Sequence[str]) -> tuple[int, dict[str, Any]]:
        """The exit code of a command, and its JSON."""
        with tempfile.TemporaryFile("w+", encoding="utf-8") as output:
            with self._lock:
                if run.stopped:
                    return 0, {}
                self._process = process = _started([*arguments, "--json"], output)
            code = process.wait()
            with self._lock:
                self._process = None
            output.seek(0)
            text = output.read()
        try:
            answer = json.loads(text)
        except ValueError:
            answer = None
        return code, answer if isinstance(answer, dict) else {"message": f"the command ended with code {code}"}


def _started(arguments: Sequence[str], output: IO[str]) -> subprocess.Popen[str]:
    process = subprocess.Popen([sys.executable, "-m", "maskwright", *arguments], stdin=subprocess.DEVNULL,
                               stdout=output, stderr=subprocess.DEVNULL, text=True)  # fmt: skip
    if hasattr(os, "setpriority"):
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, process.pid, LOWEST_PRIORITY)
    return process


def _metrics(answer: dict[str, Any]) -> dict[str, Any]:
    """What the page shows of `maskwright evaluate --json`: all classes together, of masks and boxes."""
    shown: dict[str, Any] = {"images": answer.get("images"), "split": answer.get("split")}
    for kind in ("mask", "box"):
        if found := answer.get(kind):
            intervals = found["intervals"]
            shown[kind] = {name: found[name] for name in ("AP", "AP50")}
            shown[kind] |= {f"{name}_interval": intervals.get(name) for name in ("AP", "AP50")}
    return shown
