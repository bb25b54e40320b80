"""A Ray cluster: one that is there, or one of this machine's own cores for as long as it is needed.

Ray is imported when first used, and nothing here is typed by it: it is an extra.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
from collections.abc import Iterator
from typing import Any

from maskwright.errors import ClusterError, MissingExtra
from maskwright.extras import how_to_install

OBJECTS = 200_000_000  # bytes of results under way that a cluster of our own may hold


def library() -> Any:
    """The module ray; MissingExtra where it is not installed."""
    try:
        return importlib.import_module("ray")
    except ImportError as error:
        fix = how_to_install("maskwright[ray]")
        raise MissingExtra("work on a cluster needs Ray", field="--ray", fix=fix) from error


@contextlib.contextmanager
def connected(address: str) -> Iterator[Any]:
    """Inside, the module ray is connected to a cluster.

    address  "local": a cluster of this machine's cores, which ends with the block; "auto": the one that `ray start` has
             begun here; HOST:PORT; ray://HOST:PORT. A connection that the program has already is used, and kept.
    """
    ray = library()
    if ray.is_initialized():
        yield ray
        return
    quiet = {"log_to_driver": False, "logging_level": "ERROR"}
    if address == "local":
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is sent anywhere
        os.environ.setdefault("RAY_raylet_start_wait_time_s", "300")  # a busy machine needs more than Ray's 30
        own = {"address": "local", "num_cpus": _cores(), "include_dashboard": False, "object_store_memory": OBJECTS}
    else:
        own = {"address": address}
    try:
        ray.init(**own, **quiet)
    except Exception as error:  # Ray raises nearly anything
        raise ClusterError(
            "no Ray cluster answers",
            field="--ray",
            expected="local, auto, or HOST:PORT of a running cluster with this version of Ray and Python",
            got=f"{address}: {str(error).strip().splitlines()[0]}",
        ) from error
    try:
        with contextlib.redirect_stdout(sys.stderr):  # Ray prints there what it thinks of lost nodes
            yield ray
    finally:
        ray.shutdown()


def _cores() -> int:
    """Those that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS and Windows
        return os.cpu_count() or 1
