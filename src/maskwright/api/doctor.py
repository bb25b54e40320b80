"""Doctor: what this computer has, whether all is well, and what to run where it is not."""

from __future__ import annotations

import importlib
import importlib.metadata
import os
import platform
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from maskwright import __version__, fetch
from maskwright.extras import how_to_install, how_to_reinstall

State = Literal["ok", "note", "problem"]

PYTHONS = ((3, 11), (3, 14))  # from, and before
IMPORTED = {"torch": "torch", "numpy": "numpy", "pillow": "PIL"}  # compiled: they may be there and not load
EXTRAS = {  # optional package -> what it is for, what to install
    "av": ("videos", "maskwright[video]"),
    "h5py": ("matterport's .h5 weights", "maskwright[matterport]"),
    "fsspec": ("images at s3://, gs:// and other addresses", "maskwright[urls]"),
    "pandas": ("results as a table (to_pandas)", "pandas"),
    "supervision": ("results for supervision's own drawing", "supervision"),
}

ROOM, SCANT_ROOM = 200e6, 2e9  # bytes of disk: below the first nothing can be trained, below the second not much
SHOWN = 8  # classes that are named of a model
SCANT_MEMORY = 1.5e9  # bytes: torchvision's network at 1024 pixels predicts in about that


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    fix  what to run or do; None where nothing is wanted
    """

    about: str
    state: State
    found: str
    fix: str | None = None


def doctor() -> list[Finding]:
    """Look at everything once. Nothing is installed, downloaded or left behind.

    >>> [finding.about for finding in doctor() if finding.state == "problem"]
    []
    """
    return [finding for check in CHECKS for finding in _survived(check)]


def _survived(check: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    """What a check finds; one that fails is itself a finding. A doctor who faints at an illness helps nobody."""
    try:
        yield from check()
    except Exception as error:
        name = check.__name__.strip("_").replace("_", " ")
        yield Finding(name, "problem", f"cannot be looked at: {type(error).__name__}: {error}".splitlines()[0])


# --- what is installed --------------------------------------------------------------------------
def _versions() -> Iterator[Finding]:
    yield Finding("maskwright", "ok", __version__)
    first, end = PYTHONS
    fits = first <= sys.version_info[:2] < end
    expected = f"{first[0]}.{first[1]} to {end[0]}.{end[1] - 1}"
    yield Finding(
        "python",
        "ok" if fits else "problem",
        platform.python_version() if fits else f"{platform.python_version()}, where {expected} is wanted",
        None if fits else f"install Python {expected} and maskwright into it",
    )
    yield Finding("system", "ok", f"{platform.system()} {platform.release()}, {platform.machine()}")


def _packages() -> Iterator[Finding]:
    """torch, numpy and Pillow one by one; the other required packages together when all is well."""
    well = []
    for name, minimum in required():
        finding = _package(name, minimum)
        if name in IMPORTED or finding.state != "ok":
            yield finding
        else:
            well.append(f"{name} {finding.found}")
    if well:
        yield Finding("packages", "ok", ", ".join(well))


def required() -> list[tuple[str, str]]:
    """The packages maskwright needs, each with the lowest version that will do, as its metadata say."""
    lines = importlib.metadata.requires("maskwright") or []
    found = [re.match(r"([\w.-]+)\s*>=\s*([\d.]+)", line) for line in lines if "extra ==" not in line]
    return [(match[1].lower(), match[2]) for match in found if match]


def _package(name: str, minimum: str) -> Finding:
    mend = f'pip install --upgrade "{name}>={minimum}"'
    try:
        version = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return Finding(name, "problem", "not installed", mend)
    if numbers(version) < numbers(minimum):
        return Finding(name, "problem", f"{version}, where {minimum} or later is wanted", mend)
    if name in IMPORTED:
        try:
            importlib.import_module(IMPORTED[name])
        except Exception as error:  # a library of the system that is missing or does not match: OSError on Windows
            reason = (str(error) or type(error).__name__).splitlines()[0]
            mend = f"pip install --force-reinstall {name}"
            return Finding(name, "problem", f"{version}, does not load: {reason}", mend)
    return Finding(name, "ok", version)


def numbers(version: str) -> tuple[int, ...]:
    """For comparing.

    >>> numbers("2.5.1+cpu") < numbers("2.10")
    True
    """
    return tuple(int(part) for part in re.findall(r"\d+", version.split("+")[0]))


def _extras() -> Iterator[Finding]:
    for name, (purpose, needed) in EXTRAS.items():
        try:
            yield Finding(name, "ok", f"{importlib.metadata.version(name)}, for {purpose}")
        except importlib.metadata.PackageNotFoundError:
            yield Finding(name, "note", f"not installed; for {purpose}", how_to_install(needed))


# --- the machine --------------------------------------------------------------------------------
def _device() -> Iterator[Finding]:
    import torch

    from maskwright.engines import hardware

    device = hardware.choose_device()
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor() or platform.machine()
    yield Finding("device", "ok", f"{device.type} ({name})" if device.type != "mps" else "mps (Apple's GPU)")
    if device.type == "cpu":
        yield _threads(torch.get_num_threads(), _cores())
        pays = hardware.bf16_pays()
        yield Finding(
            "bf16", "ok", "pays here, and is chosen by itself" if pays else "does not pay here; fp32 is chosen"
        )
    else:
        precision = hardware.choose_precision("auto", device)
        yield Finding("precision", "ok", f"{precision} is chosen by itself")
    free = hardware.free_memory(device)
    if free is None:
        yield Finding("memory", "ok", "this system does not say how much is free")
    elif free < SCANT_MEMORY:
        yield Finding("memory", "note", f"{size(free)} free", "close other programs, or use --size 320 --batch 1")
    else:
        yield Finding("memory", "ok", f"{size(free)} free")


def _cores() -> int:
    """Processors this process may use: fewer than the machine's in a container or under taskset."""
    allowed = getattr(os, "sched_getaffinity", None)  # Linux only
    return len(allowed(0)) if allowed else os.cpu_count() or 1


