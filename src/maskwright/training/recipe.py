"""A training recipe: every choice of a run in one strict TOML file. Needs no torch."""

from __future__ import annotations

import contextlib
import re
import tomllib
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from maskwright import files
from maskwright.errors import InputError, RecipeError, UnknownName
from maskwright.models import registry
from maskwright.models.starts import at_hand
from maskwright.prediction import tiles
from maskwright.suggestions import option_meant
from maskwright.transforms.augment import Augment

TASKS = ("segment", "detect", "classify")
OPTIMIZERS = ("adamw", "rmsprop")
SCHEDULES = ("cosine", "constant")
RANGES = {
    "size": (64, 4096),
    "tile": (0, 65536),
    "batch": (1, 1024),
    "steps_per_epoch": (1, 10**6),
    "seed": (0, 2**32 - 1),
    "workers": (0, 64),
    "cached_views": (0, 1000),
    "time_budget": (0, 10**7),
    "patience": (0, 10**6),
    "warmup_steps": (0, 10**6),
    "weight_decay": (0, 1),
    "backbone_lr_scale": (0, 100),
    "grad_clip": (1e-6, 10**6),
    "ema": (0, 0.999999),
}


LARGEST = 64_000  # bytes of a recipe; ours have two thousand
MOST_DOTS = 100  # in a line: a key a.a.a.a... of thousands of parts would take the parser minutes
MOST_EPOCHS = 10**6
WHOLE = Augment(
    zoom=(0.8, 1.3), rotate=20.0, color_jitter=0.2, gray=0.0, blur=0.0, copy_paste=0.0, shear=8.0, shift=0.1
)
"""Augmentation for classifiers: little color jitter, because color may be what distinguishes the classes."""


