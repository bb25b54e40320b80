"""Recipes as TOML files, strictly: an unknown key is an error that names it. Needs no torch."""

from __future__ import annotations

import contextlib
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from maskwright import files
from maskwright.errors import InputError, RecipeError
from maskwright.models import registry
from maskwright.suggestions import option_meant
from maskwright.training.defaults import default_recipe, from_options
from maskwright.training.recipe import Recipe, Stage
from maskwright.transforms.augment import Augment

MAX_BYTES = 64_000  # of a recipe; ours have two thousand
MAX_DOTS = 100  # in a line: a key a.a.a.a... of thousands of parts would take the parser minutes


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
    asked = {
        name: str(value) if isinstance(value, Path) else value for name, value in options.items() if value is not None
    }
    if "model" in asked:  # a misspelt option is no fault of the file's
        registry.find(asked["model"], asked.get("task") or registry.task_of(asked["model"]))
    with _naming_the_file(path):
        given = {name: value for name, value in _toml_of(path).items() if name not in asked}
        chosen = msgspec.to_builtins(msgspec.convert(given, _Named)) | asked
        chosen = {name: chosen[name] for name in _Named.__struct_fields__ if chosen[name] is not None}
        whole = msgspec.to_builtins(default_recipe(chosen))
        if isinstance(given.get("augment"), dict):
            given["augment"] = whole["augment"] | given["augment"]
        base = msgspec.convert(whole | given, Recipe)
    return from_options(base, **asked)


def read_written(path: Path) -> Recipe:
    """A file of `write_recipe`: it says everything, and what a later version has added was not there: as in Recipe."""
    with _naming_the_file(path):
        return msgspec.convert(_toml_of(path), Recipe)


def _toml_of(path: Path) -> dict[str, Any]:
    if Path(path).exists() and not Path(path).is_file():
        raise RecipeError(
            "the recipe cannot be read", file=path, expected="a TOML file", got="a folder, device or pipe"
        )
    with files.open_file(path) as file:
        data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise RecipeError("this is no recipe", file=path, expected=f"at most {MAX_BYTES:,} bytes", got="more")
    text = data.decode("utf-8-sig").replace("\r\n", "\n")
    if any(line.count(".") > MAX_DOTS for line in text.split("\n") if not line.lstrip().startswith("#")):
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
def _naming_the_file(path: Path) -> Iterator[None]:
    """Errors inside name the file."""
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
    before, after = flat(begun), flat(plain(recipe))
    keys = [key for key in before | after if key in before or (key.startswith("stages[") and "stages" in begun)]
    return [(key, _shown(before, key), _shown(after, key)) for key in keys if before.get(key) != after.get(key)]


def flat(values: dict[str, Any]) -> dict[str, Any]:
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
