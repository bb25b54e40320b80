"""Feature Pyramid Networks (Lin et al. 2017)."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from maskwright.models.conv import Norm, PlainConv


class FeaturePyramid(nn.Module):
    """Feature Pyramid Networks (Lin et al. 2017): laterals, nearest doubling, addition, a 3x3 on each level; the last
    level is every second pixel of the one before."""

    def __init__(
        self, channels: tuple[int, ...], width: int, norm: Norm | None, conv: type[nn.Sequential] = PlainConv
    ) -> None:
        super().__init__()
        self.inner_blocks = nn.ModuleList([PlainConv(count, width, 1, norm) for count in channels])
        self.layer_blocks = nn.ModuleList([conv(width, width, 3, norm) for _ in channels])  # type: ignore[call-arg]

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        inner = self.inner_blocks[-1](maps[-1])
        pyramid = [self.layer_blocks[-1](inner)]
        for index in range(len(maps) - 2, -1, -1):
            lateral = self.inner_blocks[index](maps[index])
            inner = lateral + F.interpolate(inner, size=lateral.shape[-2:], mode="nearest")
            pyramid.insert(0, self.layer_blocks[index](inner))
        return [*pyramid, F.max_pool2d(pyramid[-1], 1, 2)]