class Stage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Part of a run: which layers are trained, for how many epochs, at which learning rate.

    With a time budget the epochs determine how the time is divided among the stages.
    """

    layers: str = "all"
    epochs: int = 30
    lr: float = 1e-3

    def __post_init__(self) -> None:
        if self.epochs < 1:
            raise RecipeError("nothing to train", field="epochs", expected="at least 1", got=self.epochs)
        if self.epochs > MOST_EPOCHS:
            raise RecipeError(
                "a number is out of range", field="epochs", expected=f"1 to {MOST_EPOCHS}", got=self.epochs
            )
        if not 0 < self.lr < 10:
            raise RecipeError("a number is out of range", field="lr", expected="more than 0, below 10", got=self.lr)


class Recipe(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All settings of a training run, with their defaults.

    size                  long side of the network input, pixels
    tile                  side in image pixels of the part of a larger image shown at once; 0: whole images
    batch                 images per step
    steps_per_epoch       an epoch has at least this many steps: on small sets validation would take most of the time
    time_budget           seconds of training in total; 0: the number of epochs of the stages
    patience              epochs without a better validation metric after which training stops; 0 never stops early
    warmup_steps          steps at the start of each stage over which the learning rate rises
    schedule              cosine: the learning rate falls to a hundredth over the run; constant. Both after the warm-up
    optimizer             adamw, or rmsprop as in Keras (decay 0.9)
    backbone_lr_scale     factor on the learning rate of the backbone
    grad_clip             maximum norm of the gradient
    ema                   decay of the averaged weights that are validated and saved; 0 averages nothing
    cached_views          augmented views per image in stages with a frozen backbone: the features of each view are
                          computed once and cached; 0 draws a new view every time
    train_bn              batch norms update their running statistics (otherwise those of the start are kept)
    class_attribute       VIA's region attribute that holds the class; "": detected
    connected_components  masks that do not separate objects: each connected component is one object
    annotations           read only annotation files of this name, in each split of a folder; "": all
    follow_links          follow links that lead out of the data
    """

    task: str = "segment"
    model: str = "small"
    backbone: str = ""
    weights: str = "bundled"
    size: int = 512
    tile: int = 0
    batch: int = 4
    steps_per_epoch: int = 25
    seed: int = 0
    device: str = "auto"
    precision: str = "auto"
    workers: int = 1
    time_budget: float = 0.0
    patience: int = 20
    warmup_steps: int = 20
    schedule: str = "cosine"
    optimizer: str = "adamw"
    weight_decay: float = 0.01
    backbone_lr_scale: float = 0.5
    grad_clip: float = 5.0
    ema: float = 0.998
    cached_views: int = 0
    train_bn: bool = True
    allow_faulty: bool = False
    class_attribute: str = ""
    connected_components: bool = False
    annotations: str = ""
    follow_links: bool = False
    stages: tuple[Stage, ...] = (Stage("heads", 4, 1e-3), Stage("all", 26, 1e-3))
    augment: Augment = msgspec.field(default_factory=Augment)

    def __post_init__(self) -> None:
        if self.task not in TASKS:
            raise UnknownName("task", self.task, TASKS)
        if self.optimizer not in OPTIMIZERS:
            raise UnknownName("optimizer", self.optimizer, OPTIMIZERS)
        if self.schedule not in SCHEDULES:
            raise UnknownName("schedule", self.schedule, SCHEDULES)
        network = registry.find(self.model, self.task)
        if self.backbone and self.backbone not in network.backbones:
            raise UnknownName("backbone", self.backbone, network.backbones)
        for field, (low, high) in RANGES.items():
            value = getattr(self, field)
            if not low <= value <= high:
                raise RecipeError("a number is out of range", field=field, expected=f"{low} to {high}", got=value)
        if self.size % 64 and self.task != "classify":
            raise RecipeError(
                "the network input must divide by 64",
                field="size",
                expected=f"{self.size // 64 * 64} or {-(-self.size // 64) * 64}",
                got=self.size,
            )
        if tiles.checked(self.tile) and self.task == "classify":
            raise RecipeError("a classifier takes whole images", field="tile", expected="0", got=self.tile)
        if self.tile and self.cached_views:
            raise RecipeError(
                "a few cached views of an image cover too few of its tiles",
                field="cached_views",
                expected="0, or tile = 0",
                got=self.cached_views,
            )
        if not self.stages:
            raise RecipeError("a recipe needs a stage", field="stages", expected="at least one [[stages]]", got="none")

    @property
    def epochs(self) -> int:
        return sum(stage.epochs for stage in self.stages)


def from_options(base: Recipe | None = None, **options: Any) -> Recipe:
    """A recipe from options (None means: not given), on top of `base` or of the model's defaults.
    A recipe file with options on top: `read_recipe`.

    `epochs`, `layers` and `lr` apply to the stages: `layers` makes a single stage; `epochs` is divided over the stages
    in the same proportions; `lr` is the learning rate of all.
    """
    said = {name: _checked(name, value) for name, value in options.items() if value is not None}
    epochs, layers, lr = said.pop("epochs", None), said.pop("layers", None), said.pop("lr", None)
    if base is None:
        base = _defaults(said)
    stages = said.pop("stages", base.stages)
    if layers is not None:
        stages = (Stage(layers, sum(stage.epochs for stage in stages), stages[-1].lr),)
    if epochs is not None:
        stages = _divide_epochs(stages, epochs)
    if lr is not None:
        stages = tuple(msgspec.structs.replace(stage, lr=lr) for stage in stages)
    unknown = set(said) - set(Recipe.__struct_fields__)
    if unknown:
        name, known = sorted(unknown)[0], [*Recipe.__struct_fields__, "epochs", "layers", "lr"]
        raise UnknownName("option of a recipe", name, known, meant=option_meant(name, known))
    return msgspec.structs.replace(base, stages=stages, **said)


