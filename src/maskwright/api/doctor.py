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
from pathlib import Path

from maskwright import __version__, fetch
from maskwright.extras import how_to_install, how_to_reinstall, install_command
from maskwright.issues import Issue, Kind

PYTHONS = ((3, 11), (3, 14))  # from, and before
IMPORTED = {"torch": "torch", "numpy": "numpy", "pillow": "PIL"}  # compiled: they may be there and not load
EXTRAS = {  # of maskwright[...] -> what it is for
    "video": "videos",
    "matterport": "scripts and .h5 weights of matterport's Mask R-CNN",
    "urls": "images at s3://, gs:// and other addresses",
    "web": "labeling, and a server, in the browser",
    "onnx": "models as ONNX files",
    "openvino": "models as OpenVINO files",
}
DEVELOPMENT = ("dev", "docs")  # extras that nobody needs to use the package
OTHERS = {  # optional package that no extra brings -> what it is for
    "pandas": "results as a table (to_pandas)",
    "supervision": "results for supervision's own drawing",
}

ROOM, SCANT_ROOM = 200e6, 2e9  # bytes of disk: below the first nothing can be trained, below the second not much
SCANT_MEMORY = 1.5e9  # bytes: torchvision's network at 1024 pixels predicts in about that


VERSION = Kind("version", "info", "{version}")
PYTHON_UNSUPPORTED = Kind("python_unsupported", "error", "{version}, where {expected} is wanted")
SYSTEM = Kind("system", "info", "{name} {release}, {machine}")
PACKAGE_INSTALLED = Kind("package_installed", "info", "{version}[, for {purpose}]")
PACKAGES_INSTALLED = Kind("packages_installed", "info", "{packages}")
PACKAGE_MISSING = Kind("package_missing", "error", "not installed")
PACKAGE_TOO_OLD = Kind("package_too_old", "error", "{version}, where {minimum} or later is wanted")
PACKAGE_BROKEN = Kind("package_broken", "error", "{version}, does not load: {reason}")
EXTRA_INSTALLED = Kind("extra_installed", "info", "{packages}[, for {purpose}]")
EXTRA_MISSING = Kind("extra_missing", "warning", "not installed[: {packages}][; for {purpose}]")
DEVICE_CHOSEN = Kind("device_chosen", "info", "{device} ({name})")
THREADS = Kind("threads", "info", "{threads} for arithmetic; {cores:processor}")
THREADS_TOO_FEW = Kind(
    "threads_too_few", "warning", "{threads} for arithmetic; {cores:processor}",
    fix="unset OMP_NUM_THREADS, which holds torch to one",
)  # fmt: skip
THREADS_TOO_MANY = Kind(
    "threads_too_many", "warning", "{threads} for arithmetic; {cores:processor}: they get in each other's way"
)
BF16_PAYS = Kind("bf16_pays", "info", "faster here, and used by default")
BF16_DOES_NOT_PAY = Kind("bf16_does_not_pay", "info", "not faster here; fp32 is used")
PRECISION_CHOSEN = Kind("precision_chosen", "info", "{precision} is used by default")
MEMORY_UNKNOWN = Kind("memory_unknown", "info", "this system does not say how much is free")
MEMORY_SCANT = Kind("memory_scant", "warning", "{free} free", fix="close other programs, or use --size 320 --batch 1")
MEMORY_FREE = Kind("memory_free", "info", "{free} free")
FOLDER_NOT_WRITABLE = Kind("folder_not_writable", "error", "{folder}: no writing here ({reason})")
FOLDER_FULL = Kind("folder_full", "error", "{folder}, {free} free")
FOLDER_NEARLY_FULL = Kind("folder_nearly_full", "warning", "{folder}, {free} free")
FOLDER_WRITABLE = Kind("folder_writable", "info", "{folder}, {free} free")
NO_BUNDLED_MODEL = Kind("no_bundled_model", "error", "no model came with this copy of maskwright")
MODEL_BROKEN = Kind("model_broken", "error", "{reason}")
MODEL_INTACT = Kind("model_intact", "info", "{model}, {tensors:tensor}; finds {classes:8}")
CHECK_FAILED = Kind("check_failed", "error", "cannot be looked at: {reason}")


