"""Random fields for clouds, plaster, foliage, grain: float32, mean 0, standard deviation about 1."""

from __future__ import annotations

import math

import numpy as np
from PIL import Image

Size = tuple[int, int]


def fractal(
    rng: np.random.Generator,
    size: Size,
    cell: float = 0.5,
    roughness: float = 0.5,
    finest: float = 2.0,
    stretch: tuple[float, float] = (1.0, 1.0),
) -> np.ndarray:
    """Fractal noise, H×W float32.

    cell       size of the largest structures, as a fraction of the long side
    finest     size of the smallest structures in pixels
    roughness  amplitude of each octave relative to the previous one (0.3 soft clouds, 0.8 gravel)
    stretch    (down, across): factors by which structures are elongated

    >>> fractal(np.random.default_rng(0), (48, 64)).shape
    (48, 64)
    """
    height, width = max(2, round(size[0] / stretch[0])), max(2, round(size[1] / stretch[1]))
    lump = max(2.0 * finest, cell * max(height, width))
    octaves = max(1, int(math.log2(lump / finest)))
    field = rng.standard_normal((math.ceil(height / lump) + 2, math.ceil(width / lump) + 2), np.float32)
    strength = 1.0
    for _ in range(octaves):  # repeated doubling costs only a third more than the last step
        strength *= roughness
        field = resized(field, (2 * field.shape[0], 2 * field.shape[1]))
        field = field + np.float32(strength) * rng.standard_normal(field.shape, np.float32)
    lump /= 2**octaves
    region = (0.0, 0.0, min(width / lump, field.shape[1]), min(height / lump, field.shape[0]))
    field = resized(field, size, region)
    field = field - field.mean()
    return field / max(float(field.std()), 1e-6)


def resized(field: np.ndarray, size: Size, box: tuple[float, float, float, float] | None = None) -> np.ndarray:
    """Resize to H×W float32 by bicubic interpolation; `box` is the region of the source."""
    image = Image.fromarray(np.ascontiguousarray(field, np.float32))
    return np.asarray(image.resize((size[1], size[0]), Image.Resampling.BICUBIC, box))


def soften(picture: np.ndarray, radius: float) -> np.ndarray:
    """Blur H×W×3 (or H×W) float32 by about `radius` pixels: reduced by averaging, enlarged bicubically."""
    if radius < 0.6:
        return picture
    height, width = picture.shape[:2]
    small = (max(2, round(width / (radius + 1))), max(2, round(height / (radius + 1))))

    def channel(plane: np.ndarray) -> np.ndarray:
        image = Image.fromarray(np.ascontiguousarray(plane, np.float32))
        image = image.resize(small, Image.Resampling.HAMMING).resize((width, height), Image.Resampling.BICUBIC)
        return np.asarray(image)

    if picture.ndim == 2:
        return channel(picture)
    return np.maximum(np.stack([channel(picture[..., index]) for index in range(3)], axis=-1), 0.0)


def shifted(field: np.ndarray, rows: int) -> np.ndarray:
    """The field shifted down by `rows` (up if negative); the edge is repeated."""
    if rows == 0:
        return field
    rest = field[:-rows] if rows > 0 else field[-rows:]
    fill = np.repeat(field[:1] if rows > 0 else field[-1:], abs(rows), axis=0)
    return np.concatenate([fill, rest] if rows > 0 else [rest, fill])
