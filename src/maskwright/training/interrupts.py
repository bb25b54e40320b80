"""Ctrl-C between two steps, so that the step under way is finished and everything can be saved."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass
class Interrupt:
    """asked: somebody has pressed Ctrl-C, and may press it again to stop at once."""

    asked: bool = False


@contextlib.contextmanager
def deferred() -> Iterator[Interrupt]:
    """Inside, the first Ctrl-C is only noted; the second raises KeyboardInterrupt as always.

    Python delivers signals to the main thread alone: in another one nothing is changed.
    """
    interrupt = Interrupt()
    if threading.current_thread() is not threading.main_thread():
        yield interrupt
        return

    def note(number: int, frame: object) -> None:
        if interrupt.asked:
            raise KeyboardInterrupt
        interrupt.asked = True

    before = signal.signal(signal.SIGINT, note)
    try:
        yield interrupt
    finally:
        signal.signal(signal.SIGINT, before if before is not None else signal.default_int_handler)
