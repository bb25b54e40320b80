"""matterport's Mask R-CNN for our own training loop and engine: `--model matterport`.

The arithmetic is that of model.py; targets and detections come and go as with our other networks. Where the original
samples in numpy (the anchors that are trained on), the rules of detection/matcher.py are used: the same, except for
crowds, and they know images on which not every class was labelled or not every object drawn.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from maskwright.errors import RecipeError
from maskwright.models.base import DetectionNetwork, Detections, Generators, Loss, Targets
from maskwright.models.detection import matcher
from maskwright.models.detection.box_coder import encode_matched
from maskwright.models.matterport import layers as tf
from maskwright.models.matterport.model import GroundTruth, MatterportMaskRCNN, Settings

ANCHORS_PER_IMAGE = 256
RPN_WEIGHTS = (10.0, 10.0, 5.0, 5.0)  # RPN_BBOX_STD_DEV is 0.1, 0.1, 0.2, 0.2
GROUPS = (  # of the Keras layers in the state dict, the first rule that matches
    (r"fpn_.*", "fpn"),
    (r"rpn_.*", "rpn"),
    (r"mrcnn_mask.*", "mask_head"),
    (r"mrcnn_.*", "box_head"),
    (r".*", "backbone"),
)


def matterport(backbone: str, classes: int, masks: bool = True) -> Matterport:
    """The network with fresh weights. It detects from a score of 0.05, as average precision needs it.

    backbone  resnet50 or resnet101
    """
    if not masks:
        raise RecipeError(
            "matterport's network always draws outlines",
            field="task",
            expected="segment",
            got="detect",
            fix="--task segment, or another --model",
        )
    return Matterport(Settings(backbone, classes + 1, detection_min_confidence=0.05))


class KerasResNet(nn.ModuleDict):
    """The layers of the ResNet, by Keras' names; called, it gives C2..C5 of B×3×H×W."""

    strides: tuple[int, ...] = (4, 8, 16, 32)
    channels: tuple[int, ...] = (256, 512, 1024, 2048)

    def __init__(self, layers: dict[str, nn.Module], maps: Callable[[Tensor], list[Tensor]]) -> None:
        super().__init__(layers)
        self.maps = maps

    def forward(self, images: Tensor) -> list[Tensor]:
        return self.maps(images)

    def stage_of(self, name: str) -> int:
        """3, 4, 5 of a parameter's name; 1 for what comes before."""
        stage = re.match(r"(?:res|bn)([345])", name)
        return int(stage[1]) if stage else 1


