"""The ONNX Runtime engine: float32 on any CPU."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnxruntime

from maskwright.engines.graph_engine import GraphEngine, threads
from maskwright.engines.graphs import Graph
from maskwright.errors import RecipeError, WeightsError

PROVIDER = "CPUExecutionProvider"


class OnnxEngine(GraphEngine):
    runtime = "onnx"

    @classmethod
    def choose_precision(cls, precision: str) -> str:
        if precision not in ("auto", "fp32"):
            raise RecipeError(
                "ONNX Runtime computes in float32 on a CPU", field="precision", expected="auto or fp32", got=precision,
                fix="take another engine: --engine openvino, or --engine torch",
            )  # fmt: skip
        return "fp32"

    @classmethod
    def load_graph(cls, folder: Path, name: str, precision: str) -> Graph:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads() or 0  # 0: one a core
        options.log_severity_level = 3
        file = folder / f"{name}.onnx"
        try:
            session = onnxruntime.InferenceSession(str(file), options, providers=[PROVIDER])
        except Exception as error:  # onnxruntime's own exceptions have no common base
            raise WeightsError("ONNX Runtime cannot load this graph", file=file, got=error) from error

        def run(inputs: Mapping[str, np.ndarray]) -> list[np.ndarray]:
            return [np.asarray(output) for output in session.run(None, dict(inputs))]

        return run
