"""What matterport's Mask R-CNN consists of: its settings, and the name and shapes of every Keras layer, in file order.

The names are the original's own, so that its weight files, its layer patterns and its scripts mean the same here.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import numpy as np

from maskwright.errors import RecipeError
from maskwright.geometry.boxes_matterport import normalized, pyramid_anchors

Mode = Literal["training", "inference"]
BLOCKS = {"resnet50": (3, 4, 6, 3), "resnet101": (3, 4, 23, 3)}
LOSSES = ("rpn_class_loss", "rpn_bbox_loss", "mrcnn_class_loss", "mrcnn_bbox_loss", "mrcnn_mask_loss")
RPN = ("rpn_conv_shared", "rpn_class_raw", "rpn_bbox_pred")  # a model of its own in the original: `rpn_model`
HEADS = r"(mrcnn\_.*)|(rpn\_.*)|(fpn\_.*)"
SELECTIONS = {  # the short names that MaskRCNN.train takes
    "heads": HEADS,
    "3+": rf"(res3.*)|(bn3.*)|(res4.*)|(bn4.*)|(res5.*)|(bn5.*)|{HEADS}",
    "4+": rf"(res4.*)|(bn4.*)|(res5.*)|(bn5.*)|{HEADS}",
    "5+": rf"(res5.*)|(bn5.*)|{HEADS}",
    "all": ".*",
}


@dataclass(frozen=True, slots=True)
class Settings:
    """The attributes of matterport's `Config` that its network needs, under the same names in small letters.

    image_shape  height, width, channels of the molded image;  strides and scales go from the finest level up
    train_bn     False: BN uses its moving statistics;  None: batch statistics in training;  True: always
    """

    backbone: str = "resnet101"
    num_classes: int = 81
    image_shape: tuple[int, int, int] = (1024, 1024, 3)
    image_min_dim: int = 800
    image_max_dim: int = 1024
    image_min_scale: float = 0
    image_resize_mode: str = "square"
    mean_pixel: tuple[float, ...] = (123.7, 116.8, 103.9)
    backbone_strides: tuple[int, ...] = (4, 8, 16, 32, 64)
    top_down_pyramid_size: int = 256
    rpn_anchor_scales: tuple[float, ...] = (32, 64, 128, 256, 512)
    rpn_anchor_ratios: tuple[float, ...] = (0.5, 1, 2)
    rpn_anchor_stride: int = 1
    rpn_bbox_std_dev: tuple[float, ...] = (0.1, 0.1, 0.2, 0.2)
    rpn_nms_threshold: float = 0.7
    pre_nms_limit: int = 6000
    post_nms_rois_training: int = 2000
    post_nms_rois_inference: int = 1000
    use_rpn_rois: bool = True
    pool_size: int = 7
    mask_pool_size: int = 14
    mask_shape: tuple[int, int] = (28, 28)
    fpn_classif_fc_layers_size: int = 1024
    bbox_std_dev: tuple[float, ...] = (0.1, 0.1, 0.2, 0.2)
    detection_max_instances: int = 100
    detection_min_confidence: float = 0.7
    detection_nms_threshold: float = 0.3
    train_rois_per_image: int = 200
    roi_positive_ratio: float = 0.33
    use_mini_mask: bool = True
    mini_mask_shape: tuple[int, int] = (56, 56)
    loss_weights: dict[str, float] = field(default_factory=lambda: dict.fromkeys(LOSSES, 1.0))
    weight_decay: float = 0.0001
    learning_momentum: float = 0.9
    gradient_clip_norm: float = 5.0
    train_bn: bool | None = False

    def __post_init__(self) -> None:
        if self.backbone not in BLOCKS:
            raise RecipeError(
                "this backbone is not supported",
                field="BACKBONE",
                expected=" or ".join(BLOCKS),
                got=repr(self.backbone),
            )
        if len(self.backbone_strides) != 5 or len(self.rpn_anchor_scales) != 5:
            raise RecipeError(
                "the pyramid has five levels",
                field="BACKBONE_STRIDES, RPN_ANCHOR_SCALES",
                expected="five values each",
                got=f"{len(self.backbone_strides)} and {len(self.rpn_anchor_scales)}",
            )

    @classmethod
    def from_config(cls, config: Any) -> Settings:
        """Settings of an object that has the attributes in capitals, such as `mrcnn.config.Config`."""
        values = {}
        for item in dataclasses.fields(cls):
            try:
                value = getattr(config, item.name.upper())
            except AttributeError as error:
                raise RecipeError(
                    "the config lacks an attribute",
                    field=item.name.upper(),
                    got=type(config).__name__,
                    fix="inherit from mrcnn.config.Config",
                ) from error
            if isinstance(value, (list, tuple, np.ndarray)):
                value = tuple(np.asarray(value).tolist())
            values[item.name] = value
        return cls(**values)


class Layer(NamedTuple):
    """One layer as a weight file lists it: `name`, and the names and shapes (Keras order) of its weights."""

    name: str
    weight_names: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...]


class Part(NamedTuple):
    """One group of weights as the network holds it: kind is conv, bn, or empty for a layer without weights."""

    name: str
    kind: str = ""
    shape: tuple[int, ...] = ()

    def weights(self) -> list[tuple[str, tuple[int, ...]]]:
        """(weight, shape in Keras order): kernel and bias, or the four of a batch normalisation."""
        if self.kind == "conv":
            outputs = self.shape[-2] if self.name.endswith("deconv") else self.shape[-1]  # transposed: (h, w, out, in)
            return [("kernel", self.shape), ("bias", (outputs,))]
        if self.kind == "bn":
            return [(weight, self.shape) for weight in ("gamma", "beta", "moving_mean", "moving_variance")]
        return []


_PYRAMID = """fpn_c5p5 fpn_p5upsampled fpn_c4p4 fpn_p4add fpn_p4upsampled fpn_c3p3 fpn_p3add fpn_p3upsampled fpn_c2p2
    fpn_p2add fpn_p5 fpn_p2 fpn_p3 fpn_p4 fpn_p6 rpn_model """
# Keras sorts layers by depth in the graph, then by creation: the two modes have two orders.
# act+1 is the first activation after the backbone's (the third, a softmax, is inside mrcnn_class).
_ORDER = {
    "inference": """rpn_class rpn_bbox input_anchors ROI input_image_meta roi_align_classifier
        mrcnn_class_conv1 mrcnn_class_bn1 act+1 mrcnn_class_conv2 mrcnn_class_bn2 act+2 pool_squeeze
        mrcnn_class_logits mrcnn_bbox_fc mrcnn_class mrcnn_bbox mrcnn_detection lambda_3 roi_align_mask
        mrcnn_mask_conv1 mrcnn_mask_bn1 act+4 mrcnn_mask_conv2 mrcnn_mask_bn2 act+5 mrcnn_mask_conv3 mrcnn_mask_bn3
        act+6 mrcnn_mask_conv4 mrcnn_mask_bn4 act+7 mrcnn_mask_deconv mrcnn_mask""",
    "training": """rpn_class rpn_bbox anchors input_gt_boxes ROI input_gt_class_ids lambda_1 input_gt_masks
        proposal_targets input_image_meta roi_align_mask mrcnn_mask_conv1 mrcnn_mask_bn1 act+4 mrcnn_mask_conv2
        roi_align_classifier mrcnn_mask_bn2 mrcnn_class_conv1 act+5 mrcnn_class_bn1 mrcnn_mask_conv3 act+1
        mrcnn_mask_bn3 mrcnn_class_conv2 act+6 mrcnn_class_bn2 mrcnn_mask_conv4 act+2 mrcnn_mask_bn4 pool_squeeze act+7
        mrcnn_bbox_fc mrcnn_mask_deconv rpn_class_logits mrcnn_class_logits mrcnn_bbox mrcnn_mask input_rpn_match
        input_rpn_bbox lambda_4 mrcnn_class output_rois """
    + " ".join(LOSSES),
}


def parts(settings: Settings, mode: Mode = "inference") -> list[Part]:
    """Every layer in the order of the original's `keras_model.layers`; the three of `rpn_model` in its place."""
    known = {part.name: part for part in _heads(settings)}
    first = 1 + 2 * sum(BLOCKS[settings.backbone])  # activations of the backbone
    listed = list(_backbone(settings))
    for name in (_PYRAMID + _ORDER[mode]).split():
        if name == "rpn_model":
            listed += [known[inner] for inner in RPN]
        else:
            name = f"activation_{first + int(name[4:])}" if name.startswith("act+") else name
            listed.append(known.get(name, Part(name)))
    return listed


