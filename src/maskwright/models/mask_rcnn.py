"""Mask R-CNN (He et al. 2017), readable like the paper's figure: backbone, pyramid, proposals, box head, mask head."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from maskwright.models import ops, targets
from maskwright.models.heads import BoxHead, MaskHead
from maskwright.models.proposals import (
    ProposalHead,
    ProposalRules,
    clip,
    decode,
    make_anchors,
    proposal_losses,
    propose,
)

DELTAS_RPN = (1.0, 1.0, 1.0, 1.0)
DELTAS_BOX = (10.0, 10.0, 5.0, 5.0)


@dataclass(frozen=True)
class Rules:
    """The numbers of the recipe that are not weights. Defaults are torchvision's."""

    training: ProposalRules = field(default_factory=lambda: ProposalRules(per_level=2000, kept=2000))
    using: ProposalRules = field(default_factory=ProposalRules)
    anchors_per_photo: int = 256
    rois_per_photo: int = 512
    roi_positive_share: float = 0.25
    masks_per_photo: int = 128  # positive boxes whose mask is learnt: with every one of them, torchvision's rule
    score: float = 0.05
    overlap: float = 0.5
    found: int = 100


@dataclass
class Found:
    """What the box head says of one photo, canvas pixels: boxes n×4, scores n, classes n (data classes)."""

    boxes: Tensor
    scores: Tensor
    classes: Tensor
    soft: Tensor | None = None


def _owners(boxes: list[Tensor]) -> Tensor:
    """Which photo of the batch each box belongs to, photo after photo."""
    return torch.cat([torch.full((len(each),), place, device=each.device) for place, each in enumerate(boxes)])


