"""Converted models in the cache: each is converted once, by the hash of its weights and of what its network is."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from maskwright import __version__, fetch, files
from maskwright.engines.manifest import (
    VERSION,
    Manifest,
    hashes,
    read_manifest,
    sha256,
    verify,
    weights_file,
    write_manifest,
)
from maskwright.engines.protocol import open_engine
from maskwright.errors import WeightsError
from maskwright.weights.card import CARD, EXPORT, read_card, write_card

NETWORK_FIELDS = ("model", "backbone", "task", "classes", "size", "mean", "std", "multi_label")  # of a card


def converted(model: Path, names: Sequence[str] | None = None) -> tuple[Path, Manifest]:
    """The folder of a model's graphs, and its manifest; only where it is not in the cache, torch is imported.

    model  a model folder, a published .pth file, or a weight file of matterport's (.h5)
    names  the classes of a .h5 file, which does not hold them
    """
    own = (model / CARD).is_file()
    weights = sha256(weights_file(model))
    facts = [str(VERSION), __version__, weights]
    if own:
        card = read_card(model)
        facts += [repr(getattr(card, name)) for name in NETWORK_FIELDS]
    elif names is not None:
        facts.append(repr(tuple(names)))
    key = hashlib.sha256("\n".join(facts).encode()).hexdigest()
    folder = fetch.cache_folder() / "graphs" / key[:32]
    if (folder / EXPORT).is_file():
        try:
            manifest = read_manifest(folder)
            verify(manifest, folder)
            return folder, manifest
        except WeightsError:
            pass  # damaged: converted again
    return folder, _convert(model, names, folder, weights)


def _convert(model: Path, names: Sequence[str] | None, folder: Path, weights: str) -> Manifest:
    from maskwright.engines.conversion import convert

    engine: Any = open_engine(model, "torch", "cpu", "fp32", names)
    with files.writing_folder(folder) as temporary:
        network = convert(engine.network, engine.card, temporary)
        write_card(engine.card, temporary)
        manifest = Manifest("onnx", "fp32", network, hashes(temporary), weights, __version__)
        write_manifest(manifest, temporary)
    return manifest
