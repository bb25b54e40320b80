"""Backbones and the feature pyramid: a network input becomes maps of strides 4 to 64.

ResNet-50 (He et al. 2016, the stride in the 3x3 as torchvision has it), MobileNetV2 (Sandler et al. 2018) and
MobileNetV3-Large (Howard et al. 2019). Submodules carry torchvision's names, so its state dicts load key by key.
Every backbone has `channels` and `strides` of what it returns, and `stage_of(parameter name)`: 1 for the stem up to
stride 4, then 3, 4, 5 as matterport counts them.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from maskwright.models.ops import DepthwiseConv

Norm = Callable[[int], nn.Module]


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


# --- ResNet ---------------------------------------------------------------------------------------
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


# --- MobileNet ------------------------------------------------------------------------------------
def conv_norm(
    inputs: int, outputs: int, kernel: int, stride: int, norm: Norm, act: type[nn.Module] | None, groups: int = 1
):
    if groups > 1:
        parts: list[nn.Module] = [DepthwiseConv(inputs, kernel, stride), norm(outputs)]
    else:
        parts = [nn.Conv2d(inputs, outputs, kernel, stride, (kernel - 1) // 2, bias=False), norm(outputs)]
    return nn.Sequential(*parts, act(inplace=True)) if act else nn.Sequential(*parts)  # type: ignore[call-arg]


class InvertedResidualV2(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int, expand: int, norm: Norm) -> None:
        super().__init__()
        wide = inputs * expand
        layers: list[nn.Module] = [] if expand == 1 else [conv_norm(inputs, wide, 1, 1, norm, nn.ReLU6)]
        layers += [conv_norm(wide, wide, 3, stride, norm, nn.ReLU6, groups=wide)]
        layers += [nn.Conv2d(wide, outputs, 1, bias=False), norm(outputs)]
        self.conv = nn.Sequential(*layers)
        self.shortcut = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv(x) if self.shortcut else self.conv(x)


class SqueezeExcitation(nn.Module):
    def __init__(self, channels: int, squeeze: int) -> None:
        super().__init__()
        self.fc1 = nn.Conv2d(channels, squeeze, 1)
        self.fc2 = nn.Conv2d(squeeze, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        gate = self.fc2(F.relu(self.fc1(x.mean((2, 3), keepdim=True))))
        return x * F.hardsigmoid(gate)


class InvertedResidualV3(nn.Module):
    def __init__(self, inputs, kernel, wide, outputs, squeeze, hard, stride, norm: Norm) -> None:
        super().__init__()
        act = nn.Hardswish if hard else nn.ReLU
        layers: list[nn.Module] = [] if wide == inputs else [conv_norm(inputs, wide, 1, 1, norm, act)]
        layers += [conv_norm(wide, wide, kernel, stride, norm, act, groups=wide)]
        layers += [SqueezeExcitation(wide, _divisible(wide // 4))] if squeeze else []
        layers += [conv_norm(wide, outputs, 1, 1, norm, None)]
        self.block = nn.Sequential(*layers)
        self.shortcut = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        return x + self.block(x) if self.shortcut else self.block(x)


def _divisible(channels: float, by: int = 8) -> int:
    near = max(by, int(channels + by / 2) // by * by)
    return near + by if near < 0.9 * channels else near


class _MobileNet(nn.Module):
    """Blocks in one `features` list; `taps` name the last block of each stride."""

    taps: tuple[int, ...]
    strides = (4, 8, 16, 32)
    channels: tuple[int, ...]
    features: nn.Sequential

    def forward(self, x: Tensor) -> list[Tensor]:
        maps = []
        for index, block in enumerate(self.features):
            x = block(x)
            if index in self.taps:
                maps.append(x)
        return maps

    @classmethod
    def stage_of(cls, name: str) -> int:
        place = int(name.split(".")[1])
        stage = next((i for i, tap in enumerate(cls.taps) if place <= tap), len(cls.taps) - 1)
        return stage + 2 if stage else 1


class MobileNetV2(_MobileNet):
    taps, channels = (3, 6, 13, 17), (24, 32, 96, 320)

    def __init__(self, norm: Norm = nn.BatchNorm2d) -> None:
        super().__init__()
        blocks: list[nn.Module] = [conv_norm(3, 32, 3, 2, norm, nn.ReLU6)]
        inputs = 32
        for expand, outputs, count, stride in (
            (1, 16, 1, 1),
            (6, 24, 2, 2),
            (6, 32, 3, 2),
            (6, 64, 4, 2),
            (6, 96, 3, 1),
            (6, 160, 3, 2),
            (6, 320, 1, 1),
        ):
            for i in range(count):
                blocks.append(InvertedResidualV2(inputs, outputs, stride if i == 0 else 1, expand, norm))
                inputs = outputs
        self.features = nn.Sequential(*blocks)


def _norm_of_v3(channels: int) -> nn.Module:
    return nn.BatchNorm2d(channels, eps=1e-3)  # the paper's; the published ImageNet weights were trained with it


class MobileNetV3Large(_MobileNet):
    taps, channels = (3, 6, 12, 15), (24, 40, 112, 160)

    def __init__(self, norm: Norm = _norm_of_v3) -> None:
        super().__init__()
        table = (  # inputs, kernel, expanded, outputs, squeeze, hard-swish, stride (table 1 of the paper)
            (16, 3, 16, 16, 0, 0, 1),
            (16, 3, 64, 24, 0, 0, 2),
            (24, 3, 72, 24, 0, 0, 1),
            (24, 5, 72, 40, 1, 0, 2),
            (40, 5, 120, 40, 1, 0, 1),
            (40, 5, 120, 40, 1, 0, 1),
            (40, 3, 240, 80, 0, 1, 2),
            (80, 3, 200, 80, 0, 1, 1),
            (80, 3, 184, 80, 0, 1, 1),
            (80, 3, 184, 80, 0, 1, 1),
            (80, 3, 480, 112, 1, 1, 1),
            (112, 3, 672, 112, 1, 1, 1),
            (112, 5, 672, 160, 1, 1, 2),
            (160, 5, 960, 160, 1, 1, 1),
            (160, 5, 960, 160, 1, 1, 1),
        )
        blocks = [conv_norm(3, 16, 3, 2, norm, nn.Hardswish), *(InvertedResidualV3(*row, norm=norm) for row in table)]
        self.features = nn.Sequential(*blocks)


# --- pyramid --------------------------------------------------------------------------------------
class PlainConv(nn.Sequential):
    """A convolution with bias, or without it and with a norm: torchvision's `…0` and `…1` inside a block."""

    def __init__(self, inputs: int, outputs: int, kernel: int, norm: Norm | None = None, relu: bool = False) -> None:
        parts: list[nn.Module] = [nn.Conv2d(inputs, outputs, kernel, 1, kernel // 2, bias=norm is None)]
        parts += [norm(outputs)] if norm else []
        parts += [nn.ReLU(inplace=True)] if relu else []
        super().__init__(*parts)
        nn.init.kaiming_uniform_(parts[0].weight, a=1)  # type: ignore[arg-type]


class SeparableConv(nn.Sequential):
    """A depthwise 3x3, then a 1x1 that mixes channels: a ninth of the work of a plain 3x3."""

    def __init__(self, inputs: int, outputs: int, kernel: int, norm: Norm | None = None, relu: bool = False) -> None:
        parts: list[nn.Module] = [DepthwiseConv(inputs, kernel)]
        parts += [nn.Conv2d(inputs, outputs, 1, bias=norm is None)]
        parts += [norm(outputs)] if norm else []
        parts += [nn.ReLU(inplace=True)] if relu else []
        super().__init__(*parts)


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
