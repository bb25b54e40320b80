"""Intermediate values of the network, by the names that inspection notebooks use."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

INPUTS = ("input_image", "input_image_meta", "input_anchors")
PROPOSAL_STEPS = ("pre_nms_anchors", "refined_anchors", "refined_anchors_clipped", "post_nms_anchor_ix")
"""Steps inside the proposal layer (`ROI/...`)."""


@dataclass(frozen=True)
class Output:
    """A placeholder for the output of a layer, which `run_graph` computes."""

    layer: str

    @property
    def name(self) -> str:
        return f"{self.layer}:0"


def ancestor(name: str) -> Output | None:
    """The value of a step inside the proposal layer, by the name it has in TensorFlow; None for others.

    >>> ancestor("ROI/refined_anchors:0")
    Output(layer='refined_anchors')
    """
    scope, _, step = name.rpartition(":")[0].partition("/")
    if scope != "ROI":
        return None
    if step.startswith("rpn_non_max_suppression"):
        step = "post_nms_anchor_ix"
    return Output(step) if step in PROPOSAL_STEPS else None


def proposal_steps(
    expected: set[str], found: dict[str, np.ndarray], anchors: np.ndarray, config: Any
) -> dict[str, np.ndarray]:
    """The steps of the proposal layer, recomputed from its two inputs.

    found    with rpn_class B×L×2, rpn_bbox B×L×4 and ROI B×R×4
    anchors  B×L×4, 0..1
    """
    count = min(config.PRE_NMS_LIMIT, anchors.shape[1])
    order = np.argsort(-found["rpn_class"][:, :, 1], axis=1, kind="stable")[:, :count]
    before = np.take_along_axis(anchors, order[..., None], axis=1)
    deltas = np.take_along_axis(found["rpn_bbox"], order[..., None], axis=1) * config.RPN_BBOX_STD_DEV
    size = before[..., 2:] - before[..., :2]
    center = before[..., :2] + 0.5 * size + deltas[..., :2] * size
    size = size * np.exp(deltas[..., 2:])
    refined = np.concatenate([center - 0.5 * size, center + 0.5 * size], axis=-1).astype(np.float32)
    clipped = np.clip(refined, 0, 1)
    steps = {"pre_nms_anchors": before, "refined_anchors": refined, "refined_anchors_clipped": clipped}
    if "post_nms_anchor_ix" in expected:
        steps["post_nms_anchor_ix"] = _rows_of(found["ROI"][0], clipped[0])
    return {name: value for name, value in steps.items() if name in expected}


def _rows_of(kept: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """For each kept box (of the first image; zero rows left out) the first row of `boxes` after the last that is it."""
    kept = kept[kept.any(axis=1)]
    rows, at = [], 0
    for box in kept:
        near = np.abs(boxes[at:] - box).max(axis=1)
        same = np.flatnonzero(near < 1e-5)
        if not len(same):
            continue
        at += int(same[0])
        rows.append(at)
        at += 1
    return np.array(rows, np.int64)
