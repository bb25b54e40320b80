"""EXIF's turns: places and pixels of an image as it is stored, as they lie after the turn."""

from __future__ import annotations

import numpy as np


def points(points_xy: np.ndarray, orientation: int, size: tuple[int, int]) -> np.ndarray:
    """k×2 (x, y) in the file's pixels -> the same in the turned image of `size` (EXIF 2.32, tag 0x0112, 5 to 8)."""
    height, width = size
    x, y = points_xy[:, 0], points_xy[:, 1]
    turned = {5: (y, x), 6: (width - y, x), 7: (width - y, height - x), 8: (y, height - x)}
    return np.stack(turned.get(orientation, (x, y)), 1)


def pixels(dense: np.ndarray, orientation: int) -> np.ndarray:
    """n×H×W in the file's pixels -> n×W×H turned, the same rule."""
    flipped = dense.transpose(0, 2, 1)
    if orientation in (6, 7):
        flipped = flipped[:, :, ::-1]
    if orientation in (7, 8):
        flipped = flipped[:, ::-1]
    return flipped
