"""matterport's .h5 files at both ends of our own training: to start from one, and to save a run as one."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from torch import nn

from maskwright.engines.matterport_engine import COCO
from maskwright.engines.torch_engine import TorchEngine
from maskwright.errors import WeightsError
from maskwright.models.matterport.detector import Matterport, state_of
from maskwright.models.matterport.model import MatterportMaskRCNN
from maskwright.weights import sources
from maskwright.weights.matterport_h5 import RPN, H5Weights, load_into, read_h5, write_h5
from maskwright.weights.transfer import transfer

MODEL = "matterport"
BACKBONE_ALONE = "resnet50"


def is_h5(weights: Any) -> bool:
    return Path(str(weights)).suffix.lower() in (".h5", ".hdf5")


def network_for(file: str | Path) -> dict[str, str]:
    """The model and backbone that fit a .h5 file, as options of `train`."""
    return {"model": MODEL, "backbone": read_h5(file).backbone or BACKBONE_ALONE}


def start_from_h5(network: nn.Module, file: str | Path, names: tuple[str, ...]) -> str:
    """Fill `network` (ours, of the row matterport) from a .h5 file and say what was kept.

    Class heads go by name where the file has COCO's 80 classes, whole where it has as many classes as `names`; else
    they start anew.
    """
    weights = read_h5(file)
    if not isinstance(network, Matterport):
        raise WeightsError(
            "a .h5 file holds weights of matterport's network",
            file=file,
            expected=f"--model {MODEL} --backbone {weights.backbone or BACKBONE_ALONE}",
            got=f"another network ({weights.describe()})",
            fix="leave --model out: it follows from the file",
        )
    settings = network.keras.settings
    if weights.backbone not in (None, settings.backbone):
        raise WeightsError(
            "these weights belong to another backbone",
            file=file,
            expected=settings.backbone,
            got=weights.describe(),
            fix=f"--backbone {weights.backbone}, or other --weights",
        )
    own = MatterportMaskRCNN(dataclasses.replace(settings, num_classes=weights.classes or settings.num_classes))
    loaded = set(load_into(own, weights).loaded)
    if RPN in loaded:
        loaded |= {name for name in own.parts if name.startswith("rpn_")}
    told = transfer(network, state_of(own, loaded), _class_names(weights, names), names)
    return f"weights: {file} ({weights.describe()}): {told}"


def _class_names(weights: H5Weights, names: tuple[str, ...]) -> tuple[str, ...]:
    """Of the file's class rows; it holds no names itself."""
    count = (weights.classes or 1) - 1
    if count == len(COCO):
        return COCO
    return names if count == len(names) else ()


def save_h5(model: str | Path, path: str | Path) -> Path:
    """Write a model trained with `--model matterport` as the .h5 file that the original, and mrcnn, load.

    >>> save_h5("runs/party", "mask_rcnn_party.h5")
    PosixPath('mask_rcnn_party.h5')
    """
    folder = sources.model_folder(model)
    engine = None if is_h5(folder) else TorchEngine.prepare(folder, device="cpu", precision="fp32")
    network = None if engine is None else engine.network
    if not isinstance(network, Matterport):
        raise WeightsError(
            "only matterport's network can be written as .h5",
            file=folder,
            expected=f"a run of maskwright train --model {MODEL}",
            got="a .h5 file" if engine is None else engine.card.model,
        )
    write_h5(network.keras, path)
    return Path(path)
