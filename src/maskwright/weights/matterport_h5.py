"""Keras weight files (.h5) of matterport's Mask R-CNN, read and written with h5py only.

Looks like   root attribute layer_names; one group per layer with attribute weight_names; datasets GROUP/WEIGHT_NAME
Reads        files of inference and training mode, of Keras 1.2 to 2.3; a second model of one process (names with _1);
             whole models (below model_weights); a group that contains a model (multi-GPU);
             backbones (resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5)
Matched by   the names of layers; the weights of a layer by their order, since their names vary
Axes         convolutions (row, column, in, out), transposed convolutions (row, column, out, in), dense (in, out)
Written      as by Keras 2.2.4
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from maskwright import files
from maskwright.errors import MissingExtra, UnknownName, WeightsError
from maskwright.extras import how_to_install
from maskwright.weights import hdf5

KERAS = b"2.2.4"
RPN = "rpn_model"
# The layers whose shapes depend on the number of classes: the usual `exclude`.
BY_CLASSES = ("mrcnn_class_logits", "mrcnn_bbox_fc", "mrcnn_bbox", "mrcnn_mask")
EXPECTED = "a file written by Keras' save_weights"


@dataclass(frozen=True)
class H5Weights:
    """The layers of a weights file in file order: {layer: [(weight name, array), ...]}; empty lists without weights."""

    path: Path
    layers: dict[str, list[tuple[str, np.ndarray]]]
    keras: str = ""

    @property
    def weighted(self) -> list[str]:
        """The names of the layers that have weights."""
        return [name for name, weights in self.layers.items() if weights]

    @property
    def backbone(self) -> str | None:
        """resnet50 or resnet101, from the last block of stage 4; None if it is another."""
        if "res4w_branch2a" in self.layers:
            return "resnet101"
        return "resnet50" if "res4f_branch2a" in self.layers and "res4g_branch2a" not in self.layers else None

    @property
    def mode(self) -> str:
        """training or inference; backbone if there are no heads."""
        if "mrcnn_class_logits" not in self.layers:
            return "backbone"
        return "training" if "rpn_class_loss" in self.layers or "proposal_targets" in self.layers else "inference"

    @property
    def classes(self) -> int | None:
        """Number of classes including background; None for a backbone."""
        return self._side("mrcnn_class_logits", 0, -1)

    @property
    def ratios(self) -> int | None:
        """Number of anchors per location; None for a backbone."""
        outputs = self._side(RPN, 2, -1)
        return None if outputs is None else outputs // 2

    def sizes(self) -> dict[str, int]:
        """Further settings that follow from the shapes: pyramid, fully connected layers, pool size."""
        sides = {
            "top_down_pyramid_size": self._side("fpn_c5p5", 0, -1),
            "fpn_classif_fc_layers_size": self._side("mrcnn_class_conv1", 0, -1),
            "pool_size": self._side("mrcnn_class_conv1", 0, 0),
        }
        return {name: side for name, side in sides.items() if side is not None}

    def _side(self, layer: str, weight: int, axis: int) -> int | None:
        weights = self.layers.get(layer, [])
        return int(weights[weight][1].shape[axis]) if len(weights) > weight and weights[weight][1].ndim else None

    def describe(self) -> str:
        """ "resnet101, 81 classes including background, inference mode, 190 layers with weights"."""
        parts = [self.backbone or "unknown backbone"]
        if self.classes is not None:
            parts.append(f"{self.classes} classes including background")
        parts.append("backbone only" if self.mode == "backbone" else f"{self.mode} mode")
        return ", ".join([*parts, f"{len(self.weighted)} layers with weights"])


def _h5py() -> Any:
    try:
        import h5py
    except ImportError as error:
        raise MissingExtra("reading .h5 files needs h5py", fix=how_to_install("maskwright[matterport]")) from error
    return h5py


# --- reading ----------------------------------------------------------------------------------------
def read_h5(path: str | Path) -> H5Weights:
    """All weights of a Keras file as float32; WeightsError if it is missing, damaged or unsafe."""
    h5py, path = _h5py(), Path(path)
    if not path.is_file():
        raise WeightsError("the weights file does not exist", file=path)
    if files.is_lfs_pointer(path):
        raise WeightsError("this is a Git LFS pointer, not the weights", file=path,
                           fix="fetch the content: git lfs pull")  # fmt: skip
    try:
        hdf5.check_heaps(path)
        with h5py.File(path, "r") as file:
            whole_model = "layer_names" not in file.attrs and "model_weights" in file
            root = hdf5.member(file, "model_weights", path) if whole_model else file
            names = _names(root, "layer_names")
            if not names:
                raise WeightsError(
                    "this HDF5 file has no Keras weights", file=path, expected=EXPECTED, got=_contents(file)
                )
            keras = root.attrs.get("keras_version", file.attrs.get("keras_version", b""))
            stored = [(name, _datasets(root, name, path)) for name in names]
            hdf5.check_size((value for _, weights in stored for _, value in weights), path)
            layers = {
                name: [(weight, hdf5.numbers(value, f"{name}/{weight}", path)) for weight, value in weights]
                for name, weights in stored
            }
    except WeightsError:
        raise
    except Exception as error:  # for a damaged file HDF5 raises OSError, KeyError, RuntimeError, ValueError
        raise WeightsError(
            "the weights cannot be read",
            file=path,
            expected=EXPECTED,
            got=(str(error) or type(error).__name__).splitlines()[0][:200],
            fix="copy the file again: an interrupted download or a full disk truncates files",
        ) from error
    return H5Weights(path, _flatten(layers), keras.decode() if isinstance(keras, bytes) else str(keras))


def _names(group: Any, attribute: str) -> list[str]:
    """A list of names; Keras splits long ones into layer_names0, layer_names1 ..."""
    values = list(np.ravel(group.attrs[attribute])) if attribute in group.attrs else []
    part = 0
    while f"{attribute}{part}" in group.attrs:
        values += list(np.ravel(group.attrs[f"{attribute}{part}"]))
        part += 1
    return [value.decode() if isinstance(value, bytes) else str(value) for value in values]


def _datasets(root: Any, name: str, path: Path) -> list[tuple[str, Any]]:
    """The datasets of a layer's weights, not yet read."""
    group, weights = hdf5.member(root, name, path), []
    for weight in _names(group, "weight_names"):
        value = hdf5.member(group, weight, path)
        if value.dtype.kind != "f":
            raise WeightsError(
                "a weight is not floating-point",
                file=path,
                record=f"{name}/{weight}",
                expected="float32",
                got=value.dtype,
            )
        weights.append((weight, value))
    return weights


