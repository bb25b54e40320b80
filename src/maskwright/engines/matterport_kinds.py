"""How the outputs of matterport's converted networks become detections, in numpy: the rules of models/matterport."""

from __future__ import annotations

from typing import ClassVar, NamedTuple

import msgspec
import numpy as np

from maskwright.engines.graphs import BOX_HEAD, MASK_HEAD, NETWORK, Graph, Graphs, highest, network_inputs
from maskwright.geometry import boxes as box_ops
from maskwright.geometry.boxes_matterport import (
    OUTSIDE,
    clip,
    decode,
    normalized,
    pyramid_anchors,
    pyramid_levels,
    unmolded,
)
from maskwright.geometry.roi_align import crop_and_resize
from maskwright.transforms.mold import mold
from maskwright.transforms.preprocess import preprocess
from maskwright.types import Image, RawDetections, ResizeTransform

WHOLE = np.array([0, 0, 1, 1], np.float32)  # the window that is all of the network input


class Found(NamedTuple):
    """Detections by falling score.

    boxes       n×4 float32 y1 x1 y2 x2, normalized on the network input
    classes     n int64, 0 the first one after background
    mask_probs  n×28×28 float32
    """

    boxes: np.ndarray
    classes: np.ndarray
    scores: np.ndarray
    mask_probs: np.ndarray

    def raw(self, boxes: np.ndarray, solid: np.ndarray) -> RawDetections:
        """The same with boxes in pixels, y1 x1 y2 x2; those that have no area (solid  n bool) are left out."""
        boxes = boxes[solid][:, [1, 0, 3, 2]].astype(np.float32)
        return RawDetections(boxes, self.scores[solid], self.classes[solid], self.mask_probs[solid], "matterport")


