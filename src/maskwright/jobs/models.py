"""Models: what there is to train, to use and to download. Facts only, and no torch."""

from __future__ import annotations

from typing import Any

from maskwright.errors import WeightsError
from maskwright.models.catalogue import CLASSIFIERS, MODELS
from maskwright.weights import sources
from maskwright.weights.card import WEIGHTS, read_card


def networks() -> list[dict[str, Any]]:
    """Each network one can train: name, task, size (pixels), backbones, the weights it can start from."""
    return [
        {
            "name": name,
            "task": network.task,
            "size": network.size,
            "backbones": network.backbones,
            "weights": (*network.pretrained, "none"),
            "about": network.words,
        }
        for name, network in (*MODELS.items(), *CLASSIFIERS.items())
    ]


def bundled() -> list[dict[str, Any]]:
    """Each model that came with the package; one that cannot be read says why ("fault"), and hides no other."""
    rows = []
    for name in sources.bundled_names():
        folder = sources.BUNDLED / name
        file = folder / WEIGHTS
        row = {"name": name, "megabytes": round(file.stat().st_size / 1e6) if file.is_file() else None}
        try:
            card = read_card(folder)
        except WeightsError as error:
            rows.append(row | {"fault": error.headline})
        else:
            shown = ("model", "backbone", "task", "size", "classes", "figures", "licence")
            rows.append(row | {key: getattr(card, key) for key in shown})
    return rows


def weights_to_fetch() -> list[dict[str, Any]]:
    """Each file of weights one can download, and whether it lies in the cache."""
    return [
        {
            "weights": kind,
            "model": name,
            "file": each.file,
            "megabytes": each.megabytes,
            "holds": each.holds,
            "licence": each.licence,
            "address": each.url,
            "cached": each.cached.is_file(),
        }
        for (kind, name), each in sources.PUBLISHED.items()
    ]
