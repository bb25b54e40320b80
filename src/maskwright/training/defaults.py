"""The recipe of a run from a few options: what is not given takes the defaults of the model and the task."""

from __future__ import annotations

import typing
from pathlib import Path
from typing import Any

import msgspec

from maskwright.errors import RecipeError, UnknownName
from maskwright.models import registry
from maskwright.models.starts import at_hand
from maskwright.progress import seconds_of
from maskwright.suggestions import option_meant
from maskwright.training.recipe import Recipe, Stage
from maskwright.transforms.augment import Augment

CLASSIFICATION_AUGMENT = Augment(
    zoom=(0.8, 1.3), rotate=20.0, color_jitter=0.2, gray=0.0, blur=0.0, copy_paste=0.0, shear=8.0, shift=0.1
)
"""Little color jitter, because color may be what distinguishes the classes."""
TASK_DEFAULTS: dict[str, dict[str, Any]] = {
    "classify": {"augment": CLASSIFICATION_AUGMENT, "steps_per_epoch": 1},
}


def from_options(base: Recipe | None = None, **options: Any) -> Recipe:
    """A recipe from options (None means: not given), on top of `base` or of the model's defaults.
    A recipe file with options on top: `read_recipe`.

    `epochs`, `layers` and `lr` apply to the stages: `layers` makes a single stage; `epochs` is divided over the stages
    in the same proportions; `lr` is the learning rate of all.
    """
    given = {name: _checked(name, value) for name, value in options.items() if value is not None}
    epochs, layers, lr = given.pop("epochs", None), given.pop("layers", None), given.pop("lr", None)
    if base is None:
        base = default_recipe(given)
    stages = given.pop("stages", base.stages)
    if layers is not None:
        stages = (Stage(layers, sum(stage.epochs for stage in stages), stages[-1].lr),)
    if epochs is not None:
        stages = _divide_epochs(stages, epochs)
    if lr is not None:
        stages = tuple(msgspec.structs.replace(stage, lr=lr) for stage in stages)
    unknown = set(given) - set(Recipe.__struct_fields__)
    if unknown:
        name, known = sorted(unknown)[0], [*Recipe.__struct_fields__, "epochs", "layers", "lr"]
        raise UnknownName("option of a recipe", name, known, meant=option_meant(name, known))
    return msgspec.structs.replace(base, stages=stages, **given)


def default_recipe(options: dict[str, Any]) -> Recipe:
    """The defaults of the model, task and weights that `options` name."""
    model = options.get("model", "small")
    task = options.get("task") or registry.task_of(model)
    network = registry.find(model, task)
    weights = options.get("weights") or at_hand(model, task, options.get("backbone") or "")
    plan = {"size": network.size, "batch": network.batch, "weights": weights, **network.recipe}
    stages = tuple(Stage(*item) for item in plan.pop("stages", ())) or tuple(
        msgspec.structs.replace(stage, lr=network.lr) for stage in Recipe().stages
    )
    plan |= TASK_DEFAULTS.get(task, {})
    if weights == "none":
        stages = (Stage("all", 60, network.lr),)  # heads on top of a random backbone would learn nothing
    return Recipe(**{**plan, "stages": stages, "task": task, "model": model})


def _checked(name: str, value: Any) -> Any:
    """An option in the type the recipe wants; paths become text, for the file."""
    if name == "time_budget" and isinstance(value, str):
        value = seconds_of(value)
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
