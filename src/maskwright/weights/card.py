"""A model folder's facts, without torch: `card.json` beside `weights.safetensors`."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from maskwright import files
from maskwright.errors import WeightsError

CARD, WEIGHTS = "card.json", "weights.safetensors"
VERSION = 1
TASKS = ("segment", "detect", "classify")
LARGEST = 16_000_000  # bytes of a card.json; ours have a few kilobytes
LARGEST_NUMBER = 1e20  # no trained network holds a weight as large; a damaged disk writes some
HASH = 8  # characters of an image's hash, see weights/image_hashes.py

RANGES = {  # of the card's single numbers, both ends included
    "size": (32, 8192),
    "threshold": (0, 1),
    "tile": (0, 65536),
    "temperature": (1e-3, 1e3),
}
CHANNELS = {"mean": (0, 255), "std": (1e-3, 1e4)}
MOST_CLASSES = 30_000  # the widest head that is built before the weights are compared with it
WINDOW = 1e9  # no gray value of any image is as large


class OperatingPoint(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """From which score on a classifier says a class; chosen by `maskwright threshold`.

    name       the class that is sought
    chosen_on  which images chose it, in words
    told       what it does, costs and promises, one sentence each
    aim        what it was chosen for, in words; "" in cards from before
    """

    name: str
    threshold: float
    chosen_on: str = ""
    told: tuple[str, ...] = ()
    aim: str = ""

    def sentences(self) -> list[str]:
        return list(self.told)


class Card(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one must know to use a model.

    size       long side of the network input in pixels
    threshold  objects below this score are not shown
    thresholds of a detector: {class: the score from which its objects are shown}; classes without one have `threshold`
    thresholds_chosen_on  which images chose them, in words
    mean, std  of the three channels, in 0..255, taken off and divided by before the network
    window     fixed gray window (low, high) the training images had, None for ordinary images
    tile       side in image pixels of the tiles it was trained on and looks at larger images in; 0: whole images
    multi_label  of a classifier: an image may show none or several of the classes
    temperature  of a classifier: its logits are divided by it, fitted on the validation images
    operating_points  of a classifier: classes with a threshold of their own; where an image shows one class, at most
                      one
    training_images, validation_images  short content hashes (weights/image_hashes.py), eight characters each, of the
               images it was trained on, and of those that chose its best epoch
    """

    model: str
    backbone: str
    task: str
    classes: tuple[str, ...]
    size: int
    threshold: float = 0.5
    thresholds: dict[str, float] = msgspec.field(default_factory=dict)
    thresholds_chosen_on: str = ""
    mean: tuple[float, float, float] = (123.675, 116.28, 103.53)
    std: tuple[float, float, float] = (58.395, 57.12, 57.375)
    window: tuple[float, float] | None = None
    tile: int = 0
    multi_label: bool = False
    temperature: float = 1.0
    operating_points: tuple[OperatingPoint, ...] = ()
    license: str = "yours"
    trained_on: str = ""
    training_images: str = ""
    validation_images: str = ""
    started_from: str = ""
    metrics: dict[str, Any] = msgspec.field(default_factory=dict)
    maskwright: str = ""
    version: int = VERSION


def read_card(folder: Path) -> Card:
    """The card of a model folder."""
    file = Path(folder) / CARD
    if not file.is_file():
        raise WeightsError(
            "no model here",
            file=folder,
            expected=f"a folder with {CARD} and {WEIGHTS}",
            got="no such folder" if not Path(folder).exists() else f"no {CARD} in it",
            fix="name a run's best folder, such as runs/NAME/best; or `bundled`",
        )
    try:
        if (size := file.stat().st_size) > LARGEST:
            raise WeightsError("this is no card", file=file, expected=f"at most {LARGEST:,} bytes", got=f"{size:,}")
        data = file.read_bytes()
        version = msgspec.json.decode(data).get("version")
        if version != VERSION:
            raise WeightsError(
                "this model was written by another version of maskwright",
                file=file,
                field="version",
                expected=VERSION,
                got="none" if version is None else version,
                fix="use the maskwright it was trained with, or train again",
            )
        card = msgspec.json.decode(data, type=Card)
    except (msgspec.MsgspecError, AttributeError, UnicodeDecodeError, RecursionError, OSError) as error:
        raise WeightsError(
            "the card cannot be read", file=file, expected="JSON as maskwright writes it", got=error
        ) from error
    for field, expected, got in _faults(card):
        raise WeightsError(
            "a value of the card is out of range",
            file=file,
            field=field,
            expected=expected,
            got=got,
            fix="put back what maskwright wrote there, or train again",
        )
    return card


def _faults(card: Card) -> Iterator[tuple[str, str, object]]:
    """(field, wanted, got) of each value that no model of ours can have; an edited or damaged card has some."""
    if card.task not in TASKS:
        yield "task", ", ".join(TASKS), card.task
    if not 0 < len(card.classes) <= MOST_CLASSES:
        yield "classes", f"1 to {MOST_CLASSES} names", len(card.classes)
    if twice := [name for name, count in Counter(card.classes).items() if count > 1]:
        yield "classes", "each name once", ", ".join(map(repr, twice[:3]))
    for field, (low, high) in RANGES.items():
        if not low <= (value := getattr(card, field)) <= high:
            yield field, f"{low:g} to {high:g}", value
    for field, (low, high) in CHANNELS.items():
        values = getattr(card, field)
        if not all(low <= value <= high for value in values):
            yield field, f"three numbers from {low:g} to {high:g}", list(values)
    if card.window is not None and not -WINDOW <= card.window[0] < card.window[1] <= WINDOW:
        yield "window", "two gray values, the lower one first", list(card.window)
    if 0 < card.tile < 64 or (card.tile and card.task == "classify"):  # a classifier takes whole images
        yield "tile", "0" if card.task == "classify" else "0, or 64 and more", card.tile
    if card.operating_points and card.task != "classify":
        yield "operating_points", "none, they are a classifier's", len(card.operating_points)
    if card.thresholds and card.task == "classify":
        yield "thresholds", "none, they are a detector's", len(card.thresholds)
    for name, value in card.thresholds.items():
        if name not in card.classes:
            yield "thresholds", ", ".join(card.classes[:8]), name
        elif not 0 <= value <= 1:
            yield f"thresholds.{name}", "0 to 1", value
    for number, point in enumerate(card.operating_points):
        if point.name not in card.classes:
            yield f"operating_points[{number}].name", ", ".join(card.classes[:8]), point.name
        if not 0 <= point.threshold <= 1:
            yield f"operating_points[{number}].threshold", "0 to 1", point.threshold
    for field in ("training_images", "validation_images"):
        if not re.fullmatch(rf"([\w-]{{{HASH}}})*", getattr(card, field), re.ASCII):
            yield field, f"hashes of {HASH} characters", f"{len(getattr(card, field))} characters"


def write_card(card: Card, folder: Path) -> None:
    files.write_text(Path(folder) / CARD, msgspec.json.format(msgspec.json.encode(card), indent=2).decode() + "\n")
