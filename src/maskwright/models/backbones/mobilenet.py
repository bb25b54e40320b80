"""MobileNetV2 (Sandler et al. 2018) and MobileNetV3-Large (Howard et al. 2019)."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from maskwright.models.conv import Norm, conv_norm, ssdlite_norm

NEW = 6  # the stage of layers that no published backbone has: they are trained with the heads


class InvertedResidualV2(nn.Module):
    """Expand by a 1x1, filter each channel, project by a 1x1; `depthwise` takes the place of the plain filter."""

    def __init__(
        self, inputs: int, outputs: int, stride: int, expand: int, norm: Norm, kernel: int = 3,
        depthwise: nn.Module | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        wide = inputs * expand
        layers: list[nn.Module] = [] if expand == 1 else [conv_norm(inputs, wide, 1, 1, norm, nn.ReLU6)]
        if depthwise is None:
            layers += [conv_norm(wide, wide, kernel, stride, norm, nn.ReLU6, groups=wide)]
        else:
            layers += [nn.Sequential(depthwise, norm(wide), nn.ReLU6(inplace=True))]
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
    def __init__(
        self, inputs: int, kernel: int, wide: int, outputs: int, squeeze: int, hard: int, stride: int, norm: Norm
    ) -> None:
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


class MobileNet(nn.Module):
    """Blocks in one `features` list; `taps` are the last blocks of strides 4, 8, 16, 32, whose outputs are the maps."""

    taps: tuple[int, ...]
    strides: tuple[int, ...] = (4, 8, 16, 32)
    channels: tuple[int, ...]
    features: nn.Sequential

    def forward(self, x: Tensor) -> list[Tensor]:
        maps = []
        for index, block in enumerate(self.features):
            x = block(x)
            if index in self.taps:
                maps.append(x)
        return maps

    def stage_of(self, name: str) -> int:
        """1 up to stride 4, then 3, 4, 5 (a parameter's name: features.7.block.0.0.weight)."""
        block = int(name.split(".")[1])
        stage = next((i for i, tap in enumerate(self.taps) if block <= tap), len(self.taps) - 1)
        return stage + 2 if stage else 1


class MobileNetV2(MobileNet):
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


def norm_v3(channels: int) -> nn.Module:
    return nn.BatchNorm2d(channels, eps=1e-3)  # the paper's; the published ImageNet weights were trained with it


class MobileNetV3Large(MobileNet):
    taps, channels = (3, 6, 12, 15), (24, 40, 112, 160)

    def __init__(self, norm: Norm = norm_v3) -> None:
        super().__init__()
        table = (  # inputs, kernel, expanded, outputs, squeeze, hard-swish, stride: table 1 of the paper
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


class MobileNetV2Last(MobileNetV2):
    """The ImageNet network up to its last map: with the 1x1 convolution to 1280 channels that ends it."""

    strides, channels = (32,), (1280,)

    def __init__(self) -> None:
        super().__init__()
        self.features.append(conv_norm(320, 1280, 1, 1, nn.BatchNorm2d, nn.ReLU6))

    def forward(self, x: Tensor) -> list[Tensor]:
        return [self.features(x)]


class MobileNetV3LargeLast(MobileNetV3Large):
    """The ImageNet network up to its last map: with the 1x1 convolution to 960 channels that ends it."""

    strides, channels = (32,), (960,)

    def __init__(self) -> None:
        super().__init__()
        self.features.append(conv_norm(160, 960, 1, 1, norm_v3, nn.Hardswish))

    def forward(self, x: Tensor) -> list[Tensor]:
        return [self.features(x)]


class SSDLiteMobileNetV3(MobileNetV3Large):
    """SSDLite's: its last blocks half as wide, maps of strides 16 (inside block 13) and 32 (MobileNetV3, 6.3)."""

    strides, channels = (16, 32), (672, 480)

    def __init__(self) -> None:
        super().__init__(ssdlite_norm)
        self.features = nn.Sequential(
            *list(self.features)[:13],
            InvertedResidualV3(112, 5, 672, 80, 1, 1, 2, ssdlite_norm),
            InvertedResidualV3(80, 5, 480, 80, 1, 1, 1, ssdlite_norm),
            InvertedResidualV3(80, 5, 480, 80, 1, 1, 1, ssdlite_norm),
            conv_norm(80, 480, 1, 1, ssdlite_norm, nn.Hardswish),
        )
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.normal_(layer.weight, std=0.03)

    def forward(self, x: Tensor) -> list[Tensor]:
        x = self.features[:13](x)
        expand, *rest = _block(self.features[13])  # the first map is the expansion of this block, before its stride
        fine = expand(x)
        x = fine
        for layer in rest:
            x = layer(x)
        return [fine, self.features[14:](x)]

    def stage_of(self, name: str) -> int:
        return NEW if int(name.split(".")[1]) >= 13 else super().stage_of(name)


def _block(layer: nn.Module) -> nn.Sequential:
    assert isinstance(layer, InvertedResidualV3)
    return layer.block


# --- by name ----------------------------------------------------------------------------------------
def mobilenet(name: str) -> nn.Module:
    """mobilenet_v2 or mobilenet_v3_large, all four maps."""
    return initialized({"mobilenet_v2": MobileNetV2, "mobilenet_v3_large": MobileNetV3Large}[name]())


def mobilenet_last(name: str) -> nn.Module:
    """The same for classifiers: the last map only."""
    return initialized({"mobilenet_v2": MobileNetV2Last, "mobilenet_v3_large": MobileNetV3LargeLast}[name]())


def mobilenet_ssdlite(name: str) -> nn.Module:
    assert name == "mobilenet_v3_large"
    return SSDLiteMobileNetV3()


def initialized(backbone: nn.Module) -> nn.Module:
    """With fresh convolutions, scaled for ReLU."""
    for layer in backbone.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out")
    return backbone
