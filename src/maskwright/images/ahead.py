"""Images opened ahead of their turn, several at a time, in order."""

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

Opened = TypeVar("Opened")

WORKERS = min(4, os.cpu_count() or 1)  # threads; Pillow releases the interpreter while it decodes


@contextmanager
def opened_ahead(
    open_source: Callable[[Source], Opened], sources: Iterable[Source], workers: int = WORKERS
) -> Iterator[Iterator[tuple[Source, Opened | MaskwrightError]]]:
    """Each source with what `open_source` makes of it, or with the error that it raised, in the order of the sources.

    At most `workers` + 1 are in memory, the one whose turn it is among them. Python warnings are off in the block:
    decoding hides Pillow's, for all threads at once.

    >>> with opened_ahead(open_source, expand("party/")) as images:
    ...     for source, image in images: ...
    """
    waiting: deque[tuple[Source, Future[Opened]]] = deque()

    def taken() -> tuple[Source, Opened | MaskwrightError]:
        source, future = waiting.popleft()
        try:
            return source, future.result()
        except MaskwrightError as error:
            return source, error

    def in_order() -> Iterator[tuple[Source, Opened | MaskwrightError]]:
        for source in sources:
            waiting.append((source, pool.submit(open_source, source)))
            if len(waiting) > workers:
                yield taken()
        while waiting:
            yield taken()

    with warnings.catch_warnings(), ThreadPoolExecutor(workers, "maskwright decoder") as pool:
        warnings.simplefilter("ignore")
        try:
            yield in_order()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
