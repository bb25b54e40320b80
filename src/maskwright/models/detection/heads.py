"""The second stage: the box head classifies and refines each proposal, the mask head segments it at 28x28."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from maskwright.models.conv import Norm, PlainConv, zero_bias


class BoxHead(nn.Module):
    """(n, C, 7, 7) -> `convs` 3x3 and `depth` dense layers -> class logits and deltas of every class.

    Class 0 of the outputs is background; class c of the data is c + 1 here.
    """

    def __init__(
        self, width: int, classes: int, hidden: int, depth: int = 2, convs: int = 0, norm: Norm | None = None
    ) -> None:
        super().__init__()
        self.convs = nn.Sequential(*(PlainConv(width, width, 3, norm, relu=True) for _ in range(convs)))
        dense = [nn.Linear(width * 49 if i == 0 else hidden, hidden) for i in range(depth)]
        self.dense = nn.ModuleList(dense)
        self.cls_score = nn.Linear(hidden, classes + 1)
        self.bbox_pred = nn.Linear(hidden, (classes + 1) * 4)

    def forward(self, pooled: Tensor) -> tuple[Tensor, Tensor]:
        """pooled (n, C, 7, 7) -> class logits (n, classes+1), deltas (n, classes+1, 4)"""
        hidden = self.convs(pooled).flatten(1)
        for layer in self.dense:
            hidden = F.relu(layer(hidden))
        return self.cls_score(hidden).float(), self.bbox_pred(hidden).float().unflatten(1, (-1, 4))


class MaskHead(nn.Module):
    """(n, C, 14, 14) -> 3x3 convolutions -> doubled -> one 28x28 logit map a class (and an unused one).

    One map a class and a sigmoid, not one softmax over classes: classification is the box head's task (Mask R-CNN,
    table 2b).
    """

    def __init__(self, width: int, classes: int, convs: int = 4, norm: Norm | None = None) -> None:
        super().__init__()
        self.convs = nn.Sequential(*(PlainConv(width, width, 3, norm, relu=True) for _ in range(convs)))
        self.conv5_mask = nn.ConvTranspose2d(width, width, 2, 2)
        self.mask_fcn_logits = nn.Conv2d(width, classes + 1, 1)
        for layer in (self.conv5_mask, self.mask_fcn_logits):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
            zero_bias(layer)

    def forward(self, pooled: Tensor, classes: Tensor) -> Tensor:
        """pooled (n, C, 14, 14), classes (n,) of the data -> logits (n, 28, 28), each row of its own class"""
        hidden = F.relu(self.conv5_mask(self.convs(pooled)))  # (n, C, 28, 28)
        # Only the row's own map is computed: with 80 classes that is an eightieth of the last layer's work.
        weight, bias = self.mask_fcn_logits.weight, self.mask_fcn_logits.bias
        assert bias is not None
        logits = torch.einsum("nchw,nc->nhw", hidden, weight[classes + 1, :, 0, 0].to(hidden.dtype))
        return logits.float() + bias[classes + 1, None, None].float()
