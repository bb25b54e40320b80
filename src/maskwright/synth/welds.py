"""Radiographs of welds: a bead in steel with defects, and the exposure.

Everything is a thickness of steel in millimeters, which the Beer-Lambert law converts to exposure. Defects are missing
steel, so the radiograph is darker there.
"""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from maskwright.synth.canvas import MIN_PIXELS, NOBODY, Canvas, CanvasWindow
from maskwright.synth.noise import fractal, soften

__all__ = ["NAMES", "develop", "paint"]

NAMES = ("pore", "crack", "slag")
PORE, CRACK, SLAG = range(3)


class _Plate:
    """The steel plate. missing: H×W mm removed by defects; classes: of the defects, in order."""

    def __init__(self, canvas: Canvas, rng: np.random.Generator) -> None:
        self.canvas, self.missing, self.classes = canvas, np.zeros(canvas.size, np.float32), []
        height, width = canvas.size
        self.middle = height * rng.uniform(0.4, 0.6)
        self.half = height * rng.uniform(0.12, 0.3)
        self.slope = rng.normal(0, 0.03)
        wobble = fractal(rng, (2, width), cell=0.4, roughness=0.5, finest=6)[:, :]
        along = np.arange(width, dtype=np.float32) - width / 2
        self.center = self.middle + self.slope * along + 0.03 * self.half * wobble[0]
        self.wide = self.half * (1 + 0.05 * wobble[1])
        self.unit = min(canvas.size) / 480  # defects scale with the image

    def spot(self, rng: np.random.Generator, spread: float = 0.8) -> tuple[float, float]:
        """A random position in the bead."""
        x = rng.uniform(0.02, 0.98) * self.canvas.size[1]
        column = min(int(x), self.canvas.size[1] - 1)
        return x, float(self.center[column] + spread * rng.uniform(-1, 1) * self.wide[column])

    def take(self, window: CanvasWindow, depth: np.ndarray, kind: int, min_depth: float) -> None:
        """Add a defect: `depth` mm are missing (h×w); its mask is where at least `min_depth` mm are missing."""
        covered = depth >= min_depth
        if covered.sum() < MIN_PIXELS:
            return
        self.missing[window.rows, window.columns] += depth
        self.canvas.owner[window.rows, window.columns][covered] = len(self.classes)
        self.classes.append(kind)


def paint(canvas: Canvas, chance: np.random.SeedSequence, pictures: list[np.ndarray], empty: bool) -> list[int]:
    """Paint the radiograph (gray); returns the class of each defect."""
    steel, defects, exposure = (np.random.default_rng(stream) for stream in chance.spawn(3))
    plate = _Plate(canvas, steel)
    canvas.owner[:] = NOBODY
    thickness = _bead(plate, steel)
    extra = _markers(canvas, plate, steel)
    if not empty:
        _defects(plate, defects)
    absorbed = 0.055 * np.maximum(thickness - soften(plate.missing, 0.7), 0) + extra
    height, width = canvas.size
    x, y = np.linspace(-1, 1, width)[None], np.linspace(-1, 1, height)[:, None]
    beam = 1 + exposure.normal(0, 0.06) * x + exposure.normal(0, 0.05) * y - exposure.uniform(0, 0.07) * (x * x + y * y)
    beam = beam * (1 + 0.02 * fractal(exposure, canvas.size, cell=0.6, roughness=0.4, finest=12))
    exposed = beam * np.exp(-absorbed)
    low, high = np.exp(-float(np.percentile(absorbed, 99.7))), np.exp(-float(np.percentile(absorbed, 1)))
    # A negative: more radiation is darker.
    gray = 0.8 - exposure.uniform(0.35, 0.65) * (exposed - low) / max(high - low, 1e-6)
    if exposure.random() < 0.15:
        gray = 0.95 - gray
    canvas.light[:] = np.clip(gray, 0, 1).astype(np.float32)[..., None]
    return plate.classes


