"""Small fixtures for training: rendered images, a tiny network, a model folder, an engine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from maskwright.api.data import open_data
from maskwright.engines.torch_engine import TorchEngine
from maskwright.models import registry
from maskwright.models.base import DetectionNetwork, Detections, Generators, Loss, Targets
from maskwright.models.classification.classifier import Classifier, MeanHead
from maskwright.synth import render_set
from maskwright.tasks.registry import find_task
from maskwright.training.callbacks import Hooks
from maskwright.training.recipe import Recipe, Stage
from maskwright.training.run_folder import RunFolder
from maskwright.training.trainer import Trainer
from maskwright.transforms.preprocess import preprocess
from maskwright.types import Dataset, Instances, RawDetections, Record, RleMasks
from maskwright.weights import checkpoint
from maskwright.weights.card import WEIGHTS, Card, write_card

SIZE = (96, 128)
TINY = Recipe(
    weights="none",
    size=64,
    batch=2,
    steps_per_epoch=2,
    precision="fp32",
    device="cpu",
    workers=0,
    stages=(Stage("all", 2, 1e-2),),
)


def party(folder: Path, count: int = 8) -> Dataset:
    """Eight rendered balloon images on disk: six for training, two for validation."""
    return render_set("balloons", count, folder, size=SIZE)


def records(
    count: int, names: tuple[str, ...] = ("balloon",), masks: bool = True, **facts: object
) -> tuple[Record, ...]:
    """Records of images that need not exist, with one square object each, of alternating classes."""
    made = []
    for number in range(count):
        drawn = RleMasks.from_boxes(np.array([[8, 8, 40, 40]]), SIZE)
        instances = Instances(drawn.boxes, np.array([number % len(names)]), None, drawn if masks else None, names)
        made.append(replace(Record(Path(f"image_{number}.jpg"), SIZE, instances), **facts))  # type: ignore[arg-type]
    return tuple(made)


class TinyNetwork(DetectionNetwork):
    """Backbone, pyramid and head of one convolution each. Its detections are the four corners of any image."""

    class Body(nn.Sequential):
        strides: tuple[int, ...] = (4,)
        channels: tuple[int, ...] = (4,)

        def forward(self, images: Tensor) -> list[Tensor]:
            return [super().forward(images)]

        def stage_of(self, name: str) -> int:
            return 2

    def __init__(self) -> None:
        super().__init__()
        self.backbone = self.Body(nn.Conv2d(3, 4, 3, 4), nn.BatchNorm2d(4), nn.ReLU())
        self.box_head = nn.Conv2d(4, 2, 1)

    def losses_from_features(
        self,
        features: list[Tensor],
        sizes: list[tuple[int, int]],
        targets: list[Targets],
        generators: Generators | None = None,
    ) -> dict[str, Loss]:
        """How many objects an image has, with some noise; and a second number that is 0 for each object."""
        objects = torch.tensor([len(ground_truth.boxes) for ground_truth in targets])
        noise = sum(torch.rand((), generator=generator) * 0.01 for generator in generators or ())
        said = self.box_head(features[0]).mean((2, 3))
        count = ((said[:, 0] - objects / 10) ** 2).sum() + noise
        return {"count": Loss(count, len(targets)), "rest": Loss((said[:, 1] ** 2 * objects).sum(), objects.sum())}

    def predict(self, images: Tensor, sizes: list[tuple[int, int]]) -> list[Detections]:
        boxes = torch.tensor([[0.0, 0, 20, 20], [40, 0, 60, 20], [0, 30, 20, 48], [40, 30, 60, 48]])
        return [
            Detections(boxes, torch.tensor([0.9, 0.8, 0.7, 0.6]), torch.zeros(4).long(), torch.ones(4, 28, 28))
        ] * len(images)


def means(losses: dict[str, Loss]) -> dict[str, Tensor]:
    """The losses of a batch that is all there is."""
    return {name: loss.mean for name, loss in losses.items()}


def generators(*seeds: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in seeds]


def classifier(backbone: str, classes: int, size: int, multi_label: bool = False) -> Classifier:
    """A classifier of one convolution, to replace `small` in the registry."""
    body = TinyNetwork.Body(nn.Conv2d(3, 16, 3, 4), nn.BatchNorm2d(16), nn.ReLU())
    return Classifier(body, MeanHead((16,), classes), classes, multi_label)


def trainer(
    data: Path, folder: Path, recipe: Recipe = TINY, network: DetectionNetwork | None = None, **hooks: Any
) -> Trainer:
    """A run of the tiny network, as api.train would set it up."""
    parts = open_data(data, recipe.task)
    torch.manual_seed(recipe.seed)
    card = Card("small", "tiny", "segment", ("balloon",), recipe.size)
    engine = TorchEngine(network or TinyNetwork(), card, recipe.device, recipe.precision)
    hooks = Hooks(**{"log": lambda issue: None, **hooks})
    return Trainer(recipe, engine, find_task(recipe.task), parts, RunFolder(folder), hooks)


def model_folder(folder: Path, names: tuple[str, ...] = ("balloon",), task: str = "segment", size: int = 64) -> Path:
    """A model with random weights, as a training run saves it in best/."""
    torch.manual_seed(0)
    row = registry.find("small")
    network = row.build(len(names), masks=task == "segment")
    checkpoint.save(network.state_dict(), folder / WEIGHTS)
    write_card(Card("small", row.backbones[0], task, names, size, threshold=0.0), folder)
    return folder


def classifier_folder(folder: Path, names: tuple[str, ...], size: int = 64) -> Path:
    """The same for a classifier with random weights."""
    torch.manual_seed(0)
    row = registry.find("small", "classify")
    network = registry.build("classify", "small", row.backbones[0], len(names), size, False)
    checkpoint.save(network.state_dict(), folder / WEIGHTS)
    write_card(Card("small", row.backbones[0], "classify", names, size), folder)
    return folder


class Seer:
    """An engine that finds one object of each class on every network input, scores 0.9, 0.8 ...: the left half of its
    box."""

    def __init__(self, names: tuple[str, ...] = ("balloon", "cake"), masks: bool = True, half: bool = True) -> None:
        self.card = Card("small", "none", "segment" if masks else "detect", names, 128)
        self.masks, self.half = masks, half

    fit = staticmethod(preprocess)

    def run(self, network_inputs: Sequence[np.ndarray], sizes: Sequence[tuple[int, int]]) -> list[RawDetections]:
        count = len(self.card.classes)
        left = np.arange(count, dtype=np.float32) * 40
        boxes = np.stack([left + 8, np.full(count, 8), left + 38, np.full(count, 48)], 1).astype(np.float32)
        mask_probs = np.ones((count, 28, 28), np.float32)
        mask_probs[:, :, 14 if self.half else 28 :] = 0
        scores = np.linspace(0.9, 0.9 - 0.1 * (count - 1), count).astype(np.float32)
        detections = RawDetections(boxes, scores, np.arange(count), mask_probs if self.masks else None)
        return [detections] * len(network_inputs)
