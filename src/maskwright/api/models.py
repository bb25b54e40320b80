"""Models: what there is to train, to use and to download. Facts only, and no torch."""

from __future__ import annotations

from typing import Any

from maskwright.errors import WeightsError
from maskwright.models.registry import CLASSIFIERS, MODELS, ModelSpec
from maskwright.models.starts import starts
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
            "weights": _starts(name, network),
            "about": network.description,
        }
        for name, network in (*MODELS.items(), *CLASSIFIERS.items())
    ]


def _starts(name: str, network: ModelSpec) -> tuple[str, ...]:
    try:
        return starts(name, network.task)
    except WeightsError:  # of a damaged card of a bundled model, which `bundled` tells
        return (*network.pretrained, "none")


def bundled() -> list[dict[str, Any]]:
    """Each model that came with the package, one to use or a start for training; one that cannot be read says why
    ("fault"), and hides no other."""
    rows = []
    for name in sources.bundled_names():
        folder = sources.BUNDLED / name
        file = folder / WEIGHTS
        purpose = "training" if name in sources.STARTS else "use"
        size = round(file.stat().st_size / 1e6) if file.is_file() else None
        row = {"name": name, "for": purpose, "megabytes": size}
        try:
            card = read_card(folder)
        except WeightsError as error:
            rows.append(row | {"fault": error.headline})
        else:
            shown = ("model", "backbone", "task", "size", "classes", "metrics", "license")
            rows.append(row | {key: getattr(card, key) for key in shown})
    return rows


def weights_to_fetch() -> list[dict[str, Any]]:
    """Each file of weights one can download, and whether it lies in the cache."""
    return [
        {
            "weights": kind,
            "model": name,
            "file": item.file,
            "megabytes": item.megabytes,
            "holds": item.holds,
            "license": item.license,
            "address": item.url,
            "cached": item.cached.is_file(),
        }
        for (kind, name), item in sources.PUBLISHED.items()
    ]
