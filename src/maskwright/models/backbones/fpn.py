"""Feature Pyramid Networks (Lin et al. 2017)."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional as F

from maskwright.models.conv import Conv, Norm, PlainConv


class FeaturePyramid(nn.Module):
    """C2..C5 -> P2..P6, all of one width: laterals, doubling, addition, a 3x3 on each level."""

    def __init__(self, channels: Sequence[int], width: int, norm: Norm | None, conv: Conv = PlainConv) -> None:
        super().__init__()
        self.inner_blocks = nn.ModuleList([PlainConv(count, width, 1, norm) for count in channels])
        self.layer_blocks = nn.ModuleList([conv(width, width, 3, norm) for _ in channels])

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        inner = self.inner_blocks[-1](maps[-1])  # M5: what goes down is the sum before its 3x3
        pyramid = [self.layer_blocks[-1](inner)]
        for index in range(len(maps) - 2, -1, -1):
            lateral = self.inner_blocks[index](maps[index])
            inner = lateral + F.interpolate(inner, size=lateral.shape[-2:], mode="nearest")
            pyramid.insert(0, self.layer_blocks[index](inner))
        return [*pyramid, F.max_pool2d(pyramid[-1], 1, 2)]  # P6 is every second cell of P5 (footnote 2)
