"""int8 of a whole model: the inputs of each of its graphs are recorded in fp32, then every graph is quantized."""

from __future__ import annotations

import gc
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import openvino

from maskwright.engines.graph_engine import GraphEngine
from maskwright.engines.graphs import Graph
from maskwright.engines.network_kinds import NetworkKind
from maskwright.engines.openvino_engine import core
from maskwright.evaluation import detection, intervals
from maskwright.evaluation.intervals import Difference
from maskwright.exporting.accuracy_cost import AccuracyCost
from maskwright.issues import Issues
from maskwright.prediction.loading import load
from maskwright.prediction.predictor import Predictor
from maskwright.progress import Progress
from maskwright.quantization.graphs import quantize
from maskwright.tasks.base import Evaluation, EvaluationOptions
from maskwright.tasks.images import OpenedImages, image_groups
from maskwright.tasks.registry import find_task
from maskwright.types import Dataset

COMPARED = 32  # images of the comparison
RECORDED = 300  # network inputs that are kept; large images divided into tiles give many
ROWS = 64  # of the heads' inputs that are kept of one network input


@dataclass(frozen=True)
class Int8:
    """Calibrates on some labeled images and measures on others.

    calibrating, measured  as `quantization.calibration.divide` gives them
    max_drop               of the metric, 0..1
    """

    calibrating: Dataset
    measured: Dataset
    max_drop: float

    def quantize(self, folder: Path, network: NetworkKind, progress: Progress) -> None:
        predictor = load(folder)
        engine = predictor.engine
        assert isinstance(engine, GraphEngine)
        recorded = {name: Recorder(engine.graphs[name]) for name in network.graphs}
        engine.graphs = recorded
        opened = OpenedImages(predictor, self.calibrating)
        for image in progress(opened, total=len(self.calibrating), label="calibrating", unit="images"):
            next(predictor.batches([image]))
        inputs = {name: recorder.inputs for name, recorder in recorded.items()}
        del predictor, engine, recorded
        gc.collect()  # the graphs hold their files open, which Windows does not let be replaced
        for name in progress(network.graphs, total=len(network.graphs), label="quantizing", unit="graphs"):
            if inputs[name]:  # a head that never ran stays in fp32
                _replace(folder, name, inputs[name])

    def measure(self, original: Predictor[Any], exported: Predictor[Any], progress: Progress) -> AccuracyCost:
        task = find_task(original.card.task)
        options = EvaluationOptions(0, 0, progress, Issues())
        before, after = (task.evaluate(predictor, self.measured, options) for predictor in (original, exported))
        metric, first, second, difference = (
            _average_precision(before, after) if original.card.kind.objects else _accuracy(before, after)
        )
        return AccuracyCost(metric, first, second, difference, len(before.data), len(self.calibrating), self.max_drop)

    def images(self) -> list[bytes]:
        step = -(-len(self.measured) // COMPARED)
        return [record.image.read_bytes() for record in self.measured.records[::step]]


class Recorder:
    """A graph that keeps a copy of its inputs; of heads some rows of each call."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.inputs: list[dict[str, np.ndarray]] = []

    def __call__(self, inputs: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        if len(self.inputs) >= RECORDED:
            return self.graph(inputs)
        if "pixels" in inputs:
            self.inputs.append({name: array.copy() for name, array in inputs.items()})
        else:
            step = -(-len(next(iter(inputs.values()))) // ROWS)
            self.inputs.append({name: array[::step].copy() for name, array in inputs.items()})
        return self.graph(inputs)


def _replace(folder: Path, name: str, inputs: list[dict[str, np.ndarray]]) -> None:
    """Written under another name first: the graph may still be read from its file."""
    quantized = quantize(core().read_model(folder / f"{name}.xml"), inputs)
    openvino.save_model(quantized, folder / f"{name}.int8.xml", compress_to_fp16=False)
    del quantized
    gc.collect()
    for end in ("xml", "bin"):
        (folder / f"{name}.int8.{end}").replace(folder / f"{name}.{end}")


Measured = tuple[str, float, float, Difference | None]  # the metric's name, before, after, their difference


def _average_precision(before: Evaluation[Any], after: Evaluation[Any]) -> Measured:
    kind = "mask" if before.metrics.mask is not None else "box"
    first, second = (evaluation.metrics.kind(kind) for evaluation in (before, after))
    difference = detection.difference(before.metrics, after.metrics, kind=kind)
    return f"{kind} AP", _value(first), _value(second), difference


def _value(metrics: Any) -> float:
    return 0.0 if metrics is None or metrics.AP is None else float(metrics.AP)


def _accuracy(before: Evaluation[Any], after: Evaluation[Any]) -> Measured:
    """The fraction of images all of whose labels are right."""
    first, second = (
        np.array([
            {labels.names[index] for index in labels.chosen}
            == {evaluation.data.names[index] for index in record.labels or ()}
            for record, labels in zip(evaluation.data, evaluation.predictions, strict=True)
        ], np.float64)
        for evaluation in (before, after)
    )  # fmt: skip
    difference = intervals.difference(first, second, groups=image_groups(before.data))
    return "accuracy", float(first.mean()), float(second.mean()), difference
