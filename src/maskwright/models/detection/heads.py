"""The second stage: the box head names and refines each proposal, the mask head draws it at 28x28."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from maskwright.models.conv import Norm, PlainConv


class BoxHead(nn.Module):
    """7x7 features -> `convs` 3x3 and `depth` dense layers -> scores of all classes and background, deltas.

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
        """pooled n×C×7×7 -> class logits n×(classes+1), deltas n×(classes+1)×4"""
        hidden = self.convs(pooled).flatten(1)
        for layer in self.dense:
            hidden = F.relu(layer(hidden))
        return self.cls_score(hidden).float(), self.bbox_pred(hidden).float().unflatten(1, (-1, 4))


class MaskHead(nn.Module):
    """14x14 features -> 3x3 convolutions -> doubled -> one 28x28 logit map a class (and an unused one)."""

    def __init__(self, width: int, classes: int, convs: int = 4, norm: Norm | None = None) -> None:
        super().__init__()
        self.convs = nn.Sequential(*(PlainConv(width, width, 3, norm, relu=True) for _ in range(convs)))
        self.conv5_mask = nn.ConvTranspose2d(width, width, 2, 2)
        self.mask_fcn_logits = nn.Conv2d(width, classes + 1, 1)
        for layer in (self.conv5_mask, self.mask_fcn_logits):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]

    def forward(self, pooled: Tensor, classes: Tensor) -> Tensor:
        """pooled n×C×14×14, classes n (data classes) -> each row's own logits n×28×28"""
        hidden = F.relu(self.conv5_mask(self.convs(pooled)))
        # only the row's own map is computed: with 80 classes that is an eightieth of the last layer's work
        weight = self.mask_fcn_logits.weight[classes + 1, :, 0, 0]
        bias = self.mask_fcn_logits.bias[classes + 1]  # type: ignore[index]
        logits = torch.einsum("nchw,nc->nhw", hidden, weight.to(hidden.dtype))
        return logits.float() + bias[:, None, None].float()
