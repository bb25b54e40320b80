"""A heat map over a photo: where a classifier looked."""

from __future__ import annotations

import numpy as np
from PIL import Image

from maskwright.types.photo import Photo

# Its lightness only ever rises, so it reads without any colour; blue to yellow, which every common kind of
# colour-blindness tells apart.
RAMP = (
    (0.0, (18, 26, 86)),
    (0.35, (104, 52, 136)),
    (0.65, (222, 92, 74)),
    (0.85, (247, 168, 52)),
    (1.0, (255, 240, 150)),
)
GREY = 0.6  # share of the photo's colour that is taken out, so that the heat's colours are the only strong ones


def ramp(heat: np.ndarray) -> np.ndarray:
    """Values 0..1 of any shape -> the same shape and red, green, blue, float64 0..255.

    >>> ramp(np.array([0.0, 1.0])).tolist()
    [[18.0, 26.0, 86.0], [255.0, 240.0, 150.0]]
    """
    places = [place for place, _ in RAMP]
    return np.stack([np.interp(heat, places, [colour[band] for _, colour in RAMP]) for band in range(3)], axis=-1)


def overlay(
    photo: Photo | np.ndarray, heat: np.ndarray, *, covered: tuple[float, float] = (1.0, 1.0), strength: float = 0.75
) -> np.ndarray:
    """The photo with the heat over it; H×W×3 uint8, the photo itself is left alone.

    photo     a Photo, or H×W×3 uint8 RGB
    heat      h×w 0..1 of any size, as models.saliency.grad_cam gives it
    covered   (height, width) shares of the map that the photo fills, from the top left; less than 1 where the
              network saw the photo on a larger canvas
    strength  0..1, how opaque the hottest place is; cold places stay the photo

    >>> overlay(photo, grad_cam(maps, score).numpy())
    """
    pixels = photo.pixels if isinstance(photo, Photo) else photo
    height, width = pixels.shape[:2]
    warm = _enlarged(np.clip(np.nan_to_num(np.asarray(heat, np.float32)), 0, 1), (height, width), covered)[..., None]
    colour = pixels.astype(np.float32)
    grey = colour @ np.array([0.299, 0.587, 0.114], np.float32)
    ground = colour + GREY * (grey[..., None] - colour)
    opacity = strength * np.sqrt(warm)  # lukewarm places must show too
    return np.rint(ground + opacity * (ramp(warm[..., 0]).astype(np.float32) - ground)).clip(0, 255).astype(np.uint8)


def _enlarged(heat: np.ndarray, size: tuple[int, int], covered: tuple[float, float]) -> np.ndarray:
    """h×w -> size, smoothly; the photo's part only."""
    box = (0.0, 0.0, heat.shape[1] * covered[1], heat.shape[0] * covered[0])
    made = Image.fromarray(heat).resize((size[1], size[0]), Image.Resampling.BICUBIC, box=box)
    return np.asarray(made).clip(0, 1)
