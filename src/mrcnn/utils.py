"""Everything that scripts import from `mrcnn.utils`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from mrcnn.anchors import generate_anchors, generate_pyramid_anchors
from mrcnn.boxes import (
    apply_box_deltas,
    box_refinement,
    compute_iou,
    compute_overlaps,
    compute_overlaps_masks,
    denorm_boxes,
    extract_bboxes,
    non_max_suppression,
    norm_boxes,
    trim_zeros,
)
from mrcnn.dataset import Dataset
from mrcnn.download import COCO_MODEL_URL, download_trained_weights
from mrcnn.masks import expand_mask, minimize_mask, unmold_mask
from mrcnn.resizing import resize, resize_image, resize_mask
from mrcnn.scores import compute_ap, compute_ap_range, compute_matches, compute_recall

__all__ = [
    "COCO_MODEL_URL",
    "Dataset",
    "apply_box_deltas",
    "batch_slice",
    "box_refinement",
    "box_refinement_graph",
    "compute_ap",
    "compute_ap_range",
    "compute_iou",
    "compute_matches",
    "compute_overlaps",
    "compute_overlaps_masks",
    "compute_recall",
    "denorm_boxes",
    "download_trained_weights",
    "expand_mask",
    "extract_bboxes",
    "generate_anchors",
    "generate_pyramid_anchors",
    "minimize_mask",
    "non_max_suppression",
    "norm_boxes",
    "resize",
    "resize_image",
    "resize_mask",
    "trim_zeros",
    "unmold_mask",
]

box_refinement_graph = box_refinement
"""There is no graph here; arrays go in and come out."""


def batch_slice(inputs: Any, graph_fn: Callable[..., Any], batch_size: int, names: Sequence[str] | None = None) -> Any:
    """`graph_fn` on each of the first `batch_size` rows of all inputs; each of its results stacked again."""
    inputs = inputs if isinstance(inputs, list) else [inputs]
    rows = [graph_fn(*(each[row] for each in inputs)) for row in range(batch_size)]
    rows = [row if isinstance(row, tuple | list) else [row] for row in rows]
    stacked = [np.stack(column) for column in zip(*rows, strict=True)]
    return stacked[0] if len(stacked) == 1 else stacked
