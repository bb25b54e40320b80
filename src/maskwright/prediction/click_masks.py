"""Masks as the interactive network gives them: probabilities on the cells of a cut, two network input pixels wide."""

from __future__ import annotations

import numpy as np
from PIL import Image as PilImage

from maskwright.geometry import polygons
from maskwright.transforms.prompts import Cut
from maskwright.types import RleMasks

LEAST_PART = 0.03  # of the largest part: smaller ones, and holes of that size, are noise


def clean(probs: np.ndarray, clicks: np.ndarray) -> np.ndarray:
    """Without specks and small holes; a part that was clicked on stays.

    probs   h×w probabilities
    clicks  n×2 (x, y) positive clicks, in cells
    """
    on, made = probs >= 0.5, probs.copy()
    if not on.any():
        return made
    cells = clicks.astype(int)
    cells = cells[((cells >= 0) & (cells < (probs.shape[1], probs.shape[0]))).all(1)]
    for belongs in (True, False):
        parts = _parts(on == belongs)
        areas = parts.sum((1, 2))
        least = LEAST_PART * (areas.max() if belongs else on.sum()) if len(parts) else 0
        for part, area in zip(parts, areas, strict=True):
            clicked = belongs and part[cells[:, 1], cells[:, 0]].any()
            if area < least and not clicked:
                made[part] = 0.0 if belongs else 1.0
    return made


def _parts(on: np.ndarray) -> np.ndarray:
    """n×h×w, each connected part of a map by itself."""
    single = RleMasks.from_dense(on[None])
    return RleMasks(single.size, *polygons.parts(single.counts, single.size, connectivity=4)).dense()


def box_of(probs: np.ndarray, cut: Cut) -> np.ndarray | None:
    """x1 y1 x2 y2 of the mask in image pixels; None where there is none."""
    rows, columns = np.nonzero(probs >= 0.5)
    if not len(rows):
        return None
    corners = np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1], np.float64)
    return corners * 2 / cut.scale + np.tile((cut.left, cut.top), 2)


def resample(probs: np.ndarray, before: Cut, after: Cut) -> np.ndarray:
    """The same probabilities on the cells of another cut; 0 where the first did not reach."""
    corners = before.to_input(np.array(after.box).reshape(2, 2)) / 2
    return _part(probs, corners, (after.shape[0] // 2, after.shape[1] // 2))


def place(probs: np.ndarray, cut: Cut, size: tuple[int, int]) -> RleMasks:
    """The mask in an image of that size, one row: the pixels whose interpolated probability is at least 0.5."""
    height, width = size
    found = box_of(probs, cut)
    cell = 2 / cut.scale
    box = np.zeros(4) if found is None else found + np.array([-cell, -cell, cell, cell])
    corners = np.concatenate([np.floor(box[:2]), np.ceil(box[2:])])
    x1, y1, x2, y2 = np.clip(corners, 0, [width, height, width, height]).astype(int).tolist()
    if x1 == x2 or y1 == y2:
        return RleMasks.from_boxes(np.zeros((1, 4)), size)
    enlarged = _part(probs, cut.to_input(np.array([[x1, y1], [x2, y2]])) / 2, (y2 - y1, x2 - x1))
    return RleMasks.from_dense((enlarged >= 0.5)[None]).place((x1, y1), size)


def _part(probs: np.ndarray, corners: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The part between two corners (x, y in cells), bilinearly at another size (height, width); 0 beyond the edge."""
    padded = PilImage.fromarray(np.pad(probs.astype(np.float32), 1))
    extent = tuple((corners + 1).reshape(-1).tolist())
    part = padded.transform((size[1], size[0]), PilImage.Transform.EXTENT, extent, PilImage.Resampling.BILINEAR)
    return np.asarray(part)
