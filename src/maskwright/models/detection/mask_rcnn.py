"""Mask R-CNN (He et al. 2017): backbone, pyramid, proposals, box head, mask head; last, the networks built of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from maskwright.geometry.anchors import FINE_SIDES, make_anchors
from maskwright.models import ops
from maskwright.models.backbones.fpn import FeaturePyramid
from maskwright.models.base import Backbone, DetectionNetwork, Detections, Generators, Loss, Targets
from maskwright.models.conv import SeparableConv
from maskwright.models.detection import matcher
from maskwright.models.detection.box_coder import UNIT, clip, decode, encode_matched
from maskwright.models.detection.heads import BoxHead, MaskHead
from maskwright.models.detection.rpn import ProposalConfig, ProposalHead, proposal_losses, propose

BOX_WEIGHTS = (10.0, 10.0, 5.0, 5.0)  # of the box head's deltas: proposals are close, so their deltas are small

Draws = Sequence[torch.Generator | None]
"""What draws the sample of each image; None: torch's own generator."""


@dataclass(frozen=True)
class MaskRCNNConfig:
    """The numbers that are not weights. Defaults are torchvision's."""

    rpn_training: ProposalConfig = field(
        default_factory=lambda: ProposalConfig(pre_nms_top_n=2000, post_nms_top_n=2000)
    )
    rpn_inference: ProposalConfig = field(default_factory=ProposalConfig)
    rpn_batch_size_per_image: int = 256  # anchors that are trained on
    rpn_positive_fraction: float = 0.5
    roi_batch_size_per_image: int = 512  # proposals that are trained on
    roi_positive_fraction: float = 0.25
    masks_per_image: int = 128  # positive proposals whose mask is trained; 128 is all of them, as in torchvision
    score_thresh: float = 0.05
    nms_thresh: float = 0.5
    detections_per_image: int = 100


class SampledProposals(NamedTuple):
    """The proposals of one image that are trained on, positive ones first."""

    boxes: Tensor  # (n, 4) network input pixels
    matched_idxs: Tensor  # (n,) index of the ground truth that each overlaps most
    labels: Tensor  # (n,) 1 object, 0 background


