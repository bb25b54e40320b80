"""Overlay a saliency map on an image: which regions a classifier's score depends on."""

from __future__ import annotations

import numpy as np
from PIL import Image as PilImage

from maskwright.types.image import Image

# Lightness increases monotonically, so it is legible in gray; blue to yellow is distinguishable with every common kind
# of color blindness.
RAMP = (
    (0.0, (18, 26, 86)),
    (0.35, (104, 52, 136)),
    (0.65, (222, 92, 74)),
    (0.85, (247, 168, 52)),
    (1.0, (255, 240, 150)),
)
GRAY = 0.6  # fraction of the image's saturation that is removed, so that the map's colors stand out


def ramp(saliency: np.ndarray) -> np.ndarray:
    """Values 0..1 of any shape -> the same shape × (red, green, blue), float64 0..255.

    >>> ramp(np.array([0.0, 1.0])).tolist()
    [[18.0, 26.0, 86.0], [255.0, 240.0, 150.0]]
    """
    levels = [level for level, _ in RAMP]
    return np.stack([np.interp(saliency, levels, [color[band] for _, color in RAMP]) for band in range(3)], axis=-1)


def overlay(
    image: Image | np.ndarray,
    saliency: np.ndarray,
    *,
    covered: tuple[float, float] = (1.0, 1.0),
    strength: float = 0.75,
) -> np.ndarray:
    """Overlay a saliency map; returns a new image, H×W×3 uint8.

    image     an Image, or H×W×3 uint8 RGB; not changed
    saliency  h×w 0..1 of any size, as from models.saliency.grad_cam
    covered   (height, width) fractions of the map that the image covers, from the top left; below 1 if the network
              input was padded
    strength  0..1, opacity where the map is 1; where it is 0 the image is visible

    >>> overlay(image, grad_cam(maps, score).numpy())
    """
    pixels = image.pixels if isinstance(image, Image) else image
    height, width = pixels.shape[:2]
    saliency = np.clip(np.nan_to_num(np.asarray(saliency, np.float32)), 0, 1)
    saliency = _resize(saliency, (height, width), covered)[..., None]
    color = pixels.astype(np.float32)
    gray = color @ np.array([0.299, 0.587, 0.114], np.float32)
    muted = color + GRAY * (gray[..., None] - color)
    opacity = strength * np.sqrt(saliency)  # medium values must be visible too
    blended = muted + opacity * (ramp(saliency[..., 0]).astype(np.float32) - muted)
    return np.rint(blended).clip(0, 255).astype(np.uint8)


def _resize(saliency: np.ndarray, size: tuple[int, int], covered: tuple[float, float]) -> np.ndarray:
    """The covered part of h×w, bicubic to `size`."""
    box = (0.0, 0.0, saliency.shape[1] * covered[1], saliency.shape[0] * covered[0])
    resized = PilImage.fromarray(saliency).resize((size[1], size[0]), PilImage.Resampling.BICUBIC, box=box)
    return np.asarray(resized).clip(0, 1)
