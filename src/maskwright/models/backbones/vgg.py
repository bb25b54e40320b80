"""VGG16 and VGG19 (Simonyan and Zisserman 2015): blocks of 3x3 convolutions, a pooling after each.

The layers lie in one `features` list in torchvision's order, so its state dicts load key by key (`features.0.weight`).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

BLOCKS = {"vgg16": (2, 2, 3, 3, 3), "vgg19": (2, 2, 4, 4, 4)}  # convolutions in each of the five blocks
WIDTHS = (64, 128, 256, 512, 512)
NEW = 6  # the stage of layers that no published backbone has: they are trained with the heads


class VGG(nn.Module):
    """The convolutional part without norms: (B, 3, H, W) to four maps, each after a pooling: strides 4, 8, 16, 32.

    >>> [tuple(level.shape[1:]) for level in VGG("vgg16")(torch.zeros(1, 3, 64, 64))]
    [(128, 16, 16), (256, 8, 8), (512, 4, 4), (512, 2, 2)]
    """

    strides: tuple[int, ...] = (4, 8, 16, 32)
    channels: tuple[int, ...] = WIDTHS[1:]
    features: nn.Sequential

    def __init__(self, name: str = "vgg16") -> None:
        super().__init__()
        parts: list[nn.Module] = []
        self.pools: list[int] = []
        inputs = 3
        for count, width in zip(BLOCKS[name], WIDTHS, strict=True):
            for _ in range(count):
                conv = nn.Conv2d(inputs, width, 3, padding=1)
                nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
                if conv.bias is not None:
                    nn.init.zeros_(conv.bias)
                parts += [conv, nn.ReLU(inplace=True)]
                inputs = width
            self.pools.append(len(parts))
            parts.append(nn.MaxPool2d(2, 2))
        self.features = nn.Sequential(*parts)

    def forward(self, x: Tensor) -> list[Tensor]:
        maps = []
        for index, layer in enumerate(self.features):
            x = layer(x)
            if index in self.pools:
                maps.append(x)
        return maps[1:]

    def stage_of(self, name: str) -> int:
        """1 for the two blocks up to stride 4, then 3, 4, 5 (a parameter's name: features.10.weight)."""
        layer = int(name.split(".")[1])
        block = next(i for i, pool in enumerate(self.pools, 1) if layer <= pool)
        return block if block > 2 else 1


class VGGLast(VGG):
    """The last map only, for classifiers: all that a run with a frozen backbone caches of an image."""

    strides, channels = (32,), (512,)

    def forward(self, x: Tensor) -> list[Tensor]:
        return super().forward(x)[-1:]


class SSDVGG(VGG):
    """SSD's: up to conv5_3, then the two dense layers as convolutions ("fc6, fc7"; 3, "Base network"): strides 8, 16.

    The first map is conv4_3, each of its vectors scaled to a learned length, as its values are much larger than the
    others' (3.1: the L2 normalization of ParseNet).
    """

    strides, channels = (8, 16), (512, 1024)

    def __init__(self, name: str = "vgg16") -> None:
        super().__init__(name)
        layers = list(self.features)[: self.pools[4]]
        layers[self.pools[2]] = nn.MaxPool2d(2, 2, ceil_mode=True)  # 300 pixels: 38 cells, not 37
        self.features = nn.Sequential(*layers)
        self.scale = nn.Parameter(torch.full((512,), 20.0))
        fc6, fc7 = nn.Conv2d(512, 1024, 3, padding=6, dilation=6), nn.Conv2d(1024, 1024, 1)
        self.dense = nn.Sequential(nn.MaxPool2d(3, 1, 1), fc6, nn.ReLU(inplace=True), fc7, nn.ReLU(inplace=True))
        for layer in (fc6, fc7):
            nn.init.xavier_uniform_(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor) -> list[Tensor]:
        x = self.features[: self.pools[3]](x)
        fine = F.normalize(x.float()) * self.scale[:, None, None]
        return [fine, self.dense(self.features[self.pools[3] :](x))]

    def stage_of(self, name: str) -> int:
        return super().stage_of(name) if name.startswith("features.") else NEW
