"""ResNet-50 (He et al. 2016), the stride in the 3x3 as torchvision has it.

Submodules carry torchvision's names, so its state dicts load key by key.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

BLOCKS = {"resnet50": (3, 4, 6, 3)}


class FrozenBatchNorm(nn.Module):
    """Batch norm whose statistics and gains never change: one multiply, one add (torchvision's FrozenBatchNorm2d)."""

    weight: Tensor
    bias: Tensor
    running_mean: Tensor
    running_var: Tensor

    def __init__(self, channels: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.eps = eps
        self.register_buffer("weight", torch.ones(channels))
        self.register_buffer("bias", torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        scale = self.weight * (self.running_var + self.eps).rsqrt()
        shift = self.bias - self.running_mean * scale
        return x * scale.view(1, -1, 1, 1).to(x.dtype) + shift.view(1, -1, 1, 1).to(x.dtype)

    @torch.no_grad()
    def leave_out_eps(self) -> None:
        """The same layer for weights of a training that added nothing to the variance (torchvision's first COCO
        weights). Taken off the stored variance, so that what is trained from them holds it too."""
        self.running_var -= self.eps


class Bottleneck(nn.Module):
    def __init__(self, inputs: int, width: int, stride: int, norm: Callable[[int], nn.Module]) -> None:
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
        shortcut = self.downsample(x) if self.downsample else x
        x = F.relu(self.bn1(self.conv1(x)))
        x = F.relu(self.bn2(self.conv2(x)))
        return F.relu(self.bn3(self.conv3(x)) + shortcut)


class ResNet(nn.Module):
    """C2, C3, C4, C5 at strides 4, 8, 16, 32.

    norm  of a number of channels: FrozenBatchNorm where batches are too small to train norms
    """

    strides: tuple[int, ...] = (4, 8, 16, 32)
    channels: tuple[int, ...] = (256, 512, 1024, 2048)

    def __init__(self, norm: Callable[[int], nn.Module], blocks: tuple[int, ...] = BLOCKS["resnet50"]) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = norm(64)
        self.layer1 = self._layer(64, 64, blocks[0], 1, norm)
        self.layer2 = self._layer(256, 128, blocks[1], 2, norm)
        self.layer3 = self._layer(512, 256, blocks[2], 2, norm)
        self.layer4 = self._layer(1024, 512, blocks[3], 2, norm)

    @staticmethod
    def _layer(inputs: int, width: int, count: int, stride: int, norm: Callable[[int], nn.Module]) -> nn.Sequential:
        first = Bottleneck(inputs, width, stride, norm)
        return nn.Sequential(first, *(Bottleneck(width * 4, width, 1, norm) for _ in range(count - 1)))

    def forward(self, x: Tensor) -> list[Tensor]:
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 3, 2, 1)
        maps = []
        for layer in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = layer(x)
            maps.append(x)
        return maps

    def stage_of(self, name: str) -> int:
        """1 for the stem and layer1, up to stride 4; then 3, 4, 5 (a parameter's name: layer2.0.conv1.weight)."""
        layer = name.split(".")[0]
        return int(layer[5:]) + 1 if layer.startswith("layer") and layer != "layer1" else 1


class ResNetLast(ResNet):
    """C5 only, for classifiers: all that a run with a frozen backbone caches of an image."""

    strides = (32,)
    channels = (2048,)

    def forward(self, x: Tensor) -> list[Tensor]:
        return super().forward(x)[-1:]


# --- by name ----------------------------------------------------------------------------------------
def frozen_resnet(name: str) -> ResNet:
    return ResNet(FrozenBatchNorm, BLOCKS[name])


def resnet(name: str) -> ResNet:
    return ResNet(nn.BatchNorm2d, BLOCKS[name])


def resnet_last(name: str) -> ResNet:
    backbone = ResNetLast(nn.BatchNorm2d, BLOCKS[name])
    for layer in backbone.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out")
    return backbone
