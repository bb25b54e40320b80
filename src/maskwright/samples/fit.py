"""A photo onto a canvas, and what was found on the canvas back onto the photo: the pair stands in one file."""

from __future__ import annotations

import numpy as np
from PIL import Image

from maskwright.geometry import boxes as box_ops
from maskwright.geometry.paste import paste_masks
from maskwright.geometry.stretch import stretch_masks
from maskwright.types import Instances, Photo, Placement, RawDetections, RleMasks

PADDING = (124, 116, 104)  # the mean colour: what the network sees as nothing
MULTIPLE = 64  # the coarsest level's stride: canvas sides divide by it


def fit(photo: Photo, size: int) -> tuple[np.ndarray, Placement]:
    """Scale the photo so that its long side is `size` pixels, at the canvas's top left corner.

    Returns the canvas (H×W×3 uint8, both sides multiples of 64, padded with the mean colour) and where the photo lies
    on it. Small photos are enlarged too: a network sees objects in the size it was trained with.

    >>> canvas, placement = fit(Photo(np.zeros((300, 400, 3), np.uint8)), 512)
    >>> canvas.shape, placement.scale_x
    ((384, 512, 3), 1.28)
    """
    height, width = photo.size
    scale = size / max(height, width)
    new_height, new_width = max(round(height * scale), 1), max(round(width * scale), 1)
    canvas = np.empty((_up(new_height), _up(new_width), 3), np.uint8)
    canvas[:] = PADDING
    pixels = photo.pixels
    if (new_height, new_width) != photo.size:
        pixels = np.asarray(
            Image.fromarray(pixels).resize((new_width, new_height), Image.Resampling.BILINEAR, reducing_gap=3.0)
        )
    canvas[:new_height, :new_width] = pixels
    return canvas, Placement(photo.size, canvas.shape[:2], new_height / height, new_width / width)


def stretch(photo: Photo, size: int) -> tuple[np.ndarray, Placement]:
    """The whole photo on a canvas of size x size pixels, whatever its shape: what a classifier sees.

    >>> canvas, placement = stretch(Photo(np.zeros((300, 400, 3), np.uint8)), 150)
    >>> canvas.shape, placement.scale_x
    ((150, 150, 3), 0.375)
    """
    height, width = photo.size
    image = Image.fromarray(photo.pixels)
    canvas = np.array(image.resize((size, size), Image.Resampling.BILINEAR, reducing_gap=3.0))
    return canvas, Placement(photo.size, (size, size), size / height, size / width)


def _up(side: int) -> int:
    return -(-side // MULTIPLE) * MULTIPLE


def covered(placement: Placement) -> tuple[int, int]:
    """(height, width) of the photo's part of the canvas, in canvas pixels."""
    height, width = placement.photo_size
    return round(height * placement.scale_y), round(width * placement.scale_x)


def restore(
    raw: RawDetections, placement: Placement, names: tuple[str, ...], threshold: float | np.ndarray = 0.0
) -> Instances:
    """What was found on the canvas, in photo pixels: boxes clipped to the photo, soft masks drawn as run lengths.

    Rows with a score below `threshold` (one number, or one a class) are left out; the order stays.
    """
    keep = raw.scores >= np.broadcast_to(threshold, len(names))[raw.classes]
    boxes = placement.boxes_to_photo(raw.boxes[keep].astype(np.float32))
    boxes = box_ops.clip(boxes, placement.photo_size)
    masks = None
    if raw.soft is not None:
        draw = {"grown": paste_masks, "stretched": stretch_masks}[raw.rule]
        masks = RleMasks(placement.photo_size, *draw(raw.soft[keep], boxes, placement.photo_size))
    return Instances(boxes, raw.classes[keep], raw.scores[keep], masks, names)
