"""VGG16 and VGG19 (Simonyan and Zisserman 2015): blocks of 3x3 convolutions, a pooling after each.

The layers lie in one `features` list in torchvision's order, so its state dicts load key by key (`features.0.weight`).
"""

from __future__ import annotations

from torch import Tensor, nn

BLOCKS = {"16": (2, 2, 3, 3, 3), "19": (2, 2, 4, 4, 4)}
"""Convolutions in each of the five blocks."""

WIDTHS = (64, 128, 256, 512, 512)


class VGG(nn.Module):
    """The convolutional part without norms. [N, 3, H, W] to four maps, each after a pooling: strides 4, 8, 16, 32.

    >>> [tuple(each.shape[1:]) for each in VGG("16")(torch.zeros(1, 3, 64, 64))]
    [(128, 16, 16), (256, 8, 8), (512, 4, 4), (512, 2, 2)]
    """

    strides: tuple[int, ...] = (4, 8, 16, 32)
    channels: tuple[int, ...] = WIDTHS[1:]
    features: nn.Sequential

    def __init__(self, layers: str = "16") -> None:
        super().__init__()
        parts: list[nn.Module] = []
        self.pools: list[int] = []
        inputs = 3
        for count, width in zip(BLOCKS[layers], WIDTHS, strict=True):
            for _ in range(count):
                conv = nn.Conv2d(inputs, width, 3, padding=1)
                nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
                nn.init.zeros_(conv.bias)  # type: ignore[arg-type]
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
        place = int(name.split(".")[1])
        block = next(i for i, pool in enumerate(self.pools, 1) if place <= pool)
        return block if block > 2 else 1
