"""The exponential moving average of the weights: what is validated and saved."""

from __future__ import annotations

import copy
from typing import TypeVar

import torch
from torch import nn

AnyNetwork = TypeVar("AnyNetwork", bound=nn.Module)


def averaged_copy(network: AnyNetwork, decay: float) -> AnyNetwork:
    """The network that holds the average; where decay is 0 there is none, and it is the network itself.

    Made once the weights to start from are loaded: it begins as they are.
    """
    return copy.deepcopy(network).requires_grad_(False) if decay else network


@torch.no_grad()
def update_average(averaged: nn.Module, network: nn.Module, decay: float, step: int) -> None:
    """Move the average towards the network; in the first steps faster, so that the start is soon forgotten."""
    if averaged is network:
        return
    decay = min(decay, (1 + step) / (10 + step))
    pairs = list(zip(averaged.state_dict().values(), network.state_dict().values(), strict=True))
    averages = [average for average, _ in pairs if average.is_floating_point()]
    values = [value for average, value in pairs if average.is_floating_point()]
    torch._foreach_lerp_(averages, values, 1 - decay)
    for average, value in pairs:
        if not average.is_floating_point():
            average.copy_(value)