def _defaults(said: dict[str, Any]) -> Recipe:
    """What a model's training takes where nothing is said."""
    model = said.get("model", "small")
    task = said.get("task") or registry.task_of(model)
    network = registry.find(model, task)
    weights = said.get("weights") or at_hand(model, task, said.get("backbone") or "")
    plan = {"size": network.size, "batch": network.batch, "weights": weights, **network.plan}
    stages = tuple(Stage(*item) for item in plan.pop("stages", ())) or tuple(
        msgspec.structs.replace(stage, lr=network.lr) for stage in Recipe().stages
    )
    if task == "classify":
        plan |= {"augment": WHOLE, "steps_per_epoch": 1}
    if weights == "none":
        stages = (Stage("all", 60, network.lr),)  # heads on top of a random backbone would learn nothing
    return Recipe(**{**plan, "stages": stages, "task": task, "model": model})


def _checked(name: str, value: Any) -> Any:
    """An option in the type the recipe wants; paths become text, for the file."""
    kinds = {"epochs": int, "layers": str, "lr": float} | typing.get_type_hints(Recipe)
    try:
        return msgspec.convert(str(value) if isinstance(value, Path) else value, kinds.get(name, Any))
    except msgspec.ValidationError as error:
        raise RecipeError("an option has a wrong value", field=name, got=error) from error


def _divide_epochs(stages: tuple[Stage, ...], epochs: int) -> tuple[Stage, ...]:
    if epochs < 1:
        raise RecipeError("nothing to train", field="epochs", expected="at least 1", got=epochs)
    if epochs < len(stages):
        return (msgspec.structs.replace(stages[-1], epochs=epochs),)
    whole, done, parts = sum(stage.epochs for stage in stages), 0, []
    for index, stage in enumerate(stages):
        left = len(stages) - index - 1
        fraction = (
            epochs - done if left == 0 else min(max(round(epochs * stage.epochs / whole), 1), epochs - done - left)
        )
        parts.append(msgspec.structs.replace(stage, epochs=fraction))
        done += fraction
    return tuple(parts)


class _Named(msgspec.Struct):
    """The values of a recipe that say which defaults the others take."""

    task: str | None = None
    model: str = "small"
    backbone: str | None = None
    weights: str | None = None


def read_recipe(path: Path, **options: Any) -> Recipe:
    """A recipe file, strictly: an unknown key is an error that names it. Options (see from_options) go on top; what
    neither says takes the defaults of the model that was named.
    """
    asked = {name: value for name, value in options.items() if value is not None}
    if "model" in asked:  # a misspelt option is no fault of the file's
        registry.find(asked["model"], asked.get("task") or registry.task_of(asked["model"]))
    with _blamed(path):
        said = {name: value for name, value in _toml_of(path).items() if name not in asked}
        chosen = msgspec.to_builtins(msgspec.convert(said, _Named)) | asked
        chosen = {name: chosen[name] for name in _Named.__struct_fields__ if chosen[name] is not None}
        whole = msgspec.to_builtins(_defaults(chosen))
        if isinstance(said.get("augment"), dict):
            said["augment"] = whole["augment"] | said["augment"]
        base = msgspec.convert(whole | said, Recipe)
    return from_options(base, **asked)


def read_written(path: Path) -> Recipe:
    """A file of `write_recipe`: it says everything, and what a later version has added was not there: as in Recipe."""
    with _blamed(path):
        return msgspec.convert(_toml_of(path), Recipe)


def _toml_of(path: Path) -> dict[str, Any]:
    if Path(path).exists() and not Path(path).is_file():
        raise RecipeError(
            "the recipe cannot be read", file=path, expected="a TOML file", got="a folder, device or pipe"
        )
    with files.open_file(path) as file:
        data = file.read(LARGEST + 1)
    if len(data) > LARGEST:
        raise RecipeError("this is no recipe", file=path, expected=f"at most {LARGEST:,} bytes", got="more")
    text = data.decode("utf-8-sig").replace("\r\n", "\n")
    if any(line.count(".") > MOST_DOTS for line in text.split("\n") if not line.lstrip().startswith("#")):
        raise tomllib.TOMLDecodeError("keys are nested too deeply")
    try:
        return tomllib.loads(text)
    except RecursionError as error:
        raise tomllib.TOMLDecodeError("brackets are nested too deeply") from error
    except UnicodeDecodeError:
        raise
    except ValueError as error:  # Python's own: int() of thousands of digits, a date that does not exist
        raise tomllib.TOMLDecodeError(str(error).partition(";")[0]) from error


