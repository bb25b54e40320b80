"""How each network of the catalogue is put together."""

from __future__ import annotations

from torch import nn

from maskwright.models.backbones import MOBILE
from maskwright.models.backbones.fpn import FeaturePyramid
from maskwright.models.backbones.resnet import ResNet
from maskwright.models.conv import FrozenBatchNorm, SeparableConv
from maskwright.models.detection.heads import BoxHead, MaskHead
from maskwright.models.detection.mask_rcnn import MaskRCNN, MaskRCNNConfig
from maskwright.models.detection.rpn import ProposalConfig, ProposalHead
from maskwright.models.detection.ssd import SSD, ssd300, ssdlite320


def small(classes: int, backbone: str = "mobilenet_v3_large", masks: bool = True) -> MaskRCNN:
    """Our own network for a CPU: at most 7 million parameters.

    Where it differs from the paper, and why: separable convolutions in the pyramid and the proposal head (most of the
    work lies at stride 4), anchors from 24 px (people's flaws are small), 128 RoIs and 400
    proposals an image, 10 boxes teach the mask head (all of them would take half of a step).
    """
    width = 96
    body = MOBILE[backbone]()
    sizes = tuple((float(side),) for side in (24, 48, 96, 192, 384))
    config = MaskRCNNConfig(
        rpn_training=ProposalConfig(sizes, pre_nms_top_n=400, post_nms_top_n=400),
        rpn_inference=ProposalConfig(sizes, pre_nms_top_n=300, post_nms_top_n=200),
        roi_batch_size_per_image=128,
        rpn_batch_size_per_image=128,
        masks_per_image=10,
    )
    for layer in body.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out")
    return MaskRCNN(
        body,
        FeaturePyramid(body.channels, width, nn.BatchNorm2d, SeparableConv),
        ProposalHead(width, anchors=3, conv=SeparableConv),
        BoxHead(width, classes, hidden=256),
        MaskHead(width, classes, convs=3) if masks else None,
        config,
    )


def mask_rcnn_r50(classes: int, backbone: str = "resnet50", masks: bool = True) -> MaskRCNN:
    """torchvision's maskrcnn_resnet50_fpn: frozen batch norm, no norm in pyramid and heads."""
    body = ResNet(norm=FrozenBatchNorm)
    return MaskRCNN(
        body,
        FeaturePyramid(body.channels, 256, None),
        ProposalHead(256, anchors=3),
        BoxHead(256, classes, hidden=1024),
        MaskHead(256, classes) if masks else None,
        MaskRCNNConfig(),
    )


def mask_rcnn_r50_v2(classes: int, backbone: str = "resnet50", masks: bool = True) -> MaskRCNN:
    """torchvision's maskrcnn_resnet50_fpn_v2 (Li et al. 2021): norms everywhere, deeper proposal and box heads."""
    body = ResNet(norm=nn.BatchNorm2d)
    return MaskRCNN(
        body,
        FeaturePyramid(body.channels, 256, nn.BatchNorm2d),
        ProposalHead(256, anchors=3, depth=2),
        BoxHead(256, classes, hidden=1024, depth=1, convs=4, norm=nn.BatchNorm2d),
        MaskHead(256, classes, convs=4, norm=nn.BatchNorm2d) if masks else None,
        MaskRCNNConfig(),
    )


def faster_rcnn_r50(classes: int, backbone: str = "resnet50", masks: bool = False) -> MaskRCNN:
    """torchvision's fasterrcnn_resnet50_fpn: its Mask R-CNN without the mask head."""
    return mask_rcnn_r50(classes, backbone, masks=False)


def faster_rcnn_r50_v2(classes: int, backbone: str = "resnet50", masks: bool = False) -> MaskRCNN:
    """torchvision's fasterrcnn_resnet50_fpn_v2: its Mask R-CNN without the mask head."""
    return mask_rcnn_r50_v2(classes, backbone, masks=False)


def ssd300_vgg16(classes: int, backbone: str = "vgg16", masks: bool = False) -> SSD:
    """torchvision's ssd300_vgg16."""
    return ssd300(classes)


def ssdlite320_mobilenet_v3_large(classes: int, backbone: str = "mobilenet_v3_large", masks: bool = False) -> SSD:
    """torchvision's ssdlite320_mobilenet_v3_large."""
    return ssdlite320(classes)
