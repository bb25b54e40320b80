"""Outlines of masks for drawing: the contour at one half between pixel centers."""

from __future__ import annotations

import numpy as np


def find_contours(image: np.ndarray, level: float = 0.5) -> list[np.ndarray]:
    """Lines k×2 (row, column) along which `image` (H×W) passes `level`. Pad a mask, so that they close at the rim."""
    from contourpy import contour_generator  # comes with matplotlib

    if min(image.shape) < 2:
        return []
    lines = contour_generator(z=np.asarray(image, np.float64)).lines(level)
    return [np.asarray(line)[:, ::-1] for line in lines]


def mask_outlines(mask: np.ndarray) -> list[np.ndarray]:
    """Closed outlines k×2 (x, y) of a mask H×W, in pixels; one that touches the rim is closed too."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return []
    top, left = rows[0], columns[0]  # only the part with pixels is searched
    part = np.pad(mask[top : rows[-1] + 1, left : columns[-1] + 1], 1)
    return [line[:, ::-1] - 1 + np.array([left, top]) for line in find_contours(part)]
