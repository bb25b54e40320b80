"""Stages of a computation that run at the same time, each in a thread of its own, with bounded queues between them.

Threads overlap because PyAV, torch, numpy and Pillow release the interpreter while they compute.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager
from typing import Any, TypeVar

Item = TypeVar("Item")
Stage = Callable[[Iterable[Any]], Iterable[Any]]

DEPTH = 4  # items between two stages: enough to even out batches and key frames, few enough for frames of 4K


def in_thread(items: Iterable[Item], depth: int = DEPTH) -> Generator[Item]:
    """The same items in the same order, computed ahead by a thread: at most `depth` items wait to be taken.

    An exception of `items` is raised where its item would have come. Closing the generator ends the thread, which
    closes `items`, and returns when both are done; the thread begins with the first item that is asked for.

    >>> list(in_thread(range(3)))
    [0, 1, 2]
    """
    free = threading.Semaphore(depth)
    ready: queue.SimpleQueue[tuple[bool, Any]] = queue.SimpleQueue()  # (True, item), at the end (False, error or None)
    stopped = threading.Event()

    def work() -> None:
        error: BaseException | None = None
        iterator = iter(items)
        try:
            while True:
                free.acquire()
                if stopped.is_set():
                    break
                ready.put((True, next(iterator)))
        except StopIteration:
            pass
        except BaseException as raised:
            error = raised
        finally:
            if isinstance(iterator, Generator):
                iterator.close()
            ready.put((False, error))

    thread = threading.Thread(target=work, name="maskwright stage", daemon=True)
    thread.start()
    try:
        while True:
            more, item = ready.get()
            if not more:
                if item is not None:
                    raise item
                return
            free.release()
            yield item
    finally:
        stopped.set()
        free.release()
        thread.join()


@contextmanager
def overlapped(source: Iterable[Any], *stages: Stage) -> Iterator[Iterator[Any]]:
    """What the last stage yields; the source and every stage run in threads of their own until the block is left.

    stages  functions of an iterable that return another one

    >>> with overlapped(video, detect, draw) as pictures:
    ...     for picture in pictures:
    ...         encode(picture)
    """
    with ExitStack() as stack:
        items = stack.enter_context(closing(in_thread(source)))
        for stage in stages:
            items = stack.enter_context(closing(in_thread(stage(items))))
        yield items
