"""A model folder's facts, without torch: `card.json` beside `weights.safetensors`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from maskwright import files
from maskwright.errors import WeightsError

CARD, WEIGHTS = "card.json", "weights.safetensors"
VERSION = 1


class OperatingPoint(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """From which score on a classifier says a class; chosen by `maskwright threshold`.

    name       the class that is sought
    chosen_on  which photos chose it, in words
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

    size       long side of the canvas in pixels
    threshold  objects below this score are not shown
    mean, deviation  of the three channels, in 0..255, taken off and divided by before the network
    window     fixed grey window (low, high) the training photos had, None for ordinary photos
    tile       side in photo pixels of the tiles it was trained on and looks at larger photos in; 0: whole photos
    multi_label  of a classifier: a photo may show none or several of the classes
    temperature  of a classifier: its logits are divided by it, fitted on the validation photos
    operating_points  of a classifier: classes with a threshold of their own; where a photo shows one class, at most one
    """

    model: str
    backbone: str
    task: str
    classes: tuple[str, ...]
    size: int
    threshold: float = 0.5
    mean: tuple[float, float, float] = (123.675, 116.28, 103.53)
    deviation: tuple[float, float, float] = (58.395, 57.12, 57.375)
    window: tuple[float, float] | None = None
    tile: int = 0
    multi_label: bool = False
    temperature: float = 1.0
    operating_points: tuple[OperatingPoint, ...] = ()
    licence: str = "yours"
    trained_on: str = ""
    started_from: str = ""
    figures: dict[str, Any] = msgspec.field(default_factory=dict)
    maskwright: str = ""
    version: int = VERSION


def read_card(folder: Path) -> Card:
    """The card of a model folder."""
    file = Path(folder) / CARD
    if not file.is_file():
        raise WeightsError(
            "no model here",
            file=folder,
            wanted=f"a folder with {CARD} and {WEIGHTS}",
            got="no such folder" if not Path(folder).exists() else f"no {CARD} in it",
            fix="name a run's best folder, such as runs/NAME/best; or `bundled`",
        )
    try:
        data = file.read_bytes()
        version = msgspec.json.decode(data).get("version")
        if version != VERSION:
            raise WeightsError(
                "this model was written by another version of maskwright",
                file=file,
                field="version",
                wanted=VERSION,
                got="none" if version is None else version,
                fix="use the maskwright it was trained with, or train again",
            )
        return msgspec.json.decode(data, type=Card)
    except (msgspec.MsgspecError, AttributeError, UnicodeDecodeError, RecursionError) as error:
        raise WeightsError(
            "the card cannot be read", file=file, wanted="JSON as maskwright writes it", got=error
        ) from error


def write_card(card: Card, folder: Path) -> None:
    files.write_text(Path(folder) / CARD, msgspec.json.format(msgspec.json.encode(card), indent=2).decode() + "\n")
