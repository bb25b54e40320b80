"""Modified copies of the original's files: their additional functions, methods and settings keep working.

People extend the clone they work in: a function more in utils.py, a setting more in Config. Ours answers in its place,
so what only the copy has is taken from it, and said on stderr. A file that has nothing more is not even run.

Not taken    a function of a TensorFlow graph: calling it says which file has it, and that maskwright has not
Refused      a model.py with a head or a loss of its own (key points): another network than ours
"""

from __future__ import annotations

import ast
import contextlib
import importlib.util
import inspect
import io
import re
import sys
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

import numpy as np

from maskwright.errors import InputError
from mrcnn.standins.absent import Absent, StandIn

GRAPH = {  # of the original's model.py, all versions: pieces of its graph, which ours has not
    *("BatchNorm", "identity_block", "conv_block", "resnet_graph", "rpn_graph", "build_rpn_model"),
    *("apply_box_deltas_graph", "clip_boxes_graph", "log2_graph", "overlaps_graph", "clip_to_window"),
    *("norm_boxes_graph", "denorm_boxes_graph", "trim_zeros_graph", "batch_pack_graph"),
    *("ProposalLayer", "PyramidROIAlign", "DetectionLayer", "DetectionTargetLayer", "AnchorsLayer"),
    *("detection_targets_graph", "refine_detections_graph", "refine_detections"),
    *("fpn_classifier_graph", "build_fpn_mask_graph", "smooth_l1_loss", "rpn_class_loss_graph"),
    *("rpn_bbox_loss_graph", "mrcnn_class_loss_graph", "mrcnn_bbox_loss_graph", "mrcnn_mask_loss_graph"),
}
UNUSED = {"ROOT_DIR", "mold_mask"}
"""Of the original, and empty or of no use outside it."""
HEAD = re.compile(r"build_fpn_\w+|\w*key_?points?\w*|\w*_loss(_graph)?", re.IGNORECASE)
"""Names in a model.py that stand for another network, where the original has none of that name."""
MODEL_OWN = {"build", "compile", "detect", "train", "load_weights", "keras_model"}
CLASSES = ("Config", "Dataset", "MaskRCNN")


class Copy:
    """A file that is (a variant of) one of the original's, parsed without execution."""

    def __init__(self, file: Path, name: str) -> None:
        """name: `config`, `model`, `utils` or `visualize`."""
        self.file, self.name = file, name
        try:
            self.tree = ast.parse(file.read_text("utf-8", errors="replace"))
        except (OSError, SyntaxError, ValueError):  # such as Python 2: nothing can be used from it
            self.tree = ast.Module([], [])

    @cached_property
    def module(self) -> ModuleType:
        """The file run, as a module beside ours: its relative imports are ours."""
        spec = importlib.util.spec_from_file_location(f"mrcnn.copy_of_{self.name}", self.file)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        with contextlib.redirect_stderr(io.StringIO()):  # messages of the stubs about its layers are of no interest
            spec.loader.exec_module(module)
        return module

    def take_over(self, ours: ModuleType) -> list[str]:
        """Adds to our module what this file has beyond it; the names of that."""
        self._check_kind()
        expected, computed = self._beyond(ours), self._computed(ours)
        taken: list[str] = []
        if not expected and not computed:
            return taken
        try:
            theirs = vars(self.module)
        except Exception as error:  # an old file may fail in any way
            for owner, name in expected:
                setattr(owner, name, self._unusable(name, f"{type(error).__name__}: {error}"))
            return taken
        for owner, name in expected:
            value = theirs.get(name) if owner is ours else vars(theirs[owner.__name__]).get(name)
            if value is None and owner is ours:
                continue
            if _needs_graph(value, theirs):
                setattr(owner, name, self._unusable(name, "it is a piece of a TensorFlow graph"))
                continue
            setattr(owner, name, value)
            taken.append(name if owner is ours else f"{owner.__name__}.{name}")
        if computed:
            _compute_too(ours.Config, theirs["Config"], computed)
        return taken + [f"Config.{name}" for name in computed]

    def _check_kind(self) -> None:
        if self.name != "model":
            return
        heads = [name for name in self._functions(self.tree) if HEAD.fullmatch(name) and name not in GRAPH]
        if heads:
            raise InputError(
                "this model.py is another network than matterport's Mask R-CNN",
                file=self.file,
                got=f"heads or losses of its own: {', '.join(heads)}",
                expected="classes, boxes and masks, as in the original",
                fix="run it with TensorFlow; or, if the script needs none of it, take this copy out of its path",
            )

    def _beyond(self, ours: ModuleType) -> list[tuple[Any, str]]:
        """(our module or class, name) of everything that this file has and ours has not, or has with more to it."""
        found: list[tuple[Any, str]] = []
        for name, node in self._definitions(self.tree.body):
            if name in CLASSES and isinstance(node, ast.ClassDef) and hasattr(ours, name):
                found += self._beyond_class(getattr(ours, name), node)
            elif name in GRAPH | UNUSED or name.startswith("_"):
                continue
            elif not hasattr(ours, name) or (self.name != "model" and _more(node, getattr(ours, name))):
                found.append((ours, name))
        return found

    def _beyond_class(self, ours: type, node: ast.ClassDef) -> Iterator[tuple[Any, str]]:
        for name, member in self._definitions(node.body):
            known = hasattr(ours, name)
            if name.startswith("__") or (ours.__name__ == "MaskRCNN" and name in MODEL_OWN):
                continue
            if not known or (ours.__name__ == "Config" and _differs(member, getattr(ours, name))):
                yield ours, name

    def _computed(self, ours: Any) -> list[str]:
        """Settings that the Config of the copy works out in __init__ beyond ours."""
        if self.name != "config":
            return []
        classes = [node for _, node in self._definitions(self.tree.body) if isinstance(node, ast.ClassDef)]
        bodies = [self._definitions(node.body) for node in classes if node.name == "Config"]
        init = [node for body in bodies for name, node in body if name == "__init__"]
        stored = {
            each.attr
            for node in init
            for each in ast.walk(node)
            if isinstance(each, ast.Attribute) and isinstance(each.ctx, ast.Store)
        }
        known = {"BATCH_SIZE", "IMAGE_SHAPE", "IMAGE_META_SIZE", *dir(ours.Config)}
        return sorted(stored - known - getattr(ours.Config.__init__, "computes", set()))

    @staticmethod
    def _definitions(body: list[ast.stmt]) -> Iterator[tuple[str, ast.stmt]]:
        """Functions, classes and values of a module or class, by name."""
        for node in body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                yield node.name, node
            elif isinstance(node, ast.Assign):
                for target in node.targets:
                    if isinstance(target, ast.Name):
                        yield target.id, node

    @staticmethod
    def _functions(tree: ast.Module) -> list[str]:
        return [node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)]

    def _unusable(self, name: str, reason: str) -> Any:
        def unusable(*args: Any, **kwargs: Any) -> Any:
            raise InputError(
                f"this copy's {self.name}.py has {name}, maskwright's has not",
                file=self.file,
                got=reason,
                fix=f"run the script with TensorFlow, or without {name}",
            )

        return unusable


