"""matterport's Mask R-CNN behind the two verbs, for our own training loop and engine: `--model matterport`.

The arithmetic is that of matterport.py; what a person drew and what was found come and go as with our other networks.
Where the original draws and chooses in numpy (anchors that are learnt from), the rules of targets.py stand in: they are
the same ones, but for crowds, and know photos on which not everything was looked for or drawn.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from maskwright.errors import RecipeError
from maskwright.models import matterport_layers as tf
from maskwright.models import matterport_layout as layout
from maskwright.models import targets
from maskwright.models.mask_rcnn import Found
from maskwright.models.matterport import Answers, MatterportMaskRCNN, Settings
from maskwright.models.matterport_boxes import normalised
from maskwright.models.matterport_network import Weights

ANCHORS_PER_PHOTO = 256
GROUPS = (  # where each Keras layer stands in the state dict, the first rule that matches
    (r"fpn_.*", "fpn"),
    (r"rpn_.*", "rpn"),
    (r"mrcnn_mask.*", "mask_head"),
    (r"mrcnn_.*", "box_head"),
    (r".*", "backbone"),
)


def matterport(classes: int, backbone: str = "resnet101", masks: bool = True) -> Matterport:
    """The network with fresh weights; every class of at least 0.05 is told, as average precision needs it."""
    if not masks:
        raise RecipeError(
            "matterport's network always draws outlines",
            field="task",
            wanted="segment",
            got="detect",
            fix="--task segment, or another --model",
        )
    return Matterport(Settings(backbone, classes + 1, detection_min_confidence=0.05))


class Body(nn.ModuleDict):
    """The layers of the ResNet, by Keras' names; called, it gives C2..C5 of B×3×H×W."""

    strides = (4, 8, 16, 32)

    def __init__(self, layers: dict[str, nn.Module], maps: Callable[[Tensor], list[Tensor]]) -> None:
        super().__init__(layers)
        self.maps = maps

    def forward(self, canvas: Tensor) -> list[Tensor]:
        return self.maps(canvas)

    @staticmethod
    def stage_of(name: str) -> int:
        """3, 4, 5 of a parameter's name; 1 for what comes before."""
        found = re.match(r"(?:res|bn)([345])", name)
        return int(found[1]) if found else 1


