"""Outlines, boxes and labels on an image."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from statistics import NormalDist

import numpy as np
from PIL import Image as PilImage
from PIL import ImageDraw, ImageFilter

from maskwright.drawing.colors import Color, colors_of, ink_on
from maskwright.drawing.lettering import Font, readable
from maskwright.types.image import Image
from maskwright.types.instances import Instances

FILL = 0.22  # opacity of an object's color inside its outline: visible, but the image remains recognizable
HALO = 0.55  # darkness of the thin border around lines, so that they stand out from a background of their own color

Rect = tuple[float, float, float, float]  # x1 y1 x2 y2


def draw(
    image: Image | np.ndarray,
    instances: Instances,
    *,
    scores: bool = True,
    colors: Sequence[Color] | None = None,
    labels: Sequence[str] | None = None,
    width: float | None = None,
    shown_in: tuple[int, int] | None = None,
) -> np.ndarray:
    """Draw outlines, a light fill and a label for every object; returns a new image, H×W×3 uint8.

    image      an Image, or H×W×3 uint8 RGB; not changed
    instances  outlined by their masks; by their boxes without masks, or where a mask is empty
    scores     append the score to the class name, if there are scores
    colors     one (red, green, blue) per object; default: by class (by object if there is a single class)
    labels     one text per object, "" for none; default: the class names
    width      line width in pixels; default: in proportion to the size of the image
    shown_in   (width, height) that the picture will be reduced to: lines and labels are sized to be legible there

    Small objects are drawn over large ones. A label that would overlap others everywhere is left out.

    >>> draw(image, detections[detections.scores > 0.5])
    """
    pixels = image.pixels if isinstance(image, Image) else image
    pil_image = PilImage.fromarray(np.array(pixels, np.uint8))  # a copy
    scale = math.sqrt(pil_image.width * pil_image.height)
    boxes = instances.boxes.astype(np.float64)
    median_side = math.sqrt(float(np.median(_areas(boxes)))) if len(boxes) else scale
    # Small objects on a large image must not be hidden by lines and labels sized for the image.
    line = max(1.8, min(scale / 330, median_side / 10))
    size = round(min(max(11.0, min(scale / 48, median_side * 1.2)), 96))
    if shown_in is not None:
        reduced = min(shown_in[0] / pil_image.width, shown_in[1] / pil_image.height, 2.0)
        line, size = 3.2 / reduced, max(round(24 / reduced), 6)
    line = line if width is None else float(width)
    colors = colors_of(instances) if colors is None else colors
    texts = _texts(instances, scores) if labels is None else labels

    by_area = np.argsort(-_areas(boxes), kind="stable")
    for row in map(int, by_area):
        cropped = _crop(instances, row, pil_image.size, line)
        if cropped is None:
            _draw_box(pil_image, boxes[row], colors[row], line)
        else:
            _draw_mask(pil_image, *cropped, colors[row], line)

    taken: list[Rect] = []
    for row in map(int, by_area[::-1]):
        if texts[row]:
            _draw_label(pil_image, texts[row], boxes[row], colors[row], line, size, taken)
    return np.asarray(pil_image)


def _texts(instances: Instances, scores: bool) -> list[str]:
    if not scores or instances.scores is None:
        return instances.labels
    return [f"{name} {score:.2f}" for name, score in zip(instances.labels, instances.scores, strict=True)]


def _areas(boxes: np.ndarray) -> np.ndarray:
    return (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])


# --- masks ------------------------------------------------------------------------------------------------------------
def _crop(
    instances: Instances, row: int, image_size: tuple[int, int], line: float
) -> tuple[np.ndarray, int, int] | None:
    """One mask cropped to its box with a margin for the line: (h×w bool, left, top); None without a mask."""
    if instances.masks is None:
        return None
    mask = instances.masks[row]
    if not mask.area[0]:
        return None
    margin = math.ceil(line * 2) + 2
    x1, y1, x2, y2 = mask.boxes[0].astype(int).tolist()
    box = (max(x1 - margin, 0), max(y1 - margin, 0), min(x2 + margin, image_size[0]), min(y2 + margin, image_size[1]))
    return mask.patches(np.array([box]))[0], box[0], box[1]


def _draw_mask(image: PilImage.Image, mask: np.ndarray, left: int, top: int, color: Color, line: float) -> None:
    blur = 0.5 + 0.6 * line
    blurred = PilImage.fromarray(mask.astype(np.uint8) * 255).filter(ImageFilter.GaussianBlur(blur))
    peak = blurred.getextrema()[1]
    if isinstance(peak, (int, float)) and 0 < peak < 250:  # thinner than the blur: keep the outline of thin objects
        blurred = blurred.point([min(255, round(level * 255 / peak)) for level in range(256)])
    at = (left, top)
    image.paste(color, at, blurred.point([round(level * FILL) for level in range(256)]))
    image.paste((0, 0, 0), at, blurred.point(_band(blur, line / 2 + max(0.7, line * 0.3), HALO)))
    image.paste(color, at, blurred.point(_band(blur, line / 2, 1.0)))


@lru_cache(maxsize=32)
def _band(blur: float, reach: float, strength: float) -> list[int]:
    """Gray level of a blurred mask -> opacity of a band that extends `reach` pixels to both sides of the mask's edge.

    Across a straight edge a Gaussian blur gives the normal distribution, so its inverse gives the distance of a pixel
    from the edge with subpixel accuracy: the line is anti-aliased and equally thick in all directions.
    """
    normal = NormalDist(sigma=blur)
    distances = [abs(normal.inv_cdf(min(max(level / 255, 1e-4), 1 - 1e-4))) for level in range(256)]
    return [round(255 * strength * min(max(reach + 0.5 - distance, 0.0), 1.0)) for distance in distances]


# --- boxes ------------------------------------------------------------------------------------------------------------
def _draw_box(image: PilImage.Image, box: np.ndarray, color: Color, line: float) -> None:
    pen = ImageDraw.Draw(image)
    thickness, border = max(1, round(line)), max(1, round(line * 0.3))
    half = thickness // 2
    left, top = np.floor(box[:2]).astype(int).tolist()
    right, bottom = (np.ceil(box[2:]).astype(int) - 1).tolist()
    right, bottom = max(right, left), max(bottom, top)
    for grow, width, ink in ((half + border, thickness + 2 * border, (24, 24, 24)), (half, thickness, color)):
        pen.rectangle((left - grow, top - grow, right + grow, bottom + grow), outline=ink, width=width)


# --- labels -----------------------------------------------------------------------------------------------------------
def _draw_label(
    image: PilImage.Image, text: str, box: np.ndarray, color: Color, line: float, size: int, taken: list[Rect]
) -> None:
    text, font = readable(text, size)
    rect = _label_position(_plate(text, font, size), box, line, image.size, taken)
    if rect is None:
        return
    taken.append(rect)
    pen = ImageDraw.Draw(image)
    pen.rectangle((rect[0], rect[1], rect[2] - 1, rect[3] - 1), fill=color)
    middle = ((rect[0] + rect[2]) / 2, (rect[1] + rect[3]) / 2)
    ascent, descent = _ascent_and_descent(font, size)
    pen.text((middle[0], middle[1] + (ascent - descent) / 2), text, fill=ink_on(color), font=font, anchor="ms")


def _plate(text: str, font: Font, size: int) -> tuple[int, int]:
    """Width and height of the colored plate under the text."""
    return math.ceil(font.getlength(text) + size * 0.6), round(size * 1.32)


def _ascent_and_descent(font: Font, size: int) -> tuple[float, float]:
    """Extent of letters above the baseline and, halved because most have no descender, below it; for centering."""
    _, top, _, bottom = font.getbbox("dpHx", anchor="ls")
    return -top if top < 0 else size * 0.75, max(bottom, 0) * 0.55


def _label_position(
    plate: tuple[int, int], box: np.ndarray, line: float, image: tuple[int, int], taken: list[Rect]
) -> Rect | None:
    """The first free of: above the box, inside its top, below it, beside it, its center; None if all overlap labels."""
    width, height = plate
    x1, y1, x2, y2 = box
    gap = line
    anchors = [
        (x1, y1 - height - gap), (x1 + gap, y1 + gap), (x2 - width, y1 - height - gap), (x1, y2 + gap),
        (x2 + gap, y1), (x1 - width - gap, y1), ((x1 + x2 - width) / 2, (y1 + y2 - height) / 2), (x2 - width, y2 + gap),
    ]  # fmt: skip
    for x, y in anchors:
        left = round(min(max(x, 0), max(image[0] - width, 0)))
        top = round(min(max(y, 0), max(image[1] - height, 0)))
        rect = (left, top, left + width, top + height)
        far = abs(left - x) > width or abs(top - y) > height * 1.5  # moved back into the image, away from its object
        if not far and not any(_overlap(rect, second) for second in taken):
            return rect
    return None


def _overlap(first: Rect, second: Rect) -> bool:
    return first[0] < second[2] and second[0] < first[2] and first[1] < second[3] and second[1] < first[3]