def _compute_too(ours: Any, theirs: Any, names: list[str]) -> None:
    """Has our Config work out what the copy's does, and then its own."""
    first, then = theirs.__init__, ours.__init__

    def both(self: Any) -> None:
        first(self)
        then(self)

    both.computes = set(names)  # type: ignore[attr-defined]
    ours.__init__ = both


def _more(node: ast.stmt, ours: Any) -> bool:
    """Whether a function takes more than ours of that name, or returns something where ours does not."""
    if not isinstance(node, ast.FunctionDef) or not isinstance(ours, FunctionType):
        return False
    theirs = {each.arg for each in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)}
    known = inspect.signature(ours).parameters
    if any(each.kind is inspect.Parameter.VAR_POSITIONAL for each in known.values()):
        return False
    returns = any(isinstance(each, ast.Return) and each.value is not None for each in ast.walk(node))
    silent = inspect.signature(ours).return_annotation in (None, "None")
    # A copy that takes less is an older one: ours, which has learned what it lacks, stays.
    return set(known) <= theirs and (set(known) < theirs or (returns and silent))


def _differs(node: ast.stmt, ours: Any) -> bool:
    """Whether a setting has another value than ours; one that is no plain value counts as the same."""
    if not isinstance(node, ast.Assign):
        return False
    value = node.value
    if isinstance(value, ast.Call) and len(value.args) == 1:  # np.array([0.1, ...])
        value = value.args[0]
    try:
        return not np.array_equal(np.asarray(ast.literal_eval(value), object), np.asarray(ours, object))
    except (ValueError, TypeError):
        return False


def _needs_graph(value: Any, names: dict[str, Any]) -> bool:
    """Whether a function, or a method of a class, touches TensorFlow or Keras."""
    if isinstance(value, Absent | StandIn):
        return True
    if isinstance(value, type):
        return any(_needs_graph(each, names) for each in vars(value).values())
    value = getattr(value, "__wrapped__", getattr(value, "__func__", value))
    if not isinstance(value, FunctionType):
        return False
    return any(_is_graph(names.get(name)) for name in _global_names(value.__code__))


def _is_graph(value: Any) -> bool:
    if isinstance(value, Absent | StandIn):
        name = value.__name__ if isinstance(value, StandIn) else object.__getattribute__(value, "_name")
    else:
        name = getattr(value, "__name__", "") if isinstance(value, ModuleType) else ""
    return name.partition(".")[0] in ("tensorflow", "keras")


def _global_names(code: CodeType) -> set[str]:
    inner = [const for const in code.co_consts if isinstance(const, CodeType)]
    return set(code.co_names).union(*(_global_names(each) for each in inner))


_copies: dict[Path, Copy] = {}
_told: set[Path] = set()


def take_over(ours: ModuleType, file: Path, unused: bool = True) -> None:
    """Takes over what a copy of one of our modules has beyond it, also after a reload; a line on stderr says so once.

    unused  whether the line comes even if there is nothing to take
    """
    file = file.resolve()
    if file not in _copies:
        _copies[file] = Copy(file, ours.__name__.rpartition(".")[2])
    taken = _copies[file].take_over(ours)
    if file not in _told and (taken or unused):
        kept = f"; kept from it: {', '.join(taken)}" if taken else ""
        print(f"mrcnn: maskwright's {ours.__name__} is used, not {file}{kept}", file=sys.stderr)
    _told.add(file)
