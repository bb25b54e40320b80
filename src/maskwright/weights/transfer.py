"""Other weights into our networks: torchvision's names, class heads exchanged by class name."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from torch import Tensor, nn

Rules = tuple[tuple[str, str | Callable[[re.Match[str]], str]], ...]

# torchvision's name -> ours, the first rule that matches
TORCHVISION: Rules = (
    (r"backbone\.body\.", "backbone."),
    # files written before torchvision 0.13, its COCO weights of 2019 among them, name plain convolutions
    (r"backbone\.fpn\.(inner|layer)_blocks\.(\d)\.(weight|bias)", r"fpn.\1_blocks.\2.0.\3"),
    (r"rpn\.head\.conv\.(weight|bias)", r"rpn.conv.0.0.\1"),
    (r"backbone\.fpn\.", "fpn."),
    (r"rpn\.head\.", "rpn."),
    (r"roi_heads\.box_head\.fc6\.", "box_head.dense.0."),
    (r"roi_heads\.box_head\.fc7\.", "box_head.dense.1."),
    (r"roi_heads\.box_head\.(\d)\.(\d)\.", r"box_head.convs.\1.\2."),
    (r"roi_heads\.box_head\.5\.", "box_head.dense.0."),
    (r"roi_heads\.box_predictor\.", "box_head."),
    (r"roi_heads\.mask_head\.mask_fcn(\d)\.(weight|bias)", lambda m: f"mask_head.convs.{int(m[1]) - 1}.0.{m[2]}"),
    (r"roi_heads\.mask_head\.(\d)\.(\d)\.", r"mask_head.convs.\1.\2."),
    (r"roi_heads\.mask_predictor\.", "mask_head."),
    (r"head\.", "head.head."),  # RetinaNet's and FCOS's
)

# RetinaNet's COCO weights of 2020 count the convolutions of its heads together with what comes between them
RETINANET_2020: Rules = (
    (r"head\.(\w+)\.conv\.(\d)\.(weight|bias)", lambda m: f"head.head.{m[1]}.conv.{int(m[2]) // 2}.0.{m[3]}"),
    *TORCHVISION,
)

# the same for its SSD300 and its SSDLite, whose bodies it cuts in two: up to the first map, and from there
TORCHVISION_SSD: Rules = (
    (r"backbone\.features\.0\.13\.", "backbone.features.13.block.0."),
    (r"backbone\.features\.0\.(\d+)\.", r"backbone.features.\1."),
    (r"backbone\.features\.1\.0\.(\d)\.", r"backbone.features.13.block.\1."),
    (r"backbone\.features\.1\.(\d)\.", lambda m: f"backbone.features.{int(m[1]) + 13}."),
    (r"backbone\.extra\.0\.7\.(\d)\.", r"backbone.dense.\1."),
    (r"backbone\.extra\.0\.(\d)\.(weight|bias)", lambda m: f"backbone.features.{int(m[1]) + 23}.{m[2]}"),
    (r"backbone\.extra\.(\d)\.(\d)\.(weight|bias)", lambda m: f"extra.{int(m[1]) - 1}.{m[2]}.{m[3]}"),
    (r"backbone\.extra\.", "extra."),
    (r"backbone\.scale_weight", "backbone.scale"),
    (r"head\.classification_head\.module_list\.", "box_head.cls_score."),
    (r"head\.regression_head\.module_list\.", "box_head.bbox_pred."),
)

# The rows of these belong to classes: background first, then one (or four) for each class. SSD has a head for each map
# (cls_score.2, SSDLite cls_score.2.1), in which such a sequence of rows follows for each default box of a cell, as in
# RetinaNet and FCOS for each anchor.
SCORES = r"(box_head\.cls_score(\.\d){0,2}|box_head\.mrcnn_class_logits|head\.head\.classification_head\.cls_logits)"
CLASS_ROWS = (
    (SCORES, 1),
    (r"box_head\.bbox_pred", 4),
    (r"mask_head\.mask_fcn_logits", 1),
    (r"box_head\.mrcnn_bbox_fc", 4),  # matterport's, by Keras' names
    (r"mask_head\.mrcnn_mask", 1),
)

# Of these a class without a row of its own takes the average of all rows: an object's border is found the same way
# whatever it is. Not of its score: what is left of the background's row says best that something is there.
AVERAGED = re.compile(r"box_head\.(bbox_pred|mrcnn_bbox_fc)\.|mask_head\.(mask_fcn_logits|mrcnn_mask)\.")

COCO_NAMES = tuple(  # by COCO's 90 category ids; - where an id was never used
    """person, bicycle, car, motorcycle, airplane, bus, train, truck, boat, traffic light, fire hydrant, -, stop sign,
    parking meter, bench, bird, cat, dog, horse, sheep, cow, elephant, bear, zebra, giraffe, -, backpack,
    umbrella, -, -, handbag, tie, suitcase, frisbee, skis, snowboard, sports ball, kite, baseball bat, baseball
    glove, skateboard, surfboard, tennis racket, bottle, -, wine glass, cup, fork, knife, spoon, bowl, banana,
    apple, sandwich, orange, broccoli, carrot, hot dog, pizza, donut, cake, chair, couch, potted plant, bed, -,
    dining table, -, -, toilet, -, tv, laptop, mouse, remote, keyboard, cell phone, microwave, oven, toaster,
    sink, refrigerator, -, book, clock, vase, scissors, teddy bear, hair drier, toothbrush""".replace(
        "\n   ", ""
    ).split(", ")
)


def rename(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """A state dict of torchvision's detection models, or of one of its classifiers, under our names."""
    if any(name.startswith(("roi_heads.", "backbone.body.")) for name in tensors):
        rules = RETINANET_2020 if "head.classification_head.conv.2.weight" in tensors else TORCHVISION
        return {_ours(name, rules): tensor for name, tensor in tensors.items()}
    if any(name.startswith("head.classification_head.") for name in tensors):
        return {_ours(name, TORCHVISION_SSD): tensor for name, tensor in tensors.items()}
    if any(name.startswith(("backbone.", "fpn.", "box_head.")) for name in tensors):
        return tensors
    if any(name.startswith(("features.", "layer1.", "conv1.")) for name in tensors):
        return {
            f"backbone.{name}": tensor
            for name, tensor in tensors.items()
            if not name.startswith(("fc.", "classifier."))
        }
    return tensors


