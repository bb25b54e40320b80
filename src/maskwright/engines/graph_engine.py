"""Engines that run a network as graphs of another runtime: ONNX Runtime, OpenVINO. No torch once it is converted."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from maskwright.engines.graphs import Graph
from maskwright.engines.manifest import read_manifest, verify
from maskwright.engines.network_kinds import NetworkKind
from maskwright.engines.protocol import check_names
from maskwright.errors import RecipeError, UnknownName, WeightsError
from maskwright.types import Image, ResizeTransform
from maskwright.weights.card import CARD, EXPORT, Card, read_card

PRECISIONS = ("auto", "fp32", "bf16", "int8")
CALIBRATE = "maskwright export MODEL --to openvino --int8 --calibrate DATA"


class GraphEngine(ABC):
    """Runs graphs on the CPU, one image at a time.

    runtime    its name among the engines
    precision  of the arithmetic, always set by us
    """

    runtime: ClassVar[str]

    def __init__(self, card: Card, network: NetworkKind, graphs: Mapping[str, Graph], precision: str) -> None:
        self.card, self.network, self.graphs, self.precision = card, network, graphs, precision

    @classmethod
    @abstractmethod
    def choose_precision(cls, precision: str) -> str:
        """auto: the fastest that this processor has; RecipeError for one that it lacks."""

    @classmethod
    @abstractmethod
    def load_graph(cls, folder: Path, name: str, precision: str) -> Graph:
        """The graph `name` of a folder, ready to run."""

    @classmethod
    def prepare(
        cls, folder: Path, device: str = "auto", precision: str = "auto", names: Sequence[str] | None = None
    ) -> Self:
        """The engine of an exported folder, or of a model of ours, which is converted once and kept in the cache."""
        if device not in ("auto", "cpu"):
            raise RecipeError(
                f"the engine {cls.runtime} runs on the CPU here", field="device", expected="auto or cpu", got=device
            )
        if precision not in PRECISIONS:
            raise UnknownName("precision", precision, PRECISIONS)
        exported = (folder / EXPORT).is_file()
        if exported:
            graphs, manifest = folder, read_manifest(folder)
            verify(manifest, folder)
            if precision not in ("auto", manifest.precision):
                raise WeightsError(
                    f"this model was exported in {manifest.precision}", file=folder, field="precision",
                    expected=manifest.precision, got=precision, fix=f"export it again: --precision {precision}",
                )  # fmt: skip
            chosen = cls.choose_precision(manifest.precision)
        else:
            from maskwright.engines.conversion_cache import converted

            chosen = cls.choose_precision(precision)
            if chosen == "int8":
                raise RecipeError("int8 needs a calibration", field="precision", expected="auto, fp32 or bf16",
                                  got=precision, fix=CALIBRATE)  # fmt: skip
            graphs, manifest = converted(folder, names)
        card = read_card(folder if (folder / CARD).is_file() else graphs)
        check_names(card, names, folder)
        loaded = {name: cls.load_graph(graphs, name, chosen) for name in manifest.network.graphs}
        return cls(card, manifest.network, loaded, chosen)

    def fit(self, image: Image, size: int) -> tuple[np.ndarray, ResizeTransform]:
        return self.network.fit(image, size)

    def run(self, network_inputs: Sequence[np.ndarray], sizes: Sequence[tuple[int, int]]) -> Iterator[Any]:
        return (self.network.run(self.graphs, pixels, size) for pixels, size in zip(network_inputs, sizes, strict=True))

    def describe(self) -> str:
        """The engine and its precision, for people."""
        return f"{self.runtime}, {self.precision}"


def threads() -> int | None:
    """As many as torch would take: OMP_NUM_THREADS, None where it is not set."""
    asked = os.environ.get("OMP_NUM_THREADS", "")
    return int(asked) if asked.isdigit() and int(asked) > 0 else None