class MaskRCNN(DetectionNetwork):
    """Without a mask head it is a Faster R-CNN.

    images  (B, 3, H, W) float, normalized, sides multiples of 64
    sizes   (height, width) of the image's part of each network input; boxes are clipped to it
    """

    def __init__(
        self,
        backbone: Backbone,
        fpn: FeaturePyramid,
        rpn: ProposalHead,
        box_head: BoxHead,
        mask_head: MaskHead | None,
        config: MaskRCNNConfig,
    ) -> None:
        super().__init__()
        self.backbone, self.fpn, self.rpn = backbone, fpn, rpn
        self.box_head, self.mask_head = box_head, mask_head
        self.config = config

    # --- prediction -----------------------------------------------------------------------------
    @torch.no_grad()
    def predict(self, images: Tensor, sizes: list[tuple[int, int]]) -> list[Detections]:
        features = self.backbone(images)  # C2..C5, strides 4..32
        pyramid = self.fpn(features)  # P2..P6, strides 4..64, all of one width
        objectness, deltas = self.rpn(pyramid)  # per level (B, k) logits and (B, k, 4)
        anchors = self.anchors(pyramid)  # per level (k, 4)
        proposals = propose(anchors, objectness, deltas, sizes, self.config.rpn_inference)  # per image (<= 1000, 4)
        detections = self.classify_boxes(pyramid, proposals, sizes)  # classes, scores, boxes after NMS
        return self.predict_masks(pyramid, detections)  # one (28, 28) mask probability map each

    def classify_boxes(
        self, pyramid: list[Tensor], proposals: list[Tensor], sizes: list[tuple[int, int]]
    ) -> list[Detections]:
        """Class, score and refined box of every proposal; suppressed within each class, the best of each image."""
        logits, deltas = self.box_head(self.pool(pyramid, proposals, 7))  # (n, classes+1), (n, classes+1, 4)
        probs = F.softmax(logits, 1)
        counts = [len(boxes) for boxes in proposals]
        detections = []
        for boxes, scores, delta, size in zip(proposals, probs.split(counts), deltas.split(counts), sizes, strict=True):
            refined = clip(decode(boxes[:, None], delta, BOX_WEIGHTS), size)[:, 1:]  # (n, classes, 4)
            scores = scores[:, 1:]  # (n, classes): without background
            solid = (refined[..., 2:] - refined[..., :2] >= 1e-2).all(-1)  # not clipped away in the padding
            # Every class of a proposal may be detected, not only its best: average precision ranks them all.
            rows, classes = ((scores > self.config.score_thresh) & solid).nonzero(as_tuple=True)
            best = ops.nms_by_group(refined[rows, classes], scores[rows, classes], classes, self.config.nms_thresh)
            best = best[: self.config.detections_per_image]
            rows, classes = rows[best], classes[best]
            detections.append(Detections(refined[rows, classes], scores[rows, classes], classes))
        return detections

    def predict_masks(self, pyramid: list[Tensor], detections: list[Detections]) -> list[Detections]:
        """The same detections, each with the mask of its class."""
        if self.mask_head is None:
            return detections
        pooled = self.pool(pyramid, [image.boxes for image in detections], 14)  # (n, C, 14, 14)
        logits = self.mask_head(pooled, torch.cat([image.classes for image in detections]))  # (n, 28, 28)
        counts = [len(image.boxes) for image in detections]
        for image, mask_probs in zip(detections, logits.sigmoid().split(counts), strict=True):
            image.mask_probs = mask_probs
        return detections

    # --- training -------------------------------------------------------------------------------
    def losses_from_features(
        self,
        features: list[Tensor],
        sizes: list[tuple[int, int]],
        targets: list[Targets],
        generators: Generators | None = None,
    ) -> dict[str, Loss]:
        """The five losses of the paper: rpn_cls, rpn_box, cls, box, mask."""
        pyramid = self.fpn(features)  # P2..P6
        objectness, deltas = self.rpn(pyramid)  # per level (B, k) logits and (B, k, 4)
        anchors = self.anchors(pyramid)  # per level (k, 4)
        proposals = propose(anchors, objectness, deltas, sizes, self.config.rpn_training)  # per image (<= 2000, 4)
        draws = generators or [None] * len(targets)  # what is sampled of each image; None: at random
        losses = self.rpn_losses(anchors, objectness, deltas, targets, draws)
        sampled = [self.sample_proposals(*image) for image in zip(proposals, targets, draws, strict=True)]
        return losses | self.roi_losses(pyramid, sampled, targets, draws)

    def rpn_losses(
        self,
        anchors: list[Tensor],
        objectness: list[Tensor],
        deltas: list[Tensor],
        targets: list[Targets],
        draws: Draws,
    ) -> dict[str, Loss]:
        """rpn_cls and rpn_box, of a sample of each image's anchors (Faster R-CNN, 3.1.2 and 3.1.3)."""
        boxes = torch.cat(anchors)  # (k, 4), all levels
        labels, expected = [], []
        for target, generator in zip(targets, draws, strict=True):
            matched_idxs, matches = matcher.match(boxes, target, 0.3, 0.7, allow_low_quality_matches=True)
            size, fraction = self.config.rpn_batch_size_per_image, self.config.rpn_positive_fraction
            labels.append(matcher.sample(matches, size, fraction, generator))
            expected.append(encode_matched(boxes, target.boxes, matched_idxs, UNIT))
        rpn_cls, rpn_box, count = proposal_losses(
            torch.cat(objectness, 1).flatten(),  # (B·k,)
            torch.cat(deltas, 1).flatten(0, 1),  # (B·k, 4)
            torch.cat(labels),
            torch.cat(expected),
        )
        return {"rpn_cls": Loss(rpn_cls, count), "rpn_box": Loss(rpn_box, count)}

    def sample_proposals(
        self, proposals: Tensor, target: Targets, generator: torch.Generator | None
    ) -> SampledProposals:
        """A sample of one image's proposals and ground-truth boxes: an object from IoU 0.5 on (section 3.1)."""
        # The ground truth among them, or the heads would see no object before the proposals are good.
        boxes = torch.cat([proposals, target.boxes])  # (n, 4)
        matched_idxs, labels = matcher.match(boxes, target, 0.5, 0.5, allow_low_quality_matches=False)
        size, fraction = self.config.roi_batch_size_per_image, self.config.roi_positive_fraction
        labels = matcher.sample(labels, size, fraction, generator)
        rows = torch.cat([(labels == 1).nonzero()[:, 0], (labels == 0).nonzero()[:, 0]])
        return SampledProposals(boxes[rows], matched_idxs[rows], labels[rows])

    def roi_losses(
        self,
        pyramid: list[Tensor],
        sampled: list[SampledProposals],
        targets: list[Targets],
        draws: Draws,
    ) -> dict[str, Loss]:
        """cls, box and mask, of the sampled proposals: the multi-task loss of section 3."""
        boxes = [image.boxes for image in sampled]
        logits, deltas = self.box_head(self.pool(pyramid, boxes, 7))  # (n, classes+1), (n, classes+1, 4)
        pairs = list(zip(sampled, targets, strict=True))
        classes = torch.cat([matcher.class_labels(target, *image[1:]) for image, target in pairs])  # (n,) 0: background
        expected = torch.cat(
            [encode_matched(image.boxes, target.boxes, image.matched_idxs, BOX_WEIGHTS) for image, target in pairs]
        )  # (n, 4)
        logits = matcher.among_labelled_classes(logits, classes, _image_of_each(boxes), targets)
        positive = (classes > 0).nonzero()[:, 0]
        own = deltas[positive, classes[positive]]  # (positives, 4): a box is refined for its own class
        # Both per sampled proposal, positive or not, so that an image with one object does not outweigh one with ten.
        losses = {
            "cls": Loss(F.cross_entropy(logits, classes, reduction="sum"), len(classes)),
            "box": Loss(F.smooth_l1_loss(own, expected[positive], beta=1 / 9, reduction="sum"), len(classes)),
        }
        if self.mask_head is not None:
            losses["mask"] = self._mask_loss(self.mask_head, pyramid, sampled, targets, draws)
        return losses

    def _mask_loss(
        self,
        mask_head: MaskHead,
        pyramid: list[Tensor],
        sampled: list[SampledProposals],
        targets: list[Targets],
        draws: Draws,
    ) -> Loss:
        """Only of positive proposals, and each only of the map of its own class (section 3)."""
        boxes, classes, masks = [], [], []
        for image, target, generator in zip(sampled, targets, draws, strict=True):
            rows = (image.labels == 1).nonzero()[:, 0] if target.patches is not None else image.labels.new_zeros(0)
            if len(rows) > self.config.masks_per_image:
                order = torch.randperm(len(rows), generator=generator)[: self.config.masks_per_image]
                rows = rows[order.to(rows.device)]
            boxes.append(image.boxes[rows])
            if len(rows):
                matched_idxs = image.matched_idxs[rows]
                classes.append(target.classes[matched_idxs])
                masks.append(matcher.mask_targets(image.boxes[rows], target, matched_idxs))  # (n, 28, 28)
        if not masks:  # a loss of 0 that still reaches every parameter: an optimizer step is the same for every batch
            return Loss(torch.stack([parameter.sum() * 0 for parameter in mask_head.parameters()]).sum(), 0)
        logits = mask_head(self.pool(pyramid, boxes, 14), torch.cat(classes))  # (n, 28, 28)
        cross_entropy = F.binary_cross_entropy_with_logits(logits, torch.cat(masks), reduction="none")
        return Loss(cross_entropy.mean((1, 2)).sum(), len(cross_entropy))

    # --- shared ---------------------------------------------------------------------------------
    def anchors(self, pyramid: list[Tensor]) -> list[Tensor]:
        """Per level (k, 4), network input pixels."""
        shapes = [(level.shape[2], level.shape[3]) for level in pyramid]
        finest = self.backbone.strides[0]
        network_input = (shapes[0][0] * finest, shapes[0][1] * finest)
        config = self.config.rpn_inference
        anchors = make_anchors(network_input, shapes, config.sizes, config.ratios)
        return [torch.from_numpy(level).to(pyramid[0].device) for level in anchors]

    def pool(self, pyramid: list[Tensor], boxes: list[Tensor], side: int) -> Tensor:
        """RoI Align of every image's boxes on the levels but the last: (n, C, side, side), image after image."""
        levels = pyramid[:-1]
        rois = torch.cat(boxes)
        level_of_each = ops.pyramid_levels(rois, len(levels))  # (n,)
        return ops.roi_align(levels, self.backbone.strides, rois, _image_of_each(boxes), level_of_each, side)


