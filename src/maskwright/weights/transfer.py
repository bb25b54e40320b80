"""Other weights into our networks: torchvision's names, class heads exchanged by class name."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from torch import Tensor, nn

# torchvision's name -> ours, the first rule that matches
TORCHVISION = (
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
)

# the rows of these belong to classes: background first, then one (or four) for each class
CLASS_ROWS = {"box_head.cls_score": 1, "box_head.bbox_pred": 4, "mask_head.mask_fcn_logits": 1}

COCO_NAMES = tuple(  # the 90 places of COCO's category ids; - where an id was never used
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
        return {_ours(name): tensor for name, tensor in tensors.items()}
    if any(name.startswith(("backbone.", "fpn.", "box_head.")) for name in tensors):
        return tensors
    if any(name.startswith(("features.", "layer1.", "conv1.")) for name in tensors):
        return {
            f"backbone.{name}": tensor
            for name, tensor in tensors.items()
            if not name.startswith(("fc.", "classifier."))
        }
    return tensors


def _ours(name: str) -> str:
    for pattern, ours in TORCHVISION:
        if re.match(pattern, name):
            return re.sub("^" + pattern, ours, name)
    return name


@dataclass
class Transferred:
    """What became of a network's parameters and buffers."""

    kept: int = 0
    fresh: list[str] = field(default_factory=list)
    unused: list[str] = field(default_factory=list)
    classes_kept: list[str] = field(default_factory=list)
    classes_fresh: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        parts = [f"{self.kept} tensors kept"]
        if self.classes_kept:
            parts.append(f"classes kept: {', '.join(self.classes_kept)}")
        if self.classes_fresh:
            parts.append(f"classes new: {', '.join(self.classes_fresh)}")
        other = sorted({".".join(name.split(".")[:2]) for name in self.fresh if not name.startswith(tuple(CLASS_ROWS))})
        if other:
            parts.append(f"freshly initialised: {', '.join(other[:6])}{' ...' if len(other) > 6 else ''}")
        return "; ".join(parts)


def transfer(
    network: nn.Module, tensors: dict[str, Tensor], source_names: tuple[str, ...], names: tuple[str, ...]
) -> Transferred:
    """Put `tensors` (names as ours or torchvision's) into `network`; what does not fit stays as initialised.

    Rows of the class heads go by class name: a class of `names` that stands in `source_names` keeps its row, the
    others keep their fresh one. Background always keeps its row. With one class on each side the row is kept although
    the names differ: "an object" is a better start than none.
    """
    tensors = rename(tensors)
    own = network.state_dict()
    told = Transferred(unused=[name for name in tensors if name not in own])
    rows, named = [(0, 0)], False
    for place, name in enumerate(names, 1):
        if name in source_names:
            rows.append((place, source_names.index(name) + 1))
            told.classes_kept.append(name)
        elif len(names) == len(source_names) == 1:
            rows.append((1, 1))
            told.classes_kept.append(f"{name} (from {source_names[0]})")
        else:
            told.classes_fresh.append(name)
    for name, value in own.items():
        given = tensors.get(name)
        head = name.rsplit(".", 1)[0]
        each = CLASS_ROWS.get(head, 0)
        whole = (each * (len(source_names) + 1), *value.shape[1:])  # the shape this head has with the source's classes
        if given is not None and each and source_names and given.shape == whole:
            named = True
            for to, source in rows:
                value[to * each : (to + 1) * each].copy_(given[source * each : (source + 1) * each])
            told.kept += 1
        elif given is not None and given.shape == value.shape:
            value.copy_(given)
            told.kept += 1
        elif not name.endswith("num_batches_tracked"):
            told.fresh.append(name)
    if not named:  # no head fitted, so no class kept its row whatever its name
        told.classes_kept, told.classes_fresh = [], list(names)
    network.load_state_dict(own)
    return told
