"""Networks of torchvision and timm as backbones of a classifier: `torchvision:efficientnet_v2_s`, `timm:resnet18`.

An extra: neither package is needed otherwise, and neither loads beside every torch. Imported when first used.
"""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from maskwright.errors import MissingExtra, UnknownName, WeightsError


def load_package(package: str) -> ModuleType | Any:
    """torchvision or timm; one error where it is missing or does not load."""
    try:
        return importlib.import_module(package)
    except Exception as error:  # beside another build of torch it may fail in any way
        raise MissingExtra(
            f"{package} does not load beside torch {torch.__version__}",
            got=f"{type(error).__name__}: {error}",
            fix=f"install the {package} that belongs to this torch, or take one of our own networks: --model small",
        ) from error


class External(nn.Module):
    """(B, 3, H, W) to one (B, F, 1, 1) map: the pooled features that the network classifies an image by."""

    strides = (32,)
    channels: tuple[int, ...]

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name
        self.net, features = _headless(name, pretrained=False)
        self.channels = (features,)

    def forward(self, x: Tensor) -> list[Tensor]:
        return [self.net(x)[:, :, None, None]]

    def stage_of(self, name: str) -> int:
        """1: the stages of these networks are not known, so a network is trained as a whole or not at all."""
        return 1

    def load_published(self) -> str:
        """The package's own ImageNet weights, which it downloads; and the line that reports it."""
        try:
            net, _ = _headless(self.name, pretrained=True)
        except (OSError, RuntimeError, ValueError) as error:
            raise WeightsError(
                f"the weights of {self.name} could not be had", got=error, fix="--weights none, or another --model"
            ) from error
        self.net.load_state_dict(net.state_dict())
        return f"weights: imagenet, of {self.name}; freshly initialized: head"


def _headless(name: str, pretrained: bool) -> tuple[nn.Module, int]:
    package, _, model = name.partition(":")
    module = load_package(package)
    if package == "timm":
        if model not in module.list_models():
            raise UnknownName("model of timm", model, module.list_models())
        net = module.create_model(model, pretrained=pretrained, num_classes=0)
        return net, int(net.num_features)
    known = module.models.list_models(module=module.models)
    if model not in known:
        raise UnknownName("model of torchvision", model, known)
    net = module.models.get_model(model, weights="DEFAULT" if pretrained else None)
    return _without_last(net)


def _without_last(net: nn.Module) -> tuple[nn.Module, int]:
    """torchvision's networks end in a linear layer; what goes into it are the features."""
    name, last = [(name, layer) for name, layer in net.named_modules() if isinstance(layer, nn.Linear)][-1]
    parent, _, attribute = name.rpartition(".")
    setattr(net.get_submodule(parent), attribute, nn.Identity())
    return net, last.in_features
