"""Masks: reduced to small masks in their boxes, and expanded to the image."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from maskwright.geometry.paste_matterport import stretch
from mrcnn.resizing import resize


def minimize_mask(bbox: np.ndarray, mask: np.ndarray, mini_shape: Sequence[int]) -> np.ndarray:
    """Crop each mask (H×W×n) to its box and resize it to `mini_shape`: saves memory, loses detail."""
    small = np.zeros((*mini_shape, mask.shape[-1]), bool)
    for i in range(mask.shape[-1]):
        y1, x1, y2, x2 = bbox[i][:4]
        part = mask[y1:y2, x1:x2, i].astype(bool)
        if part.size == 0:
            raise ValueError(f"the box {y1} {x1} {y2} {x2} of mask {i} has no area")
        small[:, :, i] = np.around(resize(part, mini_shape)).astype(bool)
    return small


def expand_mask(bbox: np.ndarray, mini_mask: np.ndarray, image_shape: Sequence[int]) -> np.ndarray:
    """Expand small masks (h×w×n) to their boxes in the image: H×W×n bool."""
    mask = _planes(mini_mask.shape[-1], image_shape)
    for i in range(mini_mask.shape[-1]):
        y1, x1, y2, x2 = bbox[i][:4]
        mask[y1:y2, x1:x2, i] = np.around(resize(mini_mask[:, :, i], (y2 - y1, x2 - x1))).astype(bool)
    return mask


def unmold_mask(mask: np.ndarray, bbox: Sequence[int] | np.ndarray, image_shape: Sequence[int]) -> np.ndarray:
    """Paste mask probabilities into their box in the image: H×W bool, True from 0.5."""
    return unmold_masks(mask[None], np.asarray(bbox)[None], image_shape)[:, :, 0]


def unmold_masks(mask_probs: np.ndarray, boxes: np.ndarray, image_shape: Sequence[int]) -> np.ndarray:
    """Paste mask probabilities n×h×w into their boxes in the image: H×W×n bool.

    Each mask is a plane of its own in memory, and of a plane only the box is ever touched; so `masks[:, :, i]` is
    contiguous, and the frames between the boxes cost nothing.
    """
    masks = _planes(len(mask_probs), image_shape)
    height, width = image_shape[:2]
    for i, (y1, x1, y2, x2) in enumerate(np.asarray(boxes)[:, :4].tolist()):
        if y2 <= y1 or x2 <= x1:
            continue
        inside = stretch(mask_probs[i], (y2 - y1, x2 - x1))
        top, left = max(-y1, 0), max(-x1, 0)
        target = masks[max(y1, 0) : min(y2, height), max(x1, 0) : min(x2, width), i]
        target[:] = inside[top : top + target.shape[0], left : left + target.shape[1]]
    return masks


def _planes(count: int, image_shape: Sequence[int]) -> np.ndarray:
    """H×W×n of False, stored plane by plane; memory is allocated only where it is written."""
    return np.zeros((count, *(int(side) for side in image_shape[:2])), bool).transpose(1, 2, 0)
