"""The OpenVINO engine: the fastest on a CPU; bf16 where the processor has it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import openvino

from maskwright.engines.graph_engine import GraphEngine, threads
from maskwright.engines.graphs import NETWORK, Graph
from maskwright.errors import RecipeError, WeightsError

KEPT_SHAPES = 4  # at least: compiled networks, one for each shape of the network input; each holds its own weights
KEPT_BYTES = 200 << 20  # more shapes of networks that are small: images of many sizes are of a dozen shapes
CAPABILITIES = {"fp32": "FP32", "bf16": "BF16", "int8": "INT8"}


@cache
def _core() -> openvino.Core:
    """One for the whole process: with the last one OpenVINO unloads its plugin, but not the plugin's handler of SIGINT,
    and Ctrl-C would then end the process with a segmentation fault."""
    return openvino.Core()


def core() -> openvino.Core:
    found = _core()
    if (count := threads()) is not None:
        found.set_property("CPU", {"INFERENCE_NUM_THREADS": count})
    return found


class OpenVinoEngine(GraphEngine):
    runtime = "openvino"

    @classmethod
    def choose_precision(cls, precision: str) -> str:
        able = core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        if precision == "auto":
            return "bf16" if CAPABILITIES["bf16"] in able else "fp32"
        if CAPABILITIES[precision] not in able:
            has = ", ".join(name for name, capability in CAPABILITIES.items() if capability in able)
            raise RecipeError(
                f"this processor has no {precision}", field="precision", expected=f"auto, {has}", got=precision
            )
        return precision

    @classmethod
    def load_graph(cls, folder: Path, name: str, precision: str) -> Graph:
        file = next((path for end in ("xml", "onnx") if (path := folder / f"{name}.{end}").is_file()), None)
        if file is None:
            raise WeightsError("a graph of this model is missing", file=folder, field=name)
        return OpenVinoGraph(file, precision, fixed=name == NETWORK)


class OpenVinoGraph:
    """A graph; with `fixed` it is compiled for each shape of its inputs, and the last few are kept.

    A network with open shapes grows in memory with each new shape (openvino #23316). The heads, whose number of rows
    changes with every image, do not.
    """

    def __init__(self, file: Path, precision: str, fixed: bool) -> None:
        self.core, self.fixed = core(), fixed
        # Left alone, OpenVINO runs float32 networks in bf16 where the processor has it.
        hint = openvino.Type.bf16 if precision == "bf16" else openvino.Type(np.float32)
        self.config = {"INFERENCE_PRECISION_HINT": hint, "PERFORMANCE_HINT": "LATENCY", "NUM_STREAMS": 1}
        size = (weights if (weights := file.with_suffix(".bin")).is_file() else file).stat().st_size
        self.kept = max(KEPT_SHAPES, KEPT_BYTES // max(size, 1))
        try:
            self.model = self.core.read_model(file)
        except RuntimeError as error:
            raise WeightsError("OpenVINO cannot load this graph", file=file, got=error) from error
        self.requests: OrderedDict[Any, Any] = OrderedDict()

    def __call__(self, inputs: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        shapes = tuple((name, *array.shape) for name, array in inputs.items()) if self.fixed else ()
        request = self.requests.pop(shapes, None) or self._compile(inputs)
        self.requests[shapes] = request  # the one used last is at the end
        if len(self.requests) > self.kept:
            self.requests.popitem(last=False)
        results = request.infer(dict(inputs), share_inputs=True, share_outputs=True)
        return [results[output] for output in request.model_outputs]

    def _compile(self, inputs: Mapping[str, np.ndarray]) -> Any:
        if self.fixed:
            self.model.reshape({name: list(array.shape) for name, array in inputs.items()})
        return self.core.compile_model(self.model, "CPU", self.config).create_infer_request()
