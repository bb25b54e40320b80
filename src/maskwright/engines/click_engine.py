"""Runs the interactive network in torch: the maps of a cut once, then a mask for every click."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from maskwright.models.interactive.network import InteractiveNetwork
from maskwright.weights import checkpoint
from maskwright.weights.card import WEIGHTS
from maskwright.weights.model_tensors import backbone_tensors
from maskwright.weights.packages import EFFICIENTNET_LITE0
from maskwright.weights.sources import BUNDLED

CLICKS = BUNDLED / "clicks"


class ClickEngine:
    """The network on the processor: a click needs an answer within a tenth of a second, and takes less."""

    def __init__(self, network: InteractiveNetwork) -> None:
        self.network = network.eval()

    @classmethod
    def prepare(cls, folder: Path = CLICKS) -> ClickEngine:
        """With the decoder of a folder; WeightsError where the package of the backbone is not installed."""
        network = InteractiveNetwork()
        network.load_state_dict(backbone_tensors(EFFICIENTNET_LITE0) | checkpoint.load(folder / WEIGHTS))
        return cls(network)

    def features(self, pixels: np.ndarray) -> list[Tensor]:
        """H×W×3 uint8 -> what `mask_probs` needs of a cut."""
        with torch.inference_mode():  # channels last in memory, as the pixels came: a third faster
            return self.network.features(torch.as_tensor(pixels)[None].permute(0, 3, 1, 2).float())

    def mask_probs(self, features: list[Tensor], prompts: np.ndarray) -> np.ndarray:
        """7×H/2×W/2 prompts -> H/2×W/2 float32, the probability of each cell to belong to the object."""
        with torch.inference_mode():
            return self.network.logits(features, torch.as_tensor(prompts)[None])[0].sigmoid().numpy()
