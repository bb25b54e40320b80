"""How each classifier of the catalogue is put together."""

from __future__ import annotations

from torch import Tensor, nn

from maskwright.models.backbones import MOBILE
from maskwright.models.backbones.mobilenet import MobileNetV2, MobileNetV3Large, norm_v3
from maskwright.models.backbones.resnet import ResNet
from maskwright.models.backbones.vgg import VGG
from maskwright.models.classification.classifier import Classifier
from maskwright.models.classification.heads import FlatHead, MeanHead, SpreadHead
from maskwright.models.conv import conv_norm


# --- backbones that give their last map only ------------------------------------------------------
class _LastOfVGG(VGG):
    def forward(self, x: Tensor) -> list[Tensor]:
        return super().forward(x)[-1:]


class _LastOfResNet(ResNet):
    def forward(self, x: Tensor) -> list[Tensor]:
        return super().forward(x)[-1:]


class _LastOfMobileNetV2(MobileNetV2):
    """With the 1×1 convolution to 1280 channels that ends the ImageNet network."""

    def __init__(self) -> None:
        super().__init__()
        self.features.append(conv_norm(320, 1280, 1, 1, nn.BatchNorm2d, nn.ReLU6))

    def forward(self, x: Tensor) -> list[Tensor]:
        return [self.features(x)]


class _LastOfMobileNetV3Large(MobileNetV3Large):
    """With the 1×1 convolution to 960 channels that ends the ImageNet network."""

    def __init__(self) -> None:
        super().__init__()
        self.features.append(conv_norm(160, 960, 1, 1, norm_v3, nn.Hardswish))

    def forward(self, x: Tensor) -> list[Tensor]:
        return [self.features(x)]


def _fresh(backbone: nn.Module) -> nn.Module:
    for layer in backbone.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out")
    return backbone


# --- the builders of the catalogue ----------------------------------------------------------------
def vgg(classes: int, backbone: str, size: int, multi_label: bool = False) -> Classifier:
    body = _LastOfVGG(backbone.removeprefix("vgg"))
    return Classifier(body, FlatHead(body.channels[-1], max(size // 32, 1), classes), classes, multi_label)


def resnet50(classes: int, backbone: str, size: int, multi_label: bool = False) -> Classifier:
    body = _fresh(_LastOfResNet(norm=nn.BatchNorm2d))
    return Classifier(body, MeanHead((2048,), classes), classes, multi_label)


def mobilenet_v2(classes: int, backbone: str, size: int, multi_label: bool = False) -> Classifier:
    return Classifier(_fresh(_LastOfMobileNetV2()), MeanHead((1280,), classes), classes, multi_label)


def mobilenet_v3_large(classes: int, backbone: str, size: int, multi_label: bool = False) -> Classifier:
    return Classifier(_fresh(_LastOfMobileNetV3Large()), MeanHead((960,), classes), classes, multi_label)


def small(classes: int, backbone: str, size: int, multi_label: bool = False) -> Classifier:
    """The backbone of the `small` that finds objects, so that its bundled weights serve; the head sees all its maps."""
    body = MOBILE[backbone]()
    return Classifier(_fresh(body), SpreadHead(body.channels, classes), classes, multi_label)
