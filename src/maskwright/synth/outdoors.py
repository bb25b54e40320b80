"""Outdoor backgrounds: sky, park, street."""

from __future__ import annotations

import numpy as np

from maskwright.synth.canvas import Canvas, any_color, ellipse, linear, rectangle
from maskwright.synth.noise import fractal, shifted, soften
from maskwright.synth.places import Place, bricks, ramp, sun, wall_tone


def _paint_sky(canvas: Canvas, rng: np.random.Generator) -> float:
    """Fill the canvas with sky; returns how warm the sunlight is, 0..1."""
    mood = rng.random()
    if mood < 0.55:  # blue
        zenith = linear(rng.uniform(0.05, 0.35), rng.uniform(0.3, 0.6), rng.uniform(0.65, 0.95))
        horizon = zenith + rng.uniform(0.1, 0.9) * (linear(0.85, 0.92, 0.98) - zenith)
        warm = rng.uniform(0, 0.4)
    elif mood < 0.8:  # overcast
        gray = rng.uniform(0.45, 0.95)
        zenith, horizon = linear(gray * 0.9, gray * 0.93, gray), linear(gray, gray, gray)
        warm = 0.0
    else:  # evening
        zenith = linear(rng.uniform(0.1, 0.4), rng.uniform(0.2, 0.45), rng.uniform(0.45, 0.7))
        horizon = linear(1, rng.uniform(0.55, 0.85), rng.uniform(0.3, 0.65))
        warm = 1.0
    canvas.light[:] = ramp(canvas, zenith, horizon, rng.uniform(0.6, 1.6))
    if rng.random() < 0.65:
        shape = fractal(
            rng,
            canvas.size,
            cell=rng.uniform(0.25, 0.8),
            roughness=rng.uniform(0.42, 0.6),
            stretch=(1, rng.uniform(1, 2.2)),
        )
        dense = np.clip((shape - rng.uniform(-0.6, 1.0)) / rng.uniform(0.5, 1.6), 0, 1)
        bright = rng.uniform(0.7, 1.0) - 0.22 * np.clip(shifted(shape, 9) - 0.4, 0, 2)
        cloud = bright[..., None] * linear(1, 1 - 0.1 * warm, 1 - 0.22 * warm) * rng.uniform(0.75, 1.05)
        canvas.light += (
            (dense * dense * (3 - 2 * dense))[..., None] * (cloud - canvas.light) * np.float32(rng.uniform(0.5, 0.95))
        )
    return warm


def sky(canvas: Canvas, rng: np.random.Generator) -> Place:
    warm = _paint_sky(canvas, rng)
    if rng.random() < 0.25:
        _paint_trees(canvas, rng, canvas.size[0] * rng.uniform(0.8, 1.05))
    return Place(sun(rng, warm, rng.uniform(0.7, 1.05)), canvas.size[0], 0, 2)


def _paint_trees(canvas: Canvas, rng: np.random.Generator, base: float) -> None:
    """Foliage with irregular crowns above row `base`."""
    height, width = canvas.size
    crowns = fractal(rng, (2, width), cell=rng.uniform(0.15, 0.5), roughness=0.6, finest=3)[0]
    top = base - height * (rng.uniform(0.05, 0.45) + rng.uniform(0.03, 0.12) * crowns)
    leaves = fractal(
        rng, canvas.size, cell=rng.uniform(0.06, 0.2), roughness=rng.uniform(0.65, 0.85), finest=rng.uniform(1.5, 3)
    )
    rows = np.arange(height, dtype=np.float32)[:, None]
    cover = np.clip((rows - top[None]) / 6 + 0.8 * leaves, 0, 1)
    if rng.random() < 0.4:  # sky visible through the leaves
        cover *= np.clip(2.0 + 1.2 * leaves, 0, 1)
    hue = linear(rng.uniform(0.12, 0.5), rng.uniform(0.3, 0.6), rng.uniform(0.05, 0.3))
    if rng.random() < 0.12:
        hue = linear(rng.uniform(0.5, 0.85), rng.uniform(0.3, 0.55), 0.15)
    clumps = soften(leaves, width * 0.012)
    lit = 0.85 + 0.45 * clumps - 0.35 * shifted(clumps, -round(0.02 * height))  # clumps are darker at the bottom
    shade = np.clip(lit + 0.4 * leaves, 0.06, 2.4)[..., None]
    canvas.paint(canvas.whole(), cover, shade * hue)


