"""The worker process: reads inputs one by one, within limits, each in its own folder."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import tempfile
import time
import traceback
import warnings
from multiprocessing.connection import Connection
from pathlib import Path
from random import Random
from typing import Any

from fuzz import mutations
from fuzz.kinds import KINDS, Kind
from maskwright.errors import MaskwrightError


def made(kind: Kind, seed: int, folder: Path, template: Path) -> Path:
    """The input of this kind and seed below `folder`: what is to be read. Seed 0 is the valid one."""
    shutil.copytree(template, folder, dirs_exist_ok=True, symlinks=True)
    if seed:
        random = Random(f"{kind.name} {seed}")
        if kind.structure is not None and random.random() < 0.4:
            kind.structure(folder, random)
        else:
            files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
            preferred = [path for path in files if path.suffix in kind.endings] or files
            for _ in range(random.choice((1, 1, 1, 2))):
                chosen = random.choice(preferred if random.random() < 0.85 else files)
                if chosen.is_file() and (len(files) == 1 or random.random() < 0.85 or not kind.folder):
                    mutations.break_file(chosen, random)
                else:
                    mutations.break_folder(folder, random)
    return folder if kind.folder else folder / kind.file


def tried(kind: Kind, seed: int, folder: Path, template: Path) -> dict[str, Any]:
    """What became of one input: {"outcome": "read", "refused", "finding" or "not made", "seconds", "what", "trace"}."""
    try:
        path = made(kind, seed, folder, template)
    except Exception as error:  # a name that this system does not take, a value that no writer writes
        return {"outcome": "not made", "what": repr(error)}
    began = time.process_time()
    outcome: dict[str, Any] = {"outcome": "read"}
    try:
        kind.read(path)
    except MaskwrightError as error:
        outcome["outcome"] = "refused"
        str(error), error.facts()
    except Exception as error:
        where = [
            frame for frame in traceback.extract_tb(error.__traceback__) if "fuzz" not in Path(frame.filename).parts
        ]
        place = f"{Path(where[-1].filename).name}:{where[-1].lineno}" if where else "?"
        own = [frame for frame in where if {"maskwright", "mrcnn"} & set(Path(frame.filename).parts)]
        by = f"{Path(own[-1].filename).name}:{own[-1].name}" if own else place
        outcome |= {"outcome": "finding", "what": f"{type(error).__name__} at {by}", "trace": traceback.format_exc()}
    outcome["seconds"] = time.process_time() - began
    return outcome


def bound_memory(megabytes: int) -> None:
    """From here on this process may take so much more address space; where the system has no such bound, any."""
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        pages = int(Path("/proc/self/statm").read_text("ascii").split()[0])
        limit = pages * os.sysconf("SC_PAGE_SIZE") + megabytes * 2**20
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def peak_megabytes() -> float:
    """The peak memory of this process; 0 if the system does not report it."""
    try:
        import resource
    except ImportError:
        return 0.0
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / (2**20 if sys.platform == "darwin" else 2**10)


def serve(connection: Connection, names: list[str], work: str, megabytes: int) -> None:
    """Read what is asked for: (kind, seed) in, the outcome out; the first answer says that all is loaded."""
    warnings.simplefilter("ignore")
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 2)  # decoders in C complain on their own
    kinds = {name: KINDS[name] for name in names}
    templates = {name: Path(work) / "valid" / name for name in names}
    for name, kind in kinds.items():
        building, first = templates[name], not templates[name].is_dir()
        if first:
            building = Path(tempfile.mkdtemp(dir=work))
            kind.build(building)
        valid = Path(tempfile.mkdtemp(dir=work))
        outcome = tried(kind, 0, valid, building)  # also in a later process: what loads at first use counts for none
        shutil.rmtree(valid, ignore_errors=True)
        if outcome["outcome"] != "read":
            connection.send({**outcome, "what": f"the valid {name} is not read: {outcome.get('what')}"})
            return
        if first:
            templates[name].parent.mkdir(exist_ok=True)
            building.rename(templates[name])
    start = peak_megabytes()
    bound_memory(megabytes)
    connection.send({"outcome": "ready", "peak": start})
    while True:
        try:
            asked = connection.recv()
        except EOFError:
            return
        if asked is None:
            return
        name, seed = asked
        folder = Path(tempfile.mkdtemp(dir=work))
        outcome = tried(kinds[name], seed, folder, templates[name])
        outcome["peak"] = peak_megabytes() - start
        connection.send(outcome)
        shutil.rmtree(folder, ignore_errors=True)