def _contents(file: Any) -> str:
    names = sorted(file)[:5]
    return "groups " + ", ".join(names) if names else "nothing"


def _flatten(layers: dict[str, list[tuple[str, np.ndarray]]]) -> dict[str, list[tuple[str, np.ndarray]]]:
    """Split a group that contains a whole model (multi-GPU) by the first part of its weights' names."""
    flat: dict[str, list[tuple[str, np.ndarray]]] = {}
    for name, weights in layers.items():
        owners = [weight.split("/")[0] for weight, _ in weights]
        if name == RPN or len(set(owners)) < 4:
            flat.setdefault(name, []).extend(weights)
            continue
        for owner, pair in zip(owners, weights, strict=True):
            owner = re.sub(r"_\d+$", "", owner)  # a second model of one process
            flat.setdefault(RPN if owner.startswith("rpn_") else owner, []).append(pair)
    return flat


# --- loading into a network, writing ----------------------------------------------------------------
class KerasNetwork(Protocol):
    """The methods of a network that this module uses (implemented in models/matterport/model.py)."""

    def layers(self) -> Any: ...  # of (layer name, weight names, shapes)
    def get_weight(self, name: str) -> np.ndarray: ...
    def set_weight(self, name: str, value: np.ndarray) -> None: ...


@dataclass(frozen=True)
class LoadReport:
    """Which layers were loaded; only layers with weights.

    loaded    loaded from the file
    missing   in the network, not in the file: these keep their weights
    unused    in the file, not in the network
    excluded  in the file, left out because of `exclude`
    """

    loaded: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    unused: list[str] = field(default_factory=list)
    excluded: list[str] = field(default_factory=list)


