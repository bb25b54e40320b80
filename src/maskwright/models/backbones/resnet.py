"""ResNet-50 (He et al. 2016), the stride in the 3x3 as torchvision has it."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn
from torch.nn import functional as F

from maskwright.models.conv import FrozenBatchNorm, Norm


class Bottleneck(nn.Module):
    def __init__(self, inputs: int, width: int, stride: int, norm: Norm) -> None:
        super().__init__()
        outputs = width * 4
        self.conv1 = nn.Conv2d(inputs, width, 1, bias=False)
        self.bn1 = norm(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, 1, bias=False)
        self.bn2 = norm(width)
        self.conv3 = nn.Conv2d(width, outputs, 1, bias=False)
        self.bn3 = norm(outputs)
        self.downsample: Callable[[Tensor], Tensor] | None = None
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), norm(outputs))

    def forward(self, x: Tensor) -> Tensor:
        kept = self.downsample(x) if self.downsample else x
        x = F.relu(self.bn1(self.conv1(x)))
        x = F.relu(self.bn2(self.conv2(x)))
        return F.relu(self.bn3(self.conv3(x)) + kept)


class ResNet(nn.Module):
    """C2, C3, C4, C5 at strides 4, 8, 16, 32."""

    strides = (4, 8, 16, 32)
    channels = (256, 512, 1024, 2048)

    def __init__(self, blocks: tuple[int, int, int, int] = (3, 4, 6, 3), norm: Norm = FrozenBatchNorm) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = norm(64)
        self.layer1 = self._layer(64, 64, blocks[0], 1, norm)
        self.layer2 = self._layer(256, 128, blocks[1], 2, norm)
        self.layer3 = self._layer(512, 256, blocks[2], 2, norm)
        self.layer4 = self._layer(1024, 512, blocks[3], 2, norm)

    @staticmethod
    def _layer(inputs: int, width: int, count: int, stride: int, norm: Norm) -> nn.Sequential:
        first = Bottleneck(inputs, width, stride, norm)
        return nn.Sequential(first, *(Bottleneck(width * 4, width, 1, norm) for _ in range(count - 1)))

    def forward(self, x: Tensor) -> list[Tensor]:
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 3, 2, 1)
        maps = []
        for layer in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = layer(x)
            maps.append(x)
        return maps

    @staticmethod
    def stage_of(name: str) -> int:
        head = name.split(".")[0]
        return int(head[5:]) + 1 if head.startswith("layer") and head != "layer1" else 1
