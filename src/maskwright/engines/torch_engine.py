"""The torch engine: a model folder, or a network in the middle of training, behind the engines' protocol."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from maskwright.engines import hardware
from maskwright.engines.protocol import check_names
from maskwright.errors import InputError, WeightsError
from maskwright.models import registry
from maskwright.models.base import ClassificationNetwork, DetectionNetwork
from maskwright.models.published import open_published
from maskwright.models.saliency import grad_cam
from maskwright.transforms.preprocess import preprocess, preprocess_square
from maskwright.types import Image, RawDetections, ResizeTransform
from maskwright.weights.card import CARD, WEIGHTS, Card, read_card
from maskwright.weights.model_tensors import model_tensors


def normalize(
    network_inputs: np.ndarray | Tensor, card: Card, sizes: Sequence[tuple[int, int]], device: torch.device
) -> Tensor:
    """B×H×W×3 uint8 -> B×3×H×W float32, mean 0 and deviation 1 a channel; beyond the image exactly 0."""
    pixels = torch.as_tensor(network_inputs).to(device)
    scale = torch.tensor(card.std, device=device).reciprocal()
    values = (pixels.float() - torch.tensor(card.mean, device=device)) * scale
    for value, (height, width) in zip(values, sizes, strict=True):
        value[height:] = 0
        value[:, width:] = 0
    return values.permute(0, 3, 1, 2)  # channels last in memory, as the pixels came


def _network(card: Card, folder: Path) -> DetectionNetwork | ClassificationNetwork:
    """The card's network with fresh weights."""
    try:
        registry.find(card.model, card.task).check_task(card.model, card.task)
        return registry.build(card.task, card.model, card.backbone, len(card.classes), card.size, card.multi_label)
    except InputError as error:  # a name that is in no table, or a task that this network is not for
        raise WeightsError(
            f"the card names no network of ours: {error.headline}",
            file=folder / CARD,
            field="model, backbone, task",
            got=f"{card.model}, {card.backbone}, {card.task}",
            fix="put back what maskwright wrote there, or train again",
        ) from error


class TorchEngine:
    """Runs a network of ours in torch."""

    def __init__(self, network: nn.Module, card: Card, device: str = "auto", precision: str = "auto") -> None:
        if not isinstance(network, DetectionNetwork | ClassificationNetwork):
            raise TypeError(f"expected a DetectionNetwork or a ClassificationNetwork, got {type(network).__name__}")
        self.card = card
        self.device = hardware.choose_device(device)
        self.precision = hardware.choose_precision(precision, self.device)
        # torch's annotations do not know the argument
        self.network = network.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]

    def fit(self, image: Image, size: int) -> tuple[np.ndarray, ResizeTransform]:
        return preprocess(image, size) if self.card.kind.objects else preprocess_square(image, size)

    @classmethod
    def prepare(
        cls, folder: Path, device: str = "auto", precision: str = "auto", names: Sequence[str] | None = None
    ) -> TorchEngine:
        published = open_published(folder) if folder.suffix == ".pth" else None
        card = read_card(folder) if published is None else published[1]
        check_names(card, names, folder)
        if published is not None:
            return cls(published[0], card, device, precision)
        network = _network(card, folder)
        tensors = model_tensors(folder, card)
        own = network.state_dict()
        wrong = [name for name in own if name not in tensors or tensors[name].shape != own[name].shape]
        if wrong:
            raise WeightsError(
                f"the weights do not fit the card's network ({card.model}, {len(card.classes)} classes)",
                file=folder / WEIGHTS,
                field=wrong[0],
                expected=tuple(own[wrong[0]].shape),
                got=tuple(tensors[wrong[0]].shape) if wrong[0] in tensors else "nothing",
            )
        network.load_state_dict(tensors, strict=False)
        return cls(network.eval(), card, device, precision)

    def run(self, network_inputs: Sequence[np.ndarray], sizes: Sequence[tuple[int, int]]) -> list[Any]:
        self.network.eval()
        with torch.inference_mode(), self.autocast():
            images = normalize(np.stack(network_inputs), self.card, sizes, self.device)
            if isinstance(self.network, ClassificationNetwork):
                return list(self.network.predict(images, list(sizes)).float().cpu().numpy())
            detections = self.network.predict(images, list(sizes))
        return [
            RawDetections(
                detection.boxes.float().cpu().numpy(),
                detection.scores.float().cpu().numpy(),
                detection.classes.cpu().numpy(),
                None if detection.mask_probs is None else detection.mask_probs.float().cpu().numpy(),
                self.network.paste_mode,
            )
            for detection in detections
        ]

    def saliency(
        self, network_input: np.ndarray, size: tuple[int, int], label: int, against: bool = False
    ) -> np.ndarray:
        """Grad-CAM on a classifier's last map: (h, w) float32 0..1, what spoke for class `label`, or against it."""
        network = self.network.eval()
        assert isinstance(network, ClassificationNetwork), "saliency is of classifiers"
        with torch.no_grad(), self.autocast():
            maps = network.backbone(normalize(network_input[None], self.card, [size], self.device))
        maps = [level.float() for level in maps]
        with torch.enable_grad():
            last = maps[-1].requires_grad_()
            score = network.head([*maps[:-1], last])[0, label]
            return grad_cam(last, -score if against else score).cpu().numpy()

    def autocast(self) -> contextlib.AbstractContextManager:
        if self.precision == "bf16":
            return torch.autocast(self.device.type, dtype=torch.bfloat16)
        return contextlib.nullcontext()
