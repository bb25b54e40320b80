"""Ctrl-C between two steps, so that the step under way is finished and everything can be saved."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass
class Interrupt:
    """asked  somebody has pressed Ctrl-C, and may press it again to stop at once
    at_once  the first is answered at once, too: nothing is under way that must be finished
    """

    asked: bool = False
    at_once: bool = False


@contextlib.contextmanager
def deferred() -> Iterator[Interrupt]:
    """Inside, the first Ctrl-C is only noted; the second raises KeyboardInterrupt as always.

    Python delivers signals to the main thread alone: in another one nothing is changed; nor where Ctrl-C is somebody
    else's (a program that handles it, a shell's job in the background that ignores it).
    """
    interrupt = Interrupt()
    ours = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if not ours or threading.current_thread() is not threading.main_thread():
        yield interrupt
        return

    def note(number: int, frame: object) -> None:
        if interrupt.asked or interrupt.at_once:
            raise KeyboardInterrupt
        interrupt.asked = True

    signal.signal(signal.SIGINT, note)
    try:
        yield interrupt
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
