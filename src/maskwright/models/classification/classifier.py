"""Classifiers of whole images: a backbone, its maps averaged, a small head.

The backbones carry torchvision's names under `backbone.`, so its ImageNet state dicts load key by key.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from maskwright.models.base import ClassificationNetwork, Targets


class Classifier(ClassificationNetwork):
    """backbone     images (B, 3, H, W) to a list of maps; the head sees all of them
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
    def predict(self, images: Tensor, sizes: list[tuple[int, int]]) -> Tensor:
        return self.scores_of(self.backbone(images))  # (B, C)

    @torch.no_grad()
    def scores_of(self, maps: list[Tensor]) -> Tensor:
        logits = self.head(maps).float()
        return logits.sigmoid() if self.multi_label else logits.softmax(1)

    # --- training -------------------------------------------------------------------------------
    def losses_from_features(
        self,
        features: list[Tensor],
        sizes: list[tuple[int, int]],
        targets: list[Targets],
        generator: torch.Generator | None = None,
    ) -> dict[str, Tensor]:
        """{"cls": cross-entropy}, of each class alone with several labels an image. A class that nobody looked for
        on an image is taught neither way."""
        logits = self.head(features, generator).float()
        expected, labelled_classes = torch.zeros_like(logits), torch.ones_like(logits)
        for row, looked, target in zip(expected, labelled_classes, targets, strict=True):
            row[target.classes] = 1.0
            if target.labelled_classes is not None:
                looked.zero_()[torch.cat([target.labelled_classes, target.classes])] = 1.0
        if self.multi_label:
            return {
                "cls": F.binary_cross_entropy_with_logits(logits, expected, labelled_classes, pos_weight=self.balance)
            }
        logits = logits.masked_fill(labelled_classes == 0, float("-inf"))
        cross_entropy = -(
            expected * self.balance * F.log_softmax(logits, 1).masked_fill(labelled_classes == 0, 0.0)
        ).sum(1)
        return {"cls": cross_entropy.mean()}
