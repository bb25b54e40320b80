"""What an engine is, and the table of engines: the middle of a prediction, canvases in, RawDetections out."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from maskwright.errors import MissingExtra, UnknownName
from maskwright.types import RawDetections
from maskwright.weights.card import Card

ENGINES = {  # name -> where it lives, what to install when it is absent
    "torch": ("maskwright.engines.torch_engine:TorchEngine", "pip install torch"),
}


class Engine(Protocol):
    card: Card

    def run(self, canvases: Sequence[np.ndarray], sizes: Sequence[tuple[int, int]]) -> list[RawDetections]:
        """Look at a batch.

        canvases  H×W×3 uint8, all of one shape
        sizes     (height, width) of the photo's part of each canvas
        """
        ...


def open_engine(folder: Path, name: str = "torch", device: str = "auto", precision: str = "auto") -> Engine:
    """The engine `name`, ready to run the model in `folder`."""
    if name not in ENGINES:
        raise UnknownName("engine", name, ENGINES)
    place, install = ENGINES[name]
    module, attribute = place.split(":")
    try:
        kind = getattr(importlib.import_module(module), attribute)
    except ImportError as error:
        raise MissingExtra(f"the engine {name} is not installed", fix=install) from error
    return kind.prepare(Path(folder), device=device, precision=precision)
