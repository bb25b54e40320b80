"""Image: pixels as the network and the pictures see them. ResizeTransform: where an image lies on a network input."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from maskwright.errors import ShapeError


@dataclass(frozen=True, slots=True)
class Window:
    """How gray values of more than 8 bits (or an X-ray's narrow range) became 0..255: low -> 0, high -> 255."""

    low: float
    high: float


@dataclass(frozen=True, slots=True, eq=False)
class Image:
    """One decoded image.

    pixels  H×W×3 uint8, RGB, already turned as EXIF asks; gray images have three equal channels
    name    where it came from, as a person would say it (a path, an address, "stdin")
    turned  EXIF asked for a turn or a mirror, and it was done
    window  the gray window that was applied, None for ordinary 8-bit images
    """

    pixels: np.ndarray
    name: str = "image"
    turned: bool = False
    window: Window | None = None

    def __post_init__(self) -> None:
        pixels = self.pixels
        if not isinstance(pixels, np.ndarray):
            raise ShapeError(
                "an image needs an array of pixels",
                field="pixels",
                expected="height x width x 3, uint8",
                got=type(pixels).__name__,
            )
        if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype != np.uint8 or 0 in pixels.shape:
            raise ShapeError(
                "these are not the pixels of an image",
                field="pixels",
                expected="height x width x 3, uint8, RGB",
                got=f"shape {pixels.shape}, {pixels.dtype}",
                fix="maskwright.images.decode reads files; gray images are repeated three times",
            )

    @property
    def size(self) -> tuple[int, int]:
        """(height, width)"""
        return self.pixels.shape[0], self.pixels.shape[1]


@dataclass(frozen=True, slots=True)
class ResizeTransform:
    """How an image lies on a network input: scaled, put at (top, left), the rest padding.

    A point moves as x_input = x_image * scale_x + left, edges included (0 and width are the image's edges),
    so the middle of the first pixel is 0.5 on both sides.
    """

    image_size: tuple[int, int]
    input_size: tuple[int, int]
    scale_y: float
    scale_x: float
    top: int = 0
    left: int = 0

    def __post_init__(self) -> None:
        for field in ("image_size", "input_size"):
            size = getattr(self, field)
            if len(size) != 2 or min(size) < 1:
                raise ShapeError(
                    "not the size of an image", field=field, expected="(height, width), at least 1", got=size
                )
        for field in ("scale_y", "scale_x"):
            scale = getattr(self, field)
            if not 0 < scale < float("inf"):
                raise ShapeError("not a scale", field=field, expected="a finite number above 0", got=scale)

    def boxes_to_input(self, boxes_image: np.ndarray) -> np.ndarray:
        """n×4 x1 y1 x2 y2 in image pixels -> the same in network input pixels."""
        scale = np.array([self.scale_x, self.scale_y] * 2, np.float32)
        return boxes_image * scale + np.array([self.left, self.top] * 2, np.float32)

    def boxes_to_image(self, boxes_input: np.ndarray) -> np.ndarray:
        """The way back; not clipped."""
        scale = np.array([self.scale_x, self.scale_y] * 2, np.float32)
        return (boxes_input - np.array([self.left, self.top] * 2, np.float32)) / scale
