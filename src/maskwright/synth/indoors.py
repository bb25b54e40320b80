"""Indoor backgrounds: rooms and walls."""

from __future__ import annotations

import numpy as np

from maskwright.synth.canvas import Canvas, any_color, linear, rectangle
from maskwright.synth.noise import fractal, soften
from maskwright.synth.places import Place, bricks, indoor, planks, sun, wall_tone


def wall(canvas: Canvas, rng: np.random.Generator) -> Place:
    """A frontal surface: bricks, boards, plaster, stone, curtain."""
    window, size = canvas.whole(), canvas.size
    rough = fractal(rng, size, cell=rng.uniform(0.1, 0.6), roughness=0.65, finest=1.5)
    kind = rng.choice(["bricks", "boards", "plaster", "stone", "curtain"])
    if kind == "bricks":
        base = linear(rng.uniform(0.4, 0.75), rng.uniform(0.25, 0.45), rng.uniform(0.15, 0.4))
        shade = bricks(window.x, window.y, size[1] * rng.uniform(0.04, 0.14), rng) * (1 + 0.12 * rough)
    elif kind == "boards":
        base = any_color(rng, (0.1, 0.6), (0.35, 0.8)) if rng.random() < 0.5 else linear(0.5, 0.38, 0.26)
        grain = fractal(rng, size, cell=0.05, roughness=0.7, finest=1.5, stretch=(8, 1))
        shade = planks(window.x + 0 * window.y, size[1] * rng.uniform(0.05, 0.18), grain)
    elif kind == "curtain":
        base = any_color(rng, (0.2, 0.9), (0.2, 0.8))
        fold = fractal(rng, (2, size[1]), cell=0.15, roughness=0.5, finest=4)[0]
        shade = 0.7 + 0.4 * np.sin(window.x / size[1] * rng.uniform(40, 110) + 2 * fold[None]) + 0.05 * rough
    else:
        base = wall_tone(rng)
        shade = 1 + (0.05 if kind == "plaster" else 0.25) * rough
    canvas.light[:] = np.clip(shade, 0.05, 2)[..., None] * base
    broad = fractal(rng, size, cell=0.8, roughness=0.3, finest=20)
    canvas.light *= np.clip(0.9 + 0.15 * broad, 0.3, 1.4)[..., None]
    return Place(indoor(rng, rng.uniform(0.5, 0.95)) if rng.random() < 0.5 else sun(rng, 0.3, 0.9), size[0], 3, 4)


def room(canvas: Canvas, rng: np.random.Generator) -> Place:
    """A wall with windows and pictures, a floor, and furniture in front."""
    height, width = canvas.size
    whole, light = canvas.whole(), indoor(rng, rng.uniform(0.45, 0.95))
    tone = wall_tone(rng)
    falloff = 0.7 + 0.4 * np.cos((whole.x / width - rng.uniform(0, 1)) * 2.2) * (1 - 0.3 * whole.y / height)
    shade = falloff * (1 + 0.025 * canvas.rough(whole))
    if rng.random() < 0.25:
        shade = shade * (1 + 0.12 * np.sign(np.sin(whole.x / width * rng.uniform(40, 140))))
    canvas.light[:] = shade[..., None] * tone
    floor = height * rng.uniform(0.6, 1.05)
    for _ in range(int(rng.integers(1, 6))):  # things on the wall
        wide = width * rng.uniform(0.06, 0.3)
        _hang(canvas, rng, rng.uniform(0, width), floor * rng.uniform(0.15, 0.6), wide, wide * rng.uniform(0.6, 2.0))
    if floor < height:
        window = canvas.window(0, floor, width - 1, height - 1)
        if window is not None:
            boards = planks(
                (window.x - width / 2) / (0.25 + (window.y - floor) / height), width * 0.12, canvas.rough(window)
            )
            tint = linear(rng.uniform(0.35, 0.7), rng.uniform(0.25, 0.5), rng.uniform(0.15, 0.4))
            if rng.random() < 0.4:
                tint, boards = any_color(rng, (0, 0.35), (0.2, 0.7)), 1 + 0.15 * canvas.rough(window)
            canvas.paint(window, np.ones(window.shape, np.float32), np.clip(boards, 0.2, 2)[..., None] * tint)
    for _ in range(int(rng.integers(0, 5))):
        _paint_furniture(canvas, rng, min(floor, height * 0.97))
    return Place(light, min(floor, height), 6, 6)


