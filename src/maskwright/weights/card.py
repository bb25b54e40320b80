"""The model card `card.json` beside `weights.safetensors`: read and written without torch."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from maskwright import files
from maskwright.errors import WeightsError
from maskwright.types.task_kind import TASK_KINDS, TaskKind

CARD, WEIGHTS = "card.json", "weights.safetensors"
EXPORT = "export.json"  # in place of the weights in a folder that `maskwright export` wrote
VERSION = 1
MAX_BYTES = 16_000_000  # of a card.json; usual are a few kilobytes
MAX_WEIGHT = 1e20  # larger weights come from damaged files, not from training
HASH_LENGTH = 8  # characters of an image's hash, see weights/image_hashes.py

RANGES = {  # of numeric fields, both ends included
    "size": (32, 8192),
    "threshold": (0, 1),
    "tile": (0, 65536),
    "temperature": (1e-3, 1e3),
}
CHANNELS = {"mean": (0, 255), "std": (1e-3, 1e4)}
MAX_CLASSES = 30_000  # limits the head that is built before the weights are compared with it
MAX_GRAY = 1e9  # larger than any gray value of an image


class CardOperatingPoint(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The score threshold of one class of a classifier; chosen by `maskwright threshold`.

    name       the class
    threshold  an image is of the class from this score
    chosen_on  the images it was chosen on, as text
    summary    counts, metrics and guaranteed recall, one sentence each
    aim        what it was chosen for, as text
    """

    name: str
    threshold: float
    chosen_on: str = ""
    summary: tuple[str, ...] = ()
    aim: str = ""

    def sentences(self) -> list[str]:
        return list(self.summary)


class Card(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything needed to use a model.

    model, backbone       names of the network and its backbone
    backbone_package      requirement of the Python package that the backbone's weights come from; "": they are stored
    task                  "segment", "detect" or "classify"
    classes               class names
    size                  long side of the network input in pixels
    threshold             score threshold: detections below it are left out
    thresholds            of a detector: class name -> score threshold; classes without one use `threshold`
    thresholds_chosen_on  the images they were chosen on, as text
    mean, std             of the three channels, 0..255: the network input is normalized with them
    window                fixed gray window (low, high) of the training images, None for 8-bit images
    tile                  side in image pixels of the tiles it was trained on, in which it processes larger images;
                          0: whole images
    multi_label           of a classifier: an image may have none or several labels
    temperature           of a classifier: its logits are divided by it; fitted on the validation images
    operating_points      of a classifier: classes with their own score threshold; without multi_label at most one
    license, trained_on, started_from  license, data and initial weights, as text
    training_images, validation_images  concatenated content hashes (weights/image_hashes.py), eight characters each,
                          of the training images, and of the images that the best epoch was chosen on
    metrics               metrics on the validation images
    maskwright, version   version of maskwright, and of this format
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
    operating_points: tuple[CardOperatingPoint, ...] = ()
    license: str = "yours"
    trained_on: str = ""
    training_images: str = ""
    validation_images: str = ""
    started_from: str = ""
    backbone_package: str = ""
    metrics: dict[str, Any] = msgspec.field(default_factory=dict)
    maskwright: str = ""
    version: int = VERSION

    @property
    def kind(self) -> TaskKind:
        """What its task gives: objects with masks, boxes, or labels of images."""
        return TASK_KINDS[self.task]


def read_card(folder: Path) -> Card:
    """The card of a model folder; WeightsError if it is missing, unreadable or has values out of range."""
    file = Path(folder) / CARD
    if not file.is_file():
        raise WeightsError(
            "this is not a model folder",
            file=folder,
            expected=f"a folder with {CARD} and {WEIGHTS}",
            got="no such folder" if not Path(folder).exists() else f"no {CARD} in it",
            fix="name a run's best folder, such as runs/NAME/best; or `bundled`",
        )
    try:
        if (size := file.stat().st_size) > MAX_BYTES:
            raise WeightsError(
                "this is not a model card", file=file, expected=f"at most {MAX_BYTES:,} bytes", got=f"{size:,}"
            )
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
    for field, expected, got in _invalid_values(card):
        raise WeightsError(
            "a value of the card is out of range",
            file=file,
            field=field,
            expected=expected,
            got=got,
            fix="restore the card as maskwright wrote it, or train again",
        )
    return card


def _invalid_values(card: Card) -> Iterator[tuple[str, str, object]]:
    """(field, expected, got) of each value that is out of range, as in an edited or damaged card."""
    if card.task not in TASK_KINDS:
        yield "task", ", ".join(TASK_KINDS), card.task
    if not 0 < len(card.classes) <= MAX_CLASSES:
        yield "classes", f"1 to {MAX_CLASSES} names", len(card.classes)
    if duplicates := [name for name, count in Counter(card.classes).items() if count > 1]:
        yield "classes", "unique names", ", ".join(map(repr, duplicates[:3]))
    for field, (low, high) in RANGES.items():
        if not low <= (value := getattr(card, field)) <= high:
            yield field, f"{low:g} to {high:g}", value
    for field, (low, high) in CHANNELS.items():
        values = getattr(card, field)
        if not all(low <= value <= high for value in values):
            yield field, f"three numbers from {low:g} to {high:g}", list(values)
    if card.window is not None and not -MAX_GRAY <= card.window[0] < card.window[1] <= MAX_GRAY:
        yield "window", "two gray values in ascending order", list(card.window)
    if 0 < card.tile < 64 or (card.tile and not card.kind.objects):  # classifiers have no tiles
        yield "tile", "0, or 64 and more" if card.kind.objects else "0", card.tile
    if card.operating_points and card.kind.objects:
        yield "operating_points", "none: they are for classifiers", len(card.operating_points)
    if card.thresholds and not card.kind.objects:
        yield "thresholds", "none: they are for detectors", len(card.thresholds)
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
        if not re.fullmatch(rf"([\w-]{{{HASH_LENGTH}}})*", getattr(card, field), re.ASCII):
            yield field, f"hashes of {HASH_LENGTH} characters", f"{len(getattr(card, field))} characters"


def write_card(card: Card, folder: Path) -> None:
    """Write card.json atomically."""
    files.write_text(Path(folder) / CARD, msgspec.json.format(msgspec.json.encode(card), indent=2).decode() + "\n")
