"""SIGTERM and SIGHUP clean up as Ctrl-C does, on every command; nothing half-written is left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from maskwright.cli import main as program
from maskwright.files import writing_folder
from maskwright.training.interrupts import FROM_THE_SYSTEM, deferred, stoppable

LONG = 120.0  # seconds: far more than anything here takes


@pytest.mark.parametrize("number", FROM_THE_SYSTEM)
def test_a_signal_of_the_system_cleans_up_and_is_handed_back(number, tmp_path):
    before = signal.getsignal(number)
    with stoppable() as stop:
        with pytest.raises(KeyboardInterrupt), writing_folder(tmp_path / "out") as temporary:
            (temporary / "half").write_bytes(b"half")
            signal.raise_signal(number)
        assert stop.number == number
        signal.raise_signal(number)  # a second one does not break off what is being cleaned up
    assert list(tmp_path.iterdir()) == [] and signal.getsignal(number) is before


@pytest.mark.parametrize("number", FROM_THE_SYSTEM)
def test_in_training_the_first_signal_is_noted_and_the_second_stops(number):
    with stoppable() as stop:
        handler = signal.getsignal(number)
        with deferred() as interrupt:
            signal.raise_signal(number)
            assert interrupt.asked and stop.number == number
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(number)
        assert signal.getsignal(number) is handler


def test_what_somebody_ignores_or_handles_is_left_alone():
    number = FROM_THE_SYSTEM[0]
    before = signal.signal(number, signal.SIG_IGN)
    try:
        with stoppable():
            assert signal.getsignal(number) is signal.SIG_IGN
    finally:
        signal.signal(number, before)


def test_in_another_thread_nothing_is_changed():
    seen = []

    def work() -> None:
        with stoppable(), deferred():
            seen.append(signal.getsignal(FROM_THE_SYSTEM[0]))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [signal.SIG_DFL]


@pytest.mark.parametrize("number", FROM_THE_SYSTEM)
def test_the_exit_code_says_which_signal_it_was(number, monkeypatch, capsys):
    monkeypatch.setattr(program, "_invoke", lambda *_: signal.raise_signal(number))
    with pytest.raises(SystemExit) as ended:
        program.main(["models"])
    assert ended.value.code == 128 + number and capsys.readouterr().err == "Stopped.\n"


def test_ctrl_c_still_ends_with_130(monkeypatch):
    monkeypatch.setattr(program, "_invoke", lambda *_: signal.raise_signal(signal.SIGINT))
    with pytest.raises(SystemExit) as ended:
        program.main(["models"])
    assert ended.value.code == 130


@pytest.mark.skipif(os.name != "posix", reason="no such signals between processes there")
@pytest.mark.parametrize("number", FROM_THE_SYSTEM)
def test_a_command_that_is_killed_leaves_nothing_behind(number: int, tmp_path: Path) -> None:
    words = [sys.executable, "-m", "maskwright", "synth", "balloons", "out", "--count", "100000"]
    with subprocess.Popen(words, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as running:
        began = time.monotonic()
        while not list(tmp_path.glob(".out.*/train/*.jpg")):
            assert running.poll() is None and time.monotonic() - began < LONG
            time.sleep(0.05)
        running.send_signal(number)
        _, said = running.communicate(timeout=LONG)
    assert running.returncode == 128 + number and said == "Stopped.\n"
    assert list(tmp_path.iterdir()) == []
