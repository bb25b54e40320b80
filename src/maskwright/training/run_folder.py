"""What a run leaves on disk: recipe.toml, run.json, results.csv, best/, last/ (with the state to go on from)."""

from __future__ import annotations

import contextlib
import csv
import json
import os
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor

from maskwright import files, tables
from maskwright.errors import OutputError, RecipeError, WeightsError
from maskwright.training.recipe import Recipe, changed, plain, read_written, write_recipe
from maskwright.weights import checkpoint
from maskwright.weights.card import WEIGHTS, Card, write_card

STATE = "state.safetensors"


class RunFolder:
    """One run's folder; everything in it is written atomically."""

    def __init__(self, path: Path) -> None:
        self.path = Path(path)

    @classmethod
    def create(cls, out: Path, name: str | None, default: str) -> RunFolder:
        """`out/name`; without a name `out/default`, `out/default-2`, ... whichever is free."""
        if name is not None:
            if not name.strip() or name in (".", "..") or any(each in name for each in "/\\\0"):
                raise RecipeError(
                    "a run is one folder, named by one word",
                    field="name",
                    wanted="a name without / or \\",
                    got=repr(name),
                    fix="--out says where run folders are made",
                )
            folder = Path(out) / name
            if os.path.exists(folder / "last" / STATE):  # noqa: PTH110 (never raises; who may not look may not write)
                raise RecipeError(
                    "a run of that name is there already",
                    file=folder,
                    fix=f"--resume {folder} to go on with it, another --name, or delete the folder",
                )
            return cls(folder)
        for number in range(1, 10**6):
            folder = Path(out) / (default if number == 1 else f"{default}-{number}")
            if not os.path.exists(folder):  # noqa: PTH110
                return cls(folder)
        raise AssertionError("a million runs")

    @classmethod
    def existing(cls, path: Path) -> RunFolder:
        path = Path(path)
        path = path.parent if path.name in ("last", "best") else path
        if not (path / "last" / STATE).is_file():
            raise RecipeError(
                "no run to go on with", file=path, wanted=f"a run's folder with last/{STATE}", got="none there"
            )
        folder = cls(path)
        folder.sweep()
        return folder

    def sweep(self) -> None:
        """Remove the half-written files that a killed run has left: each may be as large as the whole state."""
        for folder in (self.path, self.path / "best", self.path / "last"):
            files.sweep(folder)

    # --- facts ----------------------------------------------------------------------------------
    def begin(self, recipe: Recipe, facts: dict[str, Any]) -> None:
        self.sweep()
        file = self.path / "recipe.toml"
        write_recipe(recipe, file)
        facts = {**facts, "recipe": plain(recipe)}  # so that `recipe` notices a change by hand
        try:
            files.write_text(self.path / "run.json", json.dumps(facts, indent=2, ensure_ascii=False) + "\n")
        except OutputError:  # a recipe alone is no run, and would take its name
            with contextlib.suppress(OSError):
                file.unlink()
                self.path.rmdir()
            raise

    def recipe(self) -> Recipe:
        """recipe.toml, as it was when the run began; RecipeError where somebody has changed it since.

        Runs of versions before this one did not keep what they began with: their file is believed.
        """
        file = self.path / "recipe.toml"
        recipe, begun = read_written(file), self.facts()["recipe"]
        if begun is not None and (different := changed(begun, recipe)):
            raise RecipeError(
                "the recipe was changed since this run began",
                file=file,
                field=", ".join(field for field, _, _ in different),
                wanted=", ".join(f"{field} = {before}" for field, before, _ in different),
                got=", ".join(f"{field} = {after}" for field, _, after in different),
                fix="put that back; or start a new run from it: --recipe FILE --weights RUN/last",
            )
        return recipe

    def facts(self) -> dict[str, Any]:
        """run.json: the data (None where they were in memory), the names of the photos of each part, and the recipe's
        values (None in runs of versions that did not keep them)."""
        file = self.path / "run.json"
        try:
            facts = json.loads(file.read_text(encoding="utf-8"))
            begun = facts.get("recipe")
            return {
                "data": facts["data"],
                "photos": {name: list(photos) for name, photos in facts["photos"].items()},
                "recipe": None if begun is None else dict(begun),
            }
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise RecipeError(
                "the facts of this run cannot be read",
                file=file,
                wanted="JSON as maskwright writes it",
                got=repr(error),
                fix="start a new run from it: --weights RUN/last",
            ) from error

    def write_history(self, rows: list[dict[str, Any]]) -> None:
        """results.csv: one line an epoch."""
        columns = list(dict.fromkeys(key for row in rows for key in row))
        cells = ([row.get(column) for column in columns] for row in rows)
        files.write_text(self.path / "results.csv", tables.written(columns, cells))

    def history(self) -> list[dict[str, Any]]:
        """results.csv again; [] before the first epoch is done."""
        file = self.path / "results.csv"
        if not file.is_file():
            return []
        try:
            with file.open(encoding="utf-8", newline="") as opened:
                return [{key: float(value) for key, value in row.items() if value} for row in csv.DictReader(opened)]
        except (OSError, ValueError, TypeError, csv.Error) as error:  # a row of more cells than columns: TypeError
            raise RecipeError(
                "the figures of this run cannot be read",
                file=file,
                wanted="a table of numbers as maskwright writes it",
                got=error,
                fix="put back what was written; or delete the file: the run goes on from its state, not from it",
            ) from error

    # --- weights --------------------------------------------------------------------------------
    def save_model(self, which: str, card: Card, tensors: dict[str, Tensor]) -> None:
        folder = self.path / which
        checkpoint.save(tensors, folder / WEIGHTS)
        write_card(card, folder)

    def save_state(self, tensors: dict[str, Tensor], facts: dict[str, Any]) -> None:
        """Everything needed to go on, in one file: either the old state or the new one, never half of each."""
        with files.writing(self.path / "last" / STATE) as temporary:
            plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
            checkpoint.write(temporary, plain, {"facts": json.dumps(facts)})

    def load_state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        file = self.path / "last" / STATE
        try:
            with safe_open(file, "pt") as opened:
                tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118 - not a dict
                return tensors, json.loads(opened.metadata()["facts"])
        except Exception as error:
            raise WeightsError(
                "the state of this run cannot be read",
                file=file,
                got=error,
                fix="start a new run from its best: --weights best",
            ) from error


def flatten(optimizer: torch.optim.Optimizer, names: dict[int, str]) -> dict[str, Tensor]:
    """The optimizer's tensors under "optimizer/<parameter>/<what>"."""
    found = {}
    for parameter, state in optimizer.state.items():
        for what, value in state.items():
            found[f"optimizer/{names[id(parameter)]}/{what}"] = torch.as_tensor(value)
    return found


def unflatten(optimizer: torch.optim.Optimizer, parameters: dict[str, Tensor], tensors: dict[str, Tensor]) -> None:
    for key, value in tensors.items():
        if key.startswith("optimizer/"):
            _, name, what = key.split("/")
            parameter = parameters[name]
            if value.shape == parameter.shape:
                # laid out in memory as the parameter is: else the arithmetic rounds anew
                value = torch.empty_like(parameter, dtype=value.dtype).copy_(value)
            else:
                value = value.clone()  # no view of the file, which the next save replaces
            optimizer.state[parameter][what] = value