@contextlib.contextmanager
def _blamed(path: Path) -> Iterator[None]:
    """What is wrong inside is the file's fault, and is said so."""
    try:
        yield
    except OSError as error:
        raise RecipeError("the recipe cannot be read", file=path, got=error.strerror) from error
    except InputError as error:  # a value that one of the checks above refused
        error.parts = {"file": str(path), **error.parts}
        raise
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RecipeError(
            "the recipe is not TOML", file=path, got=error, fix="see docs/training.md for an example"
        ) from error
    except msgspec.ValidationError as error:
        expected, fix = _keys(str(error))
        raise RecipeError("the recipe has a wrong value", file=path, got=error, expected=expected, fix=fix) from error


def _keys(fault: str) -> tuple[str | None, str | None]:
    """Of an unknown key: the keys of the table it stands in, and the nearest one."""
    unknown = re.search(r"unknown field `(.+?)`", fault)
    if unknown is None:
        return None, None
    table = Augment if "$.augment" in fault else Stage if "$.stages" in fault else Recipe
    near = option_meant(unknown[1], table.__struct_fields__)
    return f"keys: {', '.join(table.__struct_fields__)}", f'did you mean "{near}"?' if near else None


def plain(recipe: Recipe) -> dict[str, Any]:
    """Its values in JSON's own types, as run.json keeps them."""
    return msgspec.json.decode(msgspec.json.encode(recipe))


def changed(begun: dict[str, Any], recipe: Recipe) -> list[tuple[str, str, str]]:
    """(field, value then, value now) of each value that is no longer the one in `begun`, as `plain` gave it.

    What `begun` does not know came with a later version, and is no change.

    >>> changed(plain(Recipe(size=512)), Recipe(size=64))
    [('size', '512', '64')]
    """
    before, after = _flat(begun), _flat(plain(recipe))
    keys = [key for key in before | after if key in before or (key.startswith("stages[") and "stages" in begun)]
    return [(key, _shown(before, key), _shown(after, key)) for key in keys if before.get(key) != after.get(key)]


def _flat(values: dict[str, Any]) -> dict[str, Any]:
    """One level: {"augment.flip": 0.5, "stages[1].epochs": 4}."""
    made = {}
    for key, value in values.items():
        if isinstance(value, dict):
            made |= {f"{key}.{name}": item for name, item in value.items()}
        elif key == "stages" and isinstance(value, list):
            parts = [(f"stages[{number}]", stage) for number, stage in enumerate(value, 1) if isinstance(stage, dict)]
            made |= {f"{where}.{name}": item for where, stage in parts for name, item in stage.items()}
        else:
            made[key] = value
    return made


def _shown(values: dict[str, Any], key: str) -> str:
    return _value(values[key]) if key in values else "nothing"


def write_recipe(recipe: Recipe, path: Path) -> None:
    """Every choice written out, so that the file alone repeats the run."""
    files.write_text(path, _toml(recipe))


def _toml(recipe: Recipe) -> str:
    plain = msgspec.to_builtins(recipe)
    lines = [f"{key} = {_value(value)}" for key, value in plain.items() if key not in ("stages", "augment")]
    for stage in plain["stages"]:
        lines += ["", "[[stages]]", *(f"{key} = {_value(value)}" for key, value in stage.items())]
    lines += ["", "[augment]", *(f"{key} = {_value(value)}" for key, value in plain["augment"].items())]
    return "\n".join(lines) + "\n"


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return msgspec.json.encode(value).decode().replace("\x7f", "\\u007f")  # which JSON allows and TOML does not
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_value, value))}]"
    return repr(value)
