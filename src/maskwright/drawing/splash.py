"""Color splash: objects in color on a gray image."""

from __future__ import annotations

import numpy as np
from PIL import Image as PilImage
from PIL import ImageFilter

from maskwright.types.image import Image
from maskwright.types.instances import Instances
from maskwright.types.masks import RleMasks

EDGE = 0.7  # blur in pixels of the border between gray and color: anti-aliased, but not visibly blurred


def splash(image: Image | np.ndarray, instances: Instances, invert: bool = False) -> np.ndarray:
    """Objects in color on a gray image, or with `invert` gray objects on a color image; H×W×3 uint8.

    Without masks the whole boxes are in color. Without objects the whole image is gray.

    >>> splash(image, detections[detections.scores > 0.7])
    """
    pixels = image.pixels if isinstance(image, Image) else np.asarray(image, np.uint8)
    fraction = _color_fraction(instances, (pixels.shape[0], pixels.shape[1]))
    if invert:
        fraction = 1 - fraction
    fraction = fraction[..., None]
    return np.rint(pixels * fraction + gray(pixels)[..., None] * (1 - fraction)).astype(np.uint8)


def side_by_side(left: np.ndarray, right: np.ndarray, gap: int | None = None) -> np.ndarray:
    """Two pictures next to each other on white, `gap` pixels apart, centered vertically."""
    gap = max(4, round(max(left.shape[1], right.shape[1]) / 100)) if gap is None else gap
    height = max(left.shape[0], right.shape[0])
    page = np.full((height, left.shape[1] + gap + right.shape[1], 3), 255, np.uint8)
    for picture, x in ((left, 0), (right, left.shape[1] + gap)):
        y = (height - picture.shape[0]) // 2
        page[y : y + picture.shape[0], x : x + picture.shape[1]] = picture
    return page


def gray(pixels: np.ndarray) -> np.ndarray:
    """H×W×3 uint8 sRGB -> H×W uint8 with the same luminance (Rec. 709, linear light).

    >>> gray(np.array([[[255, 0, 0], [0, 255, 0], [128, 128, 128]]], np.uint8))
    array([[127, 220, 128]], dtype=uint8)
    """
    light = _TO_LINEAR[0][pixels[..., 0]] + _TO_LINEAR[1][pixels[..., 1]] + _TO_LINEAR[2][pixels[..., 2]]
    return _TO_SRGB[np.rint(light * (len(_TO_SRGB) - 1)).astype(np.int32)]


def _tables() -> tuple[np.ndarray, np.ndarray]:
    """The sRGB curve as tables: 3×256 weighted linear light per channel and level; 4096 light values -> level."""
    level = np.arange(256) / 255
    linear = np.where(level <= 0.04045, level / 12.92, ((level + 0.055) / 1.055) ** 2.4)
    light = np.arange(4096) / 4095
    level_of_light = np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)
    weights = np.array([[0.2126], [0.7152], [0.0722]])
    return (weights * linear).astype(np.float32), np.rint(level_of_light * 255).astype(np.uint8)


_TO_LINEAR, _TO_SRGB = _tables()


def _color_fraction(instances: Instances, size: tuple[int, int]) -> np.ndarray:
    """H×W float32, 0..1: how much of its color each pixel keeps; anti-aliased over about a pixel at borders."""
    masks = instances.masks if instances.masks is not None else RleMasks.from_boxes(instances.boxes, size)
    if not len(masks):
        return np.zeros(size, np.float32)
    inside = masks.union().dense()[0]
    blurred = PilImage.fromarray(inside.astype(np.uint8) * 255).filter(ImageFilter.GaussianBlur(EDGE))
    return np.asarray(blurred, np.float32) / 255
