"""The canvas of a scene: light per pixel, and the object that each pixel belongs to."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from maskwright.geometry import tracing
from maskwright.synth.noise import fractal
from maskwright.types import Instances, RleMasks

NOBODY = -1
MIN_PIXELS = 12  # objects with fewer visible pixels are not annotated


def linear(*srgb: float) -> np.ndarray:
    """sRGB color, 0..1 -> linear light, float32 (gamma 2.2)."""
    return np.clip(np.asarray(srgb, np.float32), 0, 1) ** np.float32(2.2)


def any_color(rng: np.random.Generator, saturation: tuple[float, float], value: tuple[float, float]) -> np.ndarray:
    """A random hue with saturation and value in these ranges (HSV), as linear light."""
    hue, s, v = rng.random() * 6, rng.uniform(*saturation), rng.uniform(*value)
    wheel = np.clip(np.abs((hue + np.array([0, 4, 2])) % 6 - 3) - 1, 0, 1)
    return linear(*(v * (1 - s + s * wheel)))


@dataclass(frozen=True)
class Light:
    """The light sources of a scene.

    towards      3: unit vector to the main light; x right, y down, z toward the viewer
    key          3: color of the main light
    sky, ground  3: ambient light from above and below
    back         0..1: light that passes through thin objects from behind
    windows      highlights on glossy objects are window panes, not spots
    lamps        m×3: unit vectors to further, weaker lights
    pane         (half width, half height, bars) of a reflected window
    """

    towards: np.ndarray
    key: np.ndarray
    sky: np.ndarray
    ground: np.ndarray
    back: float = 0.2
    windows: bool = False
    lamps: tuple[tuple[float, float, float], ...] = ()
    pane: tuple[float, float, float] = (0.2, 0.3, 0.015)

    def falls(self, normal: tuple[np.ndarray, np.ndarray, np.ndarray], wrap: float = 0.2) -> np.ndarray:
        """h×w×3: light on a diffuse surface with these normals; `wrap` softens the edge of its shadow."""
        nx, ny, nz = normal
        facing = nx * self.towards[0] + ny * self.towards[1] + nz * self.towards[2]
        facing = np.clip((facing + wrap) / (1 + wrap), 0, 1)[..., None]
        up = (0.5 - 0.5 * ny)[..., None]
        return self.key * facing + self.sky * up + self.ground * (1 - up)


@dataclass(frozen=True)
class CanvasWindow:
    """A part of the canvas: rows, columns, and the coordinates of its pixel centers (x 1×w, y h×1)."""

    rows: slice
    columns: slice
    x: np.ndarray
    y: np.ndarray

    @property
    def shape(self) -> tuple[int, int]:
        return self.y.shape[0], self.x.shape[1]


class Canvas:
    """The image being painted.

    size   (height, width)
    light  H×W×3 float32, linear, 1 = white
    owner  H×W int16, index of the visible object, or NOBODY
    """

    def __init__(self, size: tuple[int, int], rng: np.random.Generator) -> None:
        self.size = size
        self.light = np.zeros((*size, 3), np.float32)
        self.owner = np.full(size, NOBODY, np.int16)
        self._rough = fractal(rng, size, cell=0.1, roughness=0.7, finest=1.5)

    def window(self, left: float, top: float, right: float, bottom: float) -> CanvasWindow | None:
        """The window with these edges, clipped to the canvas; None if it is outside."""
        x1, y1 = max(0, int(np.floor(left))), max(0, int(np.floor(top)))
        x2, y2 = min(self.size[1], int(np.ceil(right)) + 1), min(self.size[0], int(np.ceil(bottom)) + 1)
        if x1 >= x2 or y1 >= y2:
            return None
        x = np.arange(x1, x2, dtype=np.float32)[None] + 0.5
        y = np.arange(y1, y2, dtype=np.float32)[:, None] + 0.5
        return CanvasWindow(slice(y1, y2), slice(x1, x2), x, y)

    def around(self, x: float, y: float, reach: float) -> CanvasWindow | None:
        return self.window(x - reach, y - reach, x + reach, y + reach)

    def whole(self) -> CanvasWindow:
        window = self.window(0, 0, self.size[1] - 1, self.size[0] - 1)
        assert window is not None
        return window

    def rough(self, window: CanvasWindow) -> np.ndarray:
        """h×w fine noise for cloth, paint, fur: the window of one field for the whole scene."""
        return self._rough[window.rows, window.columns]

    def behind(self, window: CanvasWindow) -> np.ndarray:
        return self.light[window.rows, window.columns]

    def paint(self, window: CanvasWindow, cover: np.ndarray, light: np.ndarray, owner: int | None = NOBODY) -> None:
        """Blend `light` (h×w×3 or 3) over the window with opacity `cover` (h×w, 0..1).

        Pixels with a cover of at least 0.5 get the owner `owner`; None leaves owners unchanged (strings, shadows).
        """
        under = self.light[window.rows, window.columns]
        under += cover[..., None] * (light - under)
        if owner is not None:
            self.owner[window.rows, window.columns][cover >= 0.5] = owner

    def darken(self, window: CanvasWindow, fraction: np.ndarray) -> None:
        """A shadow: reduce the light by `fraction` (h×w, 0..1)."""
        self.light[window.rows, window.columns] *= (1 - fraction)[..., None]

    def lines(self, paths: list[list[tuple[float, float]]], width: float, light: np.ndarray, strength: float) -> None:
        """Thin lines (strings, wires) through these points, drawn at twice the size; owners are unchanged."""
        points = [(2 * x, 2 * y) for path in paths for x, y in path]
        if not points:
            return
        xs, ys = [x / 2 for x, _ in points], [y / 2 for _, y in points]
        window = self.window(min(xs) - 2, min(ys) - 2, max(xs) + 2, max(ys) + 2)
        if window is None:
            return
        height, width_px = window.shape
        image = Image.new("L", (2 * width_px, 2 * height))
        draw = ImageDraw.Draw(image)
        left, top = 2 * window.columns.start, 2 * window.rows.start
        for path in paths:
            draw.line([(2 * x - left, 2 * y - top) for x, y in path], fill=255, width=max(1, round(2 * width)))
        drawn = np.asarray(image.reduce(2), np.float32) * (strength / 255)
        self.paint(window, drawn, light, owner=None)

    def instances(self, classes: list[int], names: tuple[str, ...]) -> Instances:
        """The visible parts of objects 0..n-1. Connected parts with fewer than MIN_PIXELS pixels are left out."""
        visible = np.bincount(self.owner[self.owner >= 0].ravel(), minlength=len(classes))
        rows, masks = [], []
        for row in np.flatnonzero(visible >= MIN_PIXELS).tolist():
            mask = RleMasks.from_dense((self.owner == row)[None])
            pieces = RleMasks(self.size, *tracing.parts(mask.counts, self.size))
            large = pieces.area >= MIN_PIXELS
            if large.any():
                rows.append(row)
                masks.append(mask if large.all() else pieces[large].union())
        if not rows:
            return Instances.empty(names, self.size)
        joined = RleMasks.join(masks)
        return Instances(joined.boxes, np.array([classes[row] for row in rows]), None, joined, names)


def ellipse(window: CanvasWindow, x: float, y: float, rx: float, ry: float, tilt: float = 0.0, soft: float = 1.0):
    """(cover h×w of a filled ellipse, its coordinates across and down), 1 at the boundary."""
    x, y, rx, ry, cos, sin = (float(number) for number in (x, y, rx, ry, np.cos(tilt), np.sin(tilt)))
    dx, dy = window.x - x, window.y - y
    u, v = (dx * cos + dy * sin) / rx, (-dx * sin + dy * cos) / ry
    radius = np.sqrt(u * u + v * v)
    slope = np.sqrt((u / rx) ** 2 + (v / ry) ** 2) / np.maximum(radius, 1e-3)
    return np.clip((1 - radius) / np.maximum(slope, 1e-6) / soft + 0.5, 0, 1), u, v


def rectangle(window: CanvasWindow, x1: float, y1: float, x2: float, y2: float, round_: float = 0.0, soft: float = 1.0):
    """Cover h×w of a rectangle with corners rounded by `round_` pixels."""
    dx = np.abs(window.x - (x1 + x2) / 2) - ((x2 - x1) / 2 - round_)
    dy = np.abs(window.y - (y1 + y2) / 2) - ((y2 - y1) / 2 - round_)
    outside = np.sqrt(np.maximum(dx, 0) ** 2 + np.maximum(dy, 0) ** 2)
    distance = outside + np.minimum(np.maximum(dx, dy), 0) - round_
    return np.clip(0.5 - distance / soft, 0, 1)
