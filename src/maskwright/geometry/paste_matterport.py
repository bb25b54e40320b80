"""Paste mask probabilities into boxes of whole pixels as matterport does (utils.unmold_mask).

Unlike torchvision's rule (paste.py) the box is not enlarged: the mask is resized exactly to the box, and fades at its
edges because pixels outside the mask are 0.
"""

from __future__ import annotations

import numpy as np

from maskwright.geometry.bilinear import interpolation
from maskwright.geometry.spans import Strips, from_strips, to_counts


def stretch(mask_probs: np.ndarray, size: tuple[int, int], threshold: float = 0.5) -> np.ndarray:
    """One mask of probabilities, h×w, resized to `size` = (height, width): bool, True where at least `threshold`."""
    cells = mask_probs.astype(np.float32, copy=False)
    if cells.min() >= threshold:  # values are clipped to the range of the input, so the edge does not fade below it
        return np.ones(size, bool)
    return interpolation(cells.shape[0], size[0]) @ cells @ interpolation(cells.shape[1], size[1]).T >= threshold


def stretch_masks(
    mask_probs: np.ndarray, boxes: np.ndarray, size: tuple[int, int], threshold: float = 0.5
) -> tuple[np.ndarray, np.ndarray]:
    """Paste each mask into its box: run lengths (counts, offsets), like paste.paste_masks.

    mask_probs  n×h×w, probabilities
    boxes       n×4 x1 y1 x2 y2 in image pixels, rounded to integers; may extend past the edge
    size        (height, width) of the image

    A full mask covers exactly its box:

    >>> counts, offsets = stretch_masks(np.ones((1, 28, 28)), np.array([[10, 10, 40, 30]]), size=(60, 80))
    >>> int(counts[1::2].sum())
    600
    """
    height, width = size
    rounded = np.around(np.clip(np.nan_to_num(np.asarray(boxes, np.float64).reshape(-1, 4)), -1e6, 1e6)).astype(
        np.int64
    )
    pieces = [Strips(*(np.zeros(0, np.int64),) * 4)]
    for row, (cells, (x1, y1, x2, y2)) in enumerate(zip(np.nan_to_num(mask_probs), rounded.tolist(), strict=True)):
        top, left, bottom, right = max(y1, 0), max(x1, 0), min(y2, height), min(x2, width)
        if top >= bottom or left >= right:
            continue
        inside = stretch(cells, (y2 - y1, x2 - x1), threshold)[top - y1 : bottom - y1, left - x1 : right - x1]
        columns = np.zeros((right - left, bottom - top + 2), bool)  # an empty row above and below
        columns[:, 1:-1] = inside.T
        x, y = np.divmod(np.flatnonzero(columns[:, 1:] != columns[:, :-1]), bottom - top + 1)
        pieces.append(Strips(np.full(len(x) // 2, row), x[::2] + left, y[::2] + top, y[1::2] + top))
    strips = Strips(*(np.concatenate(parts) for parts in zip(*pieces, strict=True)))
    return to_counts(from_strips(strips, height), len(rounded), height * width)