def doctor() -> list[Issue]:
    """Look at everything once: info where all is well, a warning where something might be better, an error where
    something is wrong; `subject` is what was looked at. Nothing is installed, downloaded or left behind.

    >>> [issue.subject for issue in doctor() if issue.severity == "error"]
    []
    """
    return [issue for check in CHECKS for issue in _survived(check)]


def _survived(check: Callable[[], Iterator[Issue]]) -> Iterator[Issue]:
    """What a check reports; one that fails is itself reported. A doctor who faints at an illness helps nobody."""
    try:
        yield from check()
    except Exception as error:
        name = check.__name__.strip("_").replace("_", " ")
        yield CHECK_FAILED(name, reason=f"{type(error).__name__}: {error}".splitlines()[0])


# --- what is installed --------------------------------------------------------------------------
def _versions() -> Iterator[Issue]:
    yield VERSION("maskwright", version=__version__)
    first, end = PYTHONS
    if first <= sys.version_info[:2] < end:
        yield VERSION("python", version=platform.python_version())
    else:
        expected = f"{first[0]}.{first[1]} to {end[0]}.{end[1] - 1}"
        fix = f"install Python {expected} and maskwright into it"
        yield PYTHON_UNSUPPORTED("python", fix=fix, version=platform.python_version(), expected=expected)
    yield SYSTEM("system", name=platform.system(), release=platform.release(), machine=platform.machine())


def _packages() -> Iterator[Issue]:
    """torch, numpy and Pillow one by one; the other required packages together when all is well."""
    well = []
    for name, minimum in required():
        issue = _package(name, minimum)
        if name in IMPORTED or issue.severity != "info":
            yield issue
        else:
            well.append(f"{name} {issue.values['version']}")
    if well:
        yield PACKAGES_INSTALLED("packages", packages=well)


def required() -> list[tuple[str, str]]:
    """The packages maskwright needs, each with the lowest version that will do, as its metadata say."""
    lines = importlib.metadata.requires("maskwright") or []
    return [_requirement(line) for line in lines if "extra ==" not in line]


def extras() -> dict[str, list[tuple[str, str]]]:
    """The packages of each extra that is there to use, with the lowest version that will do."""
    found: dict[str, list[tuple[str, str]]] = {}
    for line in importlib.metadata.requires("maskwright") or []:
        if (extra := re.search(r"""extra == ["']([\w-]+)["']""", line)) and extra[1] not in DEVELOPMENT:
            found.setdefault(extra[1], []).append(_requirement(line))
    return found


def _requirement(line: str) -> tuple[str, str]:
    """Name and lowest version of a line of the metadata: "av>=14; extra == 'video'" as ("av", "14")."""
    match = re.match(r"([\w.-]+)(?:\[.*?\])?\s*(?:>=\s*([\d.]+))?", line)
    assert match is not None
    return match[1].lower(), match[2] or "0"


def _package(name: str, minimum: str) -> Issue:
    mend = f'{install_command()} --upgrade "{name}>={minimum}"'
    try:
        version = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return PACKAGE_MISSING(name, fix=mend)
    if numbers(version) < numbers(minimum):
        return PACKAGE_TOO_OLD(name, fix=mend, version=version, minimum=minimum)
    if name in IMPORTED:
        try:
            importlib.import_module(IMPORTED[name])
        except Exception as error:  # a library of the system that is missing or does not match: OSError on Windows
            reason = (str(error) or type(error).__name__).splitlines()[0]
            mend = f"{install_command()} --force-reinstall {name}"
            return PACKAGE_BROKEN(name, fix=mend, version=version, reason=reason)
    return PACKAGE_INSTALLED(name, version=version)


def numbers(version: str) -> tuple[int, ...]:
    """For comparing.

    >>> numbers("2.5.1+cpu") < numbers("2.10")
    True
    """
    return tuple(int(part) for part in re.findall(r"\d+", version.split("+")[0]))


def _extras() -> Iterator[Issue]:
    for extra, packages in extras().items():
        versions = {name: _version(name) for name, _ in packages}
        missing = [
            name if versions[name] is None else f"{name} {minimum} or later"
            for name, minimum in packages
            if numbers(versions[name] or "0") < numbers(minimum) or versions[name] is None
        ]
        about, purpose = f"extra {extra}", EXTRAS.get(extra, "")
        if missing:
            yield EXTRA_MISSING(about, fix=how_to_install(f"maskwright[{extra}]"), packages=missing, purpose=purpose)
        else:
            installed = [f"{name} {version}" for name, version in versions.items()]
            yield EXTRA_INSTALLED(about, packages=installed, purpose=purpose)
    for name, purpose in OTHERS.items():
        if (version := _version(name)) is None:
            yield EXTRA_MISSING(name, fix=how_to_install(name), packages=[], purpose=purpose)
        else:
            yield PACKAGE_INSTALLED(name, version=version, purpose=purpose)


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


