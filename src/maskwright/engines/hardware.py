"""The device and the precision to run in: as requested, or the faster one of this machine."""

from __future__ import annotations

import functools
import os
import time
from pathlib import Path

import torch

from maskwright.errors import RecipeError, UnknownName
from maskwright.text import counted

DEVICES = ("auto", "cpu", "cuda", "mps")
PRECISIONS = ("auto", "fp32", "bf16")


def choose_device(name: str = "auto") -> torch.device:
    """auto: cuda where there is one, else cpu; a device that the machine lacks is an error.

    mps only by name: many versions of torch lack operations of ours on it.
    """
    if name not in DEVICES:
        raise UnknownName("device", name, DEVICES)
    available = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        return torch.device("cuda" if available["cuda"] else "cpu")
    if not available[name]:
        raise RecipeError(f"this machine has no {name}", field="device", expected="auto or cpu", got=name)
    return torch.device(name)


def choose_precision(name: str, device: torch.device) -> str:
    """auto: bf16 on a CUDA device that has it and on a CPU where a trial shows it to be faster, else fp32."""
    if name not in PRECISIONS:
        raise UnknownName("precision", name, PRECISIONS)
    if name != "auto":
        return name
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    return "bf16" if device.type == "cpu" and bf16_pays() else "fp32"


@functools.cache
def bf16_pays() -> bool:
    """Whether this CPU multiplies bf16 at least 1.3 times as fast as float32 (a trial of a few milliseconds).

    Processors without native bf16 emulate it many times slower, so it must be measured or known; measured is surer.
    """

    def seconds(dtype: torch.dtype) -> float:
        a, b = torch.ones(384, 384, dtype=dtype), torch.ones(384, 384, dtype=dtype)
        best = float("inf")
        for _ in range(5):
            began = time.perf_counter()
            for _ in range(4):
                torch.mm(a, b)
            best = min(best, time.perf_counter() - began)
        return best

    return seconds(torch.float32) > 1.3 * seconds(torch.bfloat16)


def describe(device: torch.device, precision: str) -> str:
    """ "cpu, 2 threads, bf16, 23 GB of memory free"."""
    parts = [str(device) if device.type != "cuda" else torch.cuda.get_device_name(device)]
    if device.type == "cpu":
        parts.append(counted(torch.get_num_threads(), "thread"))
    parts.append(precision)
    free = free_memory(device)
    if free is not None:
        parts.append(f"{free / 1e9:.0f} GB of memory free")
    return ", ".join(parts)


def busy() -> str:
    """ "the machine is busy (load 8.2 on 2 cores), so it may take longer"; "" where it is not or this is unknown."""
    load = _load()
    cores = os.cpu_count() or 1
    if load is None or load < 1.5 * cores:
        return ""
    return f"the machine is busy (load {load:.1f} on {cores} core{'s' if cores > 1 else ''}), so it may take longer"


def _load() -> float | None:
    """Programs that wanted a core during the last minute, on average; None where the system does not count."""
    try:
        return os.getloadavg()[0]
    except (AttributeError, OSError):  # Windows has no such function
        return None


def free_memory(device: torch.device) -> int | None:
    """Bytes; None where it is unknown."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    try:
        with Path("/proc/meminfo").open(encoding="ascii") as file:
            return next(int(line.split()[1]) * 1024 for line in file if line.startswith("MemAvailable"))
    except (OSError, StopIteration):
        return None
