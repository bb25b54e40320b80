"""Contact sheets: many pictures on one page, each with a caption."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
from PIL import Image, ImageDraw

from maskwright.drawing.lettering import readable, shorten

PAPER = (255, 255, 255)
MAT = (242, 242, 240)  # what a picture of another shape leaves free of its cell
INK = (51, 51, 51)


def sheet(
    items: Iterable[tuple[np.ndarray, str]], columns: int | None = None, cell: tuple[int, int] = (320, 240)
) -> np.ndarray:
    """Pictures in equal cells with even margins, captions below; H×W×3 uint8.

    items    (H×W×3 uint8, caption) each; a long caption is shortened in its middle
    columns  if None as many as make the page about square with few cells left over, at most 6
    cell     (width, height) in pixels that each picture is fitted into; small ones are enlarged at most twice

    Pictures are reduced as they come, so a generator over a thousand large images needs little memory.
    No items give one empty cell.

    >>> sheet([(outlines.draw(image, objects), "a.jpg: 3 balloons"), ...], columns=3)
    """
    fitted = [(Image.fromarray(fit(picture, cell)), caption) for picture, caption in items]
    count = max(len(fitted), 1)
    columns = min(columns or _columns_for(count), count)
    rows = math.ceil(count / columns)

    size = max(11, round(cell[1] / 18))
    margin = max(8, round(cell[0] / 20))
    below = round(size * 1.8) if any(caption for _, caption in fitted) else 0
    step_x, step_y = cell[0] + margin, cell[1] + below + margin
    page = Image.new("RGB", (margin + columns * step_x, margin + rows * step_y), PAPER)
    pen = ImageDraw.Draw(page)
    for index, (picture, caption) in enumerate(fitted):
        left, top = margin + index % columns * step_x, margin + index // columns * step_y
        pen.rectangle((left, top, left + cell[0] - 1, top + cell[1] - 1), fill=MAT)
        page.paste(picture, (left + (cell[0] - picture.width) // 2, top + (cell[1] - picture.height) // 2))
        caption, font = readable(caption, size)
        line = shorten(caption, font, cell[0])
        pen.text((left, top + cell[1] + below / 2), line, fill=INK, font=font, anchor="lm")
    return np.asarray(page)


def fit(picture: np.ndarray, cell: tuple[int, int]) -> np.ndarray:
    """The picture as large as it fits into (width, height), enlarged at most twice; h×w×3 uint8."""
    image = Image.fromarray(np.ascontiguousarray(picture))
    scale = min(cell[0] / image.width, cell[1] / image.height, 2.0)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return np.asarray(image.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0))


def _columns_for(count: int) -> int:
    square = min(6, math.ceil(math.sqrt(count)))
    return min((square, min(6, square + 1)), key=lambda columns: (-count % columns, columns))
