"""`model.keras_model`: the part of its API that scripts use. Layers, weights, summary, saving, predicting."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from mrcnn.graph import INPUTS, Output

_RPN = ("rpn_conv_shared", "rpn_class_raw", "rpn_bbox_pred")
_KINDS = (  # pattern of a layer's name -> what Keras calls its class
    (r"input_.*", "InputLayer"),
    (r"zero_padding.*", "ZeroPadding2D"),
    (r"activation_.*|res\d\w_out|rpn_class_xxx", "Activation"),
    (r"max_pooling.*|fpn_p6", "MaxPooling2D"),
    (r"add_.*|fpn_p\dadd", "Add"),
    (r"fpn_p\dupsampled", "UpSampling2D"),
    (r"bn.*", "BatchNorm"),
    (r"rpn_model", "Model"),
    (r"rpn_class_raw|rpn_bbox_pred|rpn_conv_shared|conv1|res.*|fpn_.*", "Conv2D"),
    (r"ROI", "ProposalLayer"),
    (r"proposal_targets", "DetectionTargetLayer"),
    (r"roi_align_.*", "PyramidROIAlign"),
    (r"mrcnn_detection", "DetectionLayer"),
    (r"mrcnn_bbox|mrcnn_bbox_reshape", "Reshape"),
    (r"mrcnn_(class|mask)_?(conv|bn|logits|fc|deconv).*|mrcnn_bbox_fc|mrcnn_mask|mrcnn_class", "TimeDistributed"),
    (r"rpn_class|rpn_bbox|rpn_class_logits", "Concatenate"),
    (r".*", "Lambda"),
)


class Weight:
    """One array of a layer, under its Keras name (`conv1/kernel:0`)."""

    def __init__(self, network: Any, name: str, shape: tuple[int, ...]) -> None:
        self._network, self.name, self.shape = network, name, shape

    def numpy(self) -> np.ndarray:
        return self._network.get_weight(self.name)

    def __repr__(self) -> str:
        return f"<Weight '{self.name}' shape={self.shape}>"


class Layer:
    """One layer: its name, weights, and a token for its output."""

    def __init__(self, network: Any, name: str, weights: Sequence[tuple[str, tuple[int, ...]]]) -> None:
        self._network, self.name = network, name
        self.weights = [Weight(network, weight, shape) for weight, shape in weights]
        self.kind = next(kind for pattern, kind in _KINDS if re.fullmatch(pattern, name))
        self.layers: list[Layer] = []  # rpn_model is a model of its own
        if name == "rpn_model":
            for inner in _RPN:
                own = [(weight, shape) for weight, shape in weights if weight.startswith(inner + "/")]
                self.layers.append(Layer(network, inner, own))

    @property
    def output(self) -> Output:
        return Output(self.name)

    @property
    def trainable(self) -> bool:
        """Whether the layer is among those selected for training."""
        return any(weight.name in self._network.trained_weights() for weight in self.weights)

    def get_weights(self) -> list[np.ndarray]:
        """The arrays in Keras' order and shapes."""
        return [weight.numpy() for weight in self.weights]

    def set_weights(self, weights: Sequence[np.ndarray]) -> None:
        for own, value in zip(self.weights, weights, strict=True):
            self._network.set_weight(own.name, value)

    def count_params(self) -> int:
        return sum(int(np.prod(weight.shape)) for weight in self.weights)

    def __repr__(self) -> str:
        return f"<{self.kind} {self.name}>"


class Rate:
    """A learning rate that callbacks read (float(rate)) and set (rate.assign(0.1), K.set_value(rate, 0.1))."""

    def __init__(self, value: float) -> None:
        self.value = float(value)

    def assign(self, value: Any) -> None:
        self.value = float(value)

    def numpy(self) -> float:
        return self.value

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.asarray(self.value, dtype)

    def __float__(self) -> float:
        return self.value

    def __mul__(self, other: float) -> float:
        return self.value * other

    __rmul__ = __mul__

    def __repr__(self) -> str:
        return repr(self.value)


