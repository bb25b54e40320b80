"""Which module an import means while a script runs: ours, the script's own, or a stand-in.

In front   `model`, `utils`, `visualize`, `config`, `parallel_model`: the flat modules of versions 1 and 2.0, where the
           file of that name is an old copy of the original's or there is none; a script's own utils.py stays its own
At the end what nobody has: stand-ins for tensorflow, keras, imgaug, pycocotools; the samples (`coco`,
           `samples.coco.coco`); further modules of an old clone's mrcnn, which import ours in turn
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any

FLAT = {  # flat name -> what the original's file of that name contains
    "config": ("class Config", "IMAGES_PER_GPU"),
    "model": ("class MaskRCNN", "ProposalLayer"),
    "parallel_model": ("class ParallelModel",),
    "utils": ("class Dataset", "def extract_bboxes"),
    "visualize": ("def display_instances", "def random_colors"),
}
STANDINS = ("tensorflow", "keras", "imgaug", "pycocotools")
SAMPLES = ("balloon", "coco", "gdxray", "nucleus", "shapes")
OURS = Path(__file__).parent


class _Alias(Loader):
    """Gives a module of ours under a second name."""

    def __init__(self, real: str) -> None:
        self._real, self._spec = real, None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = importlib.import_module(self._real)
        self._spec = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__ = self._spec  # the import system put the alias's in its place


class _StandInLoader(Loader):
    def create_module(self, spec: ModuleSpec) -> ModuleType:
        root = spec.name.partition(".")[0]
        return importlib.import_module(f"mrcnn.standins.{root}").module(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        pass


class Flat(MetaPathFinder):
    """In front of all others: the flat modules of old versions."""

    def find_spec(self, fullname: str, path: Sequence[str] | None, target: Any = None) -> ModuleSpec | None:
        if fullname not in FLAT:
            return None
        found = PathFinder.find_spec(fullname, None)
        if found is not None and not _is_original(found, FLAT[fullname]):
            return None
        return ModuleSpec(fullname, _Alias(f"mrcnn.{fullname}"))


class Missing(MetaPathFinder):
    """Behind all others: what would otherwise be a ModuleNotFoundError."""

    def find_spec(self, fullname: str, path: Sequence[str] | None, target: Any = None) -> ModuleSpec | None:
        root, _, below = fullname.partition(".")
        if root in STANDINS:
            return ModuleSpec(fullname, _StandInLoader(), is_package=True)
        if fullname in SAMPLES:
            return ModuleSpec(fullname, _Alias(f"mrcnn.samples.{fullname}"))
        if root == "samples":
            return _samples(fullname, below)
        if root == "mrcnn" and "." not in below:
            for clone in other_copies():
                file = clone / f"{below}.py"
                if file.is_file():
                    return importlib.util.spec_from_file_location(fullname, file)
        return None


class _Empty(Loader):
    def create_module(self, spec: ModuleSpec) -> None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        pass


def _samples(fullname: str, below: str) -> ModuleSpec | None:
    """samples, samples.coco and samples.coco.coco."""
    first, _, second = below.partition(".")
    if first and first not in SAMPLES:
        return None
    if second:
        return ModuleSpec(fullname, _Alias(f"mrcnn.samples.{second}")) if second == first else None
    return ModuleSpec(fullname, _Empty(), is_package=True)


def _is_original(spec: ModuleSpec, marks: tuple[str, ...]) -> bool:
    """Whether a module's file is (a variant of) the original's of that name."""
    if spec.origin is None or not spec.origin.endswith(".py"):
        return False
    text = Path(spec.origin).read_text("utf-8", errors="replace")
    return all(mark in text for mark in marks)


def other_copies() -> list[Path]:
    """Folders of other packages called mrcnn on the path: old clones, or the original installed too."""
    found = []
    for entry in sys.path:
        folder = Path(entry or ".") / "mrcnn"
        if (folder / "__init__.py").is_file() and folder.resolve() != OURS.resolve() and folder not in found:
            found.append(folder)
    return found


_named: set[Path] = set()


def name_other_copies() -> None:
    """A line on stderr for each other mrcnn on the path, once, so that nobody wonders which one answers."""
    for folder in other_copies():
        if folder not in _named:
            _named.add(folder)
            print(f"mrcnn: maskwright's is used ({OURS}), not the one in {folder}", file=sys.stderr)


def install() -> None:
    """Puts both finders in place, once."""
    if not any(isinstance(finder, Flat) for finder in sys.meta_path):
        sys.meta_path.insert(0, Flat())
        sys.meta_path.append(Missing())


def remove() -> None:
    """Takes them out again."""
    sys.meta_path[:] = [finder for finder in sys.meta_path if not isinstance(finder, Flat | Missing)]
