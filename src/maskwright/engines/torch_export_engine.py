"""Graphs as programs of torch.export (.pt2): they need torch, and none of our networks' code. float32 on the CPU."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from maskwright.engines.graph_engine import GraphEngine
from maskwright.engines.graphs import Graph
from maskwright.engines.matterport_kinds import MatterportMolded
from maskwright.errors import ImageError, RecipeError, WeightsError
from maskwright.types import Image, ResizeTransform

MULTIPLE = 64  # of which the sides of network inputs are


class TorchExportEngine(GraphEngine):
    runtime = "torch"

    def fit(self, image: Image, size: int) -> tuple[np.ndarray, ResizeTransform]:
        network_input, transform = super().fit(image, size)
        height, width = network_input.shape[:2]
        resized = self.card.kind.objects and not isinstance(self.network, MatterportMolded)
        if resized and min(height, width) == MULTIPLE:
            raise ImageError(
                "this image is too narrow for a program of torch.export, which cannot take maps of one cell",
                file=image.name,
                expected=f"more than {MULTIPLE} pixels on the shorter side of the network input",
                got=f"{image.size[1]} x {image.size[0]}, a network input of {width} x {height}",
                fix="a larger --size, or export --to onnx",
            )
        return network_input, transform

    @classmethod
    def choose_precision(cls, precision: str) -> str:
        if precision not in ("auto", "fp32"):
            raise RecipeError(
                "a program of torch.export computes in float32", field="precision", expected="auto or fp32",
                got=precision, fix="--to openvino",
            )  # fmt: skip
        return "fp32"

    @classmethod
    def load_graph(cls, folder: Path, name: str, precision: str) -> Graph:
        file = folder / f"{name}.pt2"
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                program = torch.export.load(file).module()
        except Exception as error:  # zip, JSON and pickle each have their own
            raise WeightsError("torch cannot load this program", file=file, got=error) from error

        def run(inputs: Mapping[str, np.ndarray]) -> list[np.ndarray]:
            with torch.inference_mode():
                outputs = program(*(torch.from_numpy(np.ascontiguousarray(array)) for array in inputs.values()))
            return [output.numpy() for output in ((outputs,) if isinstance(outputs, Tensor) else outputs)]

        return run


def write_program(module: nn.Module, inputs: Mapping[str, Tensor], file: Path, open_inputs: tuple[str, ...]) -> None:
    """Write `file`.pt2; arguments as those of `tracing.Write`."""
    dynamic: dict[str, Any] = dict.fromkeys(inputs)
    rows = torch.export.Dim("rows", min=1)
    for name in open_inputs:
        height, width = (torch.export.Dim(side, min=1, max=512) for side in ("height", "width"))
        dynamic[name] = {1: MULTIPLE * height, 2: MULTIPLE * width} if name == "pixels" else {0: rows}
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        program = torch.export.export(
            module.eval(), tuple(inputs.values()), dynamic_shapes=tuple(dynamic.values()), strict=False
        )
        torch.export.save(program, file.with_suffix(".pt2"))
