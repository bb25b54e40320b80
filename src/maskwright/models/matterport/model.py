"""Mask R-CNN as matterport/Mask_RCNN computes it: TensorFlow's padding and pooling, Caffe's strides, Keras' names.

Arrays come and go in the original's shapes: channels last, boxes y1 x1 y2 x2. `detect` is what `keras_model.predict`
gave, `run` any of its layers by name, `train_step` one step of its SGD.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from maskwright.errors import RecipeError, UnknownName
from maskwright.models import ops
from maskwright.models.matterport import layers as tf
from maskwright.models.matterport import layout
from maskwright.models.matterport import losses as rules
from maskwright.models.matterport.boxes import normalized
from maskwright.models.matterport.layout import LOSSES, Layer, Mode, Settings
from maskwright.models.matterport.network import NO_TAPS, MatterportNetwork, Rows, Taps

__all__ = ["LOSSES", "Layer", "MatterportMaskRCNN", "Settings"]

PREDICTED = {  # what keras_model.predict gives in inference mode, in its order -> the layer it comes from
    "detections": "mrcnn_detection",
    "mrcnn_class": "mrcnn_class",
    "mrcnn_bbox": "mrcnn_bbox",
    "mrcnn_mask": "mrcnn_mask",
    "rois": "ROI",
    "rpn_class": "rpn_class",
    "rpn_bbox": "rpn_bbox",
}


class Answers(NamedTuple):
    """What the network should say of a batch.

    match      B×L: 1 object, -1 background, 0 of no account;  deltas  B×T×4: row k is of an image's k-th object anchor
    class_ids  B×G, 0 for rows without an object, negative for crowds;  boxes  B×G×4 normalized;  masks  B×h×w×G
    outlined   B of 1 and 0: images where only boxes are known teach no masks;  near  B: see tf.detection_targets
    """

    match: Tensor
    deltas: Tensor
    class_ids: Tensor
    boxes: Tensor
    masks: Tensor
    outlined: Tensor | None = None
    near: Sequence[float] | None = None


class MatterportMaskRCNN(MatterportNetwork):
    """The whole network, in one of the original's two modes.

    precision  "fp32", or "bf16" for the convolutions of detection

    >>> network = MatterportMaskRCNN(Settings(num_classes=2), "inference")
    >>> network.detect(molded, metas)["detections"].shape
    (1, 100, 6)
    """

    def __init__(self, settings: Settings, mode: Mode = "inference", precision: str = "fp32") -> None:
        super().__init__(settings, mode, precision)
        self.generator = torch.Generator()  # draws the proposals to train on
        self._velocity: dict[str, Tensor] = {}

    def layers(self) -> list[Layer]:
        """Every layer in file order: (name, weight names, shapes in Keras' order); `rpn_model` holds six weights."""
        return layout.layers(self.settings, self.mode)

    # --- detection ----------------------------------------------------------------------------------
    def detect(self, molded: np.ndarray, metas: np.ndarray, anchors: np.ndarray | None = None) -> dict[str, np.ndarray]:
        """What `keras_model.predict` gives, by name and in its order, float32.

        molded   B×H×W×3, mean taken off;  metas  B×(12+C);  anchors  B×L×4 normalized, None: those of the settings
        Returns  detections B×N×6 (box, class, score), mrcnn_class B×R×C, mrcnn_bbox B×R×C×4, mrcnn_mask B×N×h×w×C,
                 rois B×R×4, rpn_class B×L×2, rpn_bbox B×L×4
        """
        detections = self.run(molded, metas, anchors, list(PREDICTED.values()))
        return {name: detections[layer] for name, layer in PREDICTED.items()}

    def run(
        self, molded: np.ndarray, metas: np.ndarray, anchors: np.ndarray | None, expected: Sequence[str]
    ) -> dict[str, np.ndarray]:
        """The outputs of the named layers (res2c_out, fpn_p2, ROI, mrcnn_mask ...), in the original's shapes."""
        taps = Taps(expected)
        with torch.inference_mode():
            self._look(molded, np.asarray(metas), anchors, taps)
        absent = [name for name in expected if name not in taps.kept]
        if absent:
            raise UnknownName("layer to look at", absent[0], [layer.name for layer in self.layers()])
        return {name: _channels_last(name, taps.kept[name]) for name in expected}

    def _look(self, molded: np.ndarray, metas: np.ndarray, anchors: np.ndarray | None, taps: Taps) -> None:
        area, size = _molded_shape(metas)
        windows = tf.norm_boxes(self._tensor(metas[:, 7:11]), size)
        self.look(self._images(molded), self._anchors(anchors, molded), windows, area, taps)

    def look(
        self, images: Tensor, anchors: Tensor, windows: Tensor, area: float, taps: Taps = NO_TAPS
    ) -> tuple[Tensor, Tensor]:
        """Detections B×N×6, and soft masks B×M×C×h×w of the first M of them (the others are zero rows).

        images B×3×H×W, anchors B×L×4 and windows B×4 normalized;  area  of the image in pixels
        """
        s = self.settings
        levels = self.pyramid(self.maps(images, taps), taps)
        _, probs, moves = self.rpn(levels, taps)
        rois = self._propose(probs, moves, anchors, s.post_nms_rois_inference)
        taps("ROI", rois)
        table = ops.feature_table(levels[:4])
        del levels
        _, scores, deltas = self.classify(table, rois, area, taps)
        detections = tf.detect(
            rois,
            scores,
            deltas,
            windows=windows,
            std=self._tensor(s.bbox_std_dev),
            confidence=s.detection_min_confidence,
            threshold=s.detection_nms_threshold,
            count=s.detection_max_instances,
        )
        taps("mrcnn_detection", detections)
        rows = self.rows(detections[..., :4])
        mask_probs = self.draw(table, detections[:, : rows.used, :4], area, taps.over(rows))
        return detections, mask_probs.unflatten(0, (len(detections), -1))

    def _propose(self, probs: Tensor, moves: Tensor, anchors: Tensor, count: int) -> Tensor:
        s = self.settings
        return tf.propose(
            probs, moves, anchors, self._tensor(s.rpn_bbox_std_dev), s.pre_nms_limit, count, s.rpn_nms_threshold
        )

    # --- training -----------------------------------------------------------------------------------
    def select_layers(self, which: str) -> list[str]:
        """Train these only: heads, 3+, 4+, 5+, all, or a pattern of whole names; SGD starts anew. Gives their names."""
        chosen = set(layout.selected(list(self.parts), which))
        for name, part in self.parts.items():
            part.requires_grad_(name in chosen)
        self._velocity.clear()
        return [name for name in self.parts if name in chosen]

    def trained_weights(self) -> dict[str, Tensor]:
        """`conv1/kernel:0` -> parameter (axes in torch's order) of every selected layer."""
        return {
            f"{name}/{weight}:0": value
            for name, part in self.parts.items()
            for weight, value in part.named_parameters()
            if value.requires_grad
        }

    def training_losses(self, batch: Sequence[np.ndarray], taps: Taps = NO_TAPS) -> dict[str, Tensor]:
        """The five losses, each times its weight, and `loss`: their sum and L2, as Keras reports them.

        batch  the arrays of `data_generator`: images, image_meta, rpn_match, rpn_bbox, gt_class_ids, gt_boxes (pixels),
               gt_masks, and, where USE_RPN_ROIS is false, the proposals in pixels
        """
        s, metas = self.settings, np.asarray(batch[1])
        area, _ = _molded_shape(metas)
        size = np.shape(batch[0])[1:3]
        match, rpn_target, ids, boxes, masks = (self._tensor(array) for array in batch[2:7])
        self._check_anchors(match.shape[1], size)
        active = self._tensor(metas[0, 12:])
        images = self._images(batch[0])
        detections = self.five_losses(
            self.maps(images, taps),
            self._anchors(None, batch[0]),
            Answers(match.view(match.shape[:2]), rpn_target, ids.long(), tf.norm_boxes(boxes, size), masks),
            area,
            class_loss=lambda ids, logits: rules.mrcnn_class_loss(ids, logits, active),
            proposals=None if s.use_rpn_rois else tf.norm_boxes(self._tensor(batch[7]), size),
            mini=s.use_mini_mask,
            generator=self.generator,
            taps=taps,
        )
        return {"loss": sum(detections.values(), self.decay()), **detections}

    def five_losses(
        self,
        maps: list[Tensor],
        anchors: Tensor,
        answers: Answers,
        area: float,
        *,
        class_loss: Callable[[Tensor, Tensor], Tensor],
        proposals: Tensor | None = None,
        mini: bool = True,
        generator: torch.Generator | None = None,
        taps: Taps = NO_TAPS,
    ) -> dict[str, Tensor]:
        """The five losses, each times its weight.

        maps        C2..C5 of `maps()`;  anchors  B×L×4 normalized;  area  of the image in pixels
        class_loss  of class ids B×T and logits B×T×C
        proposals   B×N×4 normalized that come from outside; None: the network's own
        mini        masks fill their boxes instead of the image
        """
        s = self.settings
        levels = self.pyramid(maps, taps)
        rpn_logits, probs, moves = self.rpn(levels, taps)
        if proposals is None:
            proposals = self._propose(probs, moves, anchors, s.post_nms_rois_training)
        taps("ROI", proposals)
        ground_truth = tf.detection_targets(
            proposals,
            answers.class_ids,
            answers.boxes,
            answers.masks,
            count=s.train_rois_per_image,
            positive_fraction=s.roi_positive_ratio,
            std=self._tensor(s.bbox_std_dev),
            mask_side=s.mask_shape[0],
            mini=mini,
            near=answers.near,
            generator=generator,
        )
        taps("output_rois", ground_truth.rois)
        taps("target_class_ids", ground_truth.class_ids)
        table = ops.feature_table(levels[:4])
        logits, _, deltas = self.classify(table, ground_truth.rois, area, taps)
        # only positive rows count in the mask loss, and they come first
        drawn = int((ground_truth.class_ids > 0).sum(1).max()) if self.frozen else ground_truth.rois.shape[1]
        mask_probs = self.draw(
            table, ground_truth.rois[:, :drawn], area, taps.over(Rows(len(ground_truth.rois), drawn, drawn))
        )
        outlined = (
            ground_truth.class_ids if answers.outlined is None else ground_truth.class_ids * answers.outlined[:, None]
        )
        detections = {
            "rpn_class_loss": rules.rpn_class_loss(answers.match, rpn_logits),
            "rpn_bbox_loss": rules.rpn_bbox_loss(answers.deltas, answers.match, moves),
            "mrcnn_class_loss": class_loss(ground_truth.class_ids, logits),
            # no stop: as in the original, this loss also pulls the proposals, through the deltas they should have
            "mrcnn_bbox_loss": rules.mrcnn_bbox_loss(ground_truth.deltas, ground_truth.class_ids, deltas),
            "mrcnn_mask_loss": rules.mrcnn_mask_loss(
                ground_truth.masks[:, :drawn].flatten(0, 1), outlined[:, :drawn].flatten(), mask_probs
            ),
        }
        return {name: loss * s.loss_weights.get(name, 1.0) for name, loss in detections.items()}

    def decay(self) -> Tensor:
        """L2 of the trained weights: weight_decay · mean of the squares of each, gamma and beta left out."""
        kinds = [
            w.square().mean()
            for name, w in self.trained_weights().items()
            if "gamma" not in name and "beta" not in name
        ]
        return self.settings.weight_decay * torch.stack(kinds).sum() if kinds else self._tensor(0.0)

    def gradients(
        self, batch: Sequence[np.ndarray], taps: Taps = NO_TAPS
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """The losses, and the gradient of `loss` for every trained weight, before clipping."""
        losses, weights = self.training_losses(batch, taps), self.trained_weights()
        detections = torch.autograd.grad(losses["loss"], list(weights.values()), allow_unused=True)
        return losses, {
            name: torch.zeros_like(weight) if grad is None else grad
            for (name, weight), grad in zip(weights.items(), detections, strict=True)
        }

    def train_step(self, batch: Sequence[np.ndarray], lr: float) -> dict[str, float]:
        """One step of SGD with momentum on a batch, gradients clipped by their common norm. The losses before it."""
        losses, grads = self.gradients(batch)
        self.descend(grads, lr)
        return {name: value.item() for name, value in losses.items()}

    @torch.no_grad()
    def descend(self, grads: dict[str, Tensor], lr: float) -> None:
        """v = momentum·v - lr·g; w = w + v, where g is scaled so that the norm over all stays within the limit."""
        limit = self.settings.gradient_clip_norm
        norm = torch.stack([grad.square().sum() for grad in grads.values()]).sum().sqrt()
        scale = limit / norm if limit and norm >= limit else 1.0
        for name, weight in self.trained_weights().items():
            velocity = self._velocity.setdefault(name, torch.zeros_like(weight))
            velocity.mul_(self.settings.learning_momentum).sub_(grads[name] * scale * lr)
            weight.add_(velocity)

    # --- arrays -------------------------------------------------------------------------------------
    def _tensor(self, values: object) -> Tensor:
        return torch.from_numpy(np.array(values, np.float32)).to(next(self.parameters()).device)

    def _images(self, molded: np.ndarray) -> Tensor:
        images = torch.from_numpy(np.ascontiguousarray(molded, np.float32)).permute(0, 3, 1, 2)
        images = images.to(next(self.parameters()).device)
        return images.bfloat16() if self.precision == "bf16" and not torch.is_grad_enabled() else images

    def _check_anchors(self, answered: int, size: tuple[int, int]) -> None:
        if answered != (own := layout.anchor_count(self.settings, size)):
            raise RecipeError(
                "the training images are not of IMAGE_SHAPE, for which their anchors were made",
                field="IMAGE_RESIZE_MODE",
                expected="{} x {}".format(*self.settings.image_shape),
                got=f"{size[0]} x {size[1]}, which has {own} anchors instead of {answered}",
                fix='train with "square" or "crop"; detect with any mode',
            )

    def _anchors(self, anchors: np.ndarray | None, molded: np.ndarray) -> Tensor:
        batch, size = len(molded), molded.shape[1:3]
        own = layout.anchor_count(self.settings, size)
        if anchors is None:
            anchors = normalized(layout.anchors(self.settings, size), size)
            anchors = np.broadcast_to(anchors, (batch, *anchors.shape))
        if anchors.shape != (batch, own, 4):
            raise RecipeError("the anchors do not fit the image", expected=(batch, own, 4), got=anchors.shape)
        return self._tensor(anchors)


def _molded_shape(metas: np.ndarray) -> tuple[float, tuple[float, float]]:
    """Area and (height, width) of the first molded image: the original goes by the first one too."""
    height, width = (float(side) for side in metas[0, 4:6])
    return height * width, (height, width)


def _channels_last(name: str, value: Tensor) -> np.ndarray:
    """Maps (B×C×H×W, and B×N×C×h×w of the heads) in Keras' order; everything else as it is."""
    if value.dim() > 3 and name != "mrcnn_bbox":
        value = value.movedim(-3, -1)
    return value.float().cpu().contiguous().numpy()
