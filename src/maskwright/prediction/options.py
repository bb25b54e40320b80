"""How a model is run: what may differ from one call to the next. What the model is stays in its card."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any


@dataclass(frozen=True, kw_only=True, slots=True)
class InferenceOptions:
    """How a model is run; None: as the model, or for device and precision the machine, has it.

    threshold  0..1: the score threshold of every class
    size       long side of the network input in pixels
    tile       larger images are divided into tiles of this many image pixels a side; 0: never
    device     "auto", "cpu", "cuda" or "mps"
    precision  "auto", "fp32" or "bf16"
    engine     "auto", "torch", "openvino" or "onnx"
    names      the classes of a matterport .h5 file, in order, without the background

    >>> InferenceOptions(threshold=0.7, device="cpu").given()
    {'threshold': 0.7, 'device': 'cpu'}
    """

    threshold: float | None = None
    size: int | None = None
    tile: int | None = None
    device: str | None = None
    precision: str | None = None
    engine: str | None = None
    names: Sequence[str] | None = None

    def given(self) -> dict[str, Any]:
        """The options that are set."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in values.items() if value is not None}


AS_TRAINED = InferenceOptions()