def _threads(threads: int, cores: int) -> Finding:
    said = f"{threads} for arithmetic; {cores} processors"
    if threads == 1 < cores:
        return Finding("threads", "note", said, "unset OMP_NUM_THREADS, which holds torch to one")
    if threads > cores:
        return Finding("threads", "note", f"{said}: they get in each other's way", f"set OMP_NUM_THREADS={cores}")
    return Finding("threads", "ok", said)


# --- folders ------------------------------------------------------------------------------------
def _folders() -> Iterator[Finding]:
    cache = fetch.cache_folder()
    yield folder("cache", cache, "set MASKWRIGHT_CACHE to a folder you may write to")
    yield folder("this folder", Path.cwd(), "go to a folder you may write to, or name one with --out")


def folder(about: str, place: Path, fix: str) -> Finding:
    """Whether one can write there, and how much; a folder that is not there yet is evaluated by the one it will be
    in."""
    try:
        standing = next(item for item in (place, *place.parents) if item.exists())
        with tempfile.TemporaryFile(dir=standing) as file:
            file.write(b"can this be written?")
        free = shutil.disk_usage(standing).free
    except OSError as error:
        return Finding(about, "problem", f"{place}: no writing here ({error.strerror or error})", fix)
    said = f"{place}, {size(free)} free"
    if free < ROOM:
        return Finding(about, "problem", said, f"free some room; or {fix}")
    return (
        Finding(about, "note", said, f"free some room; or {fix}") if free < SCANT_ROOM else Finding(about, "ok", said)
    )


def size(count: float) -> str:
    """Bytes, in words.

    >>> size(23_400_000_000), size(512_000_000)
    ('23 GB', '512 MB')
    """
    if count >= 1e9:
        return f"{count / 1e9:.{0 if count >= 10e9 else 1}f} GB"
    return f"{count / 1e6:.0f} MB"


# --- models -------------------------------------------------------------------------------------
def _models() -> Iterator[Finding]:
    from maskwright.errors import WeightsError
    from maskwright.weights.card import WEIGHTS, read_card
    from maskwright.weights.sources import BUNDLED, bundled_names

    again = how_to_reinstall()
    names = bundled_names()
    if not names:
        yield Finding("models", "problem", "no model came with this copy of maskwright", again)
    for name in names:
        try:
            card = read_card(BUNDLED / name)
            count = _tensor_count(BUNDLED / name / WEIGHTS)
        except WeightsError as error:
            detail = f": {error.parts['got']}" if "got" in error.parts else ""
            yield Finding(f"model {name}", "problem", f"{error.headline}{detail}", again)
        else:
            finds = ", ".join(card.classes[:SHOWN])
            if (more := len(card.classes) - SHOWN) > 0:
                finds += f" and {more} more"
            yield Finding(f"model {name}", "ok", f"{card.model}, {count} tensors; finds {finds}")


def _tensor_count(file: Path) -> int:
    """How many tensors a file of weights holds; its table of contents is read, and whether its length fits that."""
    from safetensors import SafetensorError, safe_open

    from maskwright.errors import WeightsError

    try:
        with safe_open(file, "numpy") as opened:
            return len(opened.keys())
    except (OSError, SafetensorError) as error:
        raise WeightsError("the weights cannot be read", file=file, got=error) from error


CHECKS = (_versions, _packages, _device, _folders, _models, _extras)
