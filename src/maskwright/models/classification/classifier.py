"""Classifiers of whole images: a backbone, its maps averaged, a small head; at the end the networks built of them.

The backbones carry torchvision's names under `backbone.`, so its ImageNet state dicts load key by key.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from maskwright.models.base import Backbone, ClassificationNetwork, Generators, Loss, Targets


class Classifier(ClassificationNetwork):
    """backbone     its maps all go to the head
    head         maps, and a generator of each image's dropout, to (B, classes) logits
    multi_label  an image may show none or several classes: a sigmoid for each instead of one softmax
    """

    balance: Tensor  # (classes,) weight of each class in the loss

    def __init__(self, backbone: Backbone, head: nn.Module, classes: int, multi_label: bool = False) -> None:
        super().__init__()
        self.backbone, self.head, self.multi_label = backbone, head, multi_label
        self.register_buffer("balance", torch.ones(classes), persistent=False)

    def weigh(self, counts: Sequence[int], images: int) -> None:
        """Rare classes count as much as common ones: `counts` images of each class among `images`."""
        positive = torch.tensor(counts, dtype=torch.float32).clamp(min=1)
        if self.multi_label:
            weights = (images - positive).clamp(min=1) / positive
        else:
            weights = images / (len(positive) * positive)
        self.balance.copy_(weights.clamp(0.1, 10.0))  # within limits: one image of a class is not to drown the others

    # --- prediction -----------------------------------------------------------------------------
    @torch.no_grad()
    def scores_of(self, features: list[Tensor]) -> Tensor:
        logits = self.head(features).float()  # (B, C)
        return logits.sigmoid() if self.multi_label else logits.softmax(1)

    # --- training -------------------------------------------------------------------------------
    def losses_from_features(
        self,
        features: list[Tensor],
        sizes: list[tuple[int, int]],
        targets: list[Targets],
        generators: Generators | None = None,
    ) -> dict[str, Loss]:
        """{"cls": cross entropy}, of each class alone with multi_label. A class that was not annotated on an image is
        not trained on there."""
        logits = self.head(features, generators).float()  # (B, C)
        expected, annotated = torch.zeros_like(logits), torch.ones_like(logits, dtype=torch.bool)
        for row, mask, target in zip(expected, annotated, targets, strict=True):
            row[target.classes] = 1.0
            if target.labelled_classes is not None:
                mask.zero_()[torch.cat([target.labelled_classes, target.classes])] = True
        if self.multi_label:
            weight = annotated.to(logits.dtype)
            cross_entropy = F.binary_cross_entropy_with_logits(
                logits, expected, weight, pos_weight=self.balance, reduction="none"
            ).mean(1)
            return {"cls": Loss(cross_entropy.sum(), len(targets))}
        # -inf before the softmax: a class that may or may not be there takes no probability from the others
        log_probs = F.log_softmax(logits.masked_fill(~annotated, float("-inf")), 1).masked_fill(~annotated, 0.0)
        cross_entropy = -(expected * self.balance * log_probs).sum(1)  # (B,)
        return {"cls": Loss(cross_entropy.sum(), len(targets))}


# --- heads: maps of the backbone to one logit a class ------------------------------------------------
def dropout(x: Tensor, fraction: float, generators: Generators | None) -> Tensor:
    """Dropout of each row, drawn from its image's own generator, so that a resumed run draws the same."""
    if generators is None or not fraction:
        return x
    rows = [torch.rand(x.shape[1:], generator=generator) for generator in generators]
    mask = torch.stack(rows) >= fraction  # on the CPU, where the generators are
    return x * mask.to(x.device, x.dtype) / (1 - fraction)


class MeanHead(nn.Module):
    """The mean of every map's channels, dropout, one linear layer."""

    def __init__(self, channels: Sequence[int], classes: int, fraction: float = 0.2) -> None:
        super().__init__()
        self.fraction = fraction
        self.norm = nn.LayerNorm(sum(channels))
        self.out = nn.Linear(sum(channels), classes)
        nn.init.normal_(self.out.weight, std=0.01)
        nn.init.zeros_(self.out.bias)

    def forward(self, maps: list[Tensor], generators: Generators | None = None) -> Tensor:
        features = self.norm(self.summary(maps))
        return self.out(dropout(features, self.fraction, generators if self.training else None))

    def summary(self, maps: list[Tensor]) -> Tensor:
        return torch.cat([level.float().mean((2, 3)) for level in maps], 1)


class SpreadHead(MeanHead):
    """The mean of every map's channels and their standard deviation over the image: how much of it, and how patchy.

    Surfaces differ in the second as much as in the first: rust is recognized better with it (docs/results.md).
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

    def forward(self, maps: list[Tensor], generators: Generators | None = None) -> Tensor:
        cells = maps[-1]
        if cells.shape[2:] != (self.side, self.side):
            cells = F.adaptive_avg_pool2d(cells, self.side)
        hidden = F.relu(self.dense(cells.flatten(1)))
        return self.out(dropout(hidden, self.fraction, generators if self.training else None))


# --- networks ---------------------------------------------------------------------------------------
def mean_pooled(backbone: Backbone, classes: int, size: int, multi_label: bool = False) -> Classifier:
    return Classifier(backbone, MeanHead(backbone.channels, classes), classes, multi_label)


def spread_pooled(backbone: Backbone, classes: int, size: int, multi_label: bool = False) -> Classifier:
    return Classifier(backbone, SpreadHead(backbone.channels, classes), classes, multi_label)


def flat(backbone: Backbone, classes: int, size: int, multi_label: bool = False) -> Classifier:
    """size  long side of the network input in pixels"""
    side = max(size // backbone.strides[-1], 1)
    return Classifier(backbone, FlatHead(backbone.channels[-1], side, classes), classes, multi_label)
