"""Annotated images prepared for training: reduced once, each mask cropped to its box."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

from maskwright.images.decode import decode
from maskwright.types import Record, Window

OVERSIZE = 1.5  # images are kept this much larger than the network input, so that zooming in shows detail


@dataclass(frozen=True, slots=True, eq=False)
class Cutout:
    """One object in pixel coordinates of its (reduced) image.

    corner  (left, top) of the mask
    mask    h×w uint8, 0 or 255; full if the object has only a box
    label   class index; -1 for a crowd, which is ignored in training
    drawn   the object has an outline (else only a box)
    """

    corner: tuple[int, int]
    mask: np.ndarray
    label: int
    drawn: bool


@dataclass(frozen=True, slots=True, eq=False)
class TrainingImage:
    """An image with its objects or labels, ready for augmentation.

    pixels            H×W×3 uint8 RGB
    cutouts           the objects
    name              name of the image, for messages
    labelled_classes, incomplete  as in Record
    labels            class indices of the image, for a classifier
    tile              (height, width) of the part that fills a network input, if that is not the whole image
    """

    pixels: np.ndarray
    cutouts: tuple[Cutout, ...]
    name: str
    labelled_classes: tuple[int, ...] | None = None
    incomplete: bool = False
    labels: tuple[int, ...] | None = None
    tile: tuple[int, int] | None = None


def load(record: Record, size: int, window: Window | None = None, tile: int = 0) -> TrainingImage:
    """Decode the image of a record and reduce it (never enlarge) so that its long side is at most OVERSIZE * size.

    window  gray values shown as black and white, for 16-bit images
    tile    of an image larger than this many pixels, a tile of this side becomes OVERSIZE * size

    An image with labels is for a classifier, and is resized to a square.
    """
    image = decode(record.image, window=window)
    height, width = image.size
    tiled = 0 < tile < max(height, width)
    scale = min(1.0, OVERSIZE * size / (tile if tiled else max(height, width)))
    new = (max(round(height * scale), 1), max(round(width * scale), 1))
    if record.labels is not None:
        new = (max(new), max(new))
    pixels = image.pixels
    if new != image.size:
        pixels = np.asarray(
            Image.fromarray(pixels).resize((new[1], new[0]), Image.Resampling.BILINEAR, reducing_gap=3.0)
        )
    cutouts = tuple(_cutouts(record, image.size, new))
    part = (min(round(tile * scale), new[0]), min(round(tile * scale), new[1])) if tiled else None
    return TrainingImage(
        pixels, cutouts, str(record.image), record.labelled_classes, record.incomplete, record.labels, part
    )


def _cutouts(record: Record, size: tuple[int, int], new: tuple[int, int]):
    instances = record.instances
    if instances is None or not len(instances):
        return
    scale = np.array([new[1] / size[1], new[0] / size[0]] * 2)
    boxes = instances.boxes if instances.masks is None else instances.masks.boxes
    outer = np.concatenate([np.floor(boxes[:, :2]), np.ceil(boxes[:, 2:])], 1).astype(np.int64)
    outer = np.clip(outer, 0, [size[1], size[0], size[1], size[0]])
    patches = None if instances.masks is None else instances.masks.patches(outer)
    crowd = instances.crowd if instances.crowd is not None else np.zeros(len(instances), bool)
    for row, box in enumerate(outer):
        reduced_box = np.concatenate([np.floor(box[:2] * scale[:2]), np.ceil(box[2:] * scale[2:] - 1e-6)]).astype(int)
        width, height = int(reduced_box[2] - reduced_box[0]), int(reduced_box[3] - reduced_box[1])
        if width < 1 or height < 1:
            continue
        if patches is None:
            mask = np.full((height, width), 255, np.uint8)
        else:
            mask = _shrink(patches[row], box, scale, reduced_box)
        label = -1 if crowd[row] else int(instances.classes[row])
        yield Cutout((int(reduced_box[0]), int(reduced_box[1])), mask, label, patches is not None)


def _shrink(patch: np.ndarray, box: np.ndarray, scale: np.ndarray, reduced_box: np.ndarray) -> np.ndarray:
    """The patch of a box in the image, resampled to the pixel grid of the reduced image."""
    image = Image.fromarray(patch.astype(np.uint8) * 255)
    if scale[0] == scale[1] == 1.0:
        return np.asarray(image)
    left, top = reduced_box[0] / scale[0] - box[0], reduced_box[1] / scale[1] - box[1]
    right, bottom = reduced_box[2] / scale[0] - box[0], reduced_box[3] / scale[1] - box[1]
    inside = (max(left, 0.0), max(top, 0.0), min(right, image.width), min(bottom, image.height))
    size = (int(reduced_box[2] - reduced_box[0]), int(reduced_box[3] - reduced_box[1]))
    resized = np.asarray(image.resize(size, Image.Resampling.BOX, box=inside))
    mask = np.where(resized >= 128, 255, 0).astype(np.uint8)
    return mask if mask.any() else np.where(resized == resized.max(), 255, 0).astype(np.uint8)
