"""Work on images in threads, in order: opened ahead of their turn, written behind it."""

from __future__ import annotations

import os
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

from maskwright.errors import MaskwrightError
from maskwright.images.sources import Source

Item = TypeVar("Item")
Made = TypeVar("Made")
Opened = TypeVar("Opened")

WORKERS = min(4, os.cpu_count() or 1)  # threads; Pillow releases the interpreter while it decodes


@contextmanager
def in_threads(
    make: Callable[[Item], Made], items: Iterable[Item], workers: int = WORKERS
) -> Iterator[Iterator[tuple[Item, Future[Made]]]]:
    """Each item with what `make` makes of it in a thread, in the order of the items.

    At most `workers` + 1 are in memory, the one whose turn it is among them. Leaving the block ends the threads: what
    was begun is finished, what was not is left undone.

    >>> with in_threads(write, predictions) as written:
    ...     for prediction, future in written: future.result()
    """
    waiting: deque[tuple[Item, Future[Made]]] = deque()

    def in_order() -> Iterator[tuple[Item, Future[Made]]]:
        for item in items:
            waiting.append((item, pool.submit(make, item)))
            if len(waiting) > workers:
                yield waiting.popleft()
        while waiting:
            yield waiting.popleft()

    with ThreadPoolExecutor(workers, "maskwright images") as pool:
        try:
            yield in_order()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


@contextmanager
def opened_ahead(
    open_source: Callable[[Source], Opened], sources: Iterable[Source], workers: int = WORKERS
) -> Iterator[Iterator[tuple[Source, Opened | MaskwrightError]]]:
    """Each source with what `open_source` makes of it, or with the error that it raised, in the order of the sources.

    In memory are as many as with `in_threads`. Python warnings are off in the block: decoding hides Pillow's, for all
    threads at once.

    >>> with opened_ahead(open_source, expand("party/")) as images:
    ...     for source, image in images: ...
    """

    def opened(source: Source, future: Future[Opened]) -> tuple[Source, Opened | MaskwrightError]:
        try:
            return source, future.result()
        except MaskwrightError as error:
            return source, error

    with warnings.catch_warnings(), in_threads(open_source, sources, workers) as futures:
        warnings.simplefilter("ignore")
        yield (opened(source, future) for source, future in futures)
