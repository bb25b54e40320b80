"""A fake network for mrcnn.model: a few small layers, and fixed detections."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from maskwright.models.matterport.layout import Layer, selected
from mrcnn import model as modellib
from mrcnn import utils
from mrcnn.config import Config
from mrcnn.keras_model import KerasModel
from mrcnn.training import LOSSES

LAYERS = [
    Layer("input_image", (), ()),
    Layer("conv1", ("conv1/kernel:0", "conv1/bias:0"), ((1, 1, 3, 2), (2,))),
    Layer("res4a_branch2a", ("res4a_branch2a/kernel:0",), ((1, 1, 2, 2),)),
    Layer("fpn_p2", ("fpn_p2/kernel:0",), ((1, 1, 2, 2),)),
    Layer("rpn_model", ("rpn_conv_shared/kernel:0", "rpn_class_raw/kernel:0"), ((1, 1, 2, 2), (1, 1, 2, 6))),
    Layer("rpn_class", (), ()),
    Layer("ROI", (), ()),
    Layer("mrcnn_class_logits", ("mrcnn_class_logits/kernel:0",), ((2, 3),)),
    Layer("mrcnn_mask", ("mrcnn_mask/kernel:0",), ((1, 1, 2, 3),)),
]


class FakeNetwork:
    """The interface that mrcnn uses. `detections`: rows (y1, x1, y2, x2 in 0..1, class, score) for every image."""

    def __init__(self, config: Any) -> None:
        self.config, self.detections = config, [(0.25, 0.25, 0.75, 0.75, 1, 0.9)]
        self.weights = {
            name: np.zeros(shape, np.float32) for item in LAYERS for name, shape in zip(*item[1:], strict=True)
        }
        self.trained: set[str] = set()
        self.steps: list[tuple[list[np.ndarray], float]] = []

    def layers(self) -> list[Layer]:
        return LAYERS

    def get_weight(self, name: str) -> np.ndarray:
        return self.weights[name]

    def set_weight(self, name: str, value: np.ndarray) -> None:
        self.weights[name] = np.array(value)

    def select_layers(self, which: str) -> list[str]:
        names = list(dict.fromkeys(name.partition("/")[0] for name in self.weights))
        self.trained = set(selected(names, which))
        return [name for name in names if name in self.trained]

    def trained_weights(self) -> dict[str, np.ndarray]:
        return {name: value for name, value in self.weights.items() if name.partition("/")[0] in self.trained}

    def training_losses(self, batch: Sequence[np.ndarray]) -> dict[str, float]:
        return {"loss": 2.0, **dict.fromkeys(LOSSES, 0.2)}

    def run(
        self, molded: np.ndarray, metas: Any, anchors: np.ndarray, expected: Sequence[str]
    ) -> dict[str, np.ndarray]:
        batch, classes = len(molded), self.config.NUM_CLASSES
        detections = np.zeros((batch, 10, 6), np.float32)
        for row, detection in enumerate(self.detections):
            detections[:, row] = detection
        objectness = np.linspace(0, 1, anchors.shape[1], dtype=np.float32)
        every = {
            "mrcnn_detection": detections,
            "mrcnn_mask": np.ones((batch, 10, 28, 28, classes), np.float32),
            "rpn_class": np.stack([np.stack([1 - objectness, objectness], axis=1)] * batch),
            "rpn_bbox": np.zeros((batch, anchors.shape[1], 4), np.float32),
            "ROI": np.clip(anchors[:, ::-1][:, :5], 0, 1).astype(np.float32),
            "fpn_p2": np.zeros((batch, 4, 4, 2), np.float32),
        }
        return {name: every[name] for name in expected}


class FakeSGD:
    """The interface of KerasSGD that mrcnn uses."""

    def __init__(self, network: FakeNetwork) -> None:
        self.network = network

    def step(self, batch: Sequence[np.ndarray], lr: float) -> dict[str, float]:
        self.network.steps.append((list(batch), lr))
        return {"loss": 1.0 / len(self.network.steps), **dict.fromkeys(LOSSES, 0.1)}


class ShapesConfig(Config):
    NAME = "shapes"
    BACKBONE = "resnet50"
    IMAGES_PER_GPU = 1
    NUM_CLASSES = 1 + 2
    IMAGE_MIN_DIM = IMAGE_MAX_DIM = 64
    RPN_ANCHOR_SCALES = (4, 8, 16, 32, 64)
    MAX_GT_INSTANCES = 5
    STEPS_PER_EPOCH, VALIDATION_STEPS = 2, 1
    USE_MINI_MASK = False


class Discs(utils.Dataset):
    """`count` images 48×64 of one disc each, of alternating classes 1 and 2."""

    def load(self, count: int) -> Discs:
        self.add_class("discs", 1, "light")
        self.add_class("discs", 2, "dark")
        for i in range(count):
            self.add_image("discs", i, f"disc{i}.png", center=(20 + i % 5, 30 + i % 7))
        self.prepare()
        return self

    def _disc(self, image_id: int) -> np.ndarray:
        y, x = self.image_info[image_id]["center"]
        rows, columns = np.ogrid[:48, :64]
        return (rows - y) ** 2 + (columns - x) ** 2 < 100

    def load_image(self, image_id: int) -> np.ndarray:
        image = np.full((48, 64, 3), 120, np.uint8)
        image[self._disc(image_id)] = 200 if image_id % 2 == 0 else 40
        return image

    def load_mask(self, image_id: int) -> tuple[np.ndarray, np.ndarray]:
        return self._disc(image_id)[..., None], np.array([1 + image_id % 2], np.int32)


@pytest.fixture
def faked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every MaskRCNN in this test has a FakeNetwork."""

    def build(self: Any, mode: str, config: Any) -> KerasModel:
        return KerasModel(FakeNetwork(config), config.LEARNING_RATE)

    monkeypatch.setattr(modellib.MaskRCNN, "build", build)
    monkeypatch.setattr("maskwright.training.keras_sgd.KerasSGD", FakeSGD)
