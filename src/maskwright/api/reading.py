"""The data of a function: read from a path, or a Dataset as it is."""

from __future__ import annotations

from pathlib import Path
from typing import TypedDict, Unpack

from maskwright import formats
from maskwright.errors import RecipeError
from maskwright.types import Dataset


class ReadOptions(TypedDict, total=False):
    """How annotation files are read; `maskwright.read` explains each."""

    allow_faulty: bool
    class_attribute: str | None
    connected_components: bool
    annotations: str | None
    follow_links: bool


def dataset_of(data: str | Path | Dataset, **options: Unpack[ReadOptions]) -> Dataset:
    """Options together with a Dataset, which is read already, could not take effect: they are an error.

    But allow_faulty: functions that take a Dataset accept doubtful class names with it.
    """
    if not isinstance(data, Dataset):
        return formats.read(Path(data).expanduser(), **options)
    given = {name: value for name, value in options.items() if value and name != "allow_faulty"}
    if given:
        written = ", ".join(f"{name}={value!r}" for name, value in given.items())
        raise RecipeError(
            "these data are already read, so these options cannot take effect",
            field=", ".join(given),
            expected="no options of reading together with a Dataset",
            got=written,
            fix=f"read them with it: maskwright.read(PATH, {written})",
        )
    return data