def layers(settings: Settings, mode: Mode = "inference") -> list[Layer]:
    """Every layer as a weight file of that mode lists it, `rpn_model` being one."""
    listed: list[Layer] = []
    for part in parts(settings, mode):
        named = [(f"{part.name}/{weight}:0", shape) for weight, shape in part.weights()]
        layer = Layer(part.name, tuple(name for name, _ in named), tuple(shape for _, shape in named))
        if part.name in RPN:
            layer = layer._replace(name="rpn_model")
            if part.name != RPN[0]:
                before = listed.pop()
                layer = Layer("rpn_model", before.weight_names + layer.weight_names, before.shapes + layer.shapes)
        listed.append(layer)
    return listed


def _backbone(settings: Settings) -> Iterator[Part]:
    counted = 0
    yield Part("input_image")
    yield Part("zero_padding2d_1")
    yield Part("conv1", "conv", (7, 7, settings.image_shape[2], 64))
    yield Part("bn_conv1", "bn", (64,))
    yield Part("activation_1")
    yield Part("max_pooling2d_1")
    width = 64
    for stage, count in enumerate(BLOCKS[settings.backbone], start=2):
        inner, outer = 16 * 2**stage, 64 * 2**stage
        for block in range(count):
            at, counted = f"{stage}{chr(ord('a') + block)}", counted + 1
            yield Part(f"res{at}_branch2a", "conv", (1, 1, width, inner))
            yield Part(f"bn{at}_branch2a", "bn", (inner,))
            yield Part(f"activation_{2 * counted}")
            yield Part(f"res{at}_branch2b", "conv", (3, 3, inner, inner))
            yield Part(f"bn{at}_branch2b", "bn", (inner,))
            yield Part(f"activation_{2 * counted + 1}")
            yield Part(f"res{at}_branch2c", "conv", (1, 1, inner, outer))
            if block == 0:
                yield Part(f"res{at}_branch1", "conv", (1, 1, width, outer))
            yield Part(f"bn{at}_branch2c", "bn", (outer,))
            if block == 0:
                yield Part(f"bn{at}_branch1", "bn", (outer,))
            yield Part(f"add_{counted}")
            yield Part(f"res{at}_out")
            width = outer


