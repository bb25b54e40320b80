"""Image to network input; `postprocess` is the way back."""

from __future__ import annotations

import numpy as np
from PIL import Image as PilImage

from maskwright.types import Image, ResizeTransform

PADDING = (124, 116, 104)  # ImageNet's mean color, which is 0 after normalization
STRIDE = 64  # of the coarsest feature map: the sides of the network input are multiples of it


def preprocess(image: Image, size: int) -> tuple[np.ndarray, ResizeTransform]:
    """Resize an image so that its long side is `size` pixels, and pad it at the right and bottom.

    Returns the network input (H×W×3 uint8, both sides multiples of 64, padded with the mean color) and the transform
    between the two. Small images are enlarged too, so that objects have the size the network was trained with.

    >>> network_input, transform = preprocess(Image(np.zeros((300, 400, 3), np.uint8)), 512)
    >>> network_input.shape, transform.scale_x
    ((384, 512, 3), 1.28)
    """
    height, width = image.size
    scale = size / max(height, width)
    new_height, new_width = max(round(height * scale), 1), max(round(width * scale), 1)
    network_input = np.empty((_round_up(new_height), _round_up(new_width), 3), np.uint8)
    network_input[:] = PADDING
    pixels = image.pixels
    if (new_height, new_width) != image.size:
        pixels = np.asarray(
            PilImage.fromarray(pixels).resize((new_width, new_height), PilImage.Resampling.BILINEAR, reducing_gap=3.0)
        )
    network_input[:new_height, :new_width] = pixels
    return network_input, ResizeTransform(image.size, network_input.shape[:2], new_height / height, new_width / width)


def preprocess_square(image: Image, size: int) -> tuple[np.ndarray, ResizeTransform]:
    """Resize an image to size × size pixels regardless of its aspect ratio, the input of a classifier.

    >>> network_input, transform = preprocess_square(Image(np.zeros((300, 400, 3), np.uint8)), 150)
    >>> network_input.shape, transform.scale_x
    ((150, 150, 3), 0.375)
    """
    height, width = image.size
    pil_image = PilImage.fromarray(image.pixels)
    network_input = np.array(pil_image.resize((size, size), PilImage.Resampling.BILINEAR, reducing_gap=3.0))
    return network_input, ResizeTransform(image.size, (size, size), size / height, size / width)


def _round_up(side: int) -> int:
    return -(-side // STRIDE) * STRIDE


def covered(transform: ResizeTransform) -> tuple[int, int]:
    """(height, width) of the part of the network input that the image covers, in network input pixels."""
    height, width = transform.image_size
    return round(height * transform.scale_y), round(width * transform.scale_x)
