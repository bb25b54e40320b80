"""What the data of a run are, image by image and label by label, so that a resumed run learns what it began to learn.

Kept in run.json: short hashes, sixteen characters an image. Class names go in by name, so a renamed class changes the
labels; which index a class has is compared as the list of names.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from maskwright.errors import RecipeError
from maskwright.types import Dataset, Record
from maskwright.weights.image_hashes import image_hash, shorten, unpack

FIX = "put them back, or start a new run from it: --weights RUN/last"


def contents(parts: Mapping[str, Dataset]) -> dict[str, dict[str, str]]:
    """{"train": {"images": hashes one after another, "labels": the same}, "val": ...}, in the order of the records."""
    return {
        which: {
            "images": "".join(image_hash(record.image) for record in part),
            "labels": "".join(label_hash(record, part.names) for record in part),
        }
        for which, part in parts.items()
    }


def label_hash(record: Record, names: tuple[str, ...]) -> str:
    """Eight characters of everything that is learned from a record's labels."""
    made = hashlib.blake2b()
    labels, labelled_classes = (
        None if item is None else [names[index] for index in item] for item in (record.labels, record.labelled_classes)
    )
    made.update(
        repr((record.size, record.skipped, labels, labelled_classes, record.incomplete)).encode(
            "utf-8", "surrogatepass"
        )
    )
    if (drawn := record.instances) is not None:
        made.update(repr(drawn.labels).encode("utf-8", "surrogatepass"))
        made.update(drawn.boxes.astype("<f4").tobytes())
        made.update(b"" if drawn.crowd is None else np.asarray(drawn.crowd, bool).tobytes())
        if drawn.masks is not None:
            made.update(
                b"masks" + drawn.masks.offsets.astype("<i8").tobytes() + drawn.masks.counts.astype("<i8").tobytes()
            )
    return shorten(made.digest())


def check_unchanged(
    parts: Mapping[str, Dataset], names: Mapping[str, list[str]], begun: Mapping[str, Any], file: object
) -> None:
    """RecipeError where these data are others than those that a run began with.

    names  of each part's images, in order, as the run names them;  begun  see run_folder.Facts
    """
    classes = list(parts["train"].names)
    if begun["classes"] is not None and begun["classes"] != classes:
        raise _changed(file, "classes", ", ".join(begun["classes"]), ", ".join(classes), FIX)
    for which in {**begun["images"], **names}:
        before, now = begun["images"].get(which, []), names.get(which, [])
        if before != now:
            raise _changed(file, which, f"the same {len(before)} images", _difference(before, now), FIX)
    if begun["contents"] is None:
        return
    now = contents(parts)
    for what in ("images", "labels"):
        for which, listed in names.items():
            before = unpack(begun["contents"].get(which, {}).get(what, ""))
            after = unpack(now[which][what])
            if before == after:
                continue
            others = [name for name, one, other in zip(listed, before, after, strict=False) if one != other] or listed
            got = f"{len(others)} of {len(listed)} are others: {_some(others)}"
            raise _changed(file, f"{which}, {what}", f"the {what} that it began with", got, FIX)


def _difference(before: list[str], now: list[str]) -> str:
    parts = (
        ("without", [name for name in before if name not in set(now)]),
        ("with", [name for name in now if name not in set(before)]),
    )
    told = [f"{word} {_some(names)}" for word, names in parts if names] or ["in another order"]
    return f"{len(now)} images, {', '.join(told)}"


def _some(names: list[str], most: int = 3) -> str:
    return ", ".join(names[:most]) + (" ..." if len(names) > most else "")


def _changed(file: object, field: str, expected: str, got: str, fix: str) -> RecipeError:
    return RecipeError(
        "the data have changed since this run began", file=file, field=field, expected=expected, got=got, fix=fix
    )