class Matterport(nn.Module):
    """Two verbs around MatterportMaskRCNN (`self.keras`), which holds the same weights under Keras' names alone."""

    rule = "stretched"  # how its soft masks meet their boxes (see RawDetections)
    keras: MatterportMaskRCNN
    backbone: Body

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        keras = MatterportMaskRCNN(settings, "training")
        self.__dict__["keras"] = keras  # no submodule: each weight has one name in the state dict
        for _, group in GROUPS:
            own: dict[str, nn.Module] = {name: part for name, part in keras.parts.items() if group_of(name) == group}
            self.add_module(group, Body(own, keras.maps) if group == "backbone" else nn.ModuleDict(own))

    # --- use --------------------------------------------------------------------------------------
    @torch.no_grad()
    def detect(self, canvas: Tensor, sizes: list[tuple[int, int]]) -> list[Found]:
        size = (canvas.shape[2], canvas.shape[3])
        windows = tf.norm_boxes(canvas.new_tensor([[0, 0, *part] for part in sizes], dtype=torch.float32), size)
        anchors = self._normalised_anchors(canvas)
        rows, soft = self.keras.look(canvas.to(self.keras.dtype), anchors, windows, float(size[0] * size[1]))
        scale = rows.new_tensor([size[0], size[1], size[0], size[1]]) - 1.0
        photos = []
        for found, drawn in zip(rows, soft, strict=True):
            real = ((found[:, 4] > 0) & (found[:, 2:4] > found[:, :2]).all(1)).nonzero()[:, 0]
            boxes = found[real, :4] * scale + found.new_tensor([0.0, 0.0, 1.0, 1.0])
            classes = found[real, 4].long()
            photos.append(Found(boxes[:, [1, 0, 3, 2]], found[real, 5], classes - 1, drawn[real, classes]))
        return photos

    # --- training ---------------------------------------------------------------------------------
    def losses(
        self,
        canvas: Tensor,
        sizes: list[tuple[int, int]],
        truths: list[targets.Truth],
        generator: torch.Generator | None = None,
    ) -> dict[str, Tensor]:
        """proposal, proposal_box, label, box, mask: the original's five losses under the names of our others."""
        return self.losses_of(self.backbone(canvas), sizes, truths, generator)

    def losses_of(
        self,
        maps: list[Tensor],
        sizes: list[tuple[int, int]],
        truths: list[targets.Truth],
        generator: torch.Generator | None = None,
    ) -> dict[str, Tensor]:
        """The same from what the backbone made of the canvases."""
        size = (maps[0].shape[2] * Body.strides[0], maps[0].shape[3] * Body.strides[0])
        anchors = torch.from_numpy(layout.anchors(self.keras.settings, size)).to(maps[0].device, torch.float32)
        photos = torch.arange(len(truths), device=anchors.device)

        def class_loss(ids: Tensor, logits: Tensor) -> Tensor:
            owners, ids = photos.repeat_interleave(ids.shape[1]), ids.flatten().long()
            return F.cross_entropy(targets.among_sought(logits.flatten(0, 1), ids, owners, truths), ids)

        found = self.keras.five_losses(
            list(maps),
            tf.norm_boxes(anchors, size).expand(len(truths), -1, -1),
            self._answers(anchors, truths, size, generator),
            float(size[0] * size[1]),
            class_loss=class_loss,
            generator=generator,
        )
        return dict(zip(("proposal", "proposal_box", "label", "box", "mask"), found.values(), strict=True))

    def _answers(
        self, anchors: Tensor, truths: list[targets.Truth], size: tuple[int, int], generator: torch.Generator | None
    ) -> Answers:
        """What was drawn, in the original's form: padded rows, crowds among them with the class -1."""
        places = anchors[:, [1, 0, 3, 2]]
        most = max(max(len(truth.boxes) + len(truth.crowd) for truth in truths), 1)
        matches, deltas, ids, boxes, masks = [], [], [], [], []
        for truth in truths:
            nearest, labels = targets.match(places, truth, 0.3, 0.7, rescue=True)
            labels = targets.sample(labels, ANCHORS_PER_PHOTO, 0.5, generator)
            chosen = (labels == 1).nonzero()[:, 0]
            moves = targets.deltas_for(places[chosen], truth, nearest[chosen], (10.0, 10.0, 5.0, 5.0))
            matches.append(torch.where(labels == 0, -1, torch.where(labels == 1, 1, 0)))
            deltas.append(tf.padded(moves[:, [1, 0, 3, 2]], ANCHORS_PER_PHOTO))
            drawn = torch.cat([truth.boxes, truth.crowd])[:, [1, 0, 3, 2]]
            ids.append(tf.padded(torch.cat([truth.classes + 1, truth.classes.new_full((len(truth.crowd),), -1)]), most))
            boxes.append(tf.padded(tf.norm_boxes(drawn, size), most))
            side = 1 if truth.patches is None else truth.patches.shape[1]
            patches = drawn.new_zeros((0, side, side)) if truth.patches is None else truth.patches
            masks.append(tf.padded(patches, most).permute(1, 2, 0))
        side = max(mask.shape[0] for mask in masks)
        masks = [mask if mask.shape[0] == side else mask.new_zeros((side, side, most)) for mask in masks]
        return Answers(
            torch.stack(matches),
            torch.stack(deltas),
            torch.stack(ids),
            torch.stack(boxes),
            torch.stack(masks),
            torch.tensor([int(truth.patches is not None) for truth in truths], device=anchors.device),
            [targets.NEAR if truth.missed else -1.0 for truth in truths],
        )

    def _normalised_anchors(self, canvas: Tensor) -> Tensor:
        size = (canvas.shape[2], canvas.shape[3])
        own = normalised(layout.anchors(self.keras.settings, size), size)
        return torch.from_numpy(own).to(canvas.device).expand(len(canvas), -1, -1)


def group_of(layer: str) -> str:
    return next(group for pattern, group in GROUPS if re.fullmatch(pattern, layer))


def state_of(keras: MatterportMaskRCNN, layers: set[str]) -> dict[str, Tensor]:
    """The weights of these layers under the names of Matterport's state dict."""
    return {
        f"{group_of(name)}.{name}.{weight}": value.detach()
        for name, part in keras.parts.items()
        if name in layers and isinstance(part, Weights)
        for weight, value in part.named().items()
    }