def _paint_ground(canvas: Canvas, rng: np.random.Generator, horizon: float, kind: str) -> None:
    """Grass, sand, paving or water below the horizon, finer toward the horizon."""
    height, width = canvas.size
    start = int(np.clip(horizon, 0, height - 2))
    rows = height - start
    fine, tall = (0.025, 1.2) if kind == "grass" else (0.08, 1.0)
    lumps = fractal(
        rng, (rows, width), cell=fine, roughness=0.85, finest=1.3, stretch=(tall, 1.0 if kind == "grass" else 2.0)
    )
    far = np.linspace(0, 1, rows, dtype=np.float32)[:, None] ** 0.7
    broad = fractal(rng, (rows, width), cell=0.6, roughness=0.4, finest=12, stretch=(1, 3))
    if kind == "grass":
        base = linear(rng.uniform(0.2, 0.5), rng.uniform(0.4, 0.62), rng.uniform(0.1, 0.25))
        shade = 1 + (0.15 + 0.28 * far) * lumps + 0.15 * broad
    elif kind == "sand":
        base = linear(rng.uniform(0.7, 0.85), rng.uniform(0.62, 0.75), rng.uniform(0.45, 0.6))
        shade = 1 + 0.1 * far * lumps + 0.1 * broad
    elif kind == "water":
        base = linear(rng.uniform(0.15, 0.4), rng.uniform(0.35, 0.55), rng.uniform(0.5, 0.65))
        waves = fractal(rng, (rows, width), cell=0.12, roughness=0.6, finest=2, stretch=(0.35, 3))
        shade = 1 + 0.35 * waves * (0.3 + far) + 0.2 * broad
    else:
        gray = rng.uniform(0.4, 0.75)
        base = linear(gray, gray * rng.uniform(0.94, 1), gray * rng.uniform(0.88, 1))
        shade = 1 + 0.1 * lumps + 0.1 * broad
        if rng.random() < 0.6:  # slabs in perspective
            depth = 1 / (0.06 + np.linspace(0, 1, rows, dtype=np.float32))[:, None]
            across = (np.arange(width, dtype=np.float32)[None] - width / 2) / width * depth
            step = rng.uniform(0.25, 0.6)
            seam = np.minimum(np.abs((depth / step) % 1 - 0.5), np.abs((across / step / 0.5) % 1 - 0.5))
            shade = shade * (1 - 0.35 * np.clip(1 - seam / (0.018 * depth), 0, 1) * np.clip(3 / depth, 0, 1))
    part = np.clip(shade, 0.1, 2.2)[..., None] * base
    cover = np.zeros(canvas.size, np.float32)
    cover[start:] = 1
    full = np.zeros((height, width, 3), np.float32)
    full[start:] = part
    canvas.paint(canvas.whole(), cover, full)


def park(canvas: Canvas, rng: np.random.Generator) -> Place:
    height, width = canvas.size
    warm = _paint_sky(canvas, rng)
    horizon = height * rng.uniform(0.4, 0.85)
    _paint_trees(canvas, rng, horizon + 4)
    if rng.random() < 0.35:
        _paint_trees(canvas, rng, horizon + 8)
    kind = rng.choice(["grass", "grass", "grass", "sand", "paving", "water"])
    _paint_ground(canvas, rng, horizon, kind)
    for _ in range(int(rng.integers(0, 4))):  # trunks
        x, thick = rng.uniform(0, width), width * rng.uniform(0.01, 0.05)
        window = canvas.window(x - 2 * thick, 0, x + 2 * thick, height)
        if window is None:
            continue
        foot = horizon + rng.uniform(0.02, 0.3) * (height - horizon)
        flare = thick * (1 + 0.25 * np.clip((window.y - foot * 0.85) / (foot * 0.15), 0, 1) ** 3)
        u = (window.x - x - 0.4 * thick * np.sin(window.y / height * 5 + x)) / flare
        cover = np.clip((1 - np.abs(u)) * thick, 0, 1) * (window.y < foot)
        bark = linear(0.35, 0.29, 0.23) * rng.uniform(0.4, 1.3)
        canvas.paint(window, cover, np.clip(0.75 + 0.4 * u + 0.25 * canvas.rough(window), 0.1, 2)[..., None] * bark)
    return Place(sun(rng, warm, rng.uniform(0.6, 1.05)), horizon, 5, 4)


