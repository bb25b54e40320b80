"""Mask R-CNN (He et al. 2017), readable like the paper's figure: backbone, pyramid, proposals, box head, mask head."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from maskwright.models import ops
from maskwright.models.base import Detections, Targets
from maskwright.models.detection import matcher
from maskwright.models.detection.anchors import make_anchors
from maskwright.models.detection.box_coder import clip, decode
from maskwright.models.detection.heads import BoxHead, MaskHead
from maskwright.models.detection.rpn import ProposalHead, ProposalRules, proposal_losses, propose

DELTAS_RPN = (1.0, 1.0, 1.0, 1.0)
DELTAS_BOX = (10.0, 10.0, 5.0, 5.0)


@dataclass(frozen=True)
class Rules:
    """The numbers of the recipe that are not weights. Defaults are torchvision's."""

    training: ProposalRules = field(default_factory=lambda: ProposalRules(per_level=2000, kept=2000))
    using: ProposalRules = field(default_factory=ProposalRules)
    anchors_per_image: int = 256
    rois_per_image: int = 512
    roi_positive_fraction: float = 0.25
    masks_per_image: int = 128  # positive boxes whose mask is learned: with every one of them, torchvision's rule
    score: float = 0.05
    overlap: float = 0.5
    detections: int = 100


def _owners(boxes: list[Tensor]) -> Tensor:
    """Which image of the batch each box belongs to, image after image."""
    return torch.cat([torch.full((len(box),), index, device=box.device) for index, box in enumerate(boxes)])


