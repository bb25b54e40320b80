"""Import finders for scripts: resolve imports to this package, the script's own modules, or stubs.

In front   the flat modules of versions 1 and 2.0 (`model`, `utils`, `visualize`, `config`, `parallel_model`), also
           inside another package, where the file of that name is an old copy of the original's or there is none at all;
           a script's own utils.py stays its own. `Mask_RCNN.mrcnn`, `lib.mrcnn`: an old clone inside another package
At the end what nobody has: stand-ins for tensorflow, keras, imgaug and others; the samples (`coco`,
           `samples.coco.coco`); further modules of an old clone's mrcnn, which import ours in turn

Whatever an old copy has beyond ours is taken from it (`copies`).
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any

from mrcnn import copies
from mrcnn.standins.windows import without_windows

FLAT = {  # flat name -> what the original's file of that name contains
    "config": ("class Config", "IMAGES_PER_GPU"),
    "model": ("class MaskRCNN", "ProposalLayer"),
    "parallel_model": ("class ParallelModel",),
    "utils": ("class Dataset", "def extract_bboxes"),
    "visualize": ("def display_instances", "def random_colors"),
}
EXTENDED = ("config", "model", "utils", "visualize")
STANDINS = {  # package that may be absent -> our module that stands in
    "distutils": "old_python",
    "imgaug": "imgaug",
    "imp": "old_python",
    "IPython": "ipython",
    "keras": "keras",
    "pycocotools": "pycocotools",
    "tensorflow": "tensorflow",
}
SAMPLES = ("balloon", "coco", "gdxray", "nucleus", "shapes")
OURS = Path(__file__).parent


class _Alias(Loader):
    """Gives a module of ours under a second name. `copy`: the file of the copy that is not used."""

    def __init__(self, real: str, copy: Path | None = None) -> None:
        self._real, self._copy, self._spec = real, copy, None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = importlib.import_module(self._real)
        self._spec = module.__spec__
        if self._copy is not None and self._real.rpartition(".")[2] in EXTENDED:
            copies.take_over(module, self._copy)
        return module

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__ = self._spec  # the import system put the alias's in its place


class _StandInLoader(Loader):
    def create_module(self, spec: ModuleSpec) -> ModuleType:
        root = spec.name.partition(".")[0]
        return importlib.import_module(f"mrcnn.standins.{STANDINS[root]}").module(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        pass


class _Then(Loader):
    """Loads a module, and then does something to it: `_extend` for ours, `without_windows` for OpenCV."""

    def __init__(self, loader: Any, work: Callable[[ModuleType], None]) -> None:
        self._loader, self._work = loader, work

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        module.__loader__ = self._loader
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        self._loader.exec_module(module)
        self._work(module)


class Flat(MetaPathFinder):
    """In front of all others: the flat modules of old versions, clones inside packages, and ours with their extras."""

    def find_spec(self, fullname: str, path: Sequence[str] | None, target: Any = None) -> ModuleSpec | None:
        above, _, name = fullname.rpartition(".")
        if fullname == "cv2":
            return self._then(fullname, path, without_windows)
        if above == "mrcnn":
            return self._then(fullname, path, _extend) if name in EXTENDED else None
        if above.startswith("mrcnn."):
            return None
        if name == "mrcnn" and above:
            return self._inner_clone(fullname, path)
        if name in FLAT:
            return self._copied(fullname, name, path)
        return None

    def _then(self, fullname: str, path: Sequence[str] | None, work: Callable[[ModuleType], None]) -> ModuleSpec | None:
        spec = PathFinder.find_spec(fullname, path)
        if spec is not None and spec.loader is not None:
            spec.loader = _Then(spec.loader, work)
        return spec

    def _inner_clone(self, fullname: str, path: Sequence[str] | None) -> ModuleSpec | None:
        """`Mask_RCNN.mrcnn`, wherever it lies: the clone is named, and is ours from here on."""
        folders = [Path(entry) / "mrcnn" for entry in path or ()]
        clones = [folder for folder in folders if is_clone(folder)]
        if any(folder.is_dir() for folder in folders) and not clones:
            return None  # another package of that name
        for folder in clones:
            _name(folder)
            if folder not in _inner:
                _inner.append(folder)
        return ModuleSpec(fullname, _Alias("mrcnn"), is_package=True)

    def _copied(self, fullname: str, name: str, path: Sequence[str] | None) -> ModuleSpec | None:
        inside = fullname.rpartition(".")[0]
        if inside.rpartition(".")[2] == "mrcnn":  # of a clone that was found above
            file = next((at for at in (Path(entry) / f"{name}.py" for entry in _beside(inside)) if at.is_file()), None)
            return ModuleSpec(fullname, _Alias(f"mrcnn.{name}", file))
        found = PathFinder.find_spec(fullname, path)
        if found is None:
            return None if inside else ModuleSpec(fullname, _Alias(f"mrcnn.{name}"))
        file = _copy_of(found, FLAT[name])
        return None if file is None else ModuleSpec(fullname, _Alias(f"mrcnn.{name}", file))


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
        if fullname == "Mask_RCNN":  # what a clone's folder is called: only its mrcnn is asked for
            return ModuleSpec(fullname, _Empty(), is_package=True)
        if root == "mrcnn" and "." not in below:
            return _from_clone(fullname, below, [*other_copies(), *_inner])
        inside, _, name = fullname.rpartition(".")
        if inside.rpartition(".")[2] == "mrcnn" and _from_clone(f"mrcnn.{name}", name, _inner) is not None:
            return ModuleSpec(fullname, _Alias(f"mrcnn.{name}"))
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


def _from_clone(fullname: str, name: str, folders: Sequence[Path]) -> ModuleSpec | None:
    """A module that only a clone's mrcnn has."""
    for folder in folders:
        if (folder / f"{name}.py").is_file():
            return importlib.util.spec_from_file_location(fullname, folder / f"{name}.py")
        if (folder / name / "__init__.py").is_file():
            return importlib.util.spec_from_file_location(fullname, folder / name / "__init__.py")
    return None


