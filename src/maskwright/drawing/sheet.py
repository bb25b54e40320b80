"""Contact sheets: many pictures in one image, each with a caption."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
from PIL import Image, ImageDraw

from maskwright.drawing.lettering import readable, shorten

PAPER = (255, 255, 255)
MAT = (242, 242, 240)  # the part of a cell that its picture does not cover
INK = (51, 51, 51)


def sheet(
    items: Iterable[tuple[np.ndarray, str]], columns: int | None = None, cell: tuple[int, int] = (320, 240)
) -> np.ndarray:
    """Arrange pictures in equal cells with margins, captions below; H×W×3 uint8.

    items    pairs (H×W×3 uint8, caption); a long caption is shortened in the middle
    columns  default: an approximately square sheet with few empty cells, at most 6 columns
    cell     (width, height) of a cell in pixels; pictures are fitted into it, small ones enlarged at most twofold

    Pictures are resized one by one, so a generator of many large images needs little memory. Without items the sheet
    is one empty cell.

    >>> sheet([(outlines.draw(image, objects), "a.jpg: 3 balloons"), ...], columns=3)
    """
    fitted = [(Image.fromarray(fit(picture, cell)), caption) for picture, caption in items]
    count = max(len(fitted), 1)
    columns = min(columns or _columns_for(count), count)
    rows = math.ceil(count / columns)

    size = max(11, round(cell[1] / 18))
    margin = max(8, round(cell[0] / 20))
    caption_height = round(size * 1.8) if any(caption for _, caption in fitted) else 0
    step_x, step_y = cell[0] + margin, cell[1] + caption_height + margin
    page = Image.new("RGB", (margin + columns * step_x, margin + rows * step_y), PAPER)
    pen = ImageDraw.Draw(page)
    for index, (picture, caption) in enumerate(fitted):
        left, top = margin + index % columns * step_x, margin + index // columns * step_y
        pen.rectangle((left, top, left + cell[0] - 1, top + cell[1] - 1), fill=MAT)
        page.paste(picture, (left + (cell[0] - picture.width) // 2, top + (cell[1] - picture.height) // 2))
        caption, font = readable(caption, size)
        line = shorten(caption, font, cell[0])
        pen.text((left, top + cell[1] + caption_height / 2), line, fill=INK, font=font, anchor="lm")
    return np.asarray(page)


def fit(picture: np.ndarray, cell: tuple[int, int]) -> np.ndarray:
    """Resize a picture to fit into `cell` = (width, height), enlarged at most twofold; h×w×3 uint8."""
    image = Image.fromarray(np.ascontiguousarray(picture))
    scale = min(cell[0] / image.width, cell[1] / image.height, 2.0)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return np.asarray(image.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0))


def _columns_for(count: int) -> int:
    square = min(6, math.ceil(math.sqrt(count)))
    return min((square, min(6, square + 1)), key=lambda columns: (-count % columns, columns))