def _paint_facade(canvas: Canvas, rng: np.random.Generator, x1: float, x2: float, y1: float, y2: float) -> None:
    """A building front with rows of windows."""
    window = canvas.window(x1, y1, x2, y2)
    if window is None:
        return
    wall = wall_tone(rng)
    shade = np.clip(1 + 0.07 * canvas.rough(window), 0.5, 1.5)
    if rng.random() < 0.35:
        shade = shade * bricks(window.x, window.y, (x2 - x1) * rng.uniform(0.02, 0.06), rng)
    canvas.paint(window, rectangle(window, x1, y1, x2, y2), shade[..., None] * wall)
    across, down = (x2 - x1) / int(rng.integers(2, 7)), (x2 - x1) / rng.uniform(2, 5)
    u, v = ((window.x - x1) / across) % 1, ((window.y - y1) / down) % 1
    wide, high = rng.uniform(0.2, 0.38), rng.uniform(0.25, 0.4)
    inside = np.clip((wide - np.abs(u - 0.5)) * across, 0, 1) * np.clip((high - np.abs(v - 0.5)) * down, 0, 1)
    frame = np.clip((wide + 0.04 - np.abs(u - 0.5)) * across, 0, 1) * np.clip(
        (high + 0.04 - np.abs(v - 0.5)) * down, 0, 1
    )
    inside *= np.clip((np.abs(u - 0.5) - 0.012) * across, 0, 1)
    lit = fractal(rng, canvas.size, cell=0.2, roughness=0.3, finest=20)[window.rows, window.columns]
    glass = np.clip(0.16 + 0.1 * lit, 0.02, 0.8)[..., None] * linear(0.85, 0.95, 1.0)
    canvas.paint(window, frame, wall * 0.5 + 0.3)
    canvas.paint(window, inside, glass)


def street(canvas: Canvas, rng: np.random.Generator) -> Place:
    height, width = canvas.size
    warm = _paint_sky(canvas, rng)
    horizon = height * rng.uniform(0.55, 0.9)
    x = -width * rng.uniform(0, 0.2)
    while x < width:
        wide = width * rng.uniform(0.15, 0.6)
        _paint_facade(canvas, rng, x, x + wide, horizon - height * rng.uniform(0.25, 1.0), horizon + 2)
        x += wide + (width * rng.uniform(0, 0.2) if rng.random() < 0.3 else 0)
    if rng.random() < 0.3:
        _paint_trees(canvas, rng, horizon)
    _paint_ground(canvas, rng, horizon, "paving")
    for _ in range(int(rng.integers(0, 3))):
        _paint_car(
            canvas, rng, rng.uniform(0, width), horizon + rng.uniform(0, 0.1) * height, width * rng.uniform(0.15, 0.4)
        )
    return Place(sun(rng, warm, rng.uniform(0.5, 1.0)), horizon, 8, 5)


def _paint_car(canvas: Canvas, rng: np.random.Generator, x: float, foot: float, length: float) -> None:
    high = length * 0.3
    window = canvas.window(x - length / 2, foot - high * 1.5, x + length / 2, foot + high * 0.2)
    if window is None:
        return
    paint = any_color(rng, (0, 0.9), (0.1, 0.9))
    shade = np.clip(1.15 - 0.6 * (window.y - foot + high) / high, 0.3, 1.4)[..., None]
    roof = rectangle(window, x - length * 0.27, foot - high * 1.35, x + length * 0.25, foot - high * 0.4, high * 0.35)
    canvas.paint(window, roof, shade * paint)
    for side in (-0.13, 0.11):
        pane = rectangle(
            window, x + (side - 0.1) * length, foot - high * 1.2, x + (side + 0.1) * length, foot - high * 0.72, 4
        )
        canvas.paint(window, pane, linear(0.25, 0.3, 0.34))
    body = rectangle(window, x - length / 2, foot - high * 0.75, x + length / 2, foot - high * 0.05, high * 0.2)
    canvas.paint(window, body, shade * paint)
    for side in (-0.3, 0.3):
        for radius, gray in ((0.26, 0.1), (0.15, 0.55)):
            cover, _, _ = ellipse(window, x + side * length, foot - high * 0.08, radius * high, radius * high)
            canvas.paint(window, cover, linear(gray, gray, gray))
