"""A box and clicks on an image as the input of the interactive network: which part is cut out, and maps of the prompts.

A cut keeps the proportions of the image and has one of a few shapes of about 192 x 192 pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image as PilImage

SHAPES = ((128, 288), (160, 224), (192, 192), (224, 160), (288, 128))  # (height, width)
MEAN_COLOR = (127, 127, 127)  # beyond the image's edge; 0 after normalization
MARGIN = 1.4  # the side of a cut relative to that of the box
CHANNELS = 7  # box: inside, outside; clicks: positive, negative, and their surroundings; the mask so far
DISK, WIDE = 2.5, 16.0  # radius of a click's disk and reach of its surroundings, in cells of 2 pixels


@dataclass(frozen=True)
class Cut:
    """A part of an image at the size of a network input.

    left, top    of its corner in image pixels; may lie beyond the image's edge
    scale        network input pixels per image pixel
    shape        (height, width) of the network input, one of SHAPES
    """

    left: float
    top: float
    scale: float
    shape: tuple[int, int]

    @property
    def box(self) -> tuple[float, float, float, float]:
        """x1 y1 x2 y2 in image pixels."""
        height, width = self.shape
        return self.left, self.top, self.left + width / self.scale, self.top + height / self.scale

    def to_input(self, points: np.ndarray) -> np.ndarray:
        """n×2 (x, y) in image pixels -> in network input pixels."""
        return (np.asarray(points, np.float64).reshape(-1, 2) - (self.left, self.top)) * self.scale

    def pixels(self, image: np.ndarray) -> np.ndarray:
        """The H×W×3 uint8 image, cut and resized; beyond its edge there is gray."""
        height, width = image.shape[:2]
        left, top, right, bottom = self.box
        x1, y1, x2, y2 = max(left, 0.0), max(top, 0.0), min(right, float(width)), min(bottom, float(height))
        made = np.empty((*self.shape, 3), np.uint8)
        made[:] = MEAN_COLOR
        corner = np.round((np.array([x1, y1, x2, y2]) - (left, top, left, top)) * self.scale).astype(int)
        if x2 > x1 and y2 > y1 and corner[2] > corner[0] and corner[3] > corner[1]:
            inner = (int(x1), int(y1), min(int(np.ceil(x2)), width), min(int(np.ceil(y2)), height))
            part = PilImage.fromarray(np.ascontiguousarray(image[inner[1] : inner[3], inner[0] : inner[2]]))
            size = (int(corner[2] - corner[0]), int(corner[3] - corner[1]))
            box = (x1 - inner[0], y1 - inner[1], x2 - inner[0], y2 - inner[1])
            resized = part.resize(size, PilImage.Resampling.BILINEAR, box, reducing_gap=3.0)
            made[corner[1] : corner[3], corner[0] : corner[2]] = np.asarray(resized)
        return made


def cut_around(box: np.ndarray, margin: float = MARGIN) -> Cut:
    """The cut whose middle is the box (x1 y1 x2 y2, image pixels), with `margin` times its longer side.

    >>> cut_around(np.array([100, 100, 200, 300])).shape
    (288, 128)
    """
    x1, y1, x2, y2 = (float(value) for value in box)
    wide, high = max(x2 - x1, 1.0), max(y2 - y1, 1.0)
    shape = nearest_shape(high, wide)
    scale = min(shape[0] / high, shape[1] / wide) / margin
    return Cut((x1 + x2) / 2 - shape[1] / 2 / scale, (y1 + y2) / 2 - shape[0] / 2 / scale, scale, shape)


def nearest_shape(high: float, wide: float) -> tuple[int, int]:
    return min(SHAPES, key=lambda shape: abs(np.log(shape[0] / shape[1]) - np.log(high / wide)))


def encode(
    shape: tuple[int, int],
    box: np.ndarray | None,
    positive: np.ndarray,
    negative: np.ndarray,
    previous: np.ndarray | None = None,
) -> np.ndarray:
    """The prompts as 7×H/2×W/2 float32.

    box                 x1 y1 x2 y2 in network input pixels, or None
    positive, negative  n×2 (x, y) clicks on the object and beside it, in network input pixels
    previous            H/2×W/2 probabilities of the mask so far, or None
    """
    height, width = shape[0] // 2, shape[1] // 2
    made = np.zeros((CHANNELS, height, width), np.float32)
    y, x = np.arange(height, dtype=np.float32) + 0.5, np.arange(width, dtype=np.float32) + 0.5
    if box is not None:
        x1, y1, x2, y2 = (float(value) / 2 for value in box)
        # soft edges: the share of a cell that the box covers
        across = np.clip(np.minimum(x + 0.5, x2) - np.maximum(x - 0.5, x1), 0, 1)
        down = np.clip(np.minimum(y + 0.5, y2) - np.maximum(y - 0.5, y1), 0, 1)
        made[0] = down[:, None] * across
        made[1] = 1 - made[0]
    for index, clicks in enumerate((positive, negative)):
        for click_x, click_y in np.asarray(clicks, np.float32).reshape(-1, 2) / 2:
            distance = np.hypot((y - click_y)[:, None], x - click_x)
            np.maximum(made[2 + index], np.clip(DISK + 0.5 - distance, 0, 1), out=made[2 + index])
            np.maximum(made[4 + index], np.exp(-distance / WIDE), out=made[4 + index])
    if previous is not None:
        made[6] = 2 * previous - 1
    return made
