"""Lines and zones on a frame, with what was counted there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image as PilImage
from PIL import ImageDraw

from maskwright.drawing.lettering import readable

INK, EDGE = (255, 255, 255), (24, 24, 24)

Path = Sequence[tuple[float, float]]  # x, y in image pixels


def draw_counts(
    pixels: np.ndarray, lines: Sequence[Path], zones: Sequence[Path], facts: Mapping[str, Any]
) -> np.ndarray:
    """A new picture, H×W×3 uint8.

    lines, zones  the two points of each line, the corners of each zone
    facts         see video.counting.Counting.facts
    """
    image = PilImage.fromarray(pixels)
    pen = ImageDraw.Draw(image)
    size = max(11, round((image.width * image.height) ** 0.5 / 30))
    for points, counted in zip(lines, facts.get("count_lines", ()), strict=False):
        _stroke(pen, points, size)
        there, back = (sum(counted[way].values()) for way in ("left_to_right", "right_to_left"))
        _label(pen, f"{there} | {back}", _middle(points), size)
    for points, counted in zip(zones, facts.get("zones", ()), strict=False):
        _stroke(pen, [*points, points[0]], size)
        inside, entered = (sum(counted[name].values()) for name in ("inside", "entered"))
        _label(pen, f"{inside} in, {entered} entered", _middle(points), size)
    return np.asarray(image)


def _middle(points: Path) -> tuple[float, float]:
    return sum(x for x, _ in points) / len(points), sum(y for _, y in points) / len(points)


def _stroke(pen: ImageDraw.ImageDraw, points: Path, size: int) -> None:
    width = max(2, size // 8)
    pen.line([tuple(point) for point in points], fill=EDGE, width=width + 2)
    pen.line([tuple(point) for point in points], fill=INK, width=width)


def _label(pen: ImageDraw.ImageDraw, text: str, middle: tuple[float, float], size: int) -> None:
    text, font = readable(text, size)
    left, top, right, bottom = pen.textbbox(middle, text, font=font, anchor="mm")
    pen.rectangle((left - size * 0.3, top - size * 0.2, right + size * 0.3, bottom + size * 0.2), fill=EDGE)
    pen.text(middle, text, fill=INK, font=font, anchor="mm")
