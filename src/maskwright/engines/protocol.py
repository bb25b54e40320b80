"""What an engine is, and the table of engines: the middle of a prediction, network inputs in, RawDetections out."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np

from maskwright.errors import MissingExtra, UnknownName
from maskwright.extras import how_to_install
from maskwright.types import Image, ResizeTransform
from maskwright.weights.card import Card

ENGINES = {  # name -> where it lives, what to install when it is absent
    "matterport": ("maskwright.engines.matterport_engine:MatterportEngine", "maskwright[matterport]"),
    "torch": ("maskwright.engines.torch_engine:TorchEngine", "torch"),
}


class Engine(Protocol):
    card: Card

    def fit(self, image: Image, size: int) -> tuple[np.ndarray, ResizeTransform]:
        """The image as this engine takes it: as transforms.preprocess does it, unless its network resizes by itself."""
        ...

    def run(self, network_inputs: Sequence[np.ndarray], sizes: Sequence[tuple[int, int]]) -> Sequence[Any]:
        """Predict a batch: RawDetections an image; of a classifier (C,) float32 scores an image.

        network_inputs  H×W×3 uint8, all of one shape
        sizes     (height, width) of the image's part of each network input
        """
        ...


@runtime_checkable
class Explaining(Protocol):
    """An engine of a classifier that can also show which parts of an image a score comes from."""

    def saliency(
        self, network_input: np.ndarray, size: tuple[int, int], label: int, against: bool = False
    ) -> np.ndarray:
        """h×w float32 0..1 over the network input: what spoke for class number `label`, or against it."""
        ...


def open_engine(
    model: Path,
    name: str = "auto",
    device: str = "auto",
    precision: str = "auto",
    names: Sequence[str] | None = None,
) -> Engine:
    """The engine `name`, ready to run the model: a folder of ours, or matterport's .h5 file (auto goes by the ending).

    names  the classes of a file that does not hold them (.h5), without the background
    """
    if name == "auto":
        name = "matterport" if Path(model).suffix.lower() in (".h5", ".hdf5") else "torch"
    if name not in ENGINES:
        raise UnknownName("engine", name, ENGINES)
    location, needed = ENGINES[name]
    module, attribute = location.split(":")
    try:
        kind = getattr(importlib.import_module(module), attribute)
    except ImportError as error:
        raise MissingExtra(f"the engine {name} is not installed", fix=how_to_install(needed)) from error
    return kind.prepare(Path(model), device=device, precision=precision, names=names)
