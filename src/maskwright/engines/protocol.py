"""What an engine is, and the table of engines: the middle of a prediction, network inputs in, RawDetections out."""

from __future__ import annotations

import importlib
import os
import shutil
from collections.abc import Iterable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np

from maskwright.engines.settings import read_settings
from maskwright.errors import MaskwrightError, MissingExtra, UnknownName, WeightsError
from maskwright.extras import how_to_install
from maskwright.issues import Kind, Log, warn
from maskwright.types import Image, ResizeTransform
from maskwright.weights.card import CARD, EXPORT, Card, read_card

ENGINES = {  # name -> where it lives, what to install when it is absent
    "matterport": ("maskwright.engines.matterport_engine:MatterportEngine", "maskwright[matterport]"),
    "onnx": ("maskwright.engines.onnx_engine:OnnxEngine", "maskwright[onnx]"),
    "openvino": ("maskwright.engines.openvino_engine:OpenVinoEngine", "maskwright[openvino]"),
    "torch": ("maskwright.engines.torch_engine:TorchEngine", "torch"),
    "torch_export": ("maskwright.engines.torch_export_engine:TorchExportEngine", "torch"),
}

OPENVINO_PASSED_OVER = Kind(
    "openvino_passed_over",
    "warning",
    "in torch, which is slower: OpenVINO cannot run this model ({reason})",
)


class Engine(Protocol):
    card: Card

    def fit(self, image: Image, size: int) -> tuple[np.ndarray, ResizeTransform]:
        """The image as this engine takes it: as transforms.preprocess does it, unless its network resizes by itself."""
        ...

    def run(self, network_inputs: Sequence[np.ndarray], sizes: Sequence[tuple[int, int]]) -> Iterable[Any]:
        """Predict a batch: RawDetections an image; of a classifier (C,) float32 scores an image.

        An engine that sees one image at a time computes each when it is taken, so that what follows need not wait.

        network_inputs  H×W×3 uint8, all of one shape
        sizes     (height, width) of the image's part of each network input
        """
        ...


@runtime_checkable
class Explaining(Protocol):
    """An engine of a classifier that can also show which parts of an image a score comes from."""

    def saliency(
        self, network_input: np.ndarray, size: tuple[int, int], label: int, against: bool = False
    ) -> np.ndarray:
        """h×w float32 0..1 over the network input: what spoke for class number `label`, or against it."""
        ...


@runtime_checkable
class Described(Protocol):
    """An engine other than torch, which reports what it is."""

    def describe(self) -> str:
        """Its name and precision: "openvino, bf16"."""
        ...


def _runtime_of(model: Path) -> str | None:
    """The engine that a folder was exported for; None where it was not exported."""
    if not (model / EXPORT).is_file():
        return None
    from maskwright.engines.manifest import read_manifest

    return read_manifest(model).runtime


def check_names(card: Card, names: Sequence[str] | None, folder: Path) -> None:
    """WeightsError where `names` are given to a model that knows others."""
    if names is not None and tuple(names) != card.classes:
        raise WeightsError(
            "this model knows its own class names",
            file=folder,
            field="names",
            expected=", ".join(card.classes),
            got=", ".join(names),
            fix="leave --names out",
        )


def open_engine(
    model: Path,
    name: str = "auto",
    device: str = "auto",
    precision: str = "auto",
    names: Sequence[str] | None = None,
    log: Log = warn,
) -> Engine:
    """The engine `name`, ready to run the model: a folder of ours, an exported one, or matterport's .h5 file.

    auto goes by the model: an exported folder knows its engine. For others it is what MASKWRIGHT_ENGINE names in the
    environment, or for models of ours what `maskwright bench --save` has kept (see settings.py); without both a .h5
    file has its own, a detector of ours runs in OpenVINO where that is installed and no GPU is, all others in torch.

    names  the classes of a file that does not hold them (.h5), without the background
    log    told where OpenVINO was to be used and could not be
    """
    h5 = model.suffix.lower() in (".h5", ".hdf5")
    runtime = _runtime_of(model)
    if runtime is not None and name not in ("auto", runtime):
        raise WeightsError(
            f"this model was exported for {runtime}", file=model, field="engine", expected=f"auto or {runtime}",
            got=name, fix=f"export it again: --to {name}",
        )  # fmt: skip
    if name == "auto":
        name = runtime or os.environ.get("MASKWRIGHT_ENGINE") or "auto"
    own_on_cpu = name == "auto" and not h5 and _on_cpu(device)
    if own_on_cpu:
        saved = read_settings()
        name, precision = saved.engine, saved.precision if precision == "auto" else precision
    if own_on_cpu and name == "auto" and _faster_in_openvino(model):
        try:
            return engine_class("openvino").prepare(model, precision=precision, names=names)
        except MaskwrightError as error:
            engine = engine_class("torch").prepare(model, device=device, precision=precision, names=names)
            log(OPENVINO_PASSED_OVER(reason=error))  # not where torch found the model itself wrong
            return engine
    if name == "auto":
        name = "matterport" if h5 else "torch"
    if name not in ENGINES:
        raise UnknownName("engine", name, ENGINES, "named by the call, by MASKWRIGHT_ENGINE or in settings.json")
    if h5 and name == "torch":
        name = "matterport"  # which computes in torch
    if runtime == "torch":
        name = "torch_export"
    return engine_class(name).prepare(model, device=device, precision=precision, names=names)


def _on_cpu(device: str) -> bool:
    """Whether a device is the CPU; auto without asking torch, whose import takes longer than predicting an image."""
    return device == "cpu" or (device == "auto" and not any(map(shutil.which, ("nvidia-smi", "rocm-smi"))))


def _faster_in_openvino(model: Path) -> bool:
    """Whether converting pays, a few seconds once for each model; of classifiers torch alone explains a score."""
    return find_spec("openvino") is not None and (model / CARD).is_file() and read_card(model).kind.objects


def engine_class(name: str) -> Any:
    """The class of an engine; MissingExtra where its package is not installed or does not load."""
    location, needed = ENGINES[name]
    module, attribute = location.split(":")
    try:
        return getattr(importlib.import_module(module), attribute)
    except ImportError as error:
        raise MissingExtra(f"the engine {name} is not installed", got=error, fix=how_to_install(needed)) from error
