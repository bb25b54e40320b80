"""What a run leaves on disk: recipe.toml, run.json, results.csv, best/, last/ (with the state to go on from)."""

from __future__ import annotations

import contextlib
import csv
import itertools
import json
import os
import tempfile
from pathlib import Path
from typing import Any

import msgspec
from safetensors import safe_open
from torch import Tensor

from maskwright import files, tables
from maskwright.errors import OutputError, RecipeError, WeightsError
from maskwright.training.recipe import Recipe
from maskwright.training.recipe_io import changed, plain, read_written, write_recipe
from maskwright.weights import checkpoint
from maskwright.weights.card import CARD, WEIGHTS, Card, write_card

STATE, RECIPE, FACTS = "state.safetensors", "recipe.toml", "run.json"


class RunFacts(msgspec.Struct):
    """What run.json says.

    data     path of the data; None where they were in memory
    images   the names of the images of each part, in order
    recipe   the recipe's values as the run began; None in runs of versions that did not keep them
    classes, contents  the class names, and a hash of each image and of its labels (training/contents.py)
    started_on  hashes of the images that the weights it started from were trained on
    """

    data: str | None
    images: dict[str, list[str]]
    recipe: dict[str, Any] | None = None
    classes: list[str] | None = None
    contents: dict[str, dict[str, str]] | None = None
    started_on: str = ""


def _free(out: Path, default: str) -> Path:
    """`out/default`, or with the first number behind it that nothing stands at yet."""
    numbers = (out / (default if number == 1 else f"{default}-{number}") for number in itertools.count(1))
    return next(path for path in numbers if not os.path.lexists(path))


