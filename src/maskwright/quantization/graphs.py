"""A graph in int8: which of its layers stay in floating point, and the quantization itself, by NNCF."""

from __future__ import annotations

import contextlib
import importlib
import io
import logging
import os
from collections.abc import Mapping, Sequence
from typing import Any
from unittest import mock

import numpy as np
import openvino

from maskwright.errors import MissingExtra
from maskwright.extras import how_to_install

LAYERS = frozenset({"Convolution", "GroupConvolution", "ConvolutionBackpropData", "MatMul"})
SHAPES = frozenset({"ShapeOf"})  # what only looks at a shape takes no values from the layer before


def kept_in_float(model: openvino.Model) -> list[str]:
    """Names of the operations that are not quantized, since they cost accuracy and take little time:

    the first convolution, which sees the image; multiplications of two results of the network (the gates of
    squeeze-excitation); the last layers, after which no other layer comes: scores, box deltas, masks; and depthwise
    convolutions, which OpenVINO computes in float32 even so, between two conversions.
    """
    operations = model.get_ordered_ops()
    layers = [operation for operation in operations if operation.get_type_name() in LAYERS]
    sees_image = any("pixels" in value.names for value in model.inputs)
    leads_to_layer: dict[str, bool] = {}
    for operation in reversed(operations):
        followers = [target.get_node() for output in operation.outputs() for target in output.get_target_inputs()]
        leads_to_layer[operation.get_friendly_name()] = any(
            follower.get_type_name() in LAYERS or leads_to_layer[follower.get_friendly_name()]
            for follower in followers
            if follower.get_type_name() not in SHAPES
        )
    kept = layers[:1] if sees_image else []
    kept += [layer for layer in layers if not leads_to_layer[layer.get_friendly_name()]]
    kept += [op for op in operations if _is_gate(op) or op.get_type_name() == "GroupConvolution"]
    return sorted({operation.get_friendly_name() for operation in kept})


def _is_gate(operation: Any) -> bool:
    if operation.get_type_name() != "Multiply":
        return False
    return not any(operation.input_value(index).get_node().get_type_name() == "Constant" for index in (0, 1))


def quantize(model: openvino.Model, inputs: Sequence[Mapping[str, np.ndarray]]) -> openvino.Model:
    """The model in int8, its ranges taken from these inputs."""
    nncf = _nncf()
    dataset = nncf.Dataset([dict(values) for values in inputs])
    ignored = nncf.IgnoredScope(names=kept_in_float(model))
    with contextlib.redirect_stdout(io.StringIO()):  # its progress bars
        return nncf.quantize(
            model,
            dataset,
            preset=nncf.QuantizationPreset.MIXED,  # hard-swish reaches below 0, by less than above
            target_device=nncf.TargetDevice.CPU,
            subset_size=len(inputs),
            ignored_scope=ignored,
        )


def _nncf() -> Any:
    try:
        with mock.patch.dict(os.environ, {"NNCF_CI": "1"}):  # otherwise each import reports to its makers
            nncf = importlib.import_module("nncf")
    except ImportError as error:
        raise MissingExtra("int8 needs the package nncf", got=error, fix=how_to_install("maskwright[int8]")) from error
    nncf.set_log_level(logging.ERROR)
    return nncf