class Matterport(DetectionNetwork):
    """MatterportMaskRCNN (`self.keras`), which holds the same weights under Keras' names, as a network of ours."""

    paste_mode = "matterport"
    keras: MatterportMaskRCNN

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        keras = MatterportMaskRCNN(settings, "training")
        self.__dict__["keras"] = keras  # no submodule: each weight has one name in the state dict
        for _, group in GROUPS:
            own: dict[str, nn.Module] = {name: part for name, part in keras.parts.items() if group_of(name) == group}
            self.add_module(group, KerasResNet(own, keras.maps) if group == "backbone" else nn.ModuleDict(own))

    # --- prediction --------------------------------------------------------------------------------------
    @torch.no_grad()
    def predict(self, images: Tensor, sizes: list[tuple[int, int]]) -> list[Detections]:
        size = (images.shape[2], images.shape[3])
        windows = tf.norm_boxes(images.new_tensor([[0, 0, *part] for part in sizes], dtype=torch.float32), size)
        anchors = self.keras.normalized_anchors(size).expand(len(images), -1, -1)
        rows, mask_probs = self.keras.predict(images.to(self.keras.dtype), anchors, windows, float(size[0] * size[1]))
        scale = rows.new_tensor([size[0], size[1], size[0], size[1]]) - 1.0
        detections = []
        for row, probs in zip(rows, mask_probs, strict=True):  # (N, 6), (M, C, h, w)
            solid = ((row[:, 4] > 0) & (row[:, 2:4] > row[:, :2]).all(1)).nonzero()[:, 0]
            boxes = row[solid, :4] * scale + row.new_tensor([0.0, 0.0, 1.0, 1.0])
            classes = row[solid, 4].long()
            detections.append(Detections(boxes[:, [1, 0, 3, 2]], row[solid, 5], classes - 1, probs[solid, classes]))
        return detections

    # --- training ---------------------------------------------------------------------------------
    def losses_from_features(
        self,
        features: list[Tensor],
        sizes: list[tuple[int, int]],
        targets: list[Targets],
        generators: Generators | None = None,
    ) -> dict[str, Loss]:
        """rpn_cls, rpn_box, cls, box, mask: the original's five losses under the names of our others."""
        finest = self.backbone.strides[0]
        size = (features[0].shape[2] * finest, features[0].shape[3] * finest)
        anchors = self.keras.pixel_anchors(size)
        images = torch.arange(len(targets), device=anchors.device)

        def class_loss(ids: Tensor, logits: Tensor) -> Tensor:
            owners, ids = images.repeat_interleave(ids.shape[1]), ids.flatten().long()
            return F.cross_entropy(matcher.among_labelled_classes(logits.flatten(0, 1), ids, owners, targets), ids)

        named = self.keras.five_losses(
            list(features),
            tf.norm_boxes(anchors, size).expand(len(targets), -1, -1),
            self._ground_truth(anchors, targets, size, generators),
            float(size[0] * size[1]),
            class_loss=class_loss,
            generators=generators,
        )
        # Each is the mean over what the original counts in this batch; over several processes, over the images.
        losses = [Loss(value * len(targets), len(targets)) for value in named.values()]
        return dict(zip(("rpn_cls", "rpn_box", "cls", "box", "mask"), losses, strict=True))

    def _ground_truth(
        self,
        anchors: Tensor,
        targets: list[Targets],
        size: tuple[int, int],
        generators: Generators | None,
    ) -> GroundTruth:
        """The targets in the original's form: padded rows, crowds among them with the class -1."""
        anchors_xyxy = anchors[:, [1, 0, 3, 2]]
        count = max(max(len(target.boxes) + len(target.crowd) for target in targets), 1)
        matches, deltas, ids, boxes, masks = [], [], [], [], []
        for target, generator in zip(targets, generators or [None] * len(targets), strict=True):
            matched_idxs, labels = matcher.match(anchors_xyxy, target, 0.3, 0.7, allow_low_quality_matches=True)
            labels = matcher.sample(labels, ANCHORS_PER_IMAGE, 0.5, generator)
            chosen = (labels == 1).nonzero()[:, 0]
            moves = encode_matched(anchors_xyxy[chosen], target.boxes, matched_idxs[chosen], RPN_WEIGHTS)
            matches.append(torch.where(labels == 0, -1, torch.where(labels == 1, 1, 0)))
            deltas.append(tf.padded(moves[:, [1, 0, 3, 2]], ANCHORS_PER_IMAGE))
            annotated = torch.cat([target.boxes, target.crowd])[:, [1, 0, 3, 2]]
            ids.append(
                tf.padded(torch.cat([target.classes + 1, target.classes.new_full((len(target.crowd),), -1)]), count)
            )
            boxes.append(tf.padded(tf.norm_boxes(annotated, size), count))
            side = 1 if target.patches is None else target.patches.shape[1]
            patches = annotated.new_zeros((0, side, side)) if target.patches is None else target.patches
            masks.append(tf.padded(patches, count).permute(1, 2, 0))
        side = max(mask.shape[0] for mask in masks)
        masks = [mask if mask.shape[0] == side else mask.new_zeros((side, side, count)) for mask in masks]
        return GroundTruth(
            torch.stack(matches),
            torch.stack(deltas),
            torch.stack(ids),
            torch.stack(boxes),
            torch.stack(masks),
            torch.tensor([int(target.patches is not None) for target in targets], device=anchors.device),
            [matcher.NEAR if target.incomplete else -1.0 for target in targets],
        )


def group_of(layer: str) -> str:
    return next(group for pattern, group in GROUPS if re.fullmatch(pattern, layer))


def state_of(keras: MatterportMaskRCNN, layers: set[str]) -> dict[str, Tensor]:
    """The weights of these layers under the names of Matterport's state dict."""
    return {
        f"{group_of(name)}.{name}.{weight}": value.detach()
        for name, weight, value in keras.named_weights()
        if name in layers
    }
