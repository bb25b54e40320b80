"""Mask R-CNN as matterport/Mask_RCNN computes it: TensorFlow's padding and pooling, Caffe's strides, Keras' names.

Arrays come and go in the original's shapes: channels last, boxes y1 x1 y2 x2. `detect` is what `keras_model.predict`
gave, `run` any of its layers by name, `gradients` those of its loss.
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


class GroundTruth(NamedTuple):
    """What the network should predict for a batch.

    match      (B, L) of the anchors: 1 object, -1 background, 0 neither
    deltas     (B, T, 4): row k is of an image's k-th object anchor
    class_ids  (B, G), 0 for rows without an object, negative for crowds
    boxes      (B, G, 4) normalized
    masks      (B, h, w, G)
    outlined   (B,) of 1 and 0: no mask is trained on images where only boxes are known
    near       B numbers, see tf.detection_targets
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

    def layers(self) -> list[Layer]:
        """Every layer in file order: (name, weight names, shapes in Keras' order); `rpn_model` holds six weights."""
        return layout.layers(self.settings, self.mode)

    def pixel_anchors(self, size: tuple[int, int]) -> Tensor:
        """(L, 4) of an image of (height, width): by level, row, column, ratio."""
        return self._tensor(layout.anchors(self.settings, size))

    def normalized_anchors(self, size: tuple[int, int]) -> Tensor:
        return self._tensor(layout.normalized_anchors(self.settings, size))

    # --- detection ----------------------------------------------------------------------------------
    def detect(self, molded: np.ndarray, metas: np.ndarray, anchors: np.ndarray | None = None) -> dict[str, np.ndarray]:
        """What `keras_model.predict` gives, by name and in its order, float32.

        molded   B×H×W×3, mean taken off;  metas  B×(12+C);  anchors  B×L×4 normalized, None: those of the settings
        Returns  detections B×N×6 (box, class, score), mrcnn_class B×R×C, mrcnn_bbox B×R×C×4, mrcnn_mask B×N×h×w×C,
                 rois B×R×4, rpn_class B×L×2, rpn_bbox B×L×4
        """
        outputs = self.run(molded, metas, anchors, list(PREDICTED.values()))
        return {name: outputs[layer] for name, layer in PREDICTED.items()}

    def run(
        self, molded: np.ndarray, metas: np.ndarray, anchors: np.ndarray | None, expected: Sequence[str]
    ) -> dict[str, np.ndarray]:
        """The outputs of the named layers (res2c_out, fpn_p2, ROI, mrcnn_mask ...), in the original's shapes."""
        taps = Taps(expected)
        with torch.inference_mode():
            self._predict_arrays(molded, np.asarray(metas), anchors, taps)
        absent = [name for name in expected if name not in taps.outputs]
        if absent:
            raise UnknownName("layer", absent[0], [layer.name for layer in self.layers()])
        return {name: _channels_last(name, taps.outputs[name]) for name in expected}

    def _predict_arrays(self, molded: np.ndarray, metas: np.ndarray, anchors: np.ndarray | None, taps: Taps) -> None:
        area, size = _molded_shape(metas)
        windows = tf.norm_boxes(self._tensor(metas[:, 7:11]), size)
        self.predict(self._images(molded), self._anchors(anchors, molded), windows, area, taps)

    def predict(
        self, images: Tensor, anchors: Tensor, windows: Tensor, area: float, taps: Taps = NO_TAPS
    ) -> tuple[Tensor, Tensor]:
        """Detections B×N×6, and mask probabilities B×M×C×h×w of the first M of them (the others are zero rows).

        images B×3×H×W, anchors B×L×4 and windows B×4 normalized;  area  of the image in pixels
        """
        s = self.settings
        levels = self.pyramid(self.maps(images, taps), taps)
        _, probs, moves = self.rpn(levels, taps)
        rois = self._propose(probs, moves, anchors, s.post_nms_rois_inference)
        taps("ROI", rois)
        table = ops.feature_table(levels[:4])
        del levels
        _, scores, deltas = self.classify_boxes(table, rois, area, taps)
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
        mask_probs = self.predict_masks(table, detections[:, : rows.used, :4], area, taps.over(rows))
        return detections, mask_probs.unflatten(0, (len(detections), -1))

    def _propose(self, probs: Tensor, moves: Tensor, anchors: Tensor, count: int) -> Tensor:
        s = self.settings
        return tf.propose(
            probs, moves, anchors, self._tensor(s.rpn_bbox_std_dev), s.pre_nms_limit, count, s.rpn_nms_threshold
        )

    # --- training -----------------------------------------------------------------------------------
    def select_layers(self, which: str) -> list[str]:
        """Train these only: heads, 3+, 4+, 5+, all, or a pattern of whole names. Returns their names."""
        chosen = set(layout.selected(list(self.parts), which))
        for name, part in self.parts.items():
            part.requires_grad_(name in chosen)
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
        losses = self.five_losses(
            self.maps(images, taps),
            self._anchors(None, batch[0]),
            GroundTruth(match.view(match.shape[:2]), rpn_target, ids.long(), tf.norm_boxes(boxes, size), masks),
            area,
            class_loss=lambda ids, logits: tf.mrcnn_class_loss(ids, logits, active),
            proposals=None if s.use_rpn_rois else tf.norm_boxes(self._tensor(batch[7]), size),
            mini=s.use_mini_mask,
            generators=[self.generator] * len(images),
            taps=taps,
        )
        return {"loss": sum(losses.values(), self.decay()), **losses}

    def five_losses(
        self,
        maps: list[Tensor],
        anchors: Tensor,
        truth: GroundTruth,
        area: float,
        *,
        class_loss: Callable[[Tensor, Tensor], Tensor],
        proposals: Tensor | None = None,
        mini: bool = True,
        generators: Sequence[torch.Generator] | None = None,
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
        sampled = tf.detection_targets(
            proposals,
            truth.class_ids,
            truth.boxes,
            truth.masks,
            count=s.train_rois_per_image,
            positive_fraction=s.roi_positive_ratio,
            std=self._tensor(s.bbox_std_dev),
            mask_side=s.mask_shape[0],
            mini=mini,
            near=truth.near,
            generators=generators,
        )
        taps("output_rois", sampled.rois)
        taps("target_class_ids", sampled.class_ids)
        table = ops.feature_table(levels[:4])
        logits, _, deltas = self.classify_boxes(table, sampled.rois, area, taps)
        # only positive rows count in the mask loss, and they come first
        positives = int((sampled.class_ids > 0).sum(1).max()) if self.frozen else sampled.rois.shape[1]
        mask_probs = self.predict_masks(
            table, sampled.rois[:, :positives], area, taps.over(Rows(len(sampled.rois), positives, positives))
        )
        outlined = sampled.class_ids if truth.outlined is None else sampled.class_ids * truth.outlined[:, None]
        losses = {
            "rpn_class_loss": tf.rpn_class_loss(truth.match, rpn_logits),
            "rpn_bbox_loss": tf.rpn_bbox_loss(truth.deltas, truth.match, moves),
            "mrcnn_class_loss": class_loss(sampled.class_ids, logits),
            # no stop: as in the original, this loss also pulls the proposals, through the deltas they should have
            "mrcnn_bbox_loss": tf.mrcnn_bbox_loss(sampled.deltas, sampled.class_ids, deltas),
            "mrcnn_mask_loss": tf.mrcnn_mask_loss(
                sampled.masks[:, :positives].flatten(0, 1), outlined[:, :positives].flatten(), mask_probs
            ),
        }
        return {name: loss * s.loss_weights.get(name, 1.0) for name, loss in losses.items()}

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
        grads = torch.autograd.grad(losses["loss"], list(weights.values()), allow_unused=True)
        return losses, {
            name: torch.zeros_like(weight) if grad is None else grad
            for (name, weight), grad in zip(weights.items(), grads, strict=True)
        }

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
            anchors = layout.normalized_anchors(self.settings, size)
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