def _heads(settings: Settings) -> Iterator[Part]:
    width, full, classes = settings.top_down_pyramid_size, settings.fpn_classif_fc_layers_size, settings.num_classes
    ratios = len(settings.rpn_anchor_ratios)
    for level in (2, 3, 4, 5):
        yield Part(f"fpn_c{level}p{level}", "conv", (1, 1, 64 * 2**level, width))
        yield Part(f"fpn_p{level}", "conv", (3, 3, width, width))
    yield Part("rpn_conv_shared", "conv", (3, 3, width, 512))
    yield Part("rpn_class_raw", "conv", (1, 1, 512, 2 * ratios))
    yield Part("rpn_bbox_pred", "conv", (1, 1, 512, 4 * ratios))
    yield Part("mrcnn_class_conv1", "conv", (settings.pool_size, settings.pool_size, width, full))
    yield Part("mrcnn_class_conv2", "conv", (1, 1, full, full))
    yield Part("mrcnn_class_logits", "conv", (full, classes))
    yield Part("mrcnn_bbox_fc", "conv", (full, 4 * classes))
    for step in (1, 2):
        yield Part(f"mrcnn_class_bn{step}", "bn", (full,))
    for step in (1, 2, 3, 4):
        yield Part(f"mrcnn_mask_conv{step}", "conv", (3, 3, width if step == 1 else 256, 256))
        yield Part(f"mrcnn_mask_bn{step}", "bn", (256,))
    yield Part("mrcnn_mask_deconv", "conv", (2, 2, 256, 256))
    yield Part("mrcnn_mask", "conv", (1, 1, 256, classes))


def selected(names: Sequence[str], which: str) -> list[str]:
    """The layers that `heads`, `3+`, `4+`, `5+`, `all` or a regular expression (of the whole name) means."""
    try:
        pattern = re.compile(SELECTIONS.get(which, which))
    except re.error as error:
        raise RecipeError(
            "this is no selection of layers",
            field="layers",
            expected=f"{', '.join(SELECTIONS)} or a regular expression",
            got=f"{which!r} ({error})",
        ) from error
    return [name for name in names if pattern.fullmatch(name)]


def anchors(settings: Settings, size: tuple[int, int]) -> np.ndarray:
    """All anchors of an image of (height, width): L×4 float64 in pixels, by level, row, column, ratio."""
    return pyramid_anchors(
        settings.rpn_anchor_scales,
        settings.rpn_anchor_ratios,
        map_sizes(settings, size),
        settings.backbone_strides,
        settings.rpn_anchor_stride,
    )


def normalized_anchors(settings: Settings, size: tuple[int, int]) -> np.ndarray:
    """The same in 0..1, float32."""
    return normalized(anchors(settings, size), size)


def map_sizes(settings: Settings, size: tuple[int, int]) -> list[tuple[int, int]]:
    """(height, width) of each level's map."""
    return [(math.ceil(size[0] / stride), math.ceil(size[1] / stride)) for stride in settings.backbone_strides]


def anchor_count(settings: Settings, size: tuple[int, int]) -> int:
    """How many anchors an image of (height, width) has."""
    step = settings.rpn_anchor_stride
    cells = sum(math.ceil(rows / step) * math.ceil(columns / step) for rows, columns in map_sizes(settings, size))
    return cells * len(settings.rpn_anchor_ratios)