def _ours(name: str, rules: Rules) -> str:
    for pattern, ours in rules:
        if re.match(pattern, name):
            return re.sub("^" + pattern, ours, name)
    return name


def scores_classes(name: str) -> bool:
    """Whether a parameter of a detector is of the layer that scores the classes of a box."""
    return re.fullmatch(SCORES, name.rpartition(".")[0]) is not None


def _rows_per_class(name: str) -> int:
    """How many rows of a parameter belong to each class; 0 where its rows are no classes."""
    head = name.rpartition(".")[0]
    return next((rows for pattern, rows in CLASS_ROWS if re.fullmatch(pattern, head)), 0)


def coco_classes(tensors: dict[str, Tensor]) -> tuple[str, ...]:
    """COCO's names where the class head of a file from elsewhere has its 90 places (and background), else none."""
    labels = re.compile(SCORES + r"\.bias")
    rows = next((len(tensor) for name, tensor in rename(tensors).items() if labels.fullmatch(name)), 0)
    return COCO_NAMES if rows and rows % (len(COCO_NAMES) + 1) == 0 else ()  # once for each default box or anchor


@dataclass
class Transferred:
    """What became of a network's parameters and buffers.

    new_classes  those that the trained class heads have no row for; none where the heads start at random
    """

    kept: int = 0
    fresh: list[str] = field(default_factory=list)
    unused: list[str] = field(default_factory=list)
    classes_kept: list[str] = field(default_factory=list)
    classes_fresh: list[str] = field(default_factory=list)
    new_classes: tuple[str, ...] = ()

    def __str__(self) -> str:
        parts = [f"{self.kept} tensors kept"]
        if self.classes_kept:
            parts.append(f"classes kept: {_some(self.classes_kept)}")
        if self.classes_fresh:
            parts.append(f"classes new: {_some(self.classes_fresh)}")
        other = sorted({".".join(name.split(".")[:2]) for name in self.fresh if not _rows_per_class(name)})
        if other:
            parts.append(f"freshly initialized: {_some(other)}")
        return "; ".join(parts)


def _some(names: list[str], most: int = 6) -> str:
    return ", ".join(names[:most]) + (f" ... ({len(names)} in all)" if len(names) > most else "")


def transfer(
    network: nn.Module, tensors: dict[str, Tensor], source_names: tuple[str, ...], names: tuple[str, ...]
) -> Transferred:
    """Put `tensors` (names as ours or torchvision's) into `network`; what does not fit stays as initialized.

    Rows of the class heads go by class name: a class of `names` that stands in `source_names` keeps its row, the
    others keep their fresh one, but start with the average box deltas and masks of the classes that were trained.
    Background always keeps its row. With one class on each side the row is kept although the names differ: "an object"
    is a better start than none.
    """
    tensors = rename(tensors)
    own = network.state_dict()
    result = Transferred(unused=[name for name in tensors if name not in own])
    rows, by_name = [(0, 0)], False  # (row here, row in the source) of background and of each class that both have
    for index, name in enumerate(names, 1):
        if name in source_names:
            rows.append((index, source_names.index(name) + 1))
            result.classes_kept.append(name)
        elif len(names) == len(source_names) == 1:
            rows.append((1, 1))
            result.classes_kept.append(f"{name} (from {source_names[0]})")
        else:
            result.classes_fresh.append(name)
    fresh = sorted(set(range(1, len(names) + 1)) - {row for row, _ in rows})
    for name, value in own.items():
        tensor = tensors.get(name)
        per_class = _rows_per_class(name)
        # more than one in SSD's heads only: a sequence of class rows for each default box of a cell
        boxes = len(value) // (per_class * (len(names) + 1)) if per_class else 0
        source_shape = (boxes * per_class * (len(source_names) + 1), *value.shape[1:])
        if tensor is not None and per_class and source_names and tensor.shape == source_shape:
            by_name = True
            here = value.unflatten(0, (boxes, len(names) + 1, per_class))  # a view, also of channels-last kernels
            source = tensor.unflatten(0, (boxes, len(source_names) + 1, per_class))
            if fresh and len(source_names) > 1 and AVERAGED.match(name):
                here[:, fresh] = source[:, 1:].mean(1, keepdim=True).to(here.dtype)
            for row, source_row in rows:
                here[:, row].copy_(source[:, source_row])
            result.kept += 1
        elif tensor is not None and tensor.shape == value.shape:
            value.copy_(tensor)
            result.kept += 1
        elif not name.endswith("num_batches_tracked"):
            result.fresh.append(name)
    if not by_name:  # no head fitted, so no class kept its row whatever its name
        result.classes_kept, result.classes_fresh = [], list(names)
    result.new_classes = tuple(result.classes_fresh) if by_name else ()
    network.load_state_dict(own)
    return result
