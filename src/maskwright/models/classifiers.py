"""Classifiers of whole images: a backbone, its maps averaged, a small head. Behind the same two verbs.

The backbones carry torchvision's names under `backbone.`, so its ImageNet state dicts load key by key.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from maskwright.models.backbones import MobileNetV2, MobileNetV3Large, ResNet, _norm_of_v3, conv_norm
from maskwright.models.target_assignment import Targets
from maskwright.models.vgg import VGG


class Classifier(nn.Module):
    """`losses` for training, `detect` for use, as every network here; `losses_from_features` for kept features.

    backbone     network input B×3×H×W to a list of maps; all that it gives is looked at by the head
    multi_label  an image may show none or several classes: each has its own yes or no
    """

    balance: Tensor

    def __init__(self, backbone: nn.Module, head: nn.Module, classes: int, multi_label: bool = False) -> None:
        super().__init__()
        self.backbone, self.head, self.multi_label = backbone, head, multi_label
        self.register_buffer("balance", torch.ones(classes), persistent=False)

    def weigh(self, counts: Sequence[int], images: int) -> None:
        """Rare classes count as much as common ones: `counts` images of each class among `images`."""
        seen = torch.tensor(counts, dtype=torch.float32).clamp(min=1)
        weights = (images - seen).clamp(min=1) / seen if self.multi_label else images / (len(seen) * seen)
        self.balance.copy_(weights.clamp(0.1, 10.0))

    # --- use ------------------------------------------------------------------------------------
    @torch.no_grad()
    def detect(self, network_input: Tensor, sizes: list[tuple[int, int]]) -> Tensor:
        """B×C scores, 0..1."""
        return self.scores_of(self.backbone(network_input))

    @torch.no_grad()
    def scores_of(self, maps: list[Tensor]) -> Tensor:
        logits = self.head(maps).float()
        return logits.sigmoid() if self.multi_label else logits.softmax(1)

    # --- training -------------------------------------------------------------------------------
    def losses(
        self,
        network_input: Tensor,
        sizes: list[tuple[int, int]],
        targets: list[Targets],
        generator: torch.Generator | None = None,
    ) -> dict[str, Tensor]:
        return self.losses_from_features(self.backbone(network_input), sizes, targets, generator)

    def losses_from_features(
        self,
        maps: list[Tensor],
        sizes: list[tuple[int, int]],
        targets: list[Targets],
        generator: torch.Generator | None = None,
    ) -> dict[str, Tensor]:
        """{"label": cross-entropy}, of each class alone with several labels an image. A class that nobody looked for
        on an image is taught neither way."""
        logits = self.head(maps, generator).float()
        expected, labelled_classes = torch.zeros_like(logits), torch.ones_like(logits)
        for row, looked, target in zip(expected, labelled_classes, targets, strict=True):
            row[target.classes] = 1.0
            if target.labelled_classes is not None:
                looked.zero_()[torch.cat([target.labelled_classes, target.classes])] = 1.0
        if self.multi_label:
            return {
                "label": F.binary_cross_entropy_with_logits(logits, expected, labelled_classes, pos_weight=self.balance)
            }
        logits = logits.masked_fill(labelled_classes == 0, float("-inf"))
        each = -(expected * self.balance * F.log_softmax(logits, 1).masked_fill(labelled_classes == 0, 0.0)).sum(1)
        return {"label": each.mean()}


# --- heads ----------------------------------------------------------------------------------------
def dropout(x: Tensor, fraction: float, generator: torch.Generator | None) -> Tensor:
    """Dropout drawn from the step's own generator, so that a resumed run draws the same."""
    if generator is None or not fraction:
        return x
    kept = torch.rand(x.shape, generator=generator) >= fraction
    return x * kept.to(x.device, x.dtype) / (1 - fraction)


class MeanHead(nn.Module):
    """The mean of every map's channels, dropout, one linear layer."""

    def __init__(self, channels: Sequence[int], classes: int, fraction: float = 0.2) -> None:
        super().__init__()
        self.fraction = fraction
        self.norm = nn.LayerNorm(sum(channels))
        self.out = nn.Linear(sum(channels), classes)
        nn.init.normal_(self.out.weight, std=0.01)
        nn.init.zeros_(self.out.bias)

    def forward(self, maps: list[Tensor], generator: torch.Generator | None = None) -> Tensor:
        looked_at = self.norm(self.summary(maps))
        return self.out(dropout(looked_at, self.fraction, generator if self.training else None))

    def summary(self, maps: list[Tensor]) -> Tensor:
        return torch.cat([level.float().mean((2, 3)) for level in maps], 1)