def _beside(package: str) -> list[Path]:
    """The folders of a clone inside a package: those of `lib.mrcnn`, by the path of `lib`."""
    above = sys.modules.get(package.rpartition(".")[0])
    return [Path(entry) / "mrcnn" for entry in getattr(above, "__path__", ())]


def _copy_of(spec: ModuleSpec, marks: tuple[str, ...]) -> Path | None:
    """A module's file, if it is (a variant of) the original's of that name."""
    if spec.origin is None or not spec.origin.endswith(".py"):
        return None
    file = Path(spec.origin)
    return file if _has(file, marks) else None


def _has(file: Path, marks: tuple[str, ...]) -> bool:
    try:
        text = file.read_text("utf-8", errors="replace")
    except OSError:
        return False
    return all(mark in text for mark in marks)


def is_clone(folder: Path) -> bool:
    """Whether a folder called mrcnn is (a variant of) the original's, and not ours."""
    if folder.resolve() == OURS.resolve():
        return False
    return any(_has(folder / f"{name}.py", marks) for name, marks in FLAT.items())


def other_copies() -> list[Path]:
    """Folders of other packages called mrcnn on the path: old clones, or the original installed too."""
    found = []
    for entry in sys.path:
        folder = Path(entry or ".") / "mrcnn"
        if folder in found or (folder / "standins").is_dir():  # ours, perhaps of another folder
            continue
        if (folder / "__init__.py").is_file() or is_clone(folder):
            found.append(folder)
    return found


_named: set[Path] = set()
_inner: list[Path] = []
"""Clones that were found inside packages; those on the path can be looked up at any time."""


def _name(folder: Path) -> None:
    if folder.resolve() not in _named:
        _named.add(folder.resolve())
        print(f"mrcnn: maskwright's is used ({OURS}), not the one in {folder}", file=sys.stderr)


def name_other_copies() -> None:
    """A line on stderr for each other mrcnn on the path, once, so that nobody wonders which one answers.

    What they have beyond ours is taken over by the modules that are imported already.
    """
    for folder in other_copies():
        _name(folder)
    if any(isinstance(finder, Flat) for finder in sys.meta_path):
        for name in EXTENDED:
            if (module := sys.modules.get(f"mrcnn.{name}")) is not None:
                _extend(module)


def _extend(module: ModuleType) -> None:
    """Takes over what the first old clone on the path has beyond this module of ours."""
    for folder in other_copies():
        file = folder / f"{module.__name__.rpartition('.')[2]}.py"
        if file.is_file():
            copies.take_over(module, file, unused=False)
            return


def install() -> None:
    """Puts both finders in place, once."""
    if not any(isinstance(finder, Flat) for finder in sys.meta_path):
        sys.meta_path.insert(0, Flat())
        sys.meta_path.append(Missing())
    if "cv2" in sys.modules:
        without_windows(sys.modules["cv2"])


def remove() -> None:
    """Takes them out again."""
    sys.meta_path[:] = [finder for finder in sys.meta_path if not isinstance(finder, Flat | Missing)]