def load_into(
    network: KerasNetwork, weights: H5Weights, by_name: bool = True, exclude: Collection[str] = ()
) -> LoadReport:
    """Load the weights of a file into the layers of the same name.

    by_name  False: the file must have exactly the layers of the network
    exclude  layers to leave unchanged, e.g. mrcnn_class_logits, mrcnn_bbox_fc, mrcnn_bbox, mrcnn_mask for other
             classes; as in matterport's package this implies by_name

    WeightsError if a shape or the backbone differs, UnknownName for an unknown layer in `exclude`; the network is then
    unchanged.
    """
    layers = {layer.name: layer for layer in network.layers()}
    exclude = set(exclude)
    for name in exclude - set(layers) - {"rpn_conv_shared", "rpn_class_raw", "rpn_bbox_pred"} - set(weights.layers):
        raise UnknownName("layer to exclude", name, layers)
    expected = [name for name, layer in layers.items() if layer.shapes and name not in exclude]
    report = LoadReport(
        loaded=[name for name in expected if weights.layers.get(name)],
        missing=[name for name in expected if not weights.layers.get(name)],
        unused=[name for name in weights.weighted if name not in layers and name not in exclude],
        excluded=[name for name in weights.weighted if name in exclude],
    )
    _check_backbone_and_layers(weights, report, layers, strict=not by_name and not exclude)
    values: list[tuple[str, np.ndarray]] = []
    for name in report.loaded:
        layer, arrays = layers[name], [value for _, value in weights.layers[name]]
        if [value.shape for value in arrays] != list(layer.shapes):
            raise _shape_error(weights, name, layer.shapes, [value.shape for value in arrays])
        values += zip(layer.weight_names, arrays, strict=True)
    for name, value in values:
        network.set_weight(name, value)
    return report


def _check_backbone_and_layers(weights: H5Weights, report: LoadReport, layers: Collection[str], strict: bool) -> None:
    expected = "resnet101" if "res4w_branch2a" in layers else "resnet50"
    # ImageNet weights of a ResNet-50 may initialize a ResNet-101, as in matterport's samples.
    initializes_backbone = weights.mode == "backbone" and not strict
    if (
        weights.backbone not in (None, expected)
        and not initializes_backbone
        and any(name.startswith("res4") for name in report.loaded)
    ):
        raise WeightsError(
            "the weights are of another backbone",
            file=weights.path,
            field="BACKBONE",
            expected=expected,
            got=weights.describe(),
            fix=f"set BACKBONE = {weights.backbone!r} in the config, or use other weights",
        )
    if not report.loaded and not report.excluded:
        raise WeightsError(
            "this file has none of the network's layers",
            file=weights.path,
            expected=f"conv1, bn_conv1, res2a_branch2a ... ({expected})",
            got=", ".join(weights.weighted[:4]) or "no layers with weights",
        )
    if strict and (report.missing or report.unused):
        raise WeightsError(
            "the file has other layers than the network",
            file=weights.path,
            expected=f"{len(report.loaded) + len(report.missing)} layers with weights",
            got=_difference(report) + f" ({weights.describe()})",
            fix="load it with by_name=True",
        )


def _difference(report: LoadReport) -> str:
    parts = [("missing", report.missing), ("unknown", report.unused)]
    return "; ".join(f"{word} {', '.join(names[:4])}{' ...' * (len(names) > 4)}" for word, names in parts if names)


def _shape_error(weights: H5Weights, layer: str, expected: Any, got: Any) -> WeightsError:
    parts: dict[str, Any] = {"expected": f"shapes {list(expected)}", "got": f"shapes {got} ({weights.describe()})"}
    if layer in BY_CLASSES:
        parts["field"] = "NUM_CLASSES"
        parts["fix"] = (
            f"set NUM_CLASSES = {weights.classes}, or exclude={list(BY_CLASSES)} to train these layers from scratch"
        )
    elif layer == RPN:
        parts["field"] = "RPN_ANCHOR_RATIOS"
        parts["fix"] = f"use {weights.ratios} RPN_ANCHOR_RATIOS, or exclude=['{RPN}'] to train it from scratch"
    else:
        parts["fix"] = "use the config that the weights were trained with"
    return WeightsError("the weights do not fit the network", file=weights.path, record=layer, **parts)


def write_h5(network: KerasNetwork, path: str | Path) -> None:
    """Write a network's weights as Keras' save_weights does; matterport's package loads the file."""
    h5py = _h5py()
    with files.writing(path) as temporary, h5py.File(temporary, "w") as file:
        file.attrs["backend"] = b"tensorflow"
        file.attrs["keras_version"] = KERAS
        all_layers = network.layers()
        file.attrs["layer_names"] = np.array([layer.name.encode() for layer in all_layers])
        for layer in all_layers:
            group = file.create_group(layer.name)
            names = [name.encode() for name in layer.weight_names]
            group.attrs["weight_names"] = np.array(names) if names else np.array([], np.float64)
            for name in layer.weight_names:
                value = network.get_weight(name).astype("<f4", copy=False)
                group.create_dataset(name, data=value, track_times=False)