class SpreadHead(MeanHead):
    """The mean of every map's channels and their standard deviation over the image: how much of it, and how patchy.

    Surfaces differ in the second as much as in the first: rust or no rust is told better with it (docs/results.md).
    """

    def __init__(self, channels: Sequence[int], classes: int, fraction: float = 0.2) -> None:
        super().__init__([2 * channel for channel in channels], classes, fraction)

    def summary(self, maps: list[Tensor]) -> Tensor:
        # a channel that is silent everywhere has spread 0, where the root's gradient would be infinite
        spreads = [(level.float().var((2, 3), correction=0) + 1e-6).sqrt() for level in maps]
        return torch.cat([super().summary(maps), *spreads], 1)


class FlatHead(nn.Module):
    """The head of the classic VGG recipe: every cell of the last map, 256 dense units, dropout, out.

    side  cells of the map at the network input size that is trained with; other sizes are averaged to it
    """

    def __init__(self, channels: int, side: int, classes: int, hidden: int = 256, fraction: float = 0.5) -> None:
        super().__init__()
        self.side, self.fraction = side, fraction
        self.dense = nn.Linear(channels * side * side, hidden)
        self.out = nn.Linear(hidden, classes)
        for layer in (self.dense, self.out):  # Keras' own start
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, maps: list[Tensor], generator: torch.Generator | None = None) -> Tensor:
        cells = maps[-1]
        if cells.shape[2:] != (self.side, self.side):
            cells = F.adaptive_avg_pool2d(cells, self.side)
        hidden = F.relu(self.dense(cells.flatten(1)))
        return self.out(dropout(hidden, self.fraction, generator if self.training else None))


# --- backbones that give their last map only ------------------------------------------------------
class _LastOfVGG(VGG):
    def forward(self, x: Tensor) -> list[Tensor]:
        return super().forward(x)[-1:]


class _LastOfResNet(ResNet):
    def forward(self, x: Tensor) -> list[Tensor]:
        return super().forward(x)[-1:]


class _LastOfMobileNetV2(MobileNetV2):
    """With the 1×1 convolution to 1280 channels that ends the ImageNet network."""

    def __init__(self) -> None:
        super().__init__()
        self.features.append(conv_norm(320, 1280, 1, 1, nn.BatchNorm2d, nn.ReLU6))

    def forward(self, x: Tensor) -> list[Tensor]:
        return [self.features(x)]


class _LastOfMobileNetV3Large(MobileNetV3Large):
    """With the 1×1 convolution to 960 channels that ends the ImageNet network."""

    def __init__(self) -> None:
        super().__init__()
        self.features.append(conv_norm(160, 960, 1, 1, _norm_of_v3, nn.Hardswish))

    def forward(self, x: Tensor) -> list[Tensor]:
        return [self.features(x)]


def _fresh(backbone: nn.Module) -> nn.Module:
    for layer in backbone.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out")
    return backbone


# --- the builders of the catalogue ----------------------------------------------------------------
def vgg(classes: int, backbone: str, size: int, multi_label: bool = False) -> Classifier:
    body = _LastOfVGG(backbone.removeprefix("vgg"))
    return Classifier(body, FlatHead(body.channels[-1], max(size // 32, 1), classes), classes, multi_label)


def resnet50(classes: int, backbone: str, size: int, multi_label: bool = False) -> Classifier:
    body = _fresh(_LastOfResNet(norm=nn.BatchNorm2d))
    return Classifier(body, MeanHead((2048,), classes), classes, multi_label)


def mobilenet_v2(classes: int, backbone: str, size: int, multi_label: bool = False) -> Classifier:
    return Classifier(_fresh(_LastOfMobileNetV2()), MeanHead((1280,), classes), classes, multi_label)


def mobilenet_v3_large(classes: int, backbone: str, size: int, multi_label: bool = False) -> Classifier:
    return Classifier(_fresh(_LastOfMobileNetV3Large()), MeanHead((960,), classes), classes, multi_label)


def small(classes: int, backbone: str, size: int, multi_label: bool = False) -> Classifier:
    """The backbone of the `small` that finds objects, so that its bundled weights serve; the head sees all its maps."""
    body = MobileNetV2() if backbone == "mobilenet_v2" else MobileNetV3Large()
    return Classifier(_fresh(body), SpreadHead(body.channels, classes), classes, multi_label)
