"""Networks of torchvision and timm as backbones of a classifier: `torchvision:efficientnet_v2_s`, `timm:resnet18`.

An extra: neither package is needed otherwise, and neither loads beside every torch. Imported when first asked for.
"""

from __future__ import annotations

from torch import Tensor, nn

from maskwright.errors import UnknownName, WeightsError
from maskwright.models.classification.classifier import Classifier
from maskwright.models.classification.heads import MeanHead
from maskwright.models.external.packages import load_package


class External(nn.Module):
    """Network input to one B×F×1×1 map: what the network knows of an image before it names classes."""

    strides = (32,)

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name
        self.net, self.features = _headless(name, pretrained=False)

    def forward(self, x: Tensor) -> list[Tensor]:
        return [self.net(x)[:, :, None, None]]

    def stage_of(self, name: str) -> int:
        return 1

    def load_published(self) -> str:
        """The package's own ImageNet weights, which it downloads; and the line that says so."""
        try:
            net, _ = _headless(self.name, pretrained=True)
        except (OSError, RuntimeError, ValueError) as error:
            raise WeightsError(
                f"the weights of {self.name} could not be had", got=error, fix="--weights none, or another --model"
            ) from error
        self.net.load_state_dict(net.state_dict())
        return f"weights: imagenet, of {self.name}; freshly initialized: head"


def classifier(classes: int, backbone: str, size: int, multi_label: bool = False) -> Classifier:
    body = External(backbone)
    return Classifier(body, MeanHead((body.features,), classes), classes, multi_label)


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
    parent, _, place = name.rpartition(".")
    setattr(net.get_submodule(parent), place, nn.Identity())
    return net, last.in_features
