"""Running a script that was written for matterport's Mask R-CNN, as it is."""

from __future__ import annotations

import os
import runpy
import sys
from collections.abc import Sequence
from pathlib import Path

import mrcnn
from maskwright.errors import InputError
from mrcnn import finders, old_names


def prepare() -> None:
    """From now on `import mrcnn` means ours, and what is absent around it has stand-ins. For notebooks, and `run`."""
    sys.modules["mrcnn"] = mrcnn  # found before any folder of the path is looked at
    old_names.give_back()
    finders.install()
    finders.name_other_copies()


def run(script: str | Path, arguments: Sequence[str] = ()) -> None:
    """Runs the script as `python SCRIPT ARGUMENTS` would, with `mrcnn` from here wherever an old clone lies.

    >>> run("samples/balloon/balloon.py", ["train", "--dataset=party", "--weights=coco"])
    """
    path = Path(script)
    if not path.is_file():
        raise InputError("no such script", file=script, expected="a Python file")
    if path.suffix == ".ipynb":
        raise InputError(
            "this is a notebook, not a script", file=script, fix="open it, and begin it with %load_ext maskwright"
        )
    old_argv, old_path = sys.argv, list(sys.path)
    sys.argv = [str(script), *arguments]
    try:
        prepare()  # before the script's folder is looked at: its copy.py is not Python's
        sys.path.insert(0, os.path.dirname(os.path.abspath(path)))
        finders.name_other_copies()
        runpy.run_path(str(path), run_name="__main__")
    finally:
        sys.argv, sys.path[:] = old_argv, old_path
        finders.remove()
