"""Being told to stop: Ctrl-C, and the system's SIGTERM and SIGHUP (`kill`, a queue's end, a closed terminal), which
would otherwise end the process on the spot and leave half-written folders behind.

    stoppable   around a whole command: all of them raise KeyboardInterrupt, so that everything is cleaned up
    deferred    around a training: the step under way is finished first, and everything saved
"""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

FROM_THE_SYSTEM = tuple(
    getattr(signal, name) for name in ("SIGTERM", "SIGHUP", "SIGBREAK") if hasattr(signal, name)
)  # SIGHUP is Unix's, SIGBREAK (Ctrl-Break) Windows's


@dataclass
class Stop:
    """Handles a signal of the system. number  of the one that came; None where none did"""

    number: int | None = None

    def __call__(self, number: int, frame: object) -> None:
        first, self.number = self.number is None, number
        if first:  # a system often sends two; the second must not break off the cleaning up
            raise KeyboardInterrupt


@contextlib.contextmanager
def stoppable() -> Iterator[Stop]:
    """Inside, the system's signals raise KeyboardInterrupt as Ctrl-C does; what somebody handles or ignores (nohup) is
    left alone. Signals are the main thread's: in another one nothing is changed."""
    stop = Stop()
    ours = [item for item in FROM_THE_SYSTEM if signal.getsignal(item) is signal.SIG_DFL]
    if threading.current_thread() is not threading.main_thread():
        ours = []
    for our in ours:
        signal.signal(our, stop)
    try:
        yield stop
    finally:
        for our in ours:
            signal.signal(our, signal.SIG_DFL)


@dataclass
class Interrupt:
    """asked  somebody has pressed Ctrl-C, and may press it again to stop at once
    at_once  the first is answered at once, too: nothing is under way that must be finished
    """

    asked: bool = False
    at_once: bool = False

    @contextlib.contextmanager
    def immediate(self, clean_up: Callable[[], None]) -> Iterator[None]:
        """Inside, the first Ctrl-C stops at once, after `clean_up`."""
        self.at_once = True
        try:
            yield
        except KeyboardInterrupt:
            clean_up()
            raise
        finally:
            self.at_once = False


@contextlib.contextmanager
def deferred() -> Iterator[Interrupt]:
    """Inside, the first Ctrl-C (or signal that `stoppable` has taken) is only noted; the second raises
    KeyboardInterrupt as always.

    Python delivers signals to the main thread alone: in another one nothing is changed; nor where Ctrl-C is somebody
    else's (a program that handles it, a shell's job in the background that ignores it).
    """
    interrupt = Interrupt()
    before = {item: signal.getsignal(item) for item in (signal.SIGINT, *FROM_THE_SYSTEM)}
    ours = [item for item, kept in before.items() if kept is signal.default_int_handler or isinstance(kept, Stop)]
    if threading.current_thread() is not threading.main_thread():
        ours = []

    def note(number: int, frame: object) -> None:
        if isinstance(stop := before[signal.Signals(number)], Stop):
            stop.number = number
        if interrupt.asked or interrupt.at_once:
            raise KeyboardInterrupt
        interrupt.asked = True

    for our in ours:
        signal.signal(our, note)
    try:
        yield interrupt
    finally:
        for our in ours:
            signal.signal(our, before[our])
