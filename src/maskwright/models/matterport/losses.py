"""matterport's five losses. Each is a mean over the whole batch, 0 where nothing contributes."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

EPSILON = 1e-7  # Keras' own: probabilities stay this far from 0 and 1


def smooth_l1(target: Tensor, predicted: Tensor) -> Tensor:
    """Per coordinate: 0.5 d² below 1, d - 0.5 above."""
    return F.smooth_l1_loss(predicted, target, reduction="none")


def _mean(values: Tensor) -> Tensor:
    return values.mean() if values.numel() else values.sum()


def rpn_class_loss(match: Tensor, logits: Tensor) -> Tensor:
    """match B×L (1 object, -1 background, 0 not asked), logits B×L×2."""
    asked = match != 0
    return _mean(F.cross_entropy(logits[asked], (match[asked] == 1).long(), reduction="none"))


def rpn_bbox_loss(target: Tensor, match: Tensor, predicted: Tensor) -> Tensor:
    """target B×T×4: row k belongs to the k-th positive anchor of its image; match B×L, predicted B×L×4."""
    positive = match == 1
    return _mean(smooth_l1(packed(target, positive.sum(1)), predicted[positive]))


def packed(rows: Tensor, counts: Tensor) -> Tensor:
    """The first counts[i] rows of each image, one after the other."""
    return rows[torch.arange(rows.shape[1], device=rows.device) < counts[:, None]]


def mrcnn_class_loss(target: Tensor, logits: Tensor, active: Tensor) -> Tensor:
    """target B×N, logits B×N×C; active C: 1 for the classes that the first image's dataset has.

    A row counts where the class it *predicts* is active.
    """
    weight = active.to(logits)[logits.argmax(2)]
    loss = F.cross_entropy(logits.flatten(0, 1), target.flatten().long(), reduction="none") * weight.flatten()
    total = weight.sum()
    return loss.sum() / total if total else loss.sum()


def mrcnn_bbox_loss(target: Tensor, class_ids: Tensor, predicted: Tensor) -> Tensor:
    """target B×N×4, class_ids B×N, predicted B×N×C×4: the positive rows, each by its own class."""
    positive = class_ids > 0
    own = predicted[positive]
    own = own[torch.arange(len(own), device=own.device), class_ids[positive].long()]
    return _mean(smooth_l1(target[positive], own))


def mrcnn_mask_loss(target: Tensor, class_ids: Tensor, predicted: Tensor) -> Tensor:
    """target n×h×w, class_ids n, predicted n×C×h×w (probabilities): binary cross entropy of the positive rows."""
    positive = class_ids > 0
    own = predicted[positive]
    own = own[torch.arange(len(own), device=own.device), class_ids[positive].long()]
    held = own.clamp(EPSILON, 1 - EPSILON)
    return _mean(F.binary_cross_entropy_with_logits(torch.log(held / (1 - held)), target[positive], reduction="none"))
