"""Anchors: the reference boxes of the region proposal network, in pixels of the resized image."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from maskwright.geometry import boxes_matterport


def generate_anchors(
    scales: float | Sequence[float],
    ratios: Sequence[float],
    shape: Sequence[int] | np.ndarray,
    feature_stride: int,
    anchor_stride: int,
) -> np.ndarray:
    """The anchors of one pyramid level: n×4 float64 y1 x1 y2 x2, by row, column, ratio, scale."""
    return boxes_matterport.level_anchors(scales, ratios, shape, feature_stride, anchor_stride)


def generate_pyramid_anchors(
    scales: Sequence[float],
    ratios: Sequence[float],
    feature_shapes: Sequence[Sequence[int]] | np.ndarray,
    feature_strides: Sequence[int],
    anchor_stride: int,
) -> np.ndarray:
    """The anchors of all levels, one scale per level, finest level first."""
    return boxes_matterport.pyramid_anchors(scales, ratios, feature_shapes, feature_strides, anchor_stride)
