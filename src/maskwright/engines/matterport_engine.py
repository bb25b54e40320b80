"""The engine of matterport's weight files: a .h5 behind the engines' protocol, with the original's own resizing."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from maskwright.engines import hardware
from maskwright.errors import WeightsError
from maskwright.geometry.boxes_matterport import unmolded
from maskwright.models.matterport.model import MatterportMaskRCNN, Settings
from maskwright.transforms.mold import mold
from maskwright.types import Image, RawDetections, ResizeTransform
from maskwright.weights.card import Card
from maskwright.weights.matterport_h5 import H5Weights, load_into, read_h5
from maskwright.weights.transfer import COCO_NAMES

COCO = tuple(name for name in COCO_NAMES if name != "-")  # matterport counts the 80 that are used


def open_h5_model(
    path: str | Path, names: Sequence[str] | None = None, precision: str = "fp32"
) -> tuple[MatterportMaskRCNN, Settings, tuple[str, ...]]:
    """The network of a weight file, ready to detect, its settings, and its class names without the background.

    names  in the order of the class ids 1, 2, ...; None: COCO's where there are 80, else class1, class2, ...
    What a file does not hold (sizes of the image, thresholds) is as in the original's CocoConfig.
    """
    weights = read_h5(path)
    if weights.classes is None or weights.backbone is None:
        raise WeightsError(
            "this file holds no whole Mask R-CNN",
            file=path,
            expected="a backbone, resnet50 or resnet101, and the mrcnn heads",
            got=weights.describe(),
            fix="start a training from it instead: maskwright train --weights",
        )
    own = _names(weights, names)
    settings = dataclasses.replace(
        Settings(backbone=weights.backbone, num_classes=weights.classes), **dict[str, Any](weights.sizes())
    )
    network = MatterportMaskRCNN(settings, "inference", precision)
    missing = load_into(network, weights).missing
    if missing:
        raise WeightsError("layers are missing", file=path, expected=", ".join(missing[:6]), got=weights.describe())
    return network.eval(), settings, own


def _names(weights: H5Weights, names: Sequence[str] | None) -> tuple[str, ...]:
    count = (weights.classes or 1) - 1
    if names is None and count == 1 and weights.path.name == "mask_rcnn_balloon.h5":
        return ("balloon",)
    if names is None:
        return COCO if count == len(COCO) else tuple(f"class{index}" for index in range(1, count + 1))
    if len(names) != count:
        raise WeightsError(
            "the names do not fit the file's classes",
            file=weights.path,
            field="--names",
            expected=f"{count} names, the background not counted",
            got=len(names),
        )
    return tuple(names)


class MatterportEngine:
    """Runs a matterport network on network inputs; one at a time, since each is resized by itself."""

    def __init__(
        self, network: MatterportMaskRCNN, names: tuple[str, ...], device: str = "auto", source: str = ""
    ) -> None:
        settings = network.settings
        self.network = network.to(hardware.choose_device(device)).eval()
        red, green, blue = settings.mean_pixel
        self.card = Card(
            model="matterport",
            backbone=settings.backbone,
            task="segment",
            classes=names,
            size=settings.image_max_dim,
            threshold=settings.detection_min_confidence,
            mean=(red, green, blue),
            std=(1.0, 1.0, 1.0),
            license="as the weight file's",
            started_from=source,
        )

    @classmethod
    def prepare(
        cls, folder: Path, device: str = "auto", precision: str = "auto", names: Sequence[str] | None = None
    ) -> MatterportEngine:
        """The engine of a .h5 file (`folder` is that file). precision auto: float32, the original's answers."""
        exact = "fp32" if precision == "auto" else hardware.choose_precision(precision, hardware.choose_device(device))
        network, _, own = open_h5_model(folder, names, exact)
        return cls(network, own, device, Path(folder).name)

    def fit(self, image: Image, size: int) -> tuple[np.ndarray, ResizeTransform]:
        """The image itself: this network's own resizing comes later, and a second one would change its answers."""
        return image.pixels, ResizeTransform(image.size, image.size, 1.0, 1.0)

    def run(self, network_inputs: Sequence[np.ndarray], sizes: Sequence[tuple[int, int]]) -> list[RawDetections]:
        """Boxes are whole pixels as the original rounds them; hand in images unscaled to get its very answers."""
        return [
            self._detect(network_input[: size[0], : size[1]])
            for network_input, size in zip(network_inputs, sizes, strict=True)
        ]

    def _detect(self, image: np.ndarray) -> RawDetections:
        settings = self.network.settings
        pil_image, window, scale, *_ = mold(
            image,
            settings.image_min_dim,
            settings.image_max_dim,
            settings.image_min_scale,
            settings.image_resize_mode,
        )
        meta = np.array([0, *image.shape, *pil_image.shape, *window, scale, *[0] * settings.num_classes], np.float64)
        molded = (pil_image.astype(np.float32) - np.array(settings.mean_pixel)).astype(np.float32)
        detections = self.network.detect(molded[None], meta[None])
        rows = detections["detections"][0]
        rows = rows[rows[:, 4] > 0]
        boxes = unmolded(rows[:, :4], window, pil_image.shape[:2], image.shape[:2])
        solid = np.flatnonzero((boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1]))
        classes = rows[solid, 4].astype(np.int64)
        return RawDetections(
            boxes[solid][:, [1, 0, 3, 2]].astype(np.float32),
            rows[solid, 5],
            classes - 1,
            detections["mrcnn_mask"][0][solid, :, :, classes],
            "matterport",
        )
