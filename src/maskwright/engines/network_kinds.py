"""How the outputs of a converted network become detections or scores, in numpy, the same for every runtime.

Each kind of network is a record of its numbers, which is stored beside the graphs. Its `run` calls the graphs, which
are functions from named arrays to a list of arrays, which are only valid until the graph is called again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import msgspec
import numpy as np

from maskwright.geometry import boxes as box_ops
from maskwright.geometry.anchors import default_boxes, make_anchors
from maskwright.geometry.roi_align import pyramid_levels, roi_align
from maskwright.types import RawDetections

Graph = Callable[[Mapping[str, np.ndarray]], list[np.ndarray]]
Graphs = Mapping[str, Graph]
BOX_WEIGHTS = (10.0, 10.0, 5.0, 5.0)  # of the deltas of box heads and of SSD
NETWORK, BOX_HEAD, MASK_HEAD = "network", "box_head", "mask_head"


class TwoStage(msgspec.Struct, frozen=True, tag="two_stage", forbid_unknown_fields=True):
    """Mask R-CNN, or without masks Faster R-CNN; fields as in models/detection/mask_rcnn.py.

    network    pixels, size -> P2..P5 (1×H×W×C each), objectness logits (1×k), deltas (1×k×4), level after level
    box_head   pooled n×7×7×C -> class probabilities n×(classes+1), deltas n×(classes+1)×4
    mask_head  pooled n×14×14×C, classes n -> mask probabilities n×28×28
    """

    strides: tuple[int, ...]
    sizes: tuple[tuple[float, ...], ...]
    ratios: tuple[float, ...]
    pre_nms_top_n: int
    post_nms_top_n: int
    rpn_nms_thresh: float
    score_thresh: float
    nms_thresh: float
    detections_per_image: int
    masks: bool

    @property
    def graphs(self) -> tuple[str, ...]:
        return (NETWORK, BOX_HEAD, MASK_HEAD) if self.masks else (NETWORK, BOX_HEAD)

    def run(self, graphs: Graphs, pixels: np.ndarray, size: tuple[int, int]) -> RawDetections:
        """pixels H×W×3 uint8;  size (height, width) of the image's part of them."""
        *pyramid, logits, deltas = graphs[NETWORK](_inputs(pixels, size))
        pyramid = [level[0] for level in pyramid]
        proposals = self.propose(logits[0], deltas[0], pixels.shape[:2], size)
        boxes, scores, classes = self.classify_boxes(graphs[BOX_HEAD], pyramid, proposals, size)
        mask_probs = None
        if self.masks:
            mask_probs = np.zeros((0, 28, 28), np.float32)
            if len(boxes):
                (shared,) = graphs[MASK_HEAD]({"pooled": self.pool(pyramid, boxes, 14), "classes": classes})
                mask_probs = shared.copy()
        return RawDetections(boxes, scores, classes, mask_probs)

    def propose(
        self, logits: np.ndarray, deltas: np.ndarray, network_input: tuple[int, ...], size: tuple[int, int]
    ) -> np.ndarray:
        """At most post_nms_top_n×4 boxes, by falling objectness; as models/detection/rpn.py does it."""
        height, width = network_input
        shapes = [(height // stride, width // stride) for stride in self.strides]
        shapes.append((-(-shapes[-1][0] // 2), -(-shapes[-1][1] // 2)))  # P6 is every second cell of P5
        boxes, scores, first = [], [], 0
        for anchors in make_anchors((height, width), shapes, self.sizes, self.ratios):
            level = slice(first, first + len(anchors))
            first += len(anchors)
            best = _top(logits[level], self.pre_nms_top_n)
            score = logits[level][best]
            box = box_ops.clip(box_ops.decode(anchors[best], deltas[level][best]), size)
            solid = np.flatnonzero((box[:, 2:] - box[:, :2] >= 1e-3).all(1))
            solid = solid[box_ops.nms(box[solid], score[solid], self.rpn_nms_thresh)[: self.post_nms_top_n]]
            boxes.append(box[solid])
            scores.append(score[solid])
        best = np.argsort(-np.concatenate(scores), kind="stable")[: self.post_nms_top_n]
        return np.concatenate(boxes)[best]

    def classify_boxes(
        self, box_head: Graph, pyramid: list[np.ndarray], proposals: np.ndarray, size: tuple[int, int]
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Boxes n×4, scores n, classes n of the detections, by falling score."""
        if not len(proposals):
            return np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int64)
        probs, deltas = box_head({"pooled": self.pool(pyramid, proposals, 7)})
        rows, classes = np.nonzero(probs[:, 1:] > self.score_thresh)
        boxes = box_ops.clip(box_ops.decode(proposals[rows], deltas[rows, classes + 1], BOX_WEIGHTS), size)
        solid = (boxes[:, 2:] - boxes[:, :2] >= 1e-2).all(1)  # not clipped away in the padding
        boxes, scores, classes = boxes[solid], probs[rows[solid], classes[solid] + 1], classes[solid]
        best = box_ops.nms(boxes, scores, self.nms_thresh, classes)[: self.detections_per_image]
        return boxes[best], scores[best], classes[best]

    def pool(self, pyramid: list[np.ndarray], boxes: np.ndarray, side: int) -> np.ndarray:
        """n×side×side×C"""
        return roi_align(pyramid, self.strides, boxes, pyramid_levels(boxes, len(pyramid)), side)


class SingleShot(msgspec.Struct, frozen=True, tag="single_shot", forbid_unknown_fields=True):
    """SSD and SSDLite; fields as in models/detection/ssd.py.

    network  pixels (a square), size -> probabilities 1×k×(classes+1), deltas 1×k×4, height and width of each map
    """

    ratios: tuple[tuple[float, ...], ...]
    scales: tuple[float, ...]
    strides: tuple[int | None, ...]
    min_side: int
    score_thresh: float
    nms_thresh: float
    detections_per_image: int
    pre_nms_top_n: int
    graphs: ClassVar[tuple[str, ...]] = (NETWORK,)

    def run(self, graphs: Graphs, pixels: np.ndarray, size: tuple[int, int]) -> RawDetections:
        side = max(*pixels.shape[:2], self.min_side)
        square = np.zeros((side, side, 3), np.uint8)
        square[: pixels.shape[0], : pixels.shape[1]] = pixels
        probs, deltas, shapes = graphs[NETWORK](_inputs(square, size))
        maps = [(height, width) for height, width in shapes.tolist()]
        reference = default_boxes(side, maps, self.ratios, self.scales, self.strides)
        boxes = box_ops.clip(box_ops.decode(reference, deltas[0], BOX_WEIGHTS), size)
        rows, classes = [], []
        for index, column in enumerate(probs[0, :, 1:].T):
            likely = np.flatnonzero(column > self.score_thresh)
            rows.append(likely[_top(column[likely], self.pre_nms_top_n)])
            classes.append(np.full(len(rows[-1]), index))
        row, named = np.concatenate(rows), np.concatenate(classes)
        scores = probs[0, row, named + 1]
        best = box_ops.nms(boxes[row], scores, self.nms_thresh, named)[: self.detections_per_image]
        return RawDetections(boxes[row[best]], scores[best], named[best], None)


class WholeImage(msgspec.Struct, frozen=True, tag="whole_image", forbid_unknown_fields=True):
    """A classifier. network  pixels, size -> scores 1×C"""

    graphs: ClassVar[tuple[str, ...]] = (NETWORK,)

    def run(self, graphs: Graphs, pixels: np.ndarray, size: tuple[int, int]) -> Any:
        (scores,) = graphs[NETWORK](_inputs(pixels, size))
        return scores[0].copy()


NetworkKind = TwoStage | SingleShot | WholeImage


def _inputs(pixels: np.ndarray, size: tuple[int, int]) -> dict[str, np.ndarray]:
    return {"pixels": np.ascontiguousarray(pixels)[None], "size": np.array(size, np.int64)}


def _top(scores: np.ndarray, count: int) -> np.ndarray:
    """Indices of the `count` highest scores, by falling score."""
    if len(scores) <= count:
        return np.argsort(-scores, kind="stable")
    best = np.sort(np.argpartition(-scores, count)[:count])  # ties in their order
    return best[np.argsort(-scores[best], kind="stable")]