# --- the machine --------------------------------------------------------------------------------
def _device() -> Iterator[Issue]:
    import torch

    from maskwright.engines import hardware

    device = hardware.choose_device()
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor() or platform.machine()
    yield DEVICE_CHOSEN("device", device=device.type, name="Apple's GPU" if device.type == "mps" else name)
    if device.type == "cpu":
        yield _threads(torch.get_num_threads(), _cores())
        yield (BF16_PAYS if hardware.bf16_pays() else BF16_DOES_NOT_PAY)("bf16")
    else:
        yield PRECISION_CHOSEN("precision", precision=hardware.choose_precision("auto", device))
    free = hardware.free_memory(device)
    if free is None:
        yield MEMORY_UNKNOWN("memory")
    else:
        yield (MEMORY_SCANT if free < SCANT_MEMORY else MEMORY_FREE)("memory", free=size(free), bytes=int(free))


def _cores() -> int:
    """Processors this process may use: fewer than the machine's in a container or under taskset."""
    allowed = getattr(os, "sched_getaffinity", None)  # Linux only
    return len(allowed(0)) if allowed else os.cpu_count() or 1


def _threads(threads: int, cores: int) -> Issue:
    if threads > cores:
        return THREADS_TOO_MANY("threads", fix=f"set OMP_NUM_THREADS={cores}", threads=threads, cores=cores)
    return (THREADS_TOO_FEW if threads == 1 < cores else THREADS)("threads", threads=threads, cores=cores)


# --- folders ------------------------------------------------------------------------------------
def _folders() -> Iterator[Issue]:
    cache = fetch.cache_folder()
    yield folder("cache", cache, "set MASKWRIGHT_CACHE to a folder you may write to")
    yield folder("this folder", Path.cwd(), "go to a folder you may write to, or name one with --out")


def folder(about: str, path: Path, fix: str) -> Issue:
    """Whether one can write there, and how much; a folder that is not there yet is evaluated by the one it will be
    in."""
    try:
        standing = next(item for item in (path, *path.parents) if item.exists())
        with tempfile.TemporaryFile(dir=standing) as file:
            file.write(b"can this be written?")
        free = shutil.disk_usage(standing).free
    except OSError as error:
        return FOLDER_NOT_WRITABLE(about, fix=fix, folder=path, reason=error.strerror or str(error))
    kind = FOLDER_FULL if free < ROOM else FOLDER_NEARLY_FULL if free < SCANT_ROOM else FOLDER_WRITABLE
    fix = "" if kind is FOLDER_WRITABLE else f"free some room; or {fix}"
    return kind(about, fix=fix, folder=path, free=size(free), bytes=free)


def size(count: float) -> str:
    """Bytes, in words.

    >>> size(23_400_000_000), size(512_000_000)
    ('23 GB', '512 MB')
    """
    if count >= 1e9:
        return f"{count / 1e9:.{0 if count >= 10e9 else 1}f} GB"
    return f"{count / 1e6:.0f} MB"


# --- models -------------------------------------------------------------------------------------
def _models() -> Iterator[Issue]:
    from maskwright.errors import WeightsError
    from maskwright.weights.card import WEIGHTS, read_card
    from maskwright.weights.sources import BUNDLED, bundled_names

    again = how_to_reinstall()
    names = bundled_names()
    if not names:
        yield NO_BUNDLED_MODEL("models", fix=again)
    for name in names:
        try:
            card = read_card(BUNDLED / name)
            count = _tensor_count(BUNDLED / name / WEIGHTS)
        except WeightsError as error:
            detail = f": {error.parts['got']}" if "got" in error.parts else ""
            yield MODEL_BROKEN(f"model {name}", fix=again, reason=f"{error.headline}{detail}")
        else:
            yield MODEL_INTACT(f"model {name}", model=card.model, tensors=count, classes=list(card.classes))


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
