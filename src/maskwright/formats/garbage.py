"""Python's garbage collector, at rest while a dataset is read.

It looks through everything again and again while hundreds of thousands of objects are made: a fifth of the time of a
large file. It finds nothing, for none of them refers to itself.
"""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator


@contextlib.contextmanager
def kept() -> Iterator[None]:
    """Nothing is collected while this is open; afterwards as before."""
    active = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if active:
            gc.enable()