def _image_of_each(boxes: list[Tensor]) -> Tensor:
    """(n,) which image of the batch each box belongs to, image after image."""
    return torch.cat([torch.full((len(rows),), index, device=rows.device) for index, rows in enumerate(boxes)])


# --- networks ---------------------------------------------------------------------------------------
def small(backbone: Backbone, classes: int, masks: bool = True) -> MaskRCNN:
    """Our own network for a CPU: at most 7 million parameters.

    Where it differs from the paper, and why: separable convolutions in the pyramid and the proposal head (most of the
    work lies at stride 4), anchors from 24 px (users' defects are small), 128 RoIs and 400 proposals an image, 10 masks
    trained an image (all of them would take half of a step).
    """
    width = 96
    sizes = tuple((side,) for side in FINE_SIDES)
    config = MaskRCNNConfig(
        rpn_training=ProposalConfig(sizes, pre_nms_top_n=400, post_nms_top_n=400),
        rpn_inference=ProposalConfig(sizes, pre_nms_top_n=300, post_nms_top_n=200),
        roi_batch_size_per_image=128,
        rpn_batch_size_per_image=128,
        masks_per_image=10,
    )
    return MaskRCNN(
        backbone,
        FeaturePyramid(backbone.channels, width, nn.BatchNorm2d, SeparableConv),
        ProposalHead(width, anchors=3, conv=SeparableConv),
        BoxHead(width, classes, hidden=256),
        MaskHead(width, classes, convs=3) if masks else None,
        config,
    )