class Optimizer:
    """The learning rate, where callbacks look for it; setting `optimizer.lr = 0.1` does the same as assign."""

    def __init__(self, learning_rate: float) -> None:
        self._rate = Rate(learning_rate)

    @property
    def lr(self) -> Rate:
        return self._rate

    @lr.setter
    def lr(self, value: Any) -> None:
        self._rate.assign(value)

    learning_rate = lr


class History:
    """`history.history["loss"]`: one number for each epoch."""

    def __init__(self) -> None:
        self.history: dict[str, list[float]] = {}
        self.epoch: list[int] = []


class KerasModel:
    """The network with the interface of a Keras model."""

    name = "mask_rcnn"

    def __init__(self, network: Any, learning_rate: float = 0.001) -> None:
        self.network = network
        self.optimizer = Optimizer(learning_rate)
        self.history = History()
        self.stop_training = False
        self.layers = [
            Layer(network, each.name, list(zip(each.weight_names, each.shapes, strict=True)))
            for each in network.layers()
        ]

    # --- inspection ---
    def get_layer(self, name: str | None = None, index: int | None = None) -> Layer:
        """A layer by name or number."""
        if index is not None:
            return self.layers[index]
        every = [inner for layer in self.layers for inner in (layer, *layer.layers)]
        for layer in every:
            if layer.name == name:
                return layer
        if name in INPUTS:
            return Layer(self.network, str(name), [])
        raise ValueError(f"No such layer: {name}")

    @property
    def inputs(self) -> list[Output]:
        return [Output(name) for name in INPUTS]

    @property
    def outputs(self) -> list[Output]:
        names = ("mrcnn_detection", "mrcnn_class", "mrcnn_bbox", "mrcnn_mask", "ROI", "rpn_class", "rpn_bbox")
        return [Output(name) for name in names]

    @property
    def weights(self) -> list[Weight]:
        return [weight for layer in self.layers for weight in layer.weights]

    def get_weights(self) -> list[np.ndarray]:
        return [weight.numpy() for weight in self.weights]

    def count_params(self) -> int:
        return sum(layer.count_params() for layer in self.layers)

    def summary(self, line_length: int = 98, positions: Any = None, print_fn: Any = print) -> None:
        """Prints a table of layers: name, class, shapes of the weights, how many numbers that is."""
        print_fn("_" * line_length)
        print_fn(f"{'Layer (type)':44}{'Weights':40}{'Param #':>14}")
        print_fn("=" * line_length)
        for layer in self.layers:
            shapes = ", ".join("x".join(map(str, weight.shape)) for weight in layer.weights[:2])
            shapes += ", ..." if len(layer.weights) > 2 else ""
            print_fn(f"{f'{layer.name} ({layer.kind})':44}{shapes:40}{layer.count_params():>14,}")
        trained = sum(w.numpy().size for w in self.weights if w.name in self.network.trained_weights())
        print_fn("=" * line_length)
        print_fn(f"Total params: {self.count_params():,}")
        print_fn(f"Trainable params: {trained:,}")
        print_fn(f"Non-trainable params: {self.count_params() - trained:,}")
        print_fn("_" * line_length)

    # --- saving, predicting ---
    def save_weights(self, filepath: Any, overwrite: bool = True) -> None:
        """Writes the weights as .h5, in the layout that the original reads."""
        from pathlib import Path

        from maskwright.errors import OutputError
        from maskwright.weights.matterport_h5 import write_h5

        path = Path(str(filepath))
        if path.exists() and not overwrite:
            raise OutputError("a file of this name exists already", file=path, fix="choose another name")
        write_h5(self.network, path)

    def save(self, filepath: Any, overwrite: bool = True, include_optimizer: bool = False) -> None:
        """Writes the weights only; Keras would also save the graph, which does not exist here."""
        self.save_weights(filepath, overwrite)

    def load_weights(self, filepath: Any, by_name: bool = False) -> None:
        from maskwright.weights.matterport_h5 import load_into, read_h5

        load_into(self.network, read_h5(filepath), by_name=by_name)

    def predict(self, x: Sequence[np.ndarray], verbose: int = 0, **_: Any) -> list[np.ndarray]:
        """[molded, metas, anchors] -> detections, mrcnn_class, mrcnn_bbox, mrcnn_mask, rois, rpn_class, rpn_bbox."""
        found = self.network.detect(*x)
        return list(found.values())
