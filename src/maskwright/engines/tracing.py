"""What every conversion shares: the normalization as part of a graph, examples of inputs, and writing it as ONNX."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from maskwright.errors import MissingExtra, WeightsError
from maskwright.extras import how_to_install
from maskwright.weights.card import Card

OPSET = 17  # the first with LayerNormalization
EXAMPLE = (128, 192)  # height and width of a network input; the graphs take any


class Normalized(nn.Module):
    """pixels (1, H, W, 3) uint8, size (2,) -> what the body makes of the normalized image; beyond size it is 0."""

    mean: Tensor
    scale: Tensor

    def __init__(self, card: Card) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(card.mean))
        self.register_buffer("scale", torch.tensor(card.std).reciprocal())

    def images(self, pixels: Tensor, size: Tensor) -> Tensor:
        rows = torch.arange(pixels.shape[1]) < size[0]
        columns = torch.arange(pixels.shape[2]) < size[1]
        inside = (rows[:, None] & columns)[None, :, :, None].float()
        return ((pixels.float() - self.mean) * self.scale * inside).permute(0, 3, 1, 2)


class Write(Protocol):
    """Writes a module as the graph `file` (without an ending).

    inputs       an example of each;  open_inputs  those of which other heights and widths (pixels), or other numbers
                 of rows, may come
    """

    def __call__(
        self, module: nn.Module, inputs: Mapping[str, Tensor], file: Path, open_inputs: tuple[str, ...]
    ) -> None: ...


def example(size: tuple[int, int]) -> dict[str, Tensor]:
    return {"pixels": torch.zeros((1, *size, 3), dtype=torch.uint8), "size": torch.tensor(size)}


def write_onnx(module: nn.Module, inputs: Mapping[str, Tensor], file: Path, open_inputs: tuple[str, ...]) -> None:
    """Write `file`.onnx; arguments as those of `Write`."""
    axes = {name: {1: "height", 2: "width"} if name == "pixels" else {0: "rows"} for name in open_inputs}
    settings: dict[str, Any] = {"input_names": list(inputs), "dynamic_axes": axes, "opset_version": OPSET}
    try:
        import onnx  # noqa: F401 (torch's exporter writes with it)
    except ImportError as error:
        raise MissingExtra("converting a model needs the package onnx", fix=how_to_install("onnx")) from error
    with warnings.catch_warnings(), torch.no_grad():
        # The exporter by tracing: torch's newer one takes twenty times as long and needs two more packages.
        warnings.simplefilter("ignore")
        logging.getLogger("torch.onnx").setLevel(logging.ERROR)
        try:
            torch.onnx.export(
                module.eval(), tuple(inputs.values()), str(file.with_suffix(".onnx")), dynamo=False, **settings
            )
        except (torch.onnx.errors.UnsupportedOperatorError, torch.onnx.errors.SymbolicValueError) as error:
            raise WeightsError(
                "an operator of this network is none of ONNX", got=error, fix="--engine torch"
            ) from error
