"""Interactive segmentation: a crop of an image and prompts (a box, clicks, the mask so far) become one mask.

The backbone is EfficientNet-Lite0 as ImageNet left it; only the decoder was trained (recipes/clicks.md). The maps of a
crop are computed once, and every further click runs the decoder alone. Prompts enter the decoder at every scale, as in
RITM (Sofiiuk et al. 2021) clicks are disks.
"""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from maskwright.models.backbones.efficientnet import EfficientNetLite0
from maskwright.models.conv import DepthwiseConv, zero_bias
from maskwright.transforms.prompts import CHANNELS

TAPS = (1, 3, 5, 11, 16)  # the last blocks of strides 2, 4, 8, 16, 32
MAPS = (16, 24, 40, 112, 320)  # channels of their outputs
PROMPTS = (24, 32, 48, 64)  # channels of the prompts at strides 4 to 32
WIDTHS = (16, 48, 64, 96, 128)  # channels of the decoder at strides 2 to 32
BLOCKS = (0, 2, 2, 2, 3)  # separable blocks of the decoder there
MEAN, STD = 127.0, 128.0  # of the backbone's training


class InteractiveNetwork(nn.Module):
    """The frozen backbone and the decoder; 0.24 million parameters of it are trained."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = EfficientNetLite0()
        self.decoder = Decoder()
        for parameter in self.backbone.parameters():
            parameter.requires_grad_(False)

    def train(self, mode: bool = True) -> InteractiveNetwork:
        super().train(mode)
        self.backbone.eval()  # it stands still
        return self

    @torch.no_grad()
    def features(self, crops: Tensor) -> list[Tensor]:
        """(B, 3, H, W) RGB 0..255, sides multiples of 32 -> maps (B, MAPS, H/s, W/s) at strides s of 2 to 32."""
        x, maps = (crops - MEAN) / STD, []
        for index, block in enumerate(self.backbone.features):
            x = block(x)
            if index in TAPS:
                maps.append(x)
        return maps

    def logits(self, features: list[Tensor], prompts: Tensor) -> Tensor:
        """Maps of crops, and prompts (B, 7, H/2, W/2) as `transforms.prompts.encode` makes them -> (B, H/2, W/2)."""
        return self.decoder(features, prompts)


class Decoder(nn.Module):
    """From the coarsest map to the finest: each level adds its map, its prompts and the level above."""

    def __init__(self) -> None:
        super().__init__()
        inputs = (CHANNELS, *PROMPTS[:-1])
        self.prompts = nn.ModuleList(_conv(given, made, 3, 2) for given, made in zip(inputs, PROMPTS, strict=True))
        self.maps = nn.ModuleList(_conv(given, width, 1, relu=False) for given, width in zip(MAPS, WIDTHS, strict=True))
        self.joins = nn.ModuleList(
            nn.Conv2d(given, width, 1, bias=False) for given, width in zip(PROMPTS, WIDTHS[1:], strict=True)
        )
        self.downs = nn.ModuleList(
            nn.Conv2d(above, width, 1, bias=False) for width, above in itertools.pairwise(WIDTHS)
        )
        self.blocks = nn.ModuleList(
            nn.Sequential(*(SeparableBlock(width) for _ in range(count)))
            for width, count in zip(WIDTHS, BLOCKS, strict=True)
        )
        self.whole = nn.Conv2d(WIDTHS[-1], WIDTHS[-1], 1)  # what the crop shows as a whole
        self.last = nn.Sequential(_conv(WIDTHS[0], WIDTHS[0], 3), nn.Conv2d(WIDTHS[0], 1, 1))
        for layer in (self.whole, self.last[1]):
            zero_bias(layer)

    def forward(self, features: list[Tensor], prompts: Tensor) -> Tensor:
        encoded = []
        for conv in self.prompts:
            prompts = conv(prompts)
            encoded.append(prompts)
        above: Tensor | None = None
        for level in range(len(WIDTHS) - 1, -1, -1):
            x = self.maps[level](features[level])
            if level:  # the finest one has them from above
                x = x + self.joins[level - 1](encoded[level - 1])
            if above is None:
                x = x + self.whole(x.mean((2, 3), keepdim=True))
            else:
                x = x + F.interpolate(self.downs[level](above), scale_factor=2, mode="bilinear", align_corners=False)
            above = self.blocks[level](F.relu(x))
        return self.last(above).squeeze(1)


class SeparableBlock(nn.Module):
    """A depthwise 3x3, a 1x1, and the input added."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Sequential(
            DepthwiseConv(channels, 3), nn.BatchNorm2d(channels), nn.ReLU(inplace=True),
            nn.Conv2d(channels, channels, 1, bias=False), nn.BatchNorm2d(channels),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x + self.conv(x))


def _conv(inputs: int, outputs: int, kernel: int, stride: int = 1, relu: bool = True) -> nn.Sequential:
    parts: list[nn.Module] = [
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False),
        nn.BatchNorm2d(outputs),
    ]
    return nn.Sequential(*parts, nn.ReLU(inplace=True)) if relu else nn.Sequential(*parts)
