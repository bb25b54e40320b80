"""The engine of matterport's weight files: a .h5 behind the engines' protocol, with the original's own resizing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

from maskwright.engines import hardware
from maskwright.errors import WeightsError
from maskwright.models.matterport import MatterportMaskRCNN, Settings
from maskwright.types import Photo, Placement, RawDetections
from maskwright.weights.card import Card
from maskwright.weights.matterport_h5 import H5Weights, load_into, read_h5
from maskwright.weights.transfer import COCO_NAMES

COCO = tuple(name for name in COCO_NAMES if name != "-")  # matterport counts the 80 that are used


def open_h5_model(
    path: str | Path, names: Sequence[str] | None = None, precision: str = "f32"
) -> tuple[MatterportMaskRCNN, Settings, tuple[str, ...]]:
    """The network of a weight file, ready to detect, its settings, and its class names without the background.

    names  in the order of the class ids 1, 2, ...; None: COCO's where there are 80, else class1, class2, ...
    What a file does not tell (sizes of the image, thresholds) is as in the original's CocoConfig.
    """
    weights = read_h5(path)
    if weights.classes is None or weights.backbone is None:
        raise WeightsError(
            "this file holds no whole Mask R-CNN",
            file=path,
            wanted="a backbone, resnet50 or resnet101, and the mrcnn heads",
            got=weights.describe(),
            fix="start a training from it instead: maskwright train --weights",
        )
    own = _names(weights, names)
    settings = Settings(
        backbone=weights.backbone,
        num_classes=weights.classes,
        **weights.sizes(),  # type: ignore[arg-type]
    )
    network = MatterportMaskRCNN(settings, "inference", precision)
    missing = load_into(network, weights).missing
    if missing:
        raise WeightsError("layers are missing", file=path, wanted=", ".join(missing[:6]), got=weights.describe())
    return network.eval(), settings, own


def _names(weights: H5Weights, names: Sequence[str] | None) -> tuple[str, ...]:
    count = (weights.classes or 1) - 1
    if names is None:
        return COCO if count == len(COCO) else tuple(f"class{index}" for index in range(1, count + 1))
    if len(names) != count:
        raise WeightsError(
            "the names do not fit the file's classes",
            file=weights.path,
            field="--names",
            wanted=f"{count} names, the background not counted",
            got=len(names),
        )
    return tuple(names)


class MatterportEngine:
    """Runs a matterport network on canvases; one at a time, since each is resized by itself."""

    def __init__(
        self, network: MatterportMaskRCNN, names: tuple[str, ...], device: str = "auto", source: str = ""
    ) -> None:
        settings = network.settings
        self.network = network.to(hardware.choose_device(device)).eval()
        self.card = Card(
            model="matterport",
            backbone=settings.backbone,
            task="segment",
            classes=names,
            size=settings.image_max_dim,
            threshold=settings.detection_min_confidence,
            licence="as the weight file's",
            started_from=source,
        )

    @classmethod
    def prepare(
        cls, folder: Path, device: str = "auto", precision: str = "auto", names: Sequence[str] | None = None
    ) -> MatterportEngine:
        """The engine of a .h5 file (`folder` is that file). precision auto: float32, the original's answers."""
        exact = "f32" if precision == "auto" else hardware.choose_precision(precision, hardware.choose_device(device))
        network, _, own = open_h5_model(folder, names, exact)
        return cls(network, own, device, Path(folder).name)

    def fit(self, photo: Photo, size: int) -> tuple[np.ndarray, Placement]:
        """The photo itself: this network's own resizing comes later, and a second one would change its answers."""
        return photo.pixels, Placement(photo.size, photo.size, 1.0, 1.0)

    def run(self, canvases: Sequence[np.ndarray], sizes: Sequence[tuple[int, int]]) -> list[RawDetections]:
        """Boxes are whole pixels as the original rounds them; hand in photos unscaled to get its very answers."""
        return [self._look(canvas[: size[0], : size[1]]) for canvas, size in zip(canvases, sizes, strict=True)]

    def _look(self, photo: np.ndarray) -> RawDetections:
        settings = self.network.settings
        molded, window, scale = place(photo, settings)
        meta = np.array([0, *photo.shape, *molded.shape, *window, scale, *[0] * settings.num_classes], np.float64)
        found = self.network.detect((molded - np.array(settings.mean_pixel, np.float32))[None], meta[None])
        rows = found["detections"][0]
        rows = rows[rows[:, 4] > 0]
        boxes = unmold_boxes(rows[:, :4], window, molded.shape, photo.shape)
        kept = np.flatnonzero((boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1]))
        classes = rows[kept, 4].astype(np.int64)
        return RawDetections(
            boxes[kept][:, [1, 0, 3, 2]].astype(np.float32),
            rows[kept, 5],
            classes - 1,
            found["mrcnn_mask"][0][kept, :, :, classes],
        )


def place(photo: np.ndarray, settings: Settings) -> tuple[np.ndarray, tuple[int, int, int, int], float]:
    """The original's `square` resizing: (canvas S×S×3 float32, window y1 x1 y2 x2 of the photo in it, scale).

    The short side is enlarged to image_min_dim (never reduced), then the long one held within image_max_dim; the photo
    lies in the middle of zeros.
    """
    height, width = photo.shape[:2]
    side = settings.image_max_dim
    scale = max(1.0, settings.image_min_dim / min(height, width), settings.image_min_scale)
    if round(max(height, width) * scale) > side:
        scale = side / max(height, width)
    if scale != 1:
        photo = resize(photo, (round(height * scale), round(width * scale)))
    height, width = photo.shape[:2]
    top, left = (side - height) // 2, (side - width) // 2
    canvas = np.zeros((side, side, 3), np.float32)
    canvas[top : top + height, left : left + width] = photo
    return canvas, (top, left, top + height, left + width), scale


def resize(photo: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """H×W×3 uint8 -> (height, width): bilinear, no smoothing before reducing, zero beyond the edge, cut to uint8."""
    pixels = torch.from_numpy(photo.astype(np.float64)).permute(2, 0, 1)
    y, x = ((torch.arange(side, dtype=torch.float64) + 0.5) / side * 2 - 1 for side in size)
    grid = torch.stack(torch.meshgrid(y, x, indexing="ij")[::-1], -1)
    values = F.grid_sample(pixels[None], grid[None], align_corners=False)[0].permute(1, 2, 0)
    return values.clamp(int(photo.min()), int(photo.max())).numpy().astype(np.uint8)


def unmold_boxes(
    boxes: np.ndarray, window: tuple[int, int, int, int], molded: tuple[int, ...], photo: tuple[int, ...]
) -> np.ndarray:
    """n×4 y1 x1 y2 x2, normalised on the canvas -> whole pixels of the photo (y2, x2 outside), halves to even."""
    frame = (np.array(window) - [0, 0, 1, 1]) / (np.array(molded[:2] * 2) - 1)
    size = np.tile(frame[2:] - frame[:2], 2)
    share = (boxes - np.tile(frame[:2], 2)) / size
    return np.around(share * (np.array(photo[:2] * 2) - 1) + [0, 0, 1, 1]).astype(np.int32)