def develop(light: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Grain, scanner lines, scratches: H×W×3 uint8 with three equal channels."""
    gray = soften(light[..., 0], rng.uniform(0.6, 1.0)) if rng.random() < 0.7 else light[..., 0]
    size = gray.shape
    grain = 0.7 * soften(rng.standard_normal(size, np.float32), 0.8) + 0.3 * rng.standard_normal(size, np.float32)
    gray = gray + np.float32(rng.uniform(0.006, 0.03)) * grain
    if rng.random() < 0.4:
        gray = gray + np.float32(rng.uniform(0.002, 0.008)) * rng.standard_normal((1, size[1]), np.float32)
    picture = np.clip(255 * gray + 0.5, 0, 255).astype(np.uint8)
    image = Image.fromarray(picture)
    draw = ImageDraw.Draw(image)
    for _ in range(int(rng.poisson(0.7))):  # scratches of the radiograph are bright and thin, and not annotated
        x, y = rng.uniform(0, size[1]), rng.uniform(0, size[0])
        end = (x + rng.normal(0, 0.1) * size[1], y + rng.normal(0, 0.2) * size[0])
        tone = int(np.clip(picture[min(int(y), size[0] - 1), min(int(x), size[1] - 1)] + rng.uniform(10, 35), 0, 255))
        draw.line([(x, y), end], fill=tone, width=1)
    return np.repeat(np.asarray(image)[..., None], 3, axis=2)


# --- the intact weld -----------------------------------------------------------------------------
def _bead(plate: _Plate, rng: np.random.Generator) -> np.ndarray:
    """H×W mm: plate, raised bead with ripples, notch along its toes."""
    height, width = plate.canvas.size
    y = np.arange(height, dtype=np.float32)[:, None]
    across = (y - plate.center[None]) / plate.wide[None]
    inside = np.clip(1 - across * across, 0, 1)
    base, crown = rng.uniform(8, 22), rng.uniform(2.5, 6)
    crest = inside ** rng.uniform(0.5, 0.95)
    ripple = plate.half * rng.uniform(0.12, 0.4)
    x = np.arange(width, dtype=np.float32)[None]
    arc = x - rng.uniform(0.3, 0.9) * plate.half * np.clip(1 - across * across, 0, 1) ** 0.5
    uneven = fractal(rng, (height, width), cell=0.25, roughness=0.5, finest=4)
    waves = np.sin(2 * np.pi * arc / ripple + 1.2 * uneven)
    thickness = base + crown * crest * (1 + 0.05 * uneven) + rng.uniform(0.05, 0.3) * waves * np.sqrt(inside)
    if rng.random() < 0.6:  # root run: a narrower band of more steel
        thickness += rng.uniform(0.4, 1.5) * np.exp(-((across / rng.uniform(0.2, 0.45)) ** 2) * 2) * (1 + 0.15 * uneven)
    toe = np.exp(-(((np.abs(across) - 1) / 0.06) ** 2))
    thickness -= rng.uniform(0, 0.5) * toe * np.clip(0.5 + 0.6 * uneven, 0, 1)
    for _ in range(int(rng.poisson(1.2))):  # spatter beside the bead
        cx, cy, r = rng.uniform(0, width), rng.uniform(0, height), rng.uniform(2, 7) * plate.unit
        window = plate.canvas.around(cx, cy, r + 1)
        if window is not None:
            ball = np.clip(1 - ((window.x - cx) ** 2 + (window.y - cy) ** 2) / r**2, 0, 1) ** 0.5
            thickness[window.rows, window.columns] += 2.0 * ball
    return thickness + 0.12 * fractal(rng, (height, width), cell=0.1, roughness=0.7, finest=2)


def _markers(canvas: Canvas, plate: _Plate, rng: np.random.Generator) -> np.ndarray:
    """H×W absorption of markers on the plate: lead letters, wires of the image quality indicator."""
    height, width = canvas.size
    image = Image.new("L", (width, height))
    draw = ImageDraw.Draw(image)
    free = plate.middle - plate.half
    if rng.random() < 0.65 and free > 0.12 * height:
        text = "".join(rng.choice(list("ABCDEFGHKLMNPRSTWX0123456789-"), int(rng.integers(3, 9))))
        big = max(10, int(rng.uniform(0.05, 0.09) * height))
        draw.text(
            (rng.uniform(0.02, 0.6) * width, rng.uniform(0.1, 0.55) * free),
            text,
            fill=255,
            font=ImageFont.load_default(big),
        )
    if rng.random() < 0.3:
        at, y = rng.uniform(0.1, 0.9) * width, plate.middle + rng.choice([-1, 1]) * plate.half * 1.3
        draw.polygon(
            [(at, y), (at - 9 * plate.unit, y + 16 * plate.unit), (at + 9 * plate.unit, y + 16 * plate.unit)], fill=230
        )
    lead = np.asarray(image, np.float32) / 255 * rng.uniform(0.35, 0.8)
    if rng.random() < 0.5:  # seven wires across the bead, of decreasing thickness
        left, step = rng.uniform(0.05, 0.7) * width, 0.03 * width
        wires = Image.new("L", (2 * width, 2 * height))
        draw = ImageDraw.Draw(wires)
        top, bottom = plate.middle - 1.35 * plate.half, plate.middle + 1.35 * plate.half
        for number in range(7):
            x, strength = 2 * (left + number * step), int(200 * 0.78**number)
            draw.line(
                [(x, 2 * top), (x + 6, 2 * bottom)],
                fill=strength,
                width=max(1, round((4 - 0.45 * number) * plate.unit)),
            )
        lead = lead + np.asarray(wires.reduce(2), np.float32) / 255 * 0.14
    return lead


# --- defects -------------------------------------------------------------------------------------
def _defects(plate: _Plate, rng: np.random.Generator) -> None:
    for _ in range(int(rng.poisson(1.0))):
        _cluster(plate, rng)
    for _ in range(int(rng.integers(0, 6))):
        _pore(plate, rng, *plate.spot(rng), rng.uniform(2.2, 9) * plate.unit)
    for _ in range(int(rng.poisson(0.8))):
        _slag(plate, rng)
    if rng.random() < 0.5:
        for _ in range(int(rng.integers(1, 3))):
            _crack(plate, rng)
    if not plate.classes:
        _pore(plate, rng, *plate.spot(rng), 6 * plate.unit)


def _cluster(plate: _Plate, rng: np.random.Generator) -> None:
    """Cluster porosity: many pores close together, or in a row."""
    x, y = plate.spot(rng, 0.5)
    shape = (rng.uniform(0.2, 0.5), rng.uniform(0.15, 0.4)) if rng.random() < 0.6 else (1.8, 0.04)
    for _ in range(int(rng.integers(5, 22))):
        px, py = x + rng.normal(0, 1) * plate.half * shape[0], y + rng.normal(0, 1) * plate.half * shape[1]
        _pore(plate, rng, px, py, float(np.exp(rng.uniform(np.log(2.2), np.log(6)))) * plate.unit)


def _pore(plate: _Plate, rng: np.random.Generator, x: float, y: float, r: float) -> None:
    """A gas pore: an ellipsoidal void."""
    window = plate.canvas.around(x, y, 2.2 * r + 2)
    if window is None:
        return
    turn, long = rng.uniform(0, 3.2), rng.uniform(1, 1.35) if rng.random() < 0.85 else rng.uniform(1.5, 2.1)
    dx, dy = window.x - x, window.y - y
    u = (dx * np.cos(turn) + dy * np.sin(turn)) / (r * long)
    v = (-dx * np.sin(turn) + dy * np.cos(turn)) / r
    deep = np.sqrt(np.clip(1 - u * u - v * v, 0, None)) * rng.uniform(1.4, 3.4)
    plate.take(window, deep.astype(np.float32), PORE, 1e-3)


def _slag(plate: _Plate, rng: np.random.Generator) -> None:
    """A slag inclusion: an irregular elongated patch along the bead; or lack of fusion, a straight dark line."""
    x, y = plate.spot(rng, 0.55)
    flank = rng.random() < 0.3
    long = plate.half * (rng.uniform(0.5, 1.6) if flank else rng.uniform(0.18, 0.7))
    thin = plate.unit * (rng.uniform(1.3, 2.6) if flank else rng.uniform(3, 11))
    window = plate.canvas.around(x, y, long + thin + 4)
    if window is None:
        return
    turn = plate.slope + rng.normal(0, 0.04 if flank else 0.25)
    dx, dy = window.x - x, window.y - y
    u = (dx * np.cos(turn) + dy * np.sin(turn)) / long
    v = (-dx * np.sin(turn) + dy * np.cos(turn)) / thin
    lumps = fractal(rng, window.shape, cell=0.12, roughness=0.6, finest=2)
    body = 1 - u * u - v * v + (0.2 if flank else 0.45) * lumps * (np.abs(u) < 1.1)
    deep = np.clip(body * 3, 0, 1) * (1 + 0.25 * lumps) * rng.uniform(1.0, 2.6)
    inner = (u * u + v * v) < 2.2  # without separate fragments
    plate.take(window, (np.clip(deep, 0, None) * inner).astype(np.float32), SLAG, 0.15)


def _crack(plate: _Plate, rng: np.random.Generator) -> None:
    """A crack: a thin irregular line of varying width, sometimes with branches."""
    along = rng.random() < 0.65
    x, y = plate.spot(rng, 0.3 if along else 0.6)
    length = plate.half * (rng.uniform(0.8, 3.2) if along else rng.uniform(0.4, 1.1))
    heading = (plate.slope if along else np.pi / 2) + rng.normal(0, 0.12) + np.pi * (rng.random() < 0.5)
    lines: list[tuple[np.ndarray, np.ndarray]] = []
    for branch in range(1 + int(rng.poisson(0.5))):
        steps = max(6, int(length / (2.2 * plate.unit) / (1 + branch)))
        turns = (
            heading
            + (rng.choice([-0.5, 0.5]) if branch else 0)
            + 0.35 * np.cumsum(rng.normal(0, 0.22, steps))
            + rng.normal(0, 0.45, steps)
        )
        path = np.cumsum(np.stack([np.cos(turns), np.sin(turns)], 1), axis=0) * 2.2 * plate.unit
        start = np.array([x, y]) if not branch else lines[0][0][int(rng.integers(len(lines[0][0])))]
        width = (
            plate.unit
            * rng.uniform(0.9, 2.4)
            * np.sin(np.linspace(0.15, np.pi - 0.05, steps))
            * np.clip(rng.normal(1, 0.3, steps), 0.3, 2)
        )
        lines.append((path + start, width))
    points = np.concatenate([path for path, _ in lines])
    window = plate.canvas.window(*(points.min(0) - 5), *(points.max(0) + 5))
    if window is None:
        return
    scale = 4  # drawn at four times the size, for anti-aliasing
    image = Image.new("L", (scale * window.shape[1], scale * window.shape[0]))
    draw = ImageDraw.Draw(image)
    origin = np.array([window.columns.start, window.rows.start])
    for path, width in lines:
        spots = (path - origin) * scale
        for before, after, thick in zip(spots[:-1], spots[1:], width[1:], strict=True):
            draw.line([*before, *after], fill=255, width=max(2, round(float(thick) * scale)))
    cover = np.asarray(image.reduce(scale), np.float32) / 255
    plate.take(window, cover * np.float32(rng.uniform(1.6, 4.5)), CRACK, 0.5)