class MaskRCNN(nn.Module):
    """Two verbs: `losses` for training, `detect` for use. Without a mask head it is a Faster R-CNN.

    network_input  B×3×H×W float, normalized, sides multiples of 64
    sizes   (height, width) of the image's part of each network input; boxes are clipped to it
    """

    def __init__(
        self,
        backbone: nn.Module,
        fpn: nn.Module,
        rpn: ProposalHead,
        box_head: BoxHead,
        mask_head: MaskHead | None,
        rules: Rules,
    ) -> None:
        super().__init__()
        self.backbone, self.fpn, self.rpn = backbone, fpn, rpn
        self.box_head, self.mask_head = box_head, mask_head
        self.rules = rules

    # --- shared ---------------------------------------------------------------------------------
    def anchors(self, pyramid: list[Tensor]) -> list[Tensor]:
        shapes = [(level.shape[2], level.shape[3]) for level in pyramid]
        finest: int = self.backbone.strides[0]  # type: ignore[index,assignment]
        network_input = (shapes[0][0] * finest, shapes[0][1] * finest)
        made = make_anchors(network_input, shapes, self.rules.using.sizes, self.rules.using.ratios)
        return [level.to(pyramid[0].device) for level in made]

    def pool(self, pyramid: list[Tensor], boxes: list[Tensor], out: int) -> Tensor:
        """RoI Align of every image's boxes on the levels but the last: n×C×out×out, image after image."""
        levels = pyramid[:-1]
        together = torch.cat(boxes)
        images = _owners(boxes)
        which = ops.pyramid_levels(together, len(levels))
        return ops.roi_align(levels, list(self.backbone.strides), together, images, which, out)  # type: ignore[arg-type]

    # --- use ------------------------------------------------------------------------------------
    @torch.no_grad()
    def detect(self, network_input: Tensor, sizes: list[tuple[int, int]]) -> list[Detections]:
        pyramid = self.fpn(self.backbone(network_input))
        logits, deltas = self.rpn(pyramid)
        proposals = propose(self.anchors(pyramid), logits, deltas, sizes, self.rules.using)
        return self._draw(pyramid, self._name(pyramid, proposals, sizes))

    def _name(self, pyramid: list[Tensor], proposals: list[Tensor], sizes: list[tuple[int, int]]) -> list[Detections]:
        logits, deltas = self.box_head(self.pool(pyramid, proposals, 7))
        fractions = F.softmax(logits, 1)
        counts = [len(proposal) for proposal in proposals]
        images = []
        for boxes, score, delta, size in zip(
            proposals, fractions.split(counts), deltas.split(counts), sizes, strict=True
        ):
            every = clip(decode(boxes[:, None], delta, DELTAS_BOX), size)[:, 1:]
            score = score[:, 1:]
            likely = score > self.rules.score
            real = ((every[..., 2:] - every[..., :2]) >= 1e-2).all(-1)
            rows, classes = (likely & real).nonzero(as_tuple=True)
            kept = ops.nms_by_group(every[rows, classes], score[rows, classes], classes, self.rules.overlap)[
                : self.rules.detections
            ]
            rows, classes = rows[kept], classes[kept]
            images.append(Detections(every[rows, classes], score[rows, classes], classes))
        return images

    def _draw(self, pyramid: list[Tensor], detections: list[Detections]) -> list[Detections]:
        if self.mask_head is None:
            return detections
        pooled = self.pool(pyramid, [detection.boxes for detection in detections], 14)
        mask_probs = self.mask_head(pooled, torch.cat([detection.classes for detection in detections])).sigmoid()
        for detection, drawn in zip(
            detections, mask_probs.split([len(detection.boxes) for detection in detections]), strict=True
        ):
            detection.mask_probs = drawn
        return detections

    # --- training -------------------------------------------------------------------------------
    def losses(
        self,
        network_input: Tensor,
        sizes: list[tuple[int, int]],
        targets: list[Targets],
        generator: torch.Generator | None = None,
    ) -> dict[str, Tensor]:
        """The five losses of the paper, each a scalar: proposal, proposal_box, label, box, mask."""
        return self.losses_from_features(self.backbone(network_input), sizes, targets, generator)

    def losses_from_features(
        self,
        maps: list[Tensor],
        sizes: list[tuple[int, int]],
        targets: list[Targets],
        generator: torch.Generator | None = None,
    ) -> dict[str, Tensor]:
        """The same from what the backbone made of the network inputs, which a run with a frozen backbone may have
        kept."""
        pyramid = self.fpn(maps)
        anchors = self.anchors(pyramid)
        logits, deltas = self.rpn(pyramid)
        proposals = propose(anchors, logits, deltas, sizes, self.rules.training)
        every = torch.cat(anchors)
        parts = [self._anchor_targets(every, target, generator) for target in targets]
        losses = dict(
            zip(
                ("proposal", "proposal_box"),
                proposal_losses(
                    torch.cat(logits, 1).flatten(),
                    torch.cat(deltas, 1).flatten(0, 1),
                    torch.cat([labels for labels, _ in parts]),
                    torch.cat([expected for _, expected in parts]),
                ),
                strict=True,
            )
        )
        chosen = [self._choose(boxes, target, generator) for boxes, target in zip(proposals, targets, strict=True)]
        losses |= self._second_stage(pyramid, chosen, targets, generator)
        return losses

    def _anchor_targets(
        self, anchors: Tensor, target: Targets, generator: torch.Generator | None
    ) -> tuple[Tensor, Tensor]:
        nearest, labels = matcher.match(anchors, target, 0.3, 0.7, rescue=True)
        labels = matcher.sample(labels, self.rules.anchors_per_image, 0.5, generator)
        return labels, matcher.deltas_for(anchors, target, nearest, DELTAS_RPN)

    def _choose(
        self, proposals: Tensor, target: Targets, generator: torch.Generator | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Sampled boxes of one image, positives first: boxes n×4, nearest ground truth n, label n (1 or 0)."""
        boxes = torch.cat([proposals, target.boxes])
        nearest, labels = matcher.match(boxes, target, 0.5, 0.5, rescue=False)
        labels = matcher.sample(labels, self.rules.rois_per_image, self.rules.roi_positive_fraction, generator)
        rows = torch.cat([(labels == 1).nonzero()[:, 0], (labels == 0).nonzero()[:, 0]])
        return boxes[rows], nearest[rows], labels[rows]

    def _second_stage(self, pyramid, chosen, targets, generator) -> dict[str, Tensor]:
        logits, deltas = self.box_head(self.pool(pyramid, [boxes for boxes, _, _ in chosen], 7))
        classes = torch.cat(
            [
                torch.where(labels == 1, target.classes[nearest] + 1, 0)
                if len(target.classes)
                else torch.zeros_like(labels)
                for (_, nearest, labels), target in zip(chosen, targets, strict=True)
            ]
        )
        expected = torch.cat(
            [
                matcher.deltas_for(boxes, target, nearest, DELTAS_BOX)
                for (boxes, nearest, _), target in zip(chosen, targets, strict=True)
            ]
        )
        logits = matcher.among_labelled_classes(logits, classes, _owners([boxes for boxes, _, _ in chosen]), targets)
        positive = (classes > 0).nonzero()[:, 0]
        own = deltas[positive, classes[positive]]
        losses = {
            "label": F.cross_entropy(logits, classes) if len(classes) else logits.sum() * 0,
            "box": F.smooth_l1_loss(own, expected[positive], beta=1 / 9, reduction="sum") / max(len(classes), 1),
        }
        if self.mask_head is not None:
            losses["mask"] = self._mask_loss(pyramid, chosen, targets, generator)
        return losses

    def _mask_loss(self, pyramid, chosen, targets, generator) -> Tensor:
        boxes, classes, drawn = [], [], []
        for (item, nearest, labels), target in zip(chosen, targets, strict=True):
            outlined = (labels == 1).nonzero()[:, 0] if target.patches is not None else labels.new_zeros(0)
            if len(outlined) > self.rules.masks_per_image:
                order = torch.randperm(len(outlined), generator=generator)[: self.rules.masks_per_image]
                outlined = outlined[order.to(outlined.device)]
            boxes.append(item[outlined])
            if len(outlined):
                classes.append(target.classes[nearest[outlined]])
                drawn.append(matcher.mask_targets(item[outlined], target, nearest[outlined]))
        if not drawn:
            return sum(parameter.sum() * 0 for parameter in self.mask_head.parameters())  # type: ignore[union-attr,return-value]
        logits = self.mask_head(self.pool(pyramid, boxes, 14), torch.cat(classes))  # type: ignore[misc]
        return F.binary_cross_entropy_with_logits(logits, torch.cat(drawn))
