"""An image onto a network input, and what was found on the network input back onto the image: the pair stands in one
file."""

from __future__ import annotations

import numpy as np
from PIL import Image as PilImage

from maskwright.geometry import boxes as box_ops
from maskwright.geometry.paste import paste_masks
from maskwright.geometry.stretch import stretch_masks
from maskwright.types import Image, Instances, RawDetections, ResizeTransform, RleMasks

PADDING = (124, 116, 104)  # the mean color: what the network sees as nothing
MULTIPLE = 64  # the coarsest level's stride: network input sides divide by it


def fit(image: Image, size: int) -> tuple[np.ndarray, ResizeTransform]:
    """Scale the image so that its long side is `size` pixels, at the network input's top left corner.

    Returns the network input (H×W×3 uint8, both sides multiples of 64, padded with the mean color) and where the image
    lies
    on it. Small images are enlarged too: a network sees objects in the size it was trained with.

    >>> network_input, placement = fit(Image(np.zeros((300, 400, 3), np.uint8)), 512)
    >>> network_input.shape, placement.scale_x
    ((384, 512, 3), 1.28)
    """
    height, width = image.size
    scale = size / max(height, width)
    new_height, new_width = max(round(height * scale), 1), max(round(width * scale), 1)
    network_input = np.empty((_up(new_height), _up(new_width), 3), np.uint8)
    network_input[:] = PADDING
    pixels = image.pixels
    if (new_height, new_width) != image.size:
        pixels = np.asarray(
            PilImage.fromarray(pixels).resize((new_width, new_height), PilImage.Resampling.BILINEAR, reducing_gap=3.0)
        )
    network_input[:new_height, :new_width] = pixels
    return network_input, ResizeTransform(image.size, network_input.shape[:2], new_height / height, new_width / width)


def stretch(image: Image, size: int) -> tuple[np.ndarray, ResizeTransform]:
    """The whole image on a network input of size x size pixels, whatever its shape: what a classifier sees.

    >>> network_input, placement = stretch(Image(np.zeros((300, 400, 3), np.uint8)), 150)
    >>> network_input.shape, placement.scale_x
    ((150, 150, 3), 0.375)
    """
    height, width = image.size
    pil_image = PilImage.fromarray(image.pixels)
    network_input = np.array(pil_image.resize((size, size), PilImage.Resampling.BILINEAR, reducing_gap=3.0))
    return network_input, ResizeTransform(image.size, (size, size), size / height, size / width)


def _up(side: int) -> int:
    return -(-side // MULTIPLE) * MULTIPLE


def covered(placement: ResizeTransform) -> tuple[int, int]:
    """(height, width) of the image's part of the network input, in network input pixels."""
    height, width = placement.image_size
    return round(height * placement.scale_y), round(width * placement.scale_x)


def postprocess(
    raw: RawDetections, placement: ResizeTransform, names: tuple[str, ...], threshold: float | np.ndarray = 0.0
) -> Instances:
    """What was found on the network input, in image pixels: boxes clipped to the image, soft masks drawn as run
    lengths.

    Rows with a score below `threshold` (one number, or one a class) are left out; the order stays.
    """
    keep = raw.scores >= np.broadcast_to(threshold, len(names))[raw.classes]
    boxes = placement.boxes_to_image(raw.boxes[keep].astype(np.float32))
    boxes = box_ops.clip(boxes, placement.image_size)
    masks = None
    if raw.mask_probs is not None:
        draw = {"torchvision": paste_masks, "matterport": stretch_masks}[raw.paste_mode]
        masks = RleMasks(placement.image_size, *draw(raw.mask_probs[keep], boxes, placement.image_size))
    return Instances(boxes, raw.classes[keep], raw.scores[keep], masks, names)