class MaskRCNN(nn.Module):
    """Two verbs: `losses` for training, `detect` for use. Without a mask head it is a Faster R-CNN.

    canvas  B×3×H×W float, normalised, sides multiples of 64
    sizes   (height, width) of the photo's part of each canvas; boxes are clipped to it
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
        canvas = (shapes[0][0] * finest, shapes[0][1] * finest)
        made = make_anchors(canvas, shapes, self.rules.using.sizes, self.rules.using.ratios)
        return [level.to(pyramid[0].device) for level in made]

    def pool(self, pyramid: list[Tensor], boxes: list[Tensor], out: int) -> Tensor:
        """RoI Align of every photo's boxes on the levels but the last: n×C×out×out, photo after photo."""
        levels = pyramid[:-1]
        together = torch.cat(boxes)
        photos = _owners(boxes)
        which = ops.pyramid_levels(together, len(levels))
        return ops.roi_align(levels, list(self.backbone.strides), together, photos, which, out)  # type: ignore[arg-type]

    # --- use ------------------------------------------------------------------------------------
    @torch.no_grad()
    def detect(self, canvas: Tensor, sizes: list[tuple[int, int]]) -> list[Found]:
        pyramid = self.fpn(self.backbone(canvas))
        logits, deltas = self.rpn(pyramid)
        proposals = propose(self.anchors(pyramid), logits, deltas, sizes, self.rules.using)
        return self._draw(pyramid, self._name(pyramid, proposals, sizes))

    def _name(self, pyramid: list[Tensor], proposals: list[Tensor], sizes: list[tuple[int, int]]) -> list[Found]:
        logits, deltas = self.box_head(self.pool(pyramid, proposals, 7))
        shares = F.softmax(logits, 1)
        counts = [len(each) for each in proposals]
        photos = []
        for boxes, score, delta, size in zip(proposals, shares.split(counts), deltas.split(counts), sizes, strict=True):
            every = clip(decode(boxes[:, None], delta, DELTAS_BOX), size)[:, 1:]
            score = score[:, 1:]
            likely = score > self.rules.score
            real = ((every[..., 2:] - every[..., :2]) >= 1e-2).all(-1)
            rows, classes = (likely & real).nonzero(as_tuple=True)
            kept = ops.nms_by_group(every[rows, classes], score[rows, classes], classes, self.rules.overlap)[
                : self.rules.found
            ]
            rows, classes = rows[kept], classes[kept]
            photos.append(Found(every[rows, classes], score[rows, classes], classes))
        return photos

    def _draw(self, pyramid: list[Tensor], found: list[Found]) -> list[Found]:
        if self.mask_head is None:
            return found
        pooled = self.pool(pyramid, [each.boxes for each in found], 14)
        soft = self.mask_head(pooled, torch.cat([each.classes for each in found])).sigmoid()
        for each, drawn in zip(found, soft.split([len(each.boxes) for each in found]), strict=True):
            each.soft = drawn
        return found

    # --- training -------------------------------------------------------------------------------
    def losses(
        self,
        canvas: Tensor,
        sizes: list[tuple[int, int]],
        truths: list[targets.Truth],
        generator: torch.Generator | None = None,
    ) -> dict[str, Tensor]:
        """The five losses of the paper, each a scalar: proposal, proposal_box, label, box, mask."""
        return self.losses_of(self.backbone(canvas), sizes, truths, generator)

    def losses_of(
        self,
        maps: list[Tensor],
        sizes: list[tuple[int, int]],
        truths: list[targets.Truth],
        generator: torch.Generator | None = None,
    ) -> dict[str, Tensor]:
        """The same from what the backbone made of the canvases, which a run with a frozen backbone may have kept."""
        pyramid = self.fpn(maps)
        anchors = self.anchors(pyramid)
        logits, deltas = self.rpn(pyramid)
        proposals = propose(anchors, logits, deltas, sizes, self.rules.training)
        every = torch.cat(anchors)
        parts = [self._anchor_targets(every, truth, generator) for truth in truths]
        losses = dict(
            zip(
                ("proposal", "proposal_box"),
                proposal_losses(
                    torch.cat(logits, 1).flatten(),
                    torch.cat(deltas, 1).flatten(0, 1),
                    torch.cat([labels for labels, _ in parts]),
                    torch.cat([wanted for _, wanted in parts]),
                ),
                strict=True,
            )
        )
        chosen = [self._choose(boxes, truth, generator) for boxes, truth in zip(proposals, truths, strict=True)]
        losses |= self._second_stage(pyramid, chosen, truths, generator)
        return losses

    def _anchor_targets(
        self, anchors: Tensor, truth: targets.Truth, generator: torch.Generator | None
    ) -> tuple[Tensor, Tensor]:
        nearest, labels = targets.match(anchors, truth, 0.3, 0.7, rescue=True)
        labels = targets.sample(labels, self.rules.anchors_per_photo, 0.5, generator)
        return labels, targets.deltas_for(anchors, truth, nearest, DELTAS_RPN)

    def _choose(
        self, proposals: Tensor, truth: targets.Truth, generator: torch.Generator | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Sampled boxes of one photo, positives first: boxes n×4, nearest truth n, label n (1 or 0)."""
        boxes = torch.cat([proposals, truth.boxes])
        nearest, labels = targets.match(boxes, truth, 0.5, 0.5, rescue=False)
        labels = targets.sample(labels, self.rules.rois_per_photo, self.rules.roi_positive_share, generator)
        rows = torch.cat([(labels == 1).nonzero()[:, 0], (labels == 0).nonzero()[:, 0]])
        return boxes[rows], nearest[rows], labels[rows]

    def _second_stage(self, pyramid, chosen, truths, generator) -> dict[str, Tensor]:
        logits, deltas = self.box_head(self.pool(pyramid, [boxes for boxes, _, _ in chosen], 7))
        classes = torch.cat(
            [
                torch.where(labels == 1, truth.classes[nearest] + 1, 0)
                if len(truth.classes)
                else torch.zeros_like(labels)
                for (_, nearest, labels), truth in zip(chosen, truths, strict=True)
            ]
        )
        wanted = torch.cat(
            [
                targets.deltas_for(boxes, truth, nearest, DELTAS_BOX)
                for (boxes, nearest, _), truth in zip(chosen, truths, strict=True)
            ]
        )
        logits = targets.among_sought(logits, classes, _owners([boxes for boxes, _, _ in chosen]), truths)
        positive = (classes > 0).nonzero()[:, 0]
        own = deltas[positive, classes[positive]]
        losses = {
            "label": F.cross_entropy(logits, classes) if len(classes) else logits.sum() * 0,
            "box": F.smooth_l1_loss(own, wanted[positive], beta=1 / 9, reduction="sum") / max(len(classes), 1),
        }
        if self.mask_head is not None:
            losses["mask"] = self._mask_loss(pyramid, chosen, truths, generator)
        return losses

    def _mask_loss(self, pyramid, chosen, truths, generator) -> Tensor:
        boxes, classes, drawn = [], [], []
        for (each, nearest, labels), truth in zip(chosen, truths, strict=True):
            outlined = (labels == 1).nonzero()[:, 0] if truth.patches is not None else labels.new_zeros(0)
            if len(outlined) > self.rules.masks_per_photo:
                order = torch.randperm(len(outlined), generator=generator)[: self.rules.masks_per_photo]
                outlined = outlined[order.to(outlined.device)]
            boxes.append(each[outlined])
            if len(outlined):
                classes.append(truth.classes[nearest[outlined]])
                drawn.append(targets.mask_targets(each[outlined], truth, nearest[outlined]))
        if not drawn:
            return sum(parameter.sum() * 0 for parameter in self.mask_head.parameters())  # type: ignore[union-attr,return-value]
        logits = self.mask_head(self.pool(pyramid, boxes, 14), torch.cat(classes))  # type: ignore[misc]
        return F.binary_cross_entropy_with_logits(logits, torch.cat(drawn))
