"""Contact sheets: many pictures in one image, each with a caption."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import numpy as np
from PIL import Image, ImageDraw

from maskwright.drawing.colors import Color
from maskwright.drawing.lettering import readable, shorten

PAPER = (255, 255, 255)
MAT = (242, 242, 240)  # the part of a cell that its picture does not cover
INK = (51, 51, 51)
LONG = 3.0  # width over height from which a picture is cut into strips


def sheet(
    items: Iterable[tuple[np.ndarray, str]],
    columns: int | None = None,
    cell: tuple[int, int] = (320, 240),
    legend: Mapping[str, Color] | None = None,
) -> np.ndarray:
    """Arrange pictures in equal cells with margins, captions below; H×W×3 uint8.

    items    pairs (H×W×3 uint8, caption); a long caption is shortened in the middle
    columns  default: an approximately square sheet with few empty cells, at most 6 columns
    cell     (width, height) of a cell in pixels; pictures are fitted into it, small ones enlarged at most twofold
    legend   {name: color}, in rows below the pictures

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
    width, bottom = margin + columns * step_x, margin + rows * step_y
    entries = _legend(legend or {}, size, width - 2 * margin)
    line_height = round(size * 1.8)
    extra = margin + line_height * (1 + max(row for _, row, *_ in entries)) if entries else 0
    page = Image.new("RGB", (width, bottom + extra), PAPER)
    pen = ImageDraw.Draw(page)
    for left, row, name, color in entries:
        x, y = margin + left, bottom + line_height * (row + 0.5)
        pen.rectangle((x, y - size / 2, x + size, y + size / 2), fill=color)
        text, font = readable(name, size)
        pen.text((x + 1.6 * size, y), text, fill=INK, font=font, anchor="lm")
    for index, (picture, caption) in enumerate(fitted):
        left, top = margin + index % columns * step_x, margin + index // columns * step_y
        pen.rectangle((left, top, left + cell[0] - 1, top + cell[1] - 1), fill=MAT)
        page.paste(picture, (left + (cell[0] - picture.width) // 2, top + (cell[1] - picture.height) // 2))
        caption, font = readable(caption, size)
        line = shorten(caption, font, cell[0])
        pen.text((left, top + cell[1] + caption_height / 2), line, fill=INK, font=font, anchor="lm")
    return np.asarray(page)


def _legend(legend: Mapping[str, Color], size: int, width: int) -> list[tuple[float, int, str, Color]]:
    """(left, row, name, color) of every entry: one after the other, in as many rows as `width` pixels need."""
    entries, left, row = [], 0.0, 0
    for name, color in legend.items():
        text, font = readable(name, size)
        shown = shorten(text, font, width - 2 * size)
        wide = 1.6 * size + font.getlength(shown)
        if left and left + wide > width:
            left, row = 0.0, row + 1
        entries.append((left, row, shown, color))
        left += wide + 2 * size
    return entries


def stacked(picture: np.ndarray, cell: tuple[int, int]) -> np.ndarray:
    """A picture more than LONG times as wide as high in strips, one below the other, so that it fills a cell better.

    >>> stacked(np.zeros((100, 1600, 3), np.uint8), (400, 400)).shape
    (406, 400, 3)
    """
    height, width = picture.shape[:2]
    count = round(math.sqrt(width / height * cell[1] / cell[0])) if width > LONG * height else 1
    if count < 2:
        return picture
    wide, gap = math.ceil(width / count), max(2, height // 50)
    made = np.full((count * height + (count - 1) * gap, wide, 3), PAPER[0], np.uint8)
    for number in range(count):
        part = picture[:, number * wide : (number + 1) * wide]
        top = number * (height + gap)
        made[top : top + height, : part.shape[1]] = part
    return made


def fit(picture: np.ndarray, cell: tuple[int, int]) -> np.ndarray:
    """Resize a picture to fit into `cell` = (width, height), enlarged at most twofold; h×w×3 uint8."""
    image = Image.fromarray(np.ascontiguousarray(picture))
    scale = min(cell[0] / image.width, cell[1] / image.height, 2.0)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return np.asarray(image.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0))


def _columns_for(count: int) -> int:
    square = min(6, math.ceil(math.sqrt(count)))
    return min((square, min(6, square + 1)), key=lambda columns: (-count % columns, columns))