def mask_rcnn(backbone: Backbone, classes: int, masks: bool = True) -> MaskRCNN:
    """torchvision's maskrcnn_resnet50_fpn: no norm in pyramid and heads."""
    return MaskRCNN(
        backbone,
        FeaturePyramid(backbone.channels, 256, None),
        ProposalHead(256, anchors=3),
        BoxHead(256, classes, hidden=1024),
        MaskHead(256, classes) if masks else None,
        MaskRCNNConfig(),
    )


def mask_rcnn_v2(backbone: Backbone, classes: int, masks: bool = True) -> MaskRCNN:
    """torchvision's maskrcnn_resnet50_fpn_v2 (Li et al. 2021): norms everywhere, deeper proposal and box heads."""
    return MaskRCNN(
        backbone,
        FeaturePyramid(backbone.channels, 256, nn.BatchNorm2d),
        ProposalHead(256, anchors=3, depth=2),
        BoxHead(256, classes, hidden=1024, depth=1, convs=4, norm=nn.BatchNorm2d),
        MaskHead(256, classes, convs=4, norm=nn.BatchNorm2d) if masks else None,
        MaskRCNNConfig(),
    )


def faster_rcnn(backbone: Backbone, classes: int) -> MaskRCNN:
    """torchvision's fasterrcnn_resnet50_fpn."""
    return mask_rcnn(backbone, classes, masks=False)


def faster_rcnn_v2(backbone: Backbone, classes: int) -> MaskRCNN:
    """torchvision's fasterrcnn_resnet50_fpn_v2."""
    return mask_rcnn_v2(backbone, classes, masks=False)