class MatterportTwoStage(msgspec.Struct, frozen=True, tag="matterport", forbid_unknown_fields=True):
    """matterport's network as one of ours (`--model matterport`); fields as in models/matterport/layout.py.

    network    pixels, size -> P2..P5 (1×H×W×C each), probabilities of an object (1×k), deltas (1×k×4)
    box_head   pooled n×7×7×C -> class probabilities n×(classes+1), deltas n×(classes+1)×4
    mask_head  pooled n×14×14×C, classes n -> mask probabilities n×28×28
    """

    backbone_strides: tuple[int, ...]
    rpn_anchor_scales: tuple[float, ...]
    rpn_anchor_ratios: tuple[float, ...]
    rpn_anchor_stride: int
    rpn_bbox_std_dev: tuple[float, ...]
    rpn_nms_threshold: float
    pre_nms_limit: int
    post_nms_rois_inference: int
    pool_size: int
    mask_pool_size: int
    bbox_std_dev: tuple[float, ...]
    detection_max_instances: int
    detection_min_confidence: float
    detection_nms_threshold: float
    graphs: ClassVar[tuple[str, ...]] = (NETWORK, BOX_HEAD, MASK_HEAD)

    def fit(self, image: Image, size: int) -> tuple[np.ndarray, ResizeTransform]:
        return preprocess(image, size)

    def run(self, graphs: Graphs, pixels: np.ndarray, size: tuple[int, int]) -> RawDetections:
        """pixels H×W×3 uint8;  size (height, width) of the image's part of them."""
        shape = pixels.shape[:2]
        found = self.detect(graphs, pixels, size, normalized(np.array([0, 0, *size]), shape))
        scale = np.array([*shape, *shape], np.float32) - 1
        boxes = found.boxes * scale + OUTSIDE.astype(np.float32)
        return found.raw(boxes, _solid(found.boxes))

    def detect(self, graphs: Graphs, pixels: np.ndarray, size: tuple[int, int], window: np.ndarray) -> Found:
        """window  y1 x1 y2 x2, normalized: what the boxes are held inside;  size  as the graph takes it"""
        *pyramid, probs, deltas = graphs[NETWORK](network_inputs(pixels, size))
        pyramid, area = [level[0] for level in pyramid], float(pixels.shape[0] * pixels.shape[1])
        rois = self.propose(probs[0], deltas[0], pixels.shape[:2])
        boxes, classes, scores = self.classify_boxes(graphs[BOX_HEAD], pyramid, rois, window, area)
        mask_probs = np.zeros((0, 2 * self.mask_pool_size, 2 * self.mask_pool_size), np.float32)
        if len(boxes):
            pooled = crop_and_resize(pyramid, boxes, pyramid_levels(boxes, area), self.mask_pool_size)
            (shared,) = graphs[MASK_HEAD]({"pooled": pooled, "classes": classes})
            mask_probs = shared.copy()
        return Found(boxes, classes, scores, mask_probs)

    def propose(self, probs: np.ndarray, deltas: np.ndarray, size: tuple[int, ...]) -> np.ndarray:
        """At most post_nms_rois_inference×4 boxes, by falling probability; as layers.propose."""
        shapes = [tuple(-(-side // stride) for side in size) for stride in self.backbone_strides]
        anchors = pyramid_anchors(
            self.rpn_anchor_scales, self.rpn_anchor_ratios, shapes, self.backbone_strides, self.rpn_anchor_stride
        )
        best = highest(probs, self.pre_nms_limit)
        moves = deltas[best] * np.array(self.rpn_bbox_std_dev, np.float32)
        boxes = clip(decode(normalized(anchors[best], size), moves), WHOLE)
        return boxes[box_ops.nms(boxes, probs[best], self.rpn_nms_threshold, limit=self.post_nms_rois_inference)]

    def classify_boxes(
        self, box_head: Graph, pyramid: list[np.ndarray], rois: np.ndarray, window: np.ndarray, area: float
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Boxes n×4, classes n, scores n of the detections, by falling score; as layers.detect."""
        # The original fills up with empty boxes, which are classified and count among the detections.
        total = self.post_nms_rois_inference
        rois = np.concatenate([rois, np.zeros((min(total - len(rois), 1), 4), np.float32)])
        row = np.minimum(np.arange(total), len(rois) - 1)
        probs, deltas = box_head({
            "pooled": crop_and_resize(pyramid, rois, pyramid_levels(rois, area), self.pool_size)
        })  # fmt: skip
        classes = probs.argmax(1)  # only the best class of a proposal is detected, unlike in the paper
        rows = np.arange(len(rois))
        moves = deltas[rows, classes] * np.array(self.bbox_std_dev, np.float32)
        boxes, scores, classes = (
            clip(decode(rois, moves), window)[row],
            probs[rows, classes][row],
            classes[row],
        )
        likely = np.flatnonzero((classes > 0) & (scores >= self.detection_min_confidence))
        threshold, limit = self.detection_nms_threshold, self.detection_max_instances
        best = likely[box_ops.nms(boxes[likely], scores[likely], threshold, classes[likely], limit=limit)]
        return boxes[best], classes[best] - 1, scores[best]


class MatterportMolded(MatterportTwoStage, frozen=True, tag="matterport_molded", forbid_unknown_fields=True):
    """The network of a weight file (.h5). As in the original, it resizes by itself and rounds boxes to whole pixels of
    the image."""

    image_min_dim: int
    image_max_dim: int
    image_min_scale: float
    image_resize_mode: str

    def fit(self, image: Image, size: int) -> tuple[np.ndarray, ResizeTransform]:
        """The image itself: a second resizing would change the answers."""
        return image.pixels, ResizeTransform(image.size, image.size, 1.0, 1.0)

    def run(self, graphs: Graphs, pixels: np.ndarray, size: tuple[int, int]) -> RawDetections:
        image = pixels[: size[0], : size[1]]
        molded = mold(image, self.image_min_dim, self.image_max_dim, self.image_min_scale, self.image_resize_mode)
        height, width = molded.image.shape[:2]
        # The padding is as black as any pixel, unlike with our own networks: to the graph all of it is image.
        window = normalized(np.array(molded.window), (height, width))
        found = self.detect(graphs, molded.image, (height, width), window)
        boxes = unmolded(found.boxes, molded.window, (height, width), image.shape[:2])
        return found.raw(boxes, _solid(boxes))


def _solid(boxes: np.ndarray) -> np.ndarray:
    """n bool: which boxes have an area."""
    return np.all(boxes[:, 2:] > boxes[:, :2], axis=1)
