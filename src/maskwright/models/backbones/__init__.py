"""Backbones and the feature pyramid: a network input becomes maps of strides 4 to 64.

Every backbone has `channels` and `strides` of what it returns, and `stage_of(parameter name)`: 1 for the stem up to
stride 4, then 3, 4, 5 as matterport counts them.
"""

from maskwright.models.backbones.efficientnet import EfficientNetLite0
from maskwright.models.backbones.mobilenet import MobileNetV2, MobileNetV3Large

MOBILE = {  # light ones, by the name that cards and recipes have
    "mobilenet_v3_large": MobileNetV3Large,
    "mobilenet_v2": MobileNetV2,
    "efficientnet_lite0": EfficientNetLite0,
}
