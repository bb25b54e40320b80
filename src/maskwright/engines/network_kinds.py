"""How the outputs of a converted network become detections or scores, in numpy, the same for every runtime.

Each kind of network is a record of its numbers, which is stored beside the graphs. `fit` makes the network input of an
image, `run` calls the graphs.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, ClassVar

import msgspec
import numpy as np

from maskwright.engines.graphs import BOX_HEAD, MASK_HEAD, NETWORK, Graph, Graphs, highest, network_inputs
from maskwright.engines.matterport_kinds import MatterportMolded, MatterportTwoStage
from maskwright.geometry import boxes as box_ops
from maskwright.geometry.anchors import default_boxes, make_anchors
from maskwright.geometry.roi_align import pyramid_levels, roi_align
from maskwright.transforms.preprocess import preprocess, preprocess_square
from maskwright.types import Image, RawDetections, ResizeTransform

BOX_WEIGHTS = (10.0, 10.0, 5.0, 5.0)  # of the deltas of box heads and of SSD


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

    def fit(self, image: Image, size: int) -> tuple[np.ndarray, ResizeTransform]:
        return preprocess(image, size)

    def run(self, graphs: Graphs, pixels: np.ndarray, size: tuple[int, int]) -> RawDetections:
        """pixels H×W×3 uint8;  size (height, width) of the image's part of them."""
        *pyramid, logits, deltas = graphs[NETWORK](network_inputs(pixels, size))
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
        for anchors in _anchors((height, width), tuple(shapes), self.sizes, self.ratios):
            level = slice(first, first + len(anchors))
            first += len(anchors)
            best = highest(logits[level], self.pre_nms_top_n)
            score = logits[level][best]
            box = box_ops.clip(box_ops.decode(anchors[best], deltas[level][best]), size)
            solid = np.flatnonzero((box[:, 2:] - box[:, :2] >= 1e-3).all(1))
            solid = solid[box_ops.nms(box[solid], score[solid], self.rpn_nms_thresh, limit=self.post_nms_top_n)]
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
        best = box_ops.nms(boxes, scores, self.nms_thresh, classes, limit=self.detections_per_image)
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

    def fit(self, image: Image, size: int) -> tuple[np.ndarray, ResizeTransform]:
        return preprocess(image, size)

    def run(self, graphs: Graphs, pixels: np.ndarray, size: tuple[int, int]) -> RawDetections:
        side = max(*pixels.shape[:2], self.min_side)
        square = np.zeros((side, side, 3), np.uint8)
        square[: pixels.shape[0], : pixels.shape[1]] = pixels
        probs, deltas, shapes = graphs[NETWORK](network_inputs(square, size))
        maps = [(height, width) for height, width in shapes.tolist()]
        reference = default_boxes(side, maps, self.ratios, self.scales, self.strides)
        boxes = box_ops.clip(box_ops.decode(reference, deltas[0], BOX_WEIGHTS), size)
        rows, classes = [], []
        for index, column in enumerate(probs[0, :, 1:].T):
            likely = np.flatnonzero(column > self.score_thresh)
            rows.append(likely[highest(column[likely], self.pre_nms_top_n)])
            classes.append(np.full(len(rows[-1]), index))
        row, named = np.concatenate(rows), np.concatenate(classes)
        scores = probs[0, row, named + 1]
        best = box_ops.nms(boxes[row], scores, self.nms_thresh, named, limit=self.detections_per_image)
        return RawDetections(boxes[row[best]], scores[best], named[best], None)


class WholeImage(msgspec.Struct, frozen=True, tag="whole_image", forbid_unknown_fields=True):
    """A classifier. network  pixels, size -> scores 1×C"""

    graphs: ClassVar[tuple[str, ...]] = (NETWORK,)

    def fit(self, image: Image, size: int) -> tuple[np.ndarray, ResizeTransform]:
        return preprocess_square(image, size)

    def run(self, graphs: Graphs, pixels: np.ndarray, size: tuple[int, int]) -> Any:
        (scores,) = graphs[NETWORK](network_inputs(pixels, size))
        return scores[0].copy()


class OneStagePyramid(msgspec.Struct, frozen=True, tag="one_stage", forbid_unknown_fields=True):
    """RetinaNet, and with centers FCOS; fields as in torchvision's detection/retinanet.py and fcos.py.

    network  pixels, size -> class logits 1×k×classes, deltas (or distances to the four edges) 1×k×4, and with centers
             their logits 1×k×1, level after level
    """

    strides: tuple[int, ...]
    sizes: tuple[tuple[float, ...], ...]
    ratios: tuple[float, ...]
    centers: bool
    score_thresh: float
    nms_thresh: float
    detections_per_image: int
    pre_nms_top_n: int
    graphs: ClassVar[tuple[str, ...]] = (NETWORK,)

    def fit(self, image: Image, size: int) -> tuple[np.ndarray, ResizeTransform]:
        return preprocess(image, size)

    def run(self, graphs: Graphs, pixels: np.ndarray, size: tuple[int, int]) -> RawDetections:
        logits, deltas, *centers = (output[0] for output in graphs[NETWORK](network_inputs(pixels, size)))
        height, width = pixels.shape[:2]
        shapes = tuple((-(-height // stride), -(-width // stride)) for stride in self.strides)
        boxes, scores, classes, first = [], [], [], 0
        for anchors in _anchors((height, width), shapes, self.sizes, self.ratios):
            level = slice(first, first + len(anchors))
            first += len(anchors)
            probs = _sigmoid(logits[level])
            if centers:
                probs = np.sqrt(probs * _sigmoid(centers[0][level]))
            row, named = np.nonzero(probs > self.score_thresh)
            best = highest(probs[row, named], self.pre_nms_top_n)
            row, named = row[best], named[best]
            decode = _from_edges if self.centers else box_ops.decode
            boxes.append(box_ops.clip(decode(anchors[row], deltas[level][row]), size))
            scores.append(probs[row, named])
            classes.append(named)
        box, score, named = np.concatenate(boxes), np.concatenate(scores), np.concatenate(classes)
        best = box_ops.nms(box, score, self.nms_thresh, named, limit=self.detections_per_image)
        best = best[(box[best, 2:] > box[best, :2]).all(1)]  # not clipped away in the padding
        return RawDetections(box[best], score[best], named[best], None)


@lru_cache(maxsize=8)
def _anchors(
    network_input: tuple[int, int], shapes: tuple[tuple[int, int], ...], sizes: tuple[tuple[float, ...], ...],
    ratios: tuple[float, ...],
) -> list[np.ndarray]:  # fmt: skip
    """Those of the last few shapes of network inputs; images of one folder or video have few."""
    return make_anchors(network_input, shapes, sizes, ratios)


def _sigmoid(logits: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):
        return 1 / (1 + np.exp(-logits))


def _from_edges(cells: np.ndarray, distances: np.ndarray) -> np.ndarray:
    """Boxes by how far their edges are from the middle of a cell, in sides of the cell (FCOS, section 3.1)."""
    middle, side = (cells[:, :2] + cells[:, 2:]) / 2, cells[:, 2:] - cells[:, :2]
    return np.concatenate([middle - distances[:, :2] * side, middle + distances[:, 2:] * side], axis=1)


NetworkKind = TwoStage | SingleShot | OneStagePyramid | WholeImage | MatterportTwoStage | MatterportMolded
