"""Anchors: the boxes that proposals start from, in pixels of the resized image."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def generate_anchors(
    scales: float | Sequence[float],
    ratios: Sequence[float],
    shape: Sequence[int] | np.ndarray,
    feature_stride: int,
    anchor_stride: int,
) -> np.ndarray:
    """The anchors of one level: n×4 float64 y1 x1 y2 x2, by row, column, ratio, scale.

    scales         side of a square anchor in pixels
    ratios         width / height
    shape          (height, width) of the level's map
    feature_stride pixels between two cells of the map
    anchor_stride  1: anchors at every cell, 2: at every second
    """
    side, ratio = (each.ravel() for each in np.meshgrid(np.array(scales), np.array(ratios)))
    size = np.stack([side / np.sqrt(ratio), side * np.sqrt(ratio)], axis=1)  # k×2
    y = np.arange(0, shape[0], anchor_stride) * feature_stride
    x = np.arange(0, shape[1], anchor_stride) * feature_stride
    centre = np.stack(np.meshgrid(y, x, indexing="ij"), axis=-1)[:, :, None]  # rows × columns × 1 × 2
    return np.concatenate([centre - 0.5 * size, centre + 0.5 * size], axis=-1).reshape(-1, 4)


def generate_pyramid_anchors(
    scales: Sequence[float],
    ratios: Sequence[float],
    feature_shapes: Sequence[Sequence[int]] | np.ndarray,
    feature_strides: Sequence[int],
    anchor_stride: int,
) -> np.ndarray:
    """The anchors of all levels, one scale a level, finest level first."""
    levels = [
        generate_anchors(scales[i], ratios, feature_shapes[i], feature_strides[i], anchor_stride)
        for i in range(len(scales))
    ]
    return np.concatenate(levels, axis=0)