def _hang(canvas: Canvas, rng: np.random.Generator, x: float, y: float, wide: float, tall: float) -> None:
    """A window or a picture on the wall, with frame and shadow."""
    x1, y1, x2, y2 = x - wide / 2, y - tall / 2, x + wide / 2, y + tall / 2
    window = canvas.window(x1 - 8, y1 - 8, x2 + 8, y2 + 8)
    if window is None:
        return
    border = wide * rng.uniform(0.02, 0.1)
    canvas.darken(window, 0.3 * rectangle(window, x1 + 4, y1 + 5, x2 + 5, y2 + 7, 2, soft=7))
    canvas.paint(window, rectangle(window, x1, y1, x2, y2), any_color(rng, (0, 0.4), (0.1, 0.95)))
    inner = rectangle(window, x1 + border, y1 + border, x2 - border, y2 - border)
    down = np.clip((window.y - y1) / tall, 0, 1)
    lumps = soften(canvas.rough(window), wide * rng.uniform(0.02, 0.1))
    near = np.clip((down - rng.uniform(0.3, 0.7) + 0.12 * lumps) * 12, 0, 1)[..., None]  # foreground and sky
    if rng.random() < 0.45:
        far = linear(0.85, 0.93, 1) * rng.uniform(0.8, 1.5)
        view = far + near * (linear(0.45, 0.6, 0.35) * rng.uniform(0.4, 1.4) - far)
        bars = np.minimum(np.abs(window.x - x), np.abs(window.y - y))
        inner = inner * np.clip(bars - border * 0.4 + 0.5, 0, 1)
    else:
        far, front = any_color(rng, (0.0, 0.6), (0.3, 0.95)), any_color(rng, (0.1, 0.8), (0.1, 0.8))
        view = far + near * (front - far)
    canvas.paint(window, inner, np.clip(view * (1 + 0.1 * lumps[..., None]), 0, 2))


def _paint_furniture(canvas: Canvas, rng: np.random.Generator, floor: float) -> None:
    height, width = canvas.size
    wide, tall = width * rng.uniform(0.12, 0.5), height * rng.uniform(0.12, 0.5)
    x, foot = rng.uniform(0, width), floor + rng.uniform(0, 0.12) * height
    tone = (
        any_color(rng, (0.1, 0.7), (0.15, 0.7))
        if rng.random() < 0.5
        else linear(0.42, 0.28, 0.17) * rng.uniform(0.4, 1.6)
    )
    window = canvas.window(x - wide / 2, foot - tall, x + wide / 2, foot)
    if window is None:
        return
    shade = np.clip(1.1 - 0.5 * (window.y - foot + tall) / tall + 0.08 * canvas.rough(window), 0.1, 2)[..., None]
    canvas.paint(
        window,
        rectangle(window, x - wide / 2, foot - tall, x + wide / 2, foot, rng.uniform(0, 0.2) * tall),
        shade * tone,
    )
    rows, columns = int(rng.integers(1, 5)), int(rng.integers(1, 4))
    for row in range(rows):
        for column in range(columns):
            x1 = x - wide / 2 + (column + 0.06) * wide / columns
            y1 = foot - tall + (row + 0.08) * tall / rows
            cell = rectangle(window, x1, y1, x1 + wide / columns * 0.88, y1 + tall / rows * 0.84, 3)
            tint = tone * rng.uniform(0.4, 1.25) if rng.random() < 0.75 else any_color(rng, (0.1, 0.8), (0.1, 0.8))
            canvas.paint(window, cell, shade * tint)
