"""Heads of classifiers: maps of the backbone become one logit a class."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def dropout(x: Tensor, fraction: float, generator: torch.Generator | None) -> Tensor:
    """Dropout drawn from the step's own generator, so that a resumed run draws the same."""
    if generator is None or not fraction:
        return x
    kept = torch.rand(x.shape, generator=generator) >= fraction
    return x * kept.to(x.device, x.dtype) / (1 - fraction)


class MeanHead(nn.Module):
    """The mean of every map's channels, dropout, one linear layer."""

    def __init__(self, channels: Sequence[int], classes: int, fraction: float = 0.2) -> None:
        super().__init__()
        self.fraction = fraction
        self.norm = nn.LayerNorm(sum(channels))
        self.out = nn.Linear(sum(channels), classes)
        nn.init.normal_(self.out.weight, std=0.01)
        nn.init.zeros_(self.out.bias)

    def forward(self, maps: list[Tensor], generator: torch.Generator | None = None) -> Tensor:
        looked_at = self.norm(self.summary(maps))
        return self.out(dropout(looked_at, self.fraction, generator if self.training else None))

    def summary(self, maps: list[Tensor]) -> Tensor:
        return torch.cat([level.float().mean((2, 3)) for level in maps], 1)


class SpreadHead(MeanHead):
    """The mean of every map's channels and their standard deviation over the image: how much of it, and how patchy.

    Surfaces differ in the second as much as in the first: rust or no rust is told better with it (docs/results.md).
    """

    def __init__(self, channels: Sequence[int], classes: int, fraction: float = 0.2) -> None:
        super().__init__([2 * channel for channel in channels], classes, fraction)

    def summary(self, maps: list[Tensor]) -> Tensor:
        # a channel that is silent everywhere has spread 0, where the root's gradient would be infinite
        spreads = [(level.float().var((2, 3), correction=0) + 1e-6).sqrt() for level in maps]
        return torch.cat([super().summary(maps), *spreads], 1)


class FlatHead(nn.Module):
    """The head of the classic VGG recipe: every cell of the last map, 256 dense units, dropout, out.

    side  cells of the map at the network input size that is trained with; other sizes are averaged to it
    """

    def __init__(self, channels: int, side: int, classes: int, hidden: int = 256, fraction: float = 0.5) -> None:
        super().__init__()
        self.side, self.fraction = side, fraction
        self.dense = nn.Linear(channels * side * side, hidden)
        self.out = nn.Linear(hidden, classes)
        for layer in (self.dense, self.out):  # Keras' own start
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, maps: list[Tensor], generator: torch.Generator | None = None) -> Tensor:
        cells = maps[-1]
        if cells.shape[2:] != (self.side, self.side):
            cells = F.adaptive_avg_pool2d(cells, self.side)
        hidden = F.relu(self.dense(cells.flatten(1)))
        return self.out(dropout(hidden, self.fraction, generator if self.training else None))
