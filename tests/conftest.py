"""Common fixtures: the folder of real data, and reproducible runs."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browser import Browser, browsing
from hypothesis import HealthCheck, settings

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell that starts the tests in the background makes them, and their child processes, ignore Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)
if sys.platform != "win32" and signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # so does nohup with a closed terminal

# For tiny networks one thread is faster: waiting threads spin and slow down everything else.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

_cache = tempfile.TemporaryDirectory(prefix="maskwright-")
os.environ["MASKWRIGHT_CACHE"] = _cache.name  # what was downloaded here must change no test
os.environ["MASKWRIGHT_ENGINE"] = "torch"  # the same with OpenVINO installed and without
os.environ["MASKWRIGHT_SETTINGS"] = f"{_cache.name}/settings.json"

# The same examples in every run; `make fuzz-properties` uses new ones.
_slow = [HealthCheck.too_slow]
settings.register_profile("test", deadline=None, max_examples=40, suppress_health_check=_slow, derandomize=True,
                          database=None)  # fmt: skip
settings.register_profile("fuzz", deadline=None, max_examples=int(os.environ.get("FUZZ_EXAMPLES", 300)),
                          suppress_health_check=_slow, print_blob=True, database=None)  # fmt: skip
settings.load_profile(os.environ.get("MASKWRIGHT_HYPOTHESIS", "test"))


def shared_folder() -> Path | None:
    """The folder of real data beside the clone, or where MASKWRIGHT_SHARED points; None for most people."""
    folder = Path(os.environ.get("MASKWRIGHT_SHARED") or Path(__file__).resolve().parents[2] / "shared")
    return folder if (folder / "data").is_dir() else None


@pytest.fixture(scope="session")
def shared() -> Path:
    folder = shared_folder()
    if folder is None:
        pytest.skip("the shared real data are not here (set MASKWRIGHT_SHARED)")
    return folder


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A page in a real browser, one for the tests of a file; those are marked `needs_browser`."""
    with browsing() as found:
        yield found


@pytest.fixture(scope="session")
def torchvision() -> Any:
    """torchvision, to agree with; beside a CPU torch its operators load only with the tool beside the shared data."""
    folder = shared_folder()
    tools = [] if folder is None else [str(folder / "tools")]
    sys.path[:0] = tools
    try:
        if tools:
            import torchvision_cpu  # type: ignore[import-not-found]

            torchvision_cpu.ensure()
        import torchvision
    except Exception as why:
        pytest.skip(f"torchvision does not load here: {why}")
    finally:
        for tool in tools:
            sys.path.remove(tool)
    return torchvision
