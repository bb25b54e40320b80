"""A saliency maps over an image: where a classifier looked."""

from __future__ import annotations

import numpy as np
from PIL import Image as PilImage

from maskwright.types.image import Image

# Its lightness only ever rises, so it reads without any color; blue to yellow, which every common kind of
# color-blindness tells apart.
RAMP = (
    (0.0, (18, 26, 86)),
    (0.35, (104, 52, 136)),
    (0.65, (222, 92, 74)),
    (0.85, (247, 168, 52)),
    (1.0, (255, 240, 150)),
)
GRAY = 0.6  # fraction of the image's color that is taken out, so that the heat's colors are the only strong ones


def ramp(saliency: np.ndarray) -> np.ndarray:
    """Values 0..1 of any shape -> the same shape and red, green, blue, float64 0..255.

    >>> ramp(np.array([0.0, 1.0])).tolist()
    [[18.0, 26.0, 86.0], [255.0, 240.0, 150.0]]
    """
    places = [index for index, _ in RAMP]
    return np.stack([np.interp(saliency, places, [color[band] for _, color in RAMP]) for band in range(3)], axis=-1)


def overlay(
    image: Image | np.ndarray,
    saliency: np.ndarray,
    *,
    covered: tuple[float, float] = (1.0, 1.0),
    strength: float = 0.75,
) -> np.ndarray:
    """The image with the heat over it; H×W×3 uint8, the image itself is left alone.

    image     an Image, or H×W×3 uint8 RGB
    saliency      h×w 0..1 of any size, as models.saliency.grad_cam gives it
    covered   (height, width) fractions of the map that the image fills, from the top left; less than 1 where the
              network saw the image on a larger network input
    strength  0..1, how opaque the hottest place is; cold places stay the image

    >>> overlay(image, grad_cam(maps, score).numpy())
    """
    pixels = image.pixels if isinstance(image, Image) else image
    height, width = pixels.shape[:2]
    warm = _enlarged(np.clip(np.nan_to_num(np.asarray(saliency, np.float32)), 0, 1), (height, width), covered)[
        ..., None
    ]
    color = pixels.astype(np.float32)
    gray = color @ np.array([0.299, 0.587, 0.114], np.float32)
    ground = color + GRAY * (gray[..., None] - color)
    opacity = strength * np.sqrt(warm)  # lukewarm places must show too
    return np.rint(ground + opacity * (ramp(warm[..., 0]).astype(np.float32) - ground)).clip(0, 255).astype(np.uint8)


def _enlarged(saliency: np.ndarray, size: tuple[int, int], covered: tuple[float, float]) -> np.ndarray:
    """h×w -> size, smoothly; the image's part only."""
    box = (0.0, 0.0, saliency.shape[1] * covered[1], saliency.shape[0] * covered[0])
    resized = PilImage.fromarray(saliency).resize((size[1], size[0]), PilImage.Resampling.BICUBIC, box=box)
    return np.asarray(resized).clip(0, 1)
