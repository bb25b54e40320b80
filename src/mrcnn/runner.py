"""Running a script that was written for matterport's Mask R-CNN, as it is."""

from __future__ import annotations

import os
import runpy
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

import mrcnn
from maskwright.errors import InputError
from mrcnn import finders


def prepare() -> None:
    """From now on `import mrcnn` means ours, and what is absent around it has stand-ins. For notebooks, and `run`."""
    sys.modules["mrcnn"] = mrcnn  # found before any folder of the path is looked at
    old_names()
    finders.install()
    finders.name_other_copies()


def old_names() -> None:
    """Gives NumPy the names back that scripts and imgaug of that time use, where the version here has them no more."""
    kinds = {"bool": bool, "int": int, "float": float, "complex": complex, "object": object, "str": str}
    of_size = {kind: [np.dtype(f"{kind}{bits}").type for bits in (8, 16, 32, 64)] for kind in ("int", "uint")}
    of_size["float"] = [np.float16, np.float32, np.float64]
    for name, value in {**kinds, "sctypes": of_size}.items():
        if name not in dir(np):
            setattr(np, name, value)


def run(script: str | Path, arguments: Sequence[str] = ()) -> None:
    """Runs the script as `python SCRIPT ARGUMENTS` would, with `mrcnn` from here wherever an old clone lies.

    >>> run("samples/balloon/balloon.py", ["train", "--dataset=party", "--weights=coco"])
    """
    path = Path(script)
    if not path.is_file():
        raise InputError("no such script", file=script, wanted="a Python file")
    if path.suffix == ".ipynb":
        raise InputError(
            "this is a notebook, not a script", file=script, fix="open it, and begin it with %load_ext maskwright"
        )
    old_argv, old_path = sys.argv, list(sys.path)
    sys.argv = [str(script), *arguments]
    sys.path.insert(0, os.path.dirname(os.path.abspath(path)))
    try:
        prepare()
        runpy.run_path(str(path), run_name="__main__")
    finally:
        sys.argv, sys.path[:] = old_argv, old_path
        finders.remove()