class RunFolder:
    """One run's folder; everything in it is written atomically."""

    def __init__(self, path: Path, counted: str | None = None) -> None:
        """counted  the name that is counted up where another run takes it meanwhile; None: the path is as asked."""
        self.path, self._counted = Path(path), counted
        self._begun: dict[str, Any] | None = None  # run.json, once it was written or read

    @property
    def state(self) -> Path:
        return self.path / "last" / STATE

    @classmethod
    def create(cls, out: Path, name: str | None, default: str) -> RunFolder:
        """`out/name`; without a name `out/default`, `out/default-2`, ... whichever is free."""
        if name is not None:
            if not name.strip() or name in (".", "..") or any(item in name for item in "/\\\0"):
                raise RecipeError(
                    "a run is one folder, named by one word",
                    field="name",
                    expected="a name without / or \\",
                    got=repr(name),
                    fix="--out says where run folders are made",
                )
            folder = cls(Path(out) / name)
            if os.path.exists(folder.state):  # noqa: PTH110 (never raises; who may not look may not write)
                raise folder._taken()
            return folder
        return cls(_free(Path(out), default), default)

    def _taken(self) -> RecipeError:
        went = f"--resume {self.path} to go on with it, another" if os.path.exists(self.state) else "another"  # noqa: PTH110
        return RecipeError(
            "a run of that name is there already", file=self.path, fix=f"{went} --name, or delete the folder"
        )

    @classmethod
    def existing(cls, path: Path) -> RunFolder:
        path = Path(path)
        path = path.parent if path.name in ("last", "best") else path
        folder = cls(path)
        try:
            with folder.state.open("rb"):
                pass
        except PermissionError as error:
            raise WeightsError(
                "the state of this run may not be read",
                file=folder.state,
                fix="give yourself the right to read it (chmod -R u+r), or ask whose run it is",
            ) from error
        except OSError as error:
            raise RecipeError(
                "no run to go on with", file=path, expected=f"a run's folder with last/{STATE}", got="none there"
            ) from error
        folder.check_writable()
        folder.sweep()
        return folder

    def check_writable(self) -> None:
        """Said before the first step, not after an epoch of them."""
        for folder in (self.path, self.path / "last", self.path / "best"):
            if not folder.is_dir():
                continue
            try:
                with tempfile.TemporaryFile(dir=folder):
                    pass
            except OSError as error:
                raise OutputError(
                    f"this run cannot be gone on with: nothing can be written here ({error.strerror})",
                    file=folder,
                    fix="give yourself the right to write there (chmod -R u+w) or free some room; or copy the run's "
                    "folder and --resume the copy",
                ) from error

    def sweep(self) -> None:
        """Remove the half-written files that a killed run has left: each may be as large as the whole state."""
        for folder in (self.path, self.path / "best", self.path / "last"):
            files.sweep(folder)

    # --- facts ----------------------------------------------------------------------------------
    def begin(self, recipe: Recipe, facts: dict[str, Any]) -> None:
        """Make the folder this run's own, with its recipe and its facts (see `facts`)."""
        while not files.claim(self.path / FACTS):
            if self._counted is None:
                raise self._taken()
            self.path = _free(self.path.parent, self._counted)
        self.sweep()
        self._begun = {**facts, "recipe": plain(recipe)}  # so that `recipe` notices a change by hand
        try:
            self._write(recipe)
        except OutputError:
            self.abandon()
            raise

    def _write(self, recipe: Recipe) -> None:
        write_recipe(recipe, self.path / RECIPE)
        text = json.dumps(self._begun, indent=2, ensure_ascii=False) + "\n"
        # names of files that are no UTF-8 stand there as JSON's own escapes
        files.write_text(self.path / FACTS, text.encode("utf-8", "backslashreplace").decode("utf-8"))

    def abandon(self) -> None:
        """A recipe without a state is no run, and would take its name: remove what `begin` wrote."""
        if not self.state.exists():
            with contextlib.suppress(OSError):
                (self.path / FACTS).unlink(missing_ok=True)
                (self.path / RECIPE).unlink(missing_ok=True)
                self.path.rmdir()

    def mend(self) -> bool:
        """Write recipe and facts anew where somebody has removed them during the run; whether that was so."""
        if self._begun is None or ((self.path / FACTS).is_file() and (self.path / RECIPE).is_file()):
            return False
        self._write(msgspec.convert(self._begun["recipe"], Recipe))
        return True

    def recipe(self) -> Recipe:
        """recipe.toml, as it was when the run began; RecipeError where somebody has changed it since.

        Runs of versions before this one did not keep what they began with: their file is believed.
        """
        file, facts = self.path / RECIPE, self.facts()
        recipe, begun = read_written(file), facts["recipe"]
        if begun is not None and (different := changed(begun, recipe)):
            raise RecipeError(
                "the recipe was changed since this run began",
                file=file,
                field=", ".join(field for field, _, _ in different),
                expected=", ".join(f"{field} = {before}" for field, before, _ in different),
                got=", ".join(f"{field} = {after}" for field, _, after in different),
                fix="put that back; or start a new run from it: --recipe FILE --weights RUN/last",
            )
        self._begun = {**facts, "recipe": plain(recipe)}
        return recipe

    def facts(self) -> dict[str, Any]:
        """run.json, as the fields of Facts."""
        file = self.path / FACTS
        try:
            facts = msgspec.convert(json.loads(file.read_text(encoding="utf-8")), RunFacts)
            if facts.data is not None and (not facts.data or "\0" in facts.data):
                raise ValueError(f"data {facts.data!r} is no path")
            return msgspec.structs.asdict(facts)
        except (OSError, ValueError, RecursionError, msgspec.ValidationError) as error:
            raise RecipeError(
                "the facts of this run cannot be read",
                file=file,
                expected="JSON as maskwright writes it",
                got=str(error) or type(error).__name__,
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
                "the metrics of this run cannot be read",
                file=file,
                expected="a table of numbers as maskwright writes it",
                got=error,
                fix="put back what was written; or delete the file: the run goes on from its state, not from it",
            ) from error

    # --- weights --------------------------------------------------------------------------------
    def has_model(self, which: str) -> bool:
        """Whether best or last is there, card and weights."""
        return (self.path / which / CARD).is_file() and (self.path / which / WEIGHTS).is_file()

    def save_model(self, which: str, card: Card, tensors: dict[str, Tensor]) -> None:
        folder = self.path / which
        checkpoint.save(tensors, folder / WEIGHTS)
        write_card(card, folder)

    def save_state(self, tensors: dict[str, Tensor], facts: dict[str, Any]) -> None:
        """Everything needed to go on, in one file: either the old state or the new one, never half of each."""
        with files.writing(self.state) as temporary:
            plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
            checkpoint.write(temporary, plain, {"facts": json.dumps(facts)})

    def load_state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        file = self.state
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
